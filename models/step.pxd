cimport cython
from models.request cimport Request, Visit
from sim.environment.schedule cimport Schedule
from sim.streams.keyed cimport Draws


cdef class Step:
    cdef public Draws luck
    cdef public bint is_burst
    cdef public double _probability
    cdef public object name, path
    cpdef bint is_taken(self, Request request, Visit visit) except -1
    cpdef double demand_s(self, Request request, Visit visit) except? -1.0


cdef class Endpoint:
    cdef public list steps
    cdef public Schedule _env
