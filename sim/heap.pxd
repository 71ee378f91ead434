cimport cython


cpdef heappush(list queue, tuple entry)

@cython.locals(last=tuple, first=tuple, size=Py_ssize_t, place=Py_ssize_t, child=Py_ssize_t)
cpdef tuple heappop(list queue)

@cython.locals(entry=tuple, above=Py_ssize_t)
cdef _rise(list queue, Py_ssize_t place)

@cython.locals(one=double, other=double, rank=cython.longlong, other_rank=cython.longlong)
cdef bint _is_before(tuple first, tuple second) except -1
