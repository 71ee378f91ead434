cimport cython

cdef long long _LANE_BLOCK, _NO_BLOCK


cdef class _Block:
    cdef double[::1] values


cdef class _Keyed:
    cdef public object _source, _transform, _layout, _oldest
    cdef public long long _ahead, _inside, _key, _low, _outside
    cdef public dict _blocks, _lanes
    cdef double[::1] _values
    @cython.locals(block=_Block)
    cpdef _turn_to(self, long long key)
    @cython.locals(size=cython.longlong, count=cython.longlong, place=cython.longlong)
    cpdef _Block _compute(self, long long key)
    @cython.locals(block=_Block, place=cython.longlong)
    cpdef double _of_lane(self, long long identity, object lane) except? -1.0


cdef class Draws(_Keyed):
    cpdef double at(self, long long identity, object lane=*) except? -1.0


cdef class ConstantDraws(Draws):
    cdef public double _value
    cpdef double at(self, long long identity, object lane=*) except? -1.0


cdef class Choices(_Keyed):
    cpdef long long at(self, long long identity, object lane=*) except? -1


cdef class ConstantChoices(Choices):
    cdef public long long _value
    cpdef long long at(self, long long identity, object lane=*) except? -1
