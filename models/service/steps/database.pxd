from models.request cimport Request, Visit
from models.service.steps.base cimport Step


cdef class DatabaseStep(Step):
    cdef public object _given, _pool, _query
