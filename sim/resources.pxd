cimport cython
from sim.environment.schedule cimport Schedule
from sim.environment.scheduled cimport Light
from sim.probe cimport Station


cdef class _Granted:
    cdef public Permits permits


cdef class Permits:
    cdef public Schedule _env
    cdef public double capacity
    cdef public Station station
    cdef public object _queue, _deadlines
    cdef public _Granted _granted

    @cython.locals(station=Station, busy=cython.longlong)
    cpdef bint try_acquire(self) except -1
    @cython.locals(station=Station, busy=cython.longlong)
    cpdef bint acquire(self) except -1
    @cython.locals(station=Station, env=Schedule, busy=cython.longlong)
    cpdef hold(self, double duration_s)
    @cython.locals(station=Station, env=Schedule, light=Light, now=double, busy=cython.longlong, waiting=cython.longlong,
                   ticket=cython.longlong, duration_s=double)
    cpdef release(self)
    @cython.locals(station=Station, env=Schedule, light=Light, waiting=cython.longlong)
    cpdef _enqueue(self, double duration_s)
    cpdef withdraw(self, Light light)


cdef class _Lent:
    cdef public object leases, item


cdef class Leases:
    cdef public Schedule _env
    cdef public Station station
    cdef public list idle
    cdef public object _queue, _deadlines

    @cython.locals(light=Light)
    cpdef take(self)
    cpdef offer(self, object item)
    cpdef give_back(self, object item)
    cpdef discard(self)
    @cython.locals(light=Light, ticket=cython.longlong)
    cpdef _lend(self, object item)
    cpdef withdraw(self, Light light)
