cimport cython
from sim.environment.schedule cimport Schedule


cdef class Station:
    cdef public Schedule env
    cdef public object path, kind, servers
    cdef public long long at_once, queued, granted, expired, refused, waiting, busy, most_waiting
    cdef public double waiting_balance, busy_balance

    cpdef start(self)
    cpdef end(self)
    @cython.locals(waiting=cython.longlong)
    cpdef wait(self)
    cpdef pass_on(self)
    cpdef grant(self)
    cpdef leave(self)
    cpdef refuse(self)
    cpdef resize(self, servers)


cdef class Count:
    cdef public object path
    cdef public long long total
    cpdef add(self, long long number=*)


cdef class Level:
    cdef public Schedule env
    cdef public object path, value, peak
    cdef public double area, changed_at
    @cython.locals(now=double)
    cpdef set(self, object value)
    cpdef settle(self)


cdef class Meter(Level):
    cdef public object _read, source
    cdef public long long seen
    cpdef settle(self)


cdef class Tally:
    cdef public object path
    cdef public long long count
    cdef public double total, largest
    cpdef observe(self, double value)
