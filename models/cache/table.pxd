cimport cython
from models.cache.entries cimport Entry


cdef unsigned long long _WORD, _STEP, _FIRST, _SECOND


@cython.locals(word=cython.ulonglong)
cpdef mix(number)


cdef class Table:
    cdef public list _buckets
    cdef public object _chance, _cursor, _mask, count
    cpdef add(self, Entry entry)
    cpdef remove(self, Entry entry)
