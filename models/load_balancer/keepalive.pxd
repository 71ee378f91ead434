cimport cython


cdef class Link:
    cdef public double kept_at_s, opened_at_s
    cdef public long long _deaths, index, requests
    cdef public object _host


cdef class Worker:
    cdef public list idle
    cdef public long long free
    @cython.locals(links=IdleLinks)
    cpdef bint take(self, double now_s) except -1


cdef class IdleLinks:
    cdef public Worker _worker
    cdef public double _age_s, _timeout_s
    cdef public list links
    cdef public long long _most, _requests
    @cython.locals(links=list, link=Link, place=cython.longlong)
    cpdef Link take(self, long long index, double now_s)
    @cython.locals(links=list)
    cpdef keep(self, Link link, double now_s)
    cpdef tidy(self, double now_s)
