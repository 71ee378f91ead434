from sim.environment.schedule cimport Schedule
from sim.environment.scheduled cimport Light, Scheduled, Thrown, Timer

cdef long long ENDED, LATER


cdef class _EventWait:
    cdef public Light light
