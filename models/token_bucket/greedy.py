"""Greedy token bucket of Bucket4j.

Models   `capacity` tokens, refilled one by one at `refill`; a request takes one or is refused at once. Nobody waits.
Units    Integer nanoseconds and integer tokens; what a refill leaves over is carried, so a rate is met exactly.
Source   Bucket4j 8, bucket4j-core/src/main/java/io/github/bucket4j/BucketState64BitsInteger.java (refill).
Omits    Reservation of future tokens; several limits in one bucket; the change to floating point where tokens x
         nanoseconds pass 2**63; a bucket kept in a shared store (Bucket4jRateLimiter of the Gateway, which then
         refuses on errors).
Checked  experiments/validation/bucket4j.py, tests/properties/test_token_bucket.py,
         tests/unit/test_token_bucket_spec.py
"""

from __future__ import annotations

from typing import Literal

from models.spec import Context
from models.token_bucket.bucket4j import Bucket, Bucket4jLimiter, Bucket4jSpec


class Bucket4jGreedySpec(Bucket4jSpec):
    """A Bucket4j bucket with one greedy bandwidth: tokens come back one by one."""

    kind: Literal["bucket4j_greedy"] = "bucket4j_greedy"

    def build(self, context: Context) -> Bucket4jGreedyLimiter:
        return Bucket4jGreedyLimiter(context, self)


class GreedyRule(Bucket):
    """One bucket. Decides; never waits."""

    __slots__ = ("capacity", "refill_period_ns", "refill_tokens", "refilled_at_ns", "remainder", "tokens")

    def __init__(self, capacity: int, refill_tokens: int, refill_period_ns: int, now_ns: int) -> None:
        self.capacity = capacity
        self.refill_tokens = refill_tokens
        self.refill_period_ns = refill_period_ns
        self.tokens = capacity
        self.remainder = 0
        """What the last refill left over, in tokens x nanoseconds: less than `refill_period_ns`."""
        self.refilled_at_ns = now_ns

    def take(self, now_ns: int) -> bool:
        """Take one token. False: there is none; the request is refused and costs nothing."""
        elapsed_ns = now_ns - self.refilled_at_ns
        if elapsed_ns > 0:
            self.refilled_at_ns = now_ns
            due = elapsed_ns * self.refill_tokens + self.remainder
            gained = due // self.refill_period_ns
            remainder = due - gained * self.refill_period_ns
            tokens = self.tokens + gained
            if tokens >= self.capacity:
                tokens = self.capacity
                remainder = 0  # a full bucket saves nothing up
            self.tokens = tokens
            self.remainder = remainder
        if self.tokens:
            self.tokens -= 1
            return True
        return False


class Bucket4jGreedyLimiter(Bucket4jLimiter):
    """One greedy bucket per key."""

    __slots__ = ()

    def __init__(self, context: Context, spec: Bucket4jGreedySpec) -> None:
        super().__init__(context, spec, -(-spec.burst * spec.refill_period_ns // spec.refill_tokens))

    def _full_bucket(self, key: int, now_ns: int) -> GreedyRule:  # all full buckets are alike
        return GreedyRule(self._capacity, self._refill_tokens, self._refill_period_ns, now_ns)
