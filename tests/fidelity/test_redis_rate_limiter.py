"""Spring Cloud Gateway's RedisRateLimiter: every vector measured with the real script on Redis 7.0.15."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from models.outcomes import CacheUnavailable, RateLimited
from models.request import Request
from models.spec import Context
from models.token_bucket import RedisBucketRule, SpringRedisSpec
from sim.environment import Activity, Environment
from sim.probe import NullProbe

FIDELITY = "1.1"


def allowed(rule: RedisBucketRule, *seconds: int) -> list[int]:
    return [int(rule.check(now_s)[0]) for now_s in seconds]


def test_a_burst_within_one_second() -> None:
    """FIDELITY 1.1: rate 10, cap 20, 22 calls in one second: 20 allowed (remaining 19 to 0), 2 denied; TTL 4 s."""
    rule = RedisBucketRule(10, 20, 1)
    answers = [rule.check(1000) for _ in range(22)]
    assert answers == [(True, left) for left in range(19, -1, -1)] + [(False, 0), (False, 0)]
    assert rule.ttl_s == 4


def test_a_small_cap_switches_the_limiter_off() -> None:
    """FIDELITY 1.1: rate 3, cap 1 (default): 6 of 6 allowed in one second, no key stored."""
    rule = RedisBucketRule(3, 1, 1)
    assert allowed(rule, *[1000] * 6) == [1] * 6
    assert rule.ttl_s == 0


def test_a_cap_of_half_the_rate_is_enough_to_store() -> None:
    """FIDELITY 1.1: rate 2, cap 1, 3 calls: 1 allowed, 2 denied; TTL 1."""
    rule = RedisBucketRule(2, 1, 1)
    assert allowed(rule, 1000, 1000, 1000) == [1, 0, 0]
    assert rule.ttl_s == 1


def test_a_second_refills_at_once() -> None:
    """FIDELITY 1.1: rate 5, cap 5: of 6 calls in s=1000 and 6 in s=1001, 5 and 5 pass."""
    rule = RedisBucketRule(5, 5, 1)
    assert allowed(rule, *[1000] * 6, *[1001] * 6) == [1, 1, 1, 1, 1, 0] * 2


def test_one_request_a_minute() -> None:
    """FIDELITY 1.1: rate 1, cap 60, cost 60 (1/min) at 0, 1, 59, 60, 61 s: 1, 0, 0, 1, 0; denials report 1, 59, 1."""
    rule = RedisBucketRule(1, 60, 60)
    answers = [rule.check(1000 + second) for second in (0, 1, 59, 60, 61)]
    assert [int(is_allowed) for is_allowed, _ in answers] == [1, 0, 0, 1, 0]
    assert [left for is_allowed, left in answers if not is_allowed] == [1, 59, 1]


@pytest.mark.parametrize(("capacity", "cost"), [(0, 1), (5, 6)])
def test_what_can_never_pass(capacity: int, cost: int) -> None:
    """FIDELITY 1.1: cap 0, or a cost of 6 with cap 5: always denied."""
    rule = RedisBucketRule(5, capacity, cost)
    assert allowed(rule, 1000, 1001, 1002, 9999) == [0, 0, 0, 0]


def test_a_clock_set_back_mints_tokens() -> None:
    """FIDELITY 1.1: drained at t=1000, call at 990, call at 1000: deny, then allow with 4 left."""
    rule = RedisBucketRule(5, 5, 1)
    assert allowed(rule, *[1000] * 5) == [1] * 5
    assert rule.check(990) == (False, 0)
    assert rule.check(1000) == (True, 4)


def test_tokens_and_time_are_written_on_a_denial() -> None:
    """FIDELITY 1.1: tokens and timestamp are written on denial too."""
    rule = RedisBucketRule(1, 10, 10)
    assert rule.check(1000) == (True, 0)
    assert rule.check(1004) == (False, 4)
    assert (rule.tokens, rule.refreshed_at_s) == (4, 1004)


def test_the_setter_refuses_what_the_real_one_refuses() -> None:
    """FIDELITY 1.1: burstCapacity below replenishRate is refused where it is set; the default of 1 is not looked at."""
    with pytest.raises(ValidationError, match="at least replenish_rate"):
        SpringRedisSpec(key="user", replenish_rate=100, burst_capacity=99, cache="redis")
    assert SpringRedisSpec(key="user", replenish_rate=100, cache="redis").burst_capacity is None
    with pytest.raises(ValidationError):
        SpringRedisSpec(key="user", replenish_rate=0, cache="redis")


class Clock:
    """Streams whose every phase is `phase_s`."""

    def __init__(self, phase_s: float) -> None:
        self._phase_s = phase_s

    def sequence(self, purpose: str) -> Clock:
        return self

    def next(self) -> float:
        return self._phase_s


class Redis:
    """A Redis that takes `round_trip_s`, then answers unless it is down."""

    def __init__(self, round_trip_s: float = 0.0) -> None:
        self.round_trip_s = round_trip_s
        self.is_down = False

    def run_script(self) -> Activity:
        yield self.round_trip_s
        if self.is_down:
            raise CacheUnavailable("caches.redis")


def run(spec: SpringRedisSpec, at_s: list[float], phase_s: float, redis: Redis) -> list[int]:
    """Requests of one user at these instants through a running limiter: 1 where one passed."""
    env = Environment()
    context = Context(env, Clock(phase_s), NullProbe(env), "gateway.rate_limits.user")  # type: ignore[arg-type]
    limiter = spec.build(context, redis)
    passed: list[int] = []

    def ask() -> Any:
        for when in at_s:
            yield when - env.now
            try:
                yield from limiter.check(Request(0, 0, 0, user=1, ip=1, arrived_at_s=env.now))
                passed.append(1)
            except RateLimited:
                passed.append(0)

    env.start(ask())
    env.run()
    return passed


def test_two_bursts_within_a_millisecond() -> None:
    """FIDELITY 1.1: rate 5, cap 5: at .999 and .000 of the clock that is 10 within 1 ms."""
    spec = SpringRedisSpec(key="user", replenish_rate=5, burst_capacity=5, cache="redis")
    early, late = [0.999] * 6, [1.0] * 6
    assert run(spec, early + late, 0.0, Redis()) == [1, 1, 1, 1, 1, 0] * 2
    # The second is that of Redis' clock, not of the run.
    assert run(spec, early + late, 0.5, Redis()) == [1, 1, 1, 1, 1, 0] + [0] * 6


def test_polled_from_ninety_hundredths() -> None:
    """FIDELITY 1.1: rate 1, cap 1, polled from x.90: allowed at 8.90, 9.00, 10.01, 11.01."""
    spec = SpringRedisSpec(key="user", replenish_rate=1, burst_capacity=1, cache="redis")
    instants = [8.9, 8.95, 9.0, 9.5, 9.99, 10.01, 10.6, 11.01, 11.5]
    passed = run(spec, instants, 0.0, Redis())
    assert [when for when, is_passed in zip(instants, passed, strict=True) if is_passed] == [8.9, 9.0, 10.01, 11.01]


def test_the_second_is_read_when_redis_answers() -> None:
    """FIDELITY 1.1: time is the Redis server's, so a round trip across a whole second meets the next one."""
    spec = SpringRedisSpec(key="user", replenish_rate=1, burst_capacity=1, cache="redis")
    assert run(spec, [0.2, 0.95], 0.0, Redis(round_trip_s=0.01)) == [1, 0]
    assert run(spec, [0.2, 0.95], 0.0, Redis(round_trip_s=0.06)) == [1, 1]


def test_an_error_of_redis_lets_everything_pass() -> None:
    """FIDELITY 1.1: maxmemory exceeded with noeviction: the script fails and the gateway allows (fail-open)."""
    spec = SpringRedisSpec(key="user", replenish_rate=1, burst_capacity=1, cache="redis")
    redis = Redis()
    redis.is_down = True
    assert run(spec, [1.0] * 5, 0.0, redis) == [1] * 5
    redis.is_down = False
    assert run(spec, [1.0] * 5, 0.0, redis) == [1, 0, 0, 0, 0]


def test_state_is_per_key() -> None:
    """FIDELITY 1.1: state is per key: one user's burst leaves another's alone, an ip's users share."""
    for key, expected in (("user", [1, 0, 1, 0]), ("ip", [1, 0, 0, 0]), ("global", [1, 0, 0, 0])):
        env = Environment()
        spec = SpringRedisSpec(key=key, replenish_rate=1, burst_capacity=1, cache="redis")  # type: ignore[arg-type]
        limiter = spec.build(Context(env, Clock(0.0), NullProbe(env), "limit"), Redis())  # type: ignore[arg-type]
        passed: list[int] = []

        def ask(user: int, limiter: Any = limiter, passed: list[int] = passed) -> Any:
            try:
                yield from limiter.check(Request(0, 0, 0, user=user, ip=9, arrived_at_s=0.0))
                passed.append(1)
            except RateLimited:
                passed.append(0)

        for user in (1, 1, 2, 2):
            env.start(ask(user))
        env.run()
        assert passed == expected, key
