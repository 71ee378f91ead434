from sim.environment.schedule cimport Schedule
from sim.environment.scheduled cimport Light


cdef class _Call:
    cdef public Light caller, light
    cdef public bint is_done
    cdef public object failure, value


cdef class TimeLimit:
    cdef public Schedule _env
    cdef public bint _cancels
    cdef public object _deadlines, limit_s
