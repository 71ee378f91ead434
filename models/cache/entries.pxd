cimport cython


cdef class Entry:
    cdef public Entries entries
    cdef public Entry next
    cdef public double expires_at_s
    cdef public long long key, lfu_counter, size_bytes, touched, version
    cdef public unsigned long long hash
    cdef public object value


cdef class Entries:
    cdef public double _ttl_s
    cdef public object _by_key, get
    @cython.locals(entry=Entry)
    cpdef Entry store(self, key, double now, long long size_bytes=*, unsigned long long hash_=*)
    cpdef remove(self, key)
