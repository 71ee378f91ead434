

cdef class Connection:
    cdef public bint is_broken, is_open
    cdef public double expires_at_s, last_used_at_s
    cdef public object epoch, keepalive_from_s, keepalive_s, planned_uses, server, transaction, uses
