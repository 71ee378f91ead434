cimport cython
from sim.environment.schedule cimport Schedule
from sim.probe cimport Count
from models.limit_keys cimport RecentBuckets
from models.request cimport Request


cdef class Bucket:
    cpdef bint take(self, long long now_ns) except -1


cdef class Bucket4jLimiter:
    cdef public Count _granted, _refused
    cdef public RecentBuckets _buckets
    cdef public Schedule _env
    cdef public object _capacity, _key_of, _refill_period_ns, _refill_tokens, path
    @cython.locals(now_ns=cython.longlong, bucket=Bucket)
    cpdef take(self, Request request)
    cpdef Bucket _full_bucket(self, key, long long now_ns)
