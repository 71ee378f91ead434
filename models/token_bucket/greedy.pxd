from models.token_bucket.bucket4j cimport Bucket4jLimiter


cdef class GreedyRule:
    cdef public object capacity, refill_period_ns, refill_tokens, refilled_at_ns, remainder, tokens


cdef class Bucket4jGreedyLimiter(Bucket4jLimiter):
    pass
