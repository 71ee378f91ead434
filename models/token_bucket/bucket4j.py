"""What Bucket4j's buckets have in common: their settings, and one bucket per key in the memory of whoever asks.

Models   A request takes one token of its key's bucket or is refused at once. Nobody waits.
Units    Integer nanoseconds and integer tokens.
Source   Bucket4j 8, BandwidthBuilder.java (what is refused); the Gateway's filter/ratelimit/Bucket4jRateLimiter.java.
Checked  experiments/validation/bucket4j.py, tests/unit/test_token_bucket_spec.py
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, PositiveInt, field_validator

from models.limit_keys import KEY_OF, LimitKey, RecentBuckets
from models.outcomes import RateLimited
from models.request import Request
from models.spec import Context, Rate, Spec
from sim.quantities import RateValue


class Bucket4jSpec(Spec):
    """A Bucket4j bucket with one bandwidth."""

    key: LimitKey = Field(description="Whose requests share a bucket: one per user, one per ip, or one global.")
    refill: Rate = Field(description="Tokens that come back per period, e.g. 100/60s. Tokens are counted whole.")
    capacity: PositiveInt | None = Field(
        default=None,
        description="Largest burst, in tokens. Default: as many as one period refills "
        "(Bucket4jRateLimiter of Spring Cloud Gateway 4.x ties the two in the same way).",
    )

    raised_by: ClassVar[str] = "refill"
    """The setting that lets more through."""

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

    @property
    def burst(self) -> int:
        return self.refill_tokens if self.capacity is None else self.capacity


class Bucket:
    """One key's tokens. Decides; never waits."""

    __slots__ = ()

    def take(self, now_ns: int) -> bool:
        """Take one token. False: there is none; the request is refused and costs nothing."""
        raise NotImplementedError


class Bucket4jLimiter:
    """One bucket per key, in the memory of the process that asks."""

    __slots__ = (
        "_buckets", "_capacity", "_env", "_granted", "_key_of", "_refill_period_ns", "_refill_tokens", "_refused",
        "path",
    )  # fmt: skip

    waits: ClassVar[bool] = False

    def __init__(self, context: Context, spec: Bucket4jSpec, fill_time_ns: int) -> None:
        """`fill_time_ns`: after that long without a request, any bucket is full."""
        self.path = context.path
        self._env = context.env
        self._key_of = KEY_OF[spec.key]
        self._refill_tokens = spec.refill_tokens
        self._refill_period_ns = spec.refill_period_ns
        self._capacity = spec.burst
        self._buckets: RecentBuckets = RecentBuckets(fill_time_ns)
        self._granted = context.probe.count(f"{context.path}.granted")
        self._refused = context.probe.count(f"{context.path}.refused")

    @property
    def buckets_kept(self) -> int:
        """How many buckets are in memory: those used of late."""
        return len(self._buckets)

    def forget(self) -> None:
        """The process was killed, and its memory with it."""
        self._buckets.clear()

    def take(self, request: Request) -> None:
        """Let `request` pass or raise `RateLimited`."""
        # To the nearest nanosecond: the clock ticks finer than that, and what comes exactly when its token does
        # must not be a nanosecond early.
        now_ns = int(self._env.now * 1e9 + 0.5)
        key = self._key_of(request)
        bucket = self._buckets.get(key, now_ns)
        if bucket is None:
            bucket = self._full_bucket(key, now_ns)
            self._buckets.put(key, bucket)
        if bucket.take(now_ns):
            self._granted.total += 1
        else:
            self._refused.add()
            raise RateLimited(self.path)

    def _full_bucket(self, key: int, now_ns: int) -> Bucket:
        raise NotImplementedError
