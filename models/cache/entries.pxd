

cdef class Entry:
    cdef public Entries entries
    cdef public Entry next
    cdef public double expires_at_s
    cdef public object hash, key, lfu_counter, size_bytes, touched, value, version


cdef class Entries:
    cdef public double _ttl_s
    cdef public object _by_key, get
    cpdef store(self, key, double now, size_bytes=*, hash_=*)
