cimport cython


cdef class _Keyed:
    cdef public object _source, _transform, _pack, _oldest, _values
    cdef public long long _ahead, _block, _kept, _most_ahead, _shift, _mask, _number
    cdef public dict _blocks, _lanes
    @cython.locals(number=cython.longlong)
    cpdef at(self, long long identity, object lane=*)
    @cython.locals(block=cython.longlong, count=cython.longlong, place=cython.longlong)
    cpdef _compute(self, long long number)
    cpdef _at_lane(self, long long identity, object lane)


cdef class Draws(_Keyed):
    pass


cdef class _ConstantDraws(Draws):
    cdef public object _value
    cpdef at(self, long long identity, object lane=*)


cdef class Choices(_Keyed):
    pass


cdef class _ConstantChoices(Choices):
    cdef public object _value
    cpdef at(self, long long identity, object lane=*)


cdef class Sequential:
    cdef public object _source, _transform, _drawn
    cdef public list _left
    cpdef next(self)
