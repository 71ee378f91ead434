cdef class Sequential:
    cdef public object _source, _transform, _drawn
    cdef public list _left
    cpdef next(self)
