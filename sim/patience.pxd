from sim.environment cimport Light, Schedule


cdef class _Call:
    cdef public Light caller, light
    cdef public bint is_done
    cdef public object failure, value


cdef class TimeLimit:
    cdef public Schedule _env
    cdef public bint _cancels
    cdef public object _deadlines, limit_s
