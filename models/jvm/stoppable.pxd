from sim.environment.schedule cimport Schedule
from sim.environment.scheduled cimport Light


cdef class _Task:
    cdef public Light _light
    cdef public StoppableCpu _owner
    cdef public double _throttled_before, left_s
    cdef public object burst


cdef class StoppableCpu:
    cdef public Schedule env
    cdef public bint is_stopped
    cdef public dict tasks
    cdef public object cpu
    cpdef drop(self, _Task task)
