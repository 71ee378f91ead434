cdef class Source:
    cdef public object _generator, _key
