from sim.streams.keyed cimport Choices, Draws
from sim.probe cimport Count
from models.request cimport Request
from models.cache.keyspace cimport Shelf


cdef class Costs:
    cdef public Draws cpu, round_trip


cdef class DataClass:
    cdef public Choices _key
    cdef public Costs evict, lookup, store
    cdef public Count duplicate_loads, errors_ignored, evictions, hits, misses, stale_hits, stores
    cdef public Draws _missing
    cdef public Shelf shelf
    cdef public bint cache_nulls
    cdef public dict updates
    cdef public double _missing_share
    cdef public long long _entry_bytes, _keys, _null_bytes
    cdef public object local, local_evictions, local_hits, local_misses, local_stale_hits, value_bytes
    cpdef key_of(self, Request request)
    cpdef bint is_missing(self, key) except -1
    cpdef bint is_kept(self, key) except -1
    cpdef long long size_of(self, key) except -1
