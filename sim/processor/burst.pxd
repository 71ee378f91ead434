cimport cython
from sim.environment.schedule cimport Schedule
from sim.environment.scheduled cimport Light


cdef class VirtualTime:
    cdef public double at, pace, value
    cpdef double read(self, double now)


@cython.freelist(64)
cdef class Burst:
    cdef public double begun_at_s, demand_s, end, throttled_before_s
    cdef public object container, done
    cdef public Light light
    cpdef withdraw(self, Light light)
    cpdef call(self)


@cython.locals(burst=Burst, light=Light, stopped_s=double)
cpdef tell(Schedule env, list ended, double throttled_s)
