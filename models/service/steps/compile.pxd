from models.request cimport Request, Visit


cdef class Endpoint:
    cdef public list _steps
    cdef public object _env
