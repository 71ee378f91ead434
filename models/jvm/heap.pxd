

cdef class Heap:
    cdef public bint _was_crowded, is_full
    cdef public long long _eden, eden_used, epoch
    cdef public object _aged, _ergonomics, _expected, _fresh, _leaked, _left_over, _old_capacity, _old_live, _old_used, _pending, _promoted, _spec, _survivor
    cpdef bint take(self, long long size) except -1
    cpdef enter(self)
    cpdef leave(self, long long epoch)
