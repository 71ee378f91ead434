from models.request cimport Request, Visit
from models.step cimport Step
from sim.streams.keyed cimport Draws


cdef class CpuStep(Step):
    cdef public Draws _demand
    cdef public object _given
    cpdef double demand_s(self, Request request, Visit visit) except? -1.0


cdef class DelayStep(Step):
    cdef public Draws _duration
    cdef public object _given
