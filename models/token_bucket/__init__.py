"""Token buckets: two real limiters that share a name and little else.

`bucket4j_greedy` counts integer nanoseconds and decides on the spot; `spring_redis` counts whole seconds of Redis'
clock and first waits for Redis. Both keep one bucket per user, per IP or for everybody, and answer to one interface:

    if limiter.waits:
        yield from limiter.check(request)     # spring_redis
    else:
        limiter.take(request)                 # bucket4j_greedy

Either raises `RateLimited`, or returns and the request goes on.
"""

from models.token_bucket.greedy import Bucket4jGreedyLimiter, Bucket4jGreedySpec, GreedyRule
from models.token_bucket.keys import LimitKey, RecentBuckets
from models.token_bucket.spring_redis import RedisBucketRule, ScriptRunner, SpringRedisLimiter, SpringRedisSpec

__all__ = [
    "Bucket4jGreedyLimiter",
    "Bucket4jGreedySpec",
    "GreedyRule",
    "LimitKey",
    "RecentBuckets",
    "RedisBucketRule",
    "ScriptRunner",
    "SpringRedisLimiter",
    "SpringRedisSpec",
]
