from sim.environment.schedule cimport Schedule
from sim.environment.scheduled cimport Light


cdef class Host:
    cdef public Schedule _env
    cdef public bint is_listed, is_started, is_up
    cdef public dict _residents
    cdef public double speed
    cdef public object cpus, path, run
    cpdef Light enter(self)
    cpdef leave(self, Light light)
    cpdef use_memory(self, long long delta_bytes)
