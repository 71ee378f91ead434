cimport cython

cdef double inf


@cython.final
cdef class Agenda:
    cdef readonly double first
    cdef public double when
    cdef public long long number
    cdef readonly Py_ssize_t size
    cdef Py_ssize_t _room
    cdef long long[::1] _places, _number
    cdef double[::1] _when
    cdef list _what

    @cython.locals(at=Py_ssize_t, place=Py_ssize_t)
    cpdef push(self, double when, long long number, object what)
    @cython.locals(place=Py_ssize_t)
    cpdef look(self)
    @cython.locals(first=Py_ssize_t, last=Py_ssize_t, place=Py_ssize_t, size=Py_ssize_t, at=Py_ssize_t, child=Py_ssize_t)
    cpdef take(self)
    @cython.locals(above=Py_ssize_t)
    cdef void _rise(self, Py_ssize_t at, Py_ssize_t place) noexcept
    @cython.locals(one=double, other=double)
    cdef bint _is_before(self, Py_ssize_t first, Py_ssize_t second) noexcept
    cpdef clear(self)
    cpdef list things(self)
    cdef _grow(self)


cpdef heappush(list queue, tuple entry)

@cython.locals(last=tuple, first=tuple, size=Py_ssize_t, place=Py_ssize_t, child=Py_ssize_t)
cpdef tuple heappop(list queue)

@cython.locals(entry=tuple, above=Py_ssize_t)
cdef _sift(list queue, Py_ssize_t place)

@cython.locals(one=double, other=double, number=cython.longlong, other_number=cython.longlong)
cdef bint _precedes(tuple first, tuple second) except -1
