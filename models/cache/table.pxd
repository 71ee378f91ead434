from models.cache.entries cimport Entry


cdef class Table:
    cdef public list _buckets
    cdef public object _chance, _cursor, _mask, count
    cpdef add(self, Entry entry)
    cpdef remove(self, Entry entry)
