cimport cython
from models.token_bucket.bucket4j cimport Bucket, Bucket4jLimiter


cdef class GreedyRule(Bucket):
    cdef public long long capacity, refilled_at_ns, tokens
    cdef public object refill_period_ns, refill_tokens, remainder  # tokens x nanoseconds may pass 2**63
    @cython.locals(elapsed_ns=cython.longlong, gained=cython.longlong, tokens=cython.longlong)
    cpdef bint take(self, long long now_ns) except -1


cdef class Bucket4jGreedyLimiter(Bucket4jLimiter):
    cpdef Bucket _full_bucket(self, key, long long now_ns)
