"""Intervally refilled token bucket of Bucket4j.

Models   `capacity` tokens; nothing comes back until a whole period since the bucket was made has passed, then all of
         `refill` at once. A bucket is made when its key first asks, and keeps to its periods for good.
Units    Integer nanoseconds and integer tokens.
Source   Bucket4j 8, bucket4j-core/src/main/java/io/github/bucket4j/BucketState64BitsInteger.java (refill).
Omits    Refills aligned to the wall clock (refillIntervallyAligned), and what `models.token_bucket.greedy` omits. Maps
         of buckets that evict: whose bucket is gone begins a new period.
Checked  experiments/validation/bucket4j.py, tests/properties/test_token_bucket.py
"""

from __future__ import annotations

from typing import Literal

from models.spec import Context
from models.token_bucket.bucket4j import Bucket, Bucket4jLimiter, Bucket4jSpec


class Bucket4jIntervallySpec(Bucket4jSpec):
    """A Bucket4j bucket with one intervally refilled bandwidth: a period's tokens come back all at once."""

    kind: Literal["bucket4j_intervally"] = "bucket4j_intervally"

    def build(self, context: Context) -> Bucket4jIntervallyLimiter:
        return Bucket4jIntervallyLimiter(context, self)


class IntervallyRule(Bucket):
    """One bucket. Decides; never waits."""

    __slots__ = ("capacity", "refill_period_ns", "refill_tokens", "refilled_at_ns", "tokens")

    def __init__(self, capacity: int, refill_tokens: int, refill_period_ns: int, now_ns: int) -> None:
        self.capacity = capacity
        self.refill_tokens = refill_tokens
        self.refill_period_ns = refill_period_ns
        self.tokens = capacity
        self.refilled_at_ns = now_ns
        """The last end of a period that was seen: the bucket's making plus whole periods."""

    def take(self, now_ns: int) -> bool:
        """Take one token. False: there is none; the request is refused and costs nothing."""
        periods = (now_ns - self.refilled_at_ns) // self.refill_period_ns
        if periods > 0:
            self.refilled_at_ns += periods * self.refill_period_ns
            self.tokens = min(self.capacity, self.tokens + periods * self.refill_tokens)
        if self.tokens:
            self.tokens -= 1
            return True
        return False


class Bucket4jIntervallyLimiter(Bucket4jLimiter):
    """One bucket per key. Full buckets of keys that rest are forgotten, but not when they were made: that instant
    decides when a key's tokens come back, however long it has been away."""

    __slots__ = ("_made_at_ns",)

    def __init__(self, context: Context, spec: Bucket4jIntervallySpec) -> None:
        super().__init__(context, spec, -(-spec.burst // spec.refill_tokens) * spec.refill_period_ns)
        self._made_at_ns: dict[int, int] = {}

    def forget(self) -> None:
        super().forget()
        self._made_at_ns.clear()

    def _full_bucket(self, key: int, now_ns: int) -> IntervallyRule:
        elapsed_ns = now_ns - self._made_at_ns.setdefault(key, now_ns)
        period_began_at_ns = now_ns - elapsed_ns % self._refill_period_ns
        return IntervallyRule(self._capacity, self._refill_tokens, self._refill_period_ns, period_began_at_ns)
