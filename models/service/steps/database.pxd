from models.request cimport Request, Visit
from models.step cimport Step


cdef class DatabaseStep(Step):
    cdef public object _given, _pool, _query
