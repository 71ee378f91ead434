from models.request cimport Request, Visit
from models.service.steps.base cimport Step
from sim.streams cimport Draws


cdef class CpuStep(Step):
    cdef public Draws _demand
    cdef public object _given


cdef class DelayStep(Step):
    cdef public Draws _duration
    cdef public object _given
