from models.request cimport Request, Visit


cdef class Service:
    cdef public Py_ssize_t _next
    cdef public bint _least_connections
    cdef public list replicas
    cdef public object _path
    cpdef choose(self)
