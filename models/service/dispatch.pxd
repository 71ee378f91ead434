cimport cython
from models.replica cimport Replica
from models.request cimport Request, Visit


cdef class Service:
    cdef public Py_ssize_t _next
    cdef public bint _least_connections
    cdef public list replicas
    cdef public object _path
    @cython.locals(replica=Replica, chosen=Replica)
    cpdef Replica choose(self)
