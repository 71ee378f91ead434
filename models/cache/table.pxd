cimport cython
from models.cache.entries cimport Entry

cdef unsigned long long _WORD, _STEP, _FIRST, _SECOND
cdef long long SMALLEST


@cython.locals(word=cython.ulonglong)
cpdef unsigned long long mix(unsigned long long number)


cdef class Table:
    cdef public list _buckets
    cdef public object _chance
    cdef public long long _cursor, _mask, count
    @cython.locals(bucket=cython.longlong)
    cpdef add(self, Entry entry)
    @cython.locals(bucket=cython.longlong, each=Entry)
    cpdef remove(self, Entry entry)
    @cython.locals(
        old=list, buckets=list, mask=cython.longlong, each=Entry, entry=Entry, after=Entry, bucket=cython.longlong
    )
    cpdef _resize(self, long long size)
    @cython.locals(buckets=list, mask=cython.longlong, cursor=cython.longlong, last=cython.longlong, entry=Entry)
    cpdef list scan(self, long long wanted)
