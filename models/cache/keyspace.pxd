cimport cython
from sim.probe cimport Count, Level
from models.cache.entries cimport Entries, Entry
from models.cache.table cimport Table, mix

cdef double inf, ACCEPTABLE_STALE
cdef long long KEYS_PER_ROUND


cdef class Shelf:
    cdef public Count evicted, expired
    cdef public Entries entries
    cdef public unsigned long long salt


cdef class Keyspace:
    cdef public Level _level
    cdef public Table _table
    cdef public bint _is_ordered, _is_whole, is_limited
    cdef public double _free_s, earliest_s
    cdef public dict _shelves
    cdef public long long _limit_bytes, bytes
    cdef public object _evictor, _use_memory
    @cython.locals(entry=Entry)
    cpdef Entry find(self, Shelf shelf, key, double now)
    @cython.locals(entries=Entries, known=Entry, entry=Entry, was_fresh=bint)
    cpdef tuple store(self, Shelf shelf, key, double now, long long size_bytes)
    @cython.locals(freed=cython.longlong, rounds=cython.longlong, looked_at=list, expired=list, entry=Entry, stale=cython.longlong)
    cpdef tuple expire_some(self, double now)
    cpdef _grow(self, long long delta_bytes)
    cpdef _remove(self, Entry entry)
