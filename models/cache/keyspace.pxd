from sim.probe cimport Count, Level
from models.cache.entries cimport Entries, Entry
from models.cache.table cimport Table


cdef class Shelf:
    cdef public Count evicted, expired
    cdef public Entries entries
    cdef public object salt


cdef class Keyspace:
    cdef public Level _level
    cdef public Table _table
    cdef public bint _is_ordered, _is_whole, is_limited
    cdef public double earliest_s
    cdef public object _evictor, _free_s, _limit_bytes, _shelves, _use_memory, bytes
    cpdef find(self, Shelf shelf, key, double now)
    cpdef store(self, Shelf shelf, key, double now, size_bytes)
    cpdef _grow(self, delta_bytes)
    cpdef _remove(self, Entry entry)
