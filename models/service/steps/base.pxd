from models.request cimport Request, Visit
cimport cython


cdef class Step:
    cdef public object _luck, _probability, name, path, run
