"""Greedy token bucket of Bucket4j.

Models   `capacity` tokens, refilled one by one at `refill`; a request takes one or is refused at once. Nobody waits.
Units    Integer nanoseconds and integer tokens; what a refill leaves over is carried, so a rate is met exactly.
Source   Bucket4j 8, bucket4j-core/src/main/java/io/github/bucket4j/BucketState64BitsInteger.java (refill) and
         BandwidthBuilder.java (what is refused); the Gateway's filter/ratelimit/Bucket4jRateLimiter.java.
Omits    Reservation of future tokens; several limits in one bucket; other refill styles (intervally); the change to
         floating point where tokens x nanoseconds pass 2**63; the round trip of a bucket kept in a shared store.
Checked  tests/fidelity/test_bucket4j.py, tests/properties/test_token_bucket.py, tests/unit/test_token_bucket_spec.py
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, PositiveInt, field_validator

from models.outcomes import RateLimited
from models.request import Request
from models.spec import Context, Rate, Spec
from models.token_bucket.keys import KEY_OF, LimitKey, RecentBuckets
from sim.quantities import RateValue


class Bucket4jGreedySpec(Spec):
    """A Bucket4j bucket with one greedy bandwidth."""

    kind: Literal["bucket4j_greedy"] = "bucket4j_greedy"
    key: LimitKey = Field(description="Whose requests share a bucket: one per user, one per ip, or one global.")
    refill: Rate = Field(description="Tokens that come back per period, e.g. 100/60s. Tokens are counted whole.")
    capacity: PositiveInt | None = Field(
        default=None,
        description="Largest burst, in tokens. Default: as many as one period refills "
        "(Bucket4jRateLimiter of Spring Cloud Gateway 4.x ties the two in the same way).",
    )

    @field_validator("refill")
    @classmethod
    def _countable(cls, refill: RateValue) -> RateValue:
        tokens, period_ns = refill.count, round(refill.period_s * 1e9)
        if tokens != int(tokens) or tokens < 1:
            raise ValueError(
                f"must be a whole number of tokens per period, got {tokens:g}. "
                "Write a longer period, e.g. 3/2s instead of 1.5/s."
            )
        if period_ns / 1e9 != refill.period_s:
            raise ValueError(f"must have a period of whole nanoseconds, got {refill.period_s!r} s.")
        if period_ns < tokens:
            raise ValueError(f"must be at most one token per nanosecond, got {tokens:g} in {period_ns} ns.")
        return refill

    @property
    def refill_tokens(self) -> int:
        return int(self.refill.count)

    @property
    def refill_period_ns(self) -> int:
        return round(self.refill.period_s * 1e9)

    def build(self, context: Context) -> Bucket4jGreedyLimiter:
        return Bucket4jGreedyLimiter(context, self)


class GreedyRule:
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


class Bucket4jGreedyLimiter:
    """One greedy bucket per key, in the memory of the process that asks."""

    __slots__ = (
        "_buckets", "_capacity", "_env", "_granted", "_key_of", "_refill_period_ns", "_refill_tokens", "_refused",
        "path",
    )  # fmt: skip

    waits: ClassVar[bool] = False

    def __init__(self, context: Context, spec: Bucket4jGreedySpec) -> None:
        self.path = context.path
        self._env = context.env
        self._key_of = KEY_OF[spec.key]
        self._refill_tokens = spec.refill_tokens
        self._refill_period_ns = spec.refill_period_ns
        self._capacity = spec.refill_tokens if spec.capacity is None else spec.capacity
        fill_time_ns = -(-self._capacity * self._refill_period_ns // self._refill_tokens)
        self._buckets: RecentBuckets[GreedyRule] = RecentBuckets(fill_time_ns)
        self._granted = context.probe.count(f"{context.path}.granted")
        self._refused = context.probe.count(f"{context.path}.refused")

    @property
    def buckets_kept(self) -> int:
        """How many buckets are in memory: those used of late."""
        return len(self._buckets)

    def take(self, request: Request) -> None:
        """Let `request` pass or raise `RateLimited`."""
        # To the nearest nanosecond: the clock ticks finer than that, and what comes exactly when its token does
        # must not be a nanosecond early.
        now_ns = int(self._env.now * 1e9 + 0.5)
        key = self._key_of(request)
        bucket = self._buckets.get(key, now_ns)
        if bucket is None:
            bucket = GreedyRule(self._capacity, self._refill_tokens, self._refill_period_ns, now_ns)
            self._buckets.put(key, bucket)
        if bucket.take(now_ns):
            self._granted.total += 1
        else:
            self._refused.add()
            raise RateLimited(self.path)
