"""Token buckets: real limiters that share a name and little else.

`bucket4j_greedy` and `bucket4j_intervally` count integer nanoseconds and decide on the spot; `spring_redis` counts
whole seconds of Redis' clock and first waits for Redis. All keep one bucket per user, per IP or for everybody, and
answer to one interface:

    if limiter.waits:
        yield from limiter.check(request)     # spring_redis
    else:
        limiter.take(request)                 # bucket4j_greedy, bucket4j_intervally

Either raises `RateLimited`, or returns and the request goes on.
"""

from models.limit_keys import LimitKey, RecentBuckets
from models.token_bucket.bucket4j import Bucket4jLimiter, Bucket4jSpec
from models.token_bucket.greedy import Bucket4jGreedyLimiter, Bucket4jGreedySpec, GreedyRule
from models.token_bucket.intervally import Bucket4jIntervallyLimiter, Bucket4jIntervallySpec, IntervallyRule
from models.token_bucket.spring_redis import RedisBucketRule, ScriptRunner, SpringRedisLimiter, SpringRedisSpec

__all__ = [
    "Bucket4jGreedyLimiter",
    "Bucket4jGreedySpec",
    "Bucket4jIntervallyLimiter",
    "Bucket4jIntervallySpec",
    "Bucket4jLimiter",
    "Bucket4jSpec",
    "GreedyRule",
    "IntervallyRule",
    "LimitKey",
    "RecentBuckets",
    "RedisBucketRule",
    "ScriptRunner",
    "SpringRedisLimiter",
    "SpringRedisSpec",
]
