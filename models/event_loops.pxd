cimport cython
from sim.environment.schedule cimport Schedule
from sim.environment.scheduled cimport Light
from sim.probe cimport Station


cdef class Loop:
    cdef public Schedule _env
    cdef public Station _station
    cdef public _Granted _granted
    cdef public bint is_busy
    cdef public object _queue
    cdef public long long _waiting
    @cython.locals(station=Station)
    cpdef bint acquire(self) except -1
    @cython.locals(station=Station, light=Light)
    cpdef release(self)


cdef class _Granted:
    cdef public Loop _loop


cdef class Loops:
    cdef public list _loops
    cpdef Loop of(self, long long user)
