"""Spring Cloud Gateway's RedisRateLimiter: its script's vectors, its defaults, and what it does when Redis fails."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from experiments.validation.check import Component, expect, expect_failure
from experiments.validation.limits import Redis, context_of, passes
from experiments.validation.redis_stand import Stand
from models.cache import EMPTY_BYTES
from models.outcomes import CacheUnavailable, RateLimited
from models.request import Request
from models.spec import Context
from models.token_bucket import RedisBucketRule, SpringRedisLimiter, SpringRedisSpec
from sim.environment import Activity, Environment
from sim.streams import Streams

REDIS_RATE_LIMITER = Component(
    "Gateway RedisRateLimiter",
    version="Spring Cloud Gateway 5.0 (5227205), its script on Redis 7.0.15",
    source="spring-cloud-gateway: META-INF/scripts/request_rate_limiter.lua, filter/ratelimit/RedisRateLimiter.java",
    section="1.1",
)


def allowed(rule: RedisBucketRule, *seconds: int) -> list[int]:
    return [int(rule.check(now_s)[0]) for now_s in seconds]


def run(at_s: list[float], phase: float = 0.0, round_trip_s: float = 0.0, is_down: bool = False, **limit: Any) -> Any:
    """1 for every request of one user that passes a running limiter."""
    env = Environment()
    redis = Redis(env, round_trip_s)
    redis.is_down = is_down
    limiter = SpringRedisSpec(key="user", cache="redis", **limit).build(context_of(env, phase), redis)
    return passes(env, limiter, at_s)


@REDIS_RATE_LIMITER.check("replenishRate", "no default, at least 1; tokens come per whole second")
def replenish_rate() -> None:
    expect_failure(ValidationError, lambda: SpringRedisSpec(key="user", cache="redis"), "left out")  # type: ignore[call-arg]
    expect_failure(ValidationError, lambda: SpringRedisSpec(key="user", cache="redis", replenish_rate=0), "0")
    expect(allowed(RedisBucketRule(3, 6, 1), *[1000] * 7, *[1001] * 4), [1] * 6 + [0] + [1] * 3 + [0])


@REDIS_RATE_LIMITER.check("burstCapacity", "1 unless set; the setter rejects what is below replenishRate")
def burst_capacity() -> None:
    def too_small() -> SpringRedisSpec:
        return SpringRedisSpec(key="user", replenish_rate=100, burst_capacity=99, cache="redis")

    expect_failure(ValidationError, too_small)
    expect(run([1.0] * 3, replenish_rate=2), [1, 0, 0], "default")


@REDIS_RATE_LIMITER.check("requestedTokens", "1 unless set, at least 1; what a request costs")
def requested_tokens() -> None:
    expect(run([1.0] * 5, replenish_rate=4, burst_capacity=4), [1, 1, 1, 1, 0], "default")
    expect(run([1.0] * 3, replenish_rate=4, burst_capacity=4, requested_tokens=2), [1, 1, 0])

    def nothing() -> SpringRedisSpec:
        return SpringRedisSpec(key="user", replenish_rate=1, requested_tokens=0, cache="redis")

    expect_failure(ValidationError, nothing)


@REDIS_RATE_LIMITER.check("statusCode", "429")
def status_code() -> None:
    expect(RateLimited("limit").status, 429)


@REDIS_RATE_LIMITER.check("rate 10, cap 20, 22 calls, same second", "20 allowed (19 to 0 left), 2 denied; TTL 4 s")
def a_burst_within_one_second() -> None:
    rule = RedisBucketRule(10, 20, 1)
    answers = [rule.check(1000) for _ in range(22)]
    expect(answers, [(True, left) for left in range(19, -1, -1)] + [(False, 0), (False, 0)])
    expect(rule.ttl_s, 4, "TTL")


@REDIS_RATE_LIMITER.check("rate 3, cap 1 (default), 6 calls, same second", "6 allowed, no key stored")
def a_small_cap_switches_the_limiter_off() -> None:
    rule = RedisBucketRule(3, 1, 1)
    expect(allowed(rule, *[1000] * 6), [1] * 6)
    expect(rule.ttl_s, 0, "TTL")
    expect(run([1.0] * 6, replenish_rate=3), [1] * 6, "in a running system")


@REDIS_RATE_LIMITER.check("rate 2, cap 1, 3 calls", "1 allowed, 2 denied; TTL 1")
def a_cap_of_half_the_rate_is_enough_to_store() -> None:
    rule = RedisBucketRule(2, 1, 1)
    expect(allowed(rule, 1000, 1000, 1000), [1, 0, 0])
    expect(rule.ttl_s, 1, "TTL")


@REDIS_RATE_LIMITER.check(
    "rate 5, cap 5: 6 calls in s=1000, 6 in s=1001", "5+5 allowed; at .999/.000 that is 10 within 1 ms"
)
def two_bursts_within_a_millisecond() -> None:
    expect(allowed(RedisBucketRule(5, 5, 1), *[1000] * 6, *[1001] * 6), [1, 1, 1, 1, 1, 0] * 2)
    instants = [0.999] * 6 + [1.0] * 6
    limit: dict[str, Any] = {"replenish_rate": 5, "burst_capacity": 5}
    expect(run(instants, **limit), [1, 1, 1, 1, 1, 0] * 2, "in a running system")


@REDIS_RATE_LIMITER.check("rate 1, cap 1, polled from x.90", "allowed at 8.90, 9.00, 10.01, 11.01")
def polled_from_ninety_hundredths() -> None:
    instants = [8.9, 8.95, 9.0, 9.5, 9.99, 10.01, 10.6, 11.01, 11.5]
    passed = run(instants, replenish_rate=1, burst_capacity=1)
    expect([at for at, is_passed in zip(instants, passed, strict=True) if is_passed], [8.9, 9.0, 10.01, 11.01])


@REDIS_RATE_LIMITER.check("rate 1, cap 60, cost 60 (1/min) at 0, 1, 59, 60, 61 s", "1,0,0,1,0; denials 1, 59, 1 left")
def one_request_a_minute() -> None:
    rule = RedisBucketRule(1, 60, 60)
    answers = [rule.check(1000 + second) for second in (0, 1, 59, 60, 61)]
    expect([int(is_allowed) for is_allowed, _ in answers], [1, 0, 0, 1, 0])
    expect([left for is_allowed, left in answers if not is_allowed], [1, 59, 1])


@REDIS_RATE_LIMITER.check("cap 0 / cost 6 with cap 5", "always denied")
def what_can_never_pass() -> None:
    for capacity, cost in ((0, 1), (5, 6)):
        expect(allowed(RedisBucketRule(5, capacity, cost), 1000, 1001, 1002, 9999), [0, 0, 0, 0], f"cap {capacity}")


@REDIS_RATE_LIMITER.check("drained at t=1000, call at 990, call at 1000", "deny, then allow with 4 left")
def a_clock_set_back_mints_tokens() -> None:
    rule = RedisBucketRule(5, 5, 1)
    expect(allowed(rule, *[1000] * 5), [1] * 5)
    expect([rule.check(990), rule.check(1000)], [(False, 0), (True, 4)])


@REDIS_RATE_LIMITER.check("tokens and timestamp are written on denial too", "nothing is lost: whole seconds only")
def tokens_and_time_are_written_on_a_denial() -> None:
    rule = RedisBucketRule(1, 10, 10)
    expect([rule.check(1000), rule.check(1004)], [(True, 0), (False, 4)])
    expect((rule.tokens, rule.refreshed_at_s), (4, 1004))


@REDIS_RATE_LIMITER.check("time is the Redis server's clock", "a round trip across a whole second meets the next one")
def the_second_is_read_when_redis_answers() -> None:
    limit: dict[str, Any] = {"replenish_rate": 1, "burst_capacity": 1}
    expect(run([0.2, 0.95], round_trip_s=0.01, **limit), [1, 0])
    expect(run([0.2, 0.95], round_trip_s=0.06, **limit), [1, 1])


@REDIS_RATE_LIMITER.check("any Redis error", "allowed (fail-open)")
def an_error_of_redis_lets_everything_pass() -> None:
    expect(run([1.0] * 5, replenish_rate=1, burst_capacity=1, is_down=True), [1] * 5)


@REDIS_RATE_LIMITER.check("state is per (route id, key)", "a user's burst leaves others alone; an ip's users share")
def state_is_per_route_and_key() -> None:
    for key, expected in (("user", [1, 0, 1, 0]), ("ip", [1, 0, 0, 0]), ("global", [1, 0, 0, 0])):
        for version in ("4.2", "3.1"):
            env = Environment()
            spec = SpringRedisSpec.model_validate(
                {"key": key, "replenish_rate": 1, "burst_capacity": 1, "cache": "redis", "version": version}
            )
            limiter = spec.build(context_of(env), Redis(env), [0, 1])
            expect(passes(env, limiter, [0.5] * 4, users=[1, 1, 2, 2]), expected, key)
            found = passes(env, limiter, [0.6] * 4, users=[1, 1, 2, 2], endpoint=1)
            expect(found, expected if version == "4.2" else [0, 0, 0, 0], f"{key}, another route")


def _limiter_in(stand: Stand, **limit: Any) -> SpringRedisLimiter:
    spec = SpringRedisSpec.model_validate({"key": "user", "cache": "redis", **limit})
    return spec.build(Context(stand.env, Streams(1, 0), stand.probe, "limit"), stand.redis.scripts("gateway"))


def _ask(stand: Stand, limiter: SpringRedisLimiter, users: range, at_s: float) -> int:
    """How many of these users pass at an instant."""
    if at_s > stand.env.now:
        stand.env.run(until=at_s)
    passed: list[int] = []
    ended: list[int] = []

    def each() -> Activity:
        for user in users:
            with suppress(RateLimited):
                yield from limiter.check(Request(user, user, 0, user, 9, stand.env.now))
                passed.append(user)
        ended.append(1)

    stand.env.start(each())
    while not ended:
        stand.env.step()
    return len(passed)


@REDIS_RATE_LIMITER.check("TTL of both keys = floor(2·cap/rate) s", "a user takes 310 bytes for so long")
def two_keys_that_expire() -> None:
    stand = Stand()
    limiter = _limiter_in(stand, replenish_rate=10, burst_capacity=20)
    expect([_ask(stand, limiter, range(10), at_s) for at_s in (0.0, 3.0)], [10, 10])
    expect((stand.redis.space.count, stand.redis.space.bytes), (2 * 10, 20 * 155))
    expect(_ask(stand, limiter, range(1), 6.9), 1)
    expect(stand.probe.kept["limit.expired"].total, 0, "each script writes them anew")
    stand.env.run(until=7.5)
    expect((stand.probe.kept["limit.expired"].total, stand.redis.space.count), (18, 2), "4 s after 3 s")


@REDIS_RATE_LIMITER.check("missing keys mean a full bucket", "also where maxmemory has evicted one of the two")
def evicted_keys_mint_tokens() -> None:
    for policy, passed, what in (("allkeys-lru", 1, "evicted"), ("noeviction", 1, "fail_open"), (None, 0, "evicted")):
        full = {} if policy is None else {"maxmemory": f"{EMPTY_BYTES + 5000}B", "maxmemory_policy": policy}
        stand = Stand(full)
        limiter = _limiter_in(stand, replenish_rate=1, burst_capacity=60, requested_tokens=60)
        expect([_ask(stand, limiter, range(1), at_s) for at_s in (0.0, 0.1)], [1, 0])
        for key in range(40):
            with suppress(CacheUnavailable):
                stand.ask("store", key, at=2.0 + key)
        # by then 42 of the 60 tokens are back; where nothing is evicted from a Redis that is full, the script fails
        expect(_ask(stand, limiter, range(1), 42.0), passed, str(policy))
        expect(stand.probe.kept[f"limit.{what}"].total > 0, policy is not None)


REDIS_RATE_LIMITER.leaves_out(
    "include-headers", "answers have no headers here; nothing in a simulated client reads X-RateLimit-*"
)
