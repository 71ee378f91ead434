"""Token buckets: what the specs take and refuse, and how the limiters report."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from experiments.validation.redis_stand import Host
from models.cache import RedisSpec
from models.outcomes import CacheUnavailable, CallFailure, ClientGone, InstanceDied, RateLimited
from models.request import Request
from models.spec import Context
from models.token_bucket import (
    Bucket4jGreedySpec,
    Bucket4jIntervallySpec,
    Bucket4jSpec,
    RecentBuckets,
    SpringRedisSpec,
)
from sim.environment import Activity, Environment
from sim.errors import Failure
from sim.patience import TimeLimitReached
from sim.probe import Count, NullProbe
from sim.streams import Streams


class Counting(NullProbe):
    """Keeps its counts where a test can read them."""

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.counts: dict[str, Count] = {}

    def count(self, path: str) -> Count:
        return self.counts.setdefault(path, Count(path))

    def totals(self) -> dict[str, int]:
        return {path: count.total for path, count in self.counts.items()}


def request_of(user: int = 0, ip: int = 0) -> Request:
    return Request(0, 0, 0, user, ip, 0.0)


def passes(limiter: Any, request: Request) -> bool:
    try:
        limiter.take(request)
    except RateLimited:
        return False
    return True


@pytest.mark.parametrize(
    ("refill", "message"),
    [
        ("1.5/s", "whole number of tokens"),
        ("0.5/s", "whole number of tokens"),
        ("0/s", "whole number of tokens"),
        ("1/1.5ns", "whole nanoseconds"),
        ("2/1ns", "one token per nanosecond"),
        ("100", "must be a rate"),
    ],
)
@pytest.mark.parametrize("kind", [Bucket4jGreedySpec, Bucket4jIntervallySpec])
def test_refills_that_bucket4j_cannot_have(kind: type[Bucket4jSpec], refill: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        kind.model_validate({"key": "user", "refill": refill})


@pytest.mark.parametrize("refill", ["100/60s", "1000/s", "1/250ms", "1/ns", "3/2s", "100/m"])
def test_refills_survive_being_written_and_read(refill: str) -> None:
    spec = Bucket4jGreedySpec(key="ip", refill=refill, capacity=5)  # type: ignore[arg-type]
    again = Bucket4jGreedySpec.model_validate(spec.model_dump(mode="json"))
    assert again == spec
    assert (again.refill_tokens, again.refill_period_ns) == (spec.refill_tokens, spec.refill_period_ns)


def test_specs_refuse_what_makes_no_sense() -> None:
    for fields in ({"capacity": 0}, {"key": "session"}, {"burst": 3}, {"refill": None}):
        with pytest.raises(ValidationError):
            Bucket4jGreedySpec.model_validate({"key": "user", "refill": "1/s"} | fields)
    for fields in ({"requested_tokens": 0}, {"replenish_rate": 1.5}, {"burst_capacity": 0}, {"cache": None}):
        with pytest.raises(ValidationError):
            SpringRedisSpec.model_validate({"key": "user", "replenish_rate": 1, "cache": "redis"} | fields)


def test_kind_tells_them_apart() -> None:
    union: TypeAdapter[Any] = TypeAdapter(Bucket4jGreedySpec | SpringRedisSpec)
    greedy = union.validate_python({"kind": "bucket4j_greedy", "key": "user", "refill": "1/s"})
    redis = union.validate_python({"kind": "spring_redis", "key": "user", "replenish_rate": 1, "cache": "redis"})
    assert (type(greedy), type(redis)) == (Bucket4jGreedySpec, SpringRedisSpec)


def test_the_default_burst_survives_being_written_and_read() -> None:
    """The real default of 1 is below most rates; only a value that somebody sets is compared with the rate."""
    spec = SpringRedisSpec(key="user", replenish_rate=100, cache="redis")
    assert SpringRedisSpec.model_validate(spec.model_dump(mode="json")) == spec


@pytest.mark.parametrize(("key", "passed"), [("user", [True, False, True, True]), ("ip", [True, False, False, True])])
def test_a_bucket_is_per_user_or_per_ip(key: Any, passed: list[bool]) -> None:
    env = Environment()
    limiter = Bucket4jGreedySpec(key=key, refill="1/s").build(Context(env, Streams(1, 0), NullProbe(env), "limit"))
    visitors = [(1, 7), (1, 7), (2, 7), (3, 8)]
    assert [passes(limiter, request_of(user, ip)) for user, ip in visitors] == passed


def test_greedy_counts_and_names_itself() -> None:
    env = Environment()
    probe = Counting(env)
    spec = Bucket4jGreedySpec(key="global", refill="2/s")
    limiter = spec.build(Context(env, Streams(1, 0), probe, "gateway.rate_limits.all"))
    assert [passes(limiter, request_of(user)) for user in range(3)] == [True, True, False]
    with pytest.raises(RateLimited) as refusal:
        limiter.take(request_of(9))
    assert (refusal.value.path, refusal.value.status) == ("gateway.rate_limits.all", 429)
    assert probe.totals() == {"gateway.rate_limits.all.granted": 2, "gateway.rate_limits.all.refused": 2}


def test_arrivals_at_the_refill_rate_pass_in_simulated_time() -> None:
    """A hundredth of a second is no binary fraction: rounding must not make a request a nanosecond early."""
    env = Environment()
    limiter = Bucket4jGreedySpec(key="global", refill="1000/10s", capacity=1).build(
        Context(env, Streams(1, 0), NullProbe(env), "limit")
    )

    def arrive() -> Activity:
        for number in range(1, 5000):
            limiter.take(request_of())
            yield number * 0.01 - env.now

    env.start(arrive())
    env.run()
    assert env.now == pytest.approx(49.99)


class FakeRedis:
    """Answers after 2 ms, or raises what it is told to."""

    def __init__(self, env: Environment) -> None:
        self.env = env
        self.failure: Failure | None = None

    def run_script(self, writes: bool = True) -> Activity:
        yield 0.002
        if self.failure is not None:
            raise self.failure

    def books(self, context: Context, ttl_s: float) -> RecentBuckets:
        return RecentBuckets(max(1, int(ttl_s)))

    def clock_s(self) -> float:
        return self.env.now


class Setup:
    """A limiter of one request a second on a fake Redis."""

    def __init__(self) -> None:
        self.env = Environment()
        self.probe = Counting(self.env)
        self.redis = FakeRedis(self.env)
        spec = SpringRedisSpec(key="user", replenish_rate=1, burst_capacity=1, cache="redis")
        self.limiter = spec.build(Context(self.env, Streams(1, 0), self.probe, "limit"), self.redis)
        self.ended: list[Any] = []

    def ask(self, request: Request) -> Activity:
        try:
            yield from self.limiter.check(request)
            self.ended.append("passed")
        except Failure as failure:
            self.ended.append(failure)


def test_redis_limiter_counts_and_names_itself() -> None:
    setup = Setup()
    request = request_of()
    setup.env.start(setup.ask(request))
    setup.env.start(setup.ask(request_of()))
    setup.env.run()
    passed, refusal = setup.ended
    assert passed == "passed"
    assert isinstance(refusal, RateLimited)
    assert (refusal.path, refusal.status) == ("limit", 429)
    assert setup.probe.totals() == {"limit.granted": 1, "limit.refused": 1, "limit.fail_open": 0}
    assert request.cache_s == 0.002


def test_trouble_of_redis_lets_the_request_pass() -> None:
    setup = Setup()
    setup.redis.failure = CacheUnavailable("caches.redis")
    for _ in range(3):
        setup.env.start(setup.ask(request_of()))
    setup.env.run()
    assert setup.ended == ["passed"] * 3
    assert setup.probe.totals() == {"limit.granted": 0, "limit.refused": 0, "limit.fail_open": 3}


@pytest.mark.parametrize("failure", [ClientGone("client"), InstanceDied("gateway"), TimeLimitReached("cancelled")])
def test_what_ends_the_request_is_no_trouble_of_redis(failure: Failure) -> None:
    setup = Setup()
    request = request_of()
    light = setup.env.start(setup.ask(request))

    def interrupt() -> Activity:
        yield 0.001
        setup.env.throw(light, failure)

    setup.env.start(interrupt())
    setup.env.run()
    assert setup.ended == [failure]
    assert request.cache_s == 0.001
    assert setup.probe.totals() == {"limit.granted": 0, "limit.refused": 0, "limit.fail_open": 0}


def test_runs_begin_at_different_phases_of_redis_second() -> None:
    """Otherwise every run would meet its refills at the same instants."""

    def crossings(replication: int) -> list[bool]:
        env = Environment()
        spec = SpringRedisSpec(key="user", replenish_rate=1, burst_capacity=1, cache="redis")
        context = Context(env, Streams(3, replication), NullProbe(env), "redis")
        redis = RedisSpec.model_validate({"command_cpu": "0s", "round_trip": "2ms"}).build(context, Host(env))
        limiter = spec.build(context.at("limit"), redis.scripts("gateway"))
        passed: list[bool] = []

        def ask() -> Activity:
            for _ in range(20):
                try:
                    yield from limiter.check(request_of())
                    passed.append(True)
                except CallFailure:
                    passed.append(False)
                yield 0.048

        env.start(ask())
        env.run()
        return passed

    refilled_at = {tuple(crossings(replication)) for replication in range(8)}
    assert len(refilled_at) >= 4
    assert crossings(2) == crossings(2)


@pytest.mark.parametrize("kind", [Bucket4jGreedySpec, Bucket4jIntervallySpec])
def test_a_process_that_dies_forgets_its_buckets(kind: type[Bucket4jSpec]) -> None:
    """Those of its next life are full, and begin their periods anew."""
    env = Environment()
    limiter: Any = kind.model_validate({"key": "user", "refill": "2/1s"}).build(  # type: ignore[attr-defined]
        Context(env, Streams(1, 0), NullProbe(env), "limit")
    )
    assert [passes(limiter, request_of()) for _ in range(3)] == [True, True, False]
    env.run(0.7)
    limiter.forget()
    assert [passes(limiter, request_of()) for _ in range(3)] == [True, True, False]
    env.run(1.3)
    assert passes(limiter, request_of()) is (kind is Bucket4jGreedySpec)
    env.run(1.7)
    assert passes(limiter, request_of())


@pytest.mark.parametrize("kind", ["bucket4j_greedy", "bucket4j_intervally", "spring_redis"])
def test_buckets_of_users_long_gone_are_forgotten(kind: str) -> None:
    env = Environment()
    context = Context(env, Streams(1, 0), NullProbe(env), "limit")
    limiter: Any
    if kind == "bucket4j_greedy":
        limiter = Bucket4jGreedySpec(key="user", refill="10/s").build(context)
    elif kind == "bucket4j_intervally":
        limiter = Bucket4jIntervallySpec(key="user", refill="10/s").build(context)
    else:
        spec = SpringRedisSpec(key="user", replenish_rate=20, burst_capacity=20, cache="redis")
        limiter = spec.build(context, FakeRedis(env))
    most = 0

    def visit() -> Activity:
        nonlocal most
        for user in range(5000):
            if limiter.waits:
                yield from limiter.check(request_of(user))
            else:
                limiter.take(request_of(user))
            most = max(most, limiter.buckets_kept)
            yield 0.018

    env.start(visit())
    env.run()
    # A bucket fills up within one second (greedy) or its TTL of two: 50 users a second, for twice that and a bit.
    assert 50 <= most <= 260
