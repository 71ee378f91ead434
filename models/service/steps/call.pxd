from models.request cimport Request, Visit
from models.step cimport Step
from sim.probe cimport Count


cdef class CallStep(Step):
    cdef public Count _fallbacks
    cdef public object _fallback, _hop, _limit, _site, _visit


cdef class GuardedCallStep(CallStep):
    pass
