cimport cython


cdef class _Keyed:
    cdef public object _source, _transform, _pack, _oldest
    cdef public long long _block, _kept, _shift, _mask
    cdef public dict _blocks, _lanes
    cpdef at(self, long long identity, object lane=*)
    @cython.locals(block=cython.longlong)
    cpdef _compute(self, long long number)
    cpdef _at_lane(self, long long identity, object lane)


cdef class Draws(_Keyed):
    pass


cdef class _ConstantDraws(Draws):
    cdef public object _value
    cpdef at(self, long long identity, object lane=*)


cdef class Choices(_Keyed):
    pass


cdef class Sequential:
    cdef public object _source, _transform, _drawn
    cdef public list _left
    cpdef next(self)
