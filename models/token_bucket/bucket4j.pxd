from sim.environment.schedule cimport Schedule
from sim.probe cimport Count
from models.limit_keys cimport RecentBuckets
from models.request cimport Request


cdef class Bucket4jLimiter:
    cdef public Count _granted, _refused
    cdef public object _buckets
    cdef public Schedule _env
    cdef public object _capacity, _key_of, _refill_period_ns, _refill_tokens, path
    cpdef take(self, Request request)
