"""Redis token bucket of Spring Cloud Gateway (RequestRateLimiter with RedisRateLimiter).

Models   A script on Redis refills `replenish_rate` tokens per whole second of Redis' clock, up to `burst_capacity`, and
         takes `requested_tokens` where there are enough. A request waits for Redis first; where Redis fails, it passes.
Units    Whole seconds of Redis' clock, which has a phase of its own and can be set.
Source   Spring Cloud Gateway 5.0, META-INF/scripts/request_rate_limiter.lua (the rule) and
         filter/ratelimit/RedisRateLimiter.java (Config's setters; errors let a request pass).
Omits    Response headers. Empty keys are the gateway's business (models.gateway.key_resolver).
Checked  experiments/validation/redis_rate_limiter.py, tests/properties/test_token_bucket.py,
         tests/real/test_redis_limiter.py
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal, Protocol

from pydantic import Field, PositiveInt, ValidationInfo, field_validator

from models.limit_keys import KEY_OF, LimitKey
from models.outcomes import CacheUnavailable, RateLimited
from models.request import Request
from models.spec import Context, Spec
from sim.environment import Activity

LIBRARY_BURST_CAPACITY = 1
"""What RedisRateLimiter.Config has where nobody sets burstCapacity; its setter never sees this value."""


KEYS_HAVE_ROUTES_SINCE = (4, 2)
"""Spring Cloud Gateway, pull request 2517."""


class ScriptRunner(Protocol):
    """The Redis that the limiter runs on."""

    def run_script(self, writes: bool = True) -> Activity:
        """Wait for the round trip and for Redis' one command thread. Raises `CacheUnavailable` where Redis fails, or
        has no memory for a script that writes."""

    def books(self, context: Context, ttl_s: float) -> Books:
        """Room for buckets, which Redis keeps for so long after they were written."""
        ...

    def clock_s(self) -> float:
        """Redis' time of day."""
        ...


class Books(Protocol):
    """Buckets by key, some of which may have gone."""

    def get(self, key: int, now: int) -> RedisBucketRule | None: ...
    def put(self, key: int, bucket: RedisBucketRule) -> None: ...
    def clear(self) -> None: ...
    def __len__(self) -> int: ...


class SpringRedisSpec(Spec):
    """RedisRateLimiter's settings."""

    kind: Literal["spring_redis"] = "spring_redis"
    key: LimitKey = Field(description="Whose requests share a bucket: one per user, one per ip, or one global.")
    replenish_rate: PositiveInt = Field(description="Tokens that come back per second of Redis' clock.")
    burst_capacity: PositiveInt | None = Field(
        default=None,
        description="Largest burst, in tokens. Default: 1 (Spring Cloud Gateway 5.0), which switches the limiter off "
        "wherever it is less than half of replenish_rate.",
    )
    requested_tokens: PositiveInt = Field(
        default=1, description="Tokens that a request takes. Default 1 (Spring Cloud Gateway 5.0)."
    )
    cache: str = Field(description="The Redis it runs on: a name under caches.")
    version: str = Field(
        default="3.1",
        pattern=r"^\d{1,2}\.\d{1,2}$",
        description="Spring Cloud Gateway's release. From 4.2 the route's id is part of the key in Redis: each "
        "service, as a route of the gateway, has buckets of its own; before, all share them. Default 3.1: that of "
        "Spring Boot 2.7.",
    )

    raised_by: ClassVar[str] = "replenish_rate"
    """The setting that lets more through."""

    @property
    def is_per_route(self) -> bool:
        return tuple(int(number) for number in self.version.split(".")) >= KEYS_HAVE_ROUTES_SINCE

    @field_validator("burst_capacity")
    @classmethod
    def _as_the_setter(cls, burst_capacity: int | None, info: ValidationInfo) -> int | None:
        replenish_rate = info.data.get("replenish_rate")
        if burst_capacity is not None and replenish_rate is not None and burst_capacity < replenish_rate:
            raise ValueError(
                f"must be at least replenish_rate ({replenish_rate}), got {burst_capacity}. "
                "The real setter refuses it too; leave it out to have the default of 1."
            )
        return burst_capacity

    def build(self, context: Context, redis: ScriptRunner, routes: Sequence[int] = ()) -> SpringRedisLimiter:
        """`routes`: the gateway's route, counted from 0, that leads to each public endpoint."""
        return SpringRedisLimiter(context, self, redis, routes)


class RedisBucketRule:
    """One key of the script. Decides; never waits. Accepts what the setters would refuse, as the script does."""

    __slots__ = ("burst_capacity", "refreshed_at_s", "replenish_rate", "requested_tokens", "tokens", "ttl_s")

    def __init__(self, replenish_rate: int, burst_capacity: int, requested_tokens: int) -> None:
        self.replenish_rate = replenish_rate
        self.burst_capacity = burst_capacity
        self.requested_tokens = requested_tokens
        self.ttl_s = 2 * burst_capacity // replenish_rate
        """How long Redis keeps what the script writes. By then the bucket is full again, so forgetting is free;
        but where it is 0 the script writes nothing, and every request meets a full bucket."""
        self.tokens = burst_capacity
        self.refreshed_at_s = 0

    def check(self, now_s: int) -> tuple[bool, int]:
        """Whether the request passes, and the tokens that remain. Both are written on a denial, too."""
        elapsed_s = now_s - self.refreshed_at_s
        tokens = self.tokens
        if elapsed_s > 0:  # a clock that was set back refills nothing now, but again what it refilled before
            tokens = min(self.burst_capacity, tokens + elapsed_s * self.replenish_rate)
        is_allowed = tokens >= self.requested_tokens
        if is_allowed:
            tokens -= self.requested_tokens
        if self.ttl_s > 0:
            self.tokens = tokens
            self.refreshed_at_s = now_s
        return is_allowed, tokens


def by_route(key_of: Callable[[Request], int], routes: Sequence[int]) -> Callable[[Request], int]:
    """A key for each key and route."""
    number = max(routes) + 1
    return lambda request: key_of(request) * number + routes[request.endpoint]


class SpringRedisLimiter:
    """Asks Redis, then decides by its clock; lets the request pass where Redis fails."""

    __slots__ = (
        "_buckets", "_env", "_fail_open", "_granted", "_key_of", "_limits", "_redis", "_refused", "_writes", "path",
    )  # fmt: skip

    waits: ClassVar[bool] = True

    def __init__(
        self, context: Context, spec: SpringRedisSpec, redis: ScriptRunner, routes: Sequence[int] = ()
    ) -> None:
        self.path = context.path
        self._env = context.env
        self._redis = redis
        key_of = KEY_OF[spec.key]
        self._key_of = by_route(key_of, routes) if spec.is_per_route and max(routes, default=0) else key_of
        burst_capacity = LIBRARY_BURST_CAPACITY if spec.burst_capacity is None else spec.burst_capacity
        self._limits = (spec.replenish_rate, burst_capacity, spec.requested_tokens)
        ttl_s = RedisBucketRule(*self._limits).ttl_s
        self._writes = ttl_s > 0
        self._buckets = redis.books(context, ttl_s)
        self._granted = context.probe.count(f"{context.path}.granted")
        self._refused = context.probe.count(f"{context.path}.refused")
        self._fail_open = context.probe.count(f"{context.path}.fail_open")

    @property
    def buckets_kept(self) -> int:
        """How many buckets are in memory: those used of late, as in Redis."""
        return len(self._buckets)

    def forget(self) -> None:
        """Redis was killed, and its keys with it: every bucket is full again."""
        self._buckets.clear()

    def check(self, request: Request) -> Activity:
        """Let `request` pass or raise `RateLimited`, after the wait for Redis, which counts as its cache time."""
        asked_at = self._env.now
        try:
            yield from self._redis.run_script(self._writes)
        except CacheUnavailable:
            self._fail_open.add()
            return
        finally:
            request.cache_s += self._env.now - asked_at
        if self._decide(self._key_of(request)):
            self._granted.add()
        else:
            self._refused.add()
            raise RateLimited(self.path)

    def _decide(self, key: int) -> bool:
        now_s = int(self._redis.clock_s())
        bucket = self._buckets.get(key, now_s)
        if bucket is None:
            bucket = RedisBucketRule(*self._limits)
        is_allowed, _ = bucket.check(now_s)
        if self._writes:
            self._buckets.put(key, bucket)
        return is_allowed
