"""Window limits: what the specs take and refuse, where the books are, and what a Redis that fails does to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from models.outcomes import CacheUnavailable, ClientGone, RateLimited
from models.request import Request
from models.spec import Context
from models.unions import LimiterSpec
from models.window_limit import AnchoredWindowSpec, FixedWindowSpec, SlidingCounterSpec, SlidingLogSpec, WindowSpec
from sim.environment import Activity, Environment
from sim.errors import Failure
from sim.probe import Count, NullProbe
from sim.streams import Streams

KINDS = (FixedWindowSpec, AnchoredWindowSpec, SlidingLogSpec, SlidingCounterSpec)


class Counting(NullProbe):
    """Keeps its counts where a test can read them."""

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.counts: dict[str, Count] = {}

    def count(self, path: str) -> Count:
        return self.counts.setdefault(path, Count(path))

    def totals(self) -> dict[str, int]:
        return {path: count.total for path, count in self.counts.items()}


class FakeRedis:
    """Answers after 2 ms, or raises what it is told to."""

    def __init__(self) -> None:
        self.failure: Failure | None = None

    def run_script(self) -> Activity:
        yield 0.002
        if self.failure is not None:
            raise self.failure


def request_of(user: int = 0, ip: int = 0) -> Request:
    return Request(0, 0, 0, user, ip, 0.0)


def asked(env: Environment, limiter: Any, requests: list[Request]) -> list[Any]:
    """True for what passes, else the failure, in the order in which they end."""
    ended: list[Any] = []

    def ask(request: Request) -> Activity:
        try:
            if limiter.waits:
                yield from limiter.check(request)
            else:
                limiter.take(request)
            ended.append(True)
        except Failure as failure:
            ended.append(failure)
        yield 0.0

    for request in requests:
        env.start(ask(request))
    env.run()
    return ended


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"limit": "1.5/s"}, "whole number of requests"),
        ({"limit": "0/s"}, "whole number of requests"),
        ({"limit": "1/0.1ns"}, "at least 1ns"),
        ({"limit": "100"}, "must be a rate"),
        ({"key": "session"}, "Input should be"),
        ({"on_cache_failure": "refuse"}, "must not be set without a cache"),
        ({"cache": "redis", "on_cache_failure": "wait"}, "Input should be"),
    ],
)
def test_specs_refuse_what_makes_no_sense(kind: type[WindowSpec], fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        kind.model_validate({"key": "user", "limit": "100/60s"} | fields)


@pytest.mark.parametrize("kind", KINDS)
def test_specs_survive_being_written_and_read(kind: type[WindowSpec]) -> None:
    union: TypeAdapter[Any] = TypeAdapter(LimiterSpec)
    for fields in ({}, {"cache": "redis"}, {"cache": "redis", "on_cache_failure": "refuse"}):
        spec = kind.model_validate({"key": "ip", "limit": "100/60s", **fields})
        assert union.validate_python(spec.model_dump(mode="json")) == spec


def test_there_is_no_default_algorithm() -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(LimiterSpec).validate_python({"key": "user", "limit": "100/60s"})


@pytest.mark.parametrize(("key", "passed"), [("user", [1, 0, 1, 1]), ("ip", [1, 0, 0, 1]), ("global", [1, 0, 0, 0])])
@pytest.mark.parametrize("kind", KINDS)
def test_requests_are_counted_per_key(kind: type[WindowSpec], key: str, passed: list[int]) -> None:
    env = Environment()
    probe = Counting(env)
    limiter = kind.model_validate({"key": key, "limit": "1/60s"}).build(Context(env, Streams(1, 0), probe, "limit"))
    ended = asked(env, limiter, [request_of(user, ip) for user, ip in [(1, 7), (1, 7), (2, 7), (3, 8)]])
    assert [int(each is True) for each in ended] == passed
    assert probe.totals() == {"limit.granted": sum(passed), "limit.refused": 4 - sum(passed)}
    refusal = next(each for each in ended if each is not True)
    assert isinstance(refusal, RateLimited)
    assert (refusal.path, refusal.status) == ("limit", 429)


def test_windows_in_redis_cost_a_round_trip() -> None:
    env = Environment()
    probe = Counting(env)
    spec = SlidingLogSpec.model_validate({"key": "user", "limit": "1/60s", "cache": "redis"})
    limiter = spec.build(Context(env, Streams(1, 0), probe, "limit"), FakeRedis())
    requests = [request_of(), request_of()]
    passed, refusal = asked(env, limiter, requests)
    assert passed is True
    assert isinstance(refusal, RateLimited)
    assert env.now == 0.002
    assert [request.cache_s for request in requests] == [0.002, 0.002]
    assert probe.totals() == {"limit.granted": 1, "limit.refused": 1, "limit.fail_open": 0}


@pytest.mark.parametrize(("choice", "passes"), [(None, True), ("allow", True), ("refuse", False)])
def test_trouble_of_redis(choice: str | None, passes: bool) -> None:
    """It passes or refuses as the setting says, and what it could not count it does not count."""
    env = Environment()
    probe, redis = Counting(env), FakeRedis()
    spec = FixedWindowSpec.model_validate(
        {"key": "user", "limit": "2/60s", "cache": "redis", "on_cache_failure": choice}
    )
    limiter = spec.build(Context(env, Streams(1, 0), probe, "limit"), redis)
    redis.failure = CacheUnavailable("caches.redis")
    assert [each is True for each in asked(env, limiter, [request_of()] * 3)] == [passes] * 3
    assert probe.totals()[f"limit.fail_{'open' if passes else 'closed'}"] == 3
    redis.failure = None
    assert [each is True for each in asked(env, limiter, [request_of()] * 3)] == [True, True, False]


def test_who_leaves_while_redis_works_is_no_trouble_of_redis() -> None:
    env = Environment()
    probe = Counting(env)
    spec = FixedWindowSpec.model_validate({"key": "user", "limit": "2/60s", "cache": "redis"})
    limiter: Any = spec.build(Context(env, Streams(1, 0), probe, "limit"), FakeRedis())
    ended: list[Failure] = []
    gone = ClientGone("client")

    def ask() -> Activity:
        try:
            yield from limiter.check(request_of())
        except Failure as failure:
            ended.append(failure)

    light = env.start(ask())

    def leave() -> Activity:
        yield 0.001
        env.throw(light, gone)

    env.start(leave())
    env.run()
    assert ended == [gone]
    assert sum(probe.totals().values()) == 0


@pytest.mark.parametrize("cache", [None, "redis"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_keeps_the_books_forgets_them_when_it_dies(kind: type[WindowSpec], cache: str | None) -> None:
    env = Environment()
    spec = kind.model_validate({"key": "global", "limit": "2/60s", "cache": cache})
    limiter = spec.build(Context(env, Streams(1, 0), NullProbe(env), "limit"), cache and FakeRedis())
    assert [each is True for each in asked(env, limiter, [request_of()] * 3)] == [True, True, False]
    limiter.forget()
    assert [each is True for each in asked(env, limiter, [request_of()] * 3)] == [True, True, False]


def boundary_of(replication: int, kind: type[WindowSpec]) -> list[bool]:
    """Whether each of many requests, one every 20 ms, passes a limit of one per second."""
    env = Environment()
    spec = kind.model_validate({"key": "user", "limit": "1/s"})
    limiter: Any = spec.build(Context(env, Streams(3, replication), NullProbe(env), "limit"))
    passed: list[bool] = []

    def ask() -> Activity:
        for _ in range(60):
            try:
                limiter.take(request_of())
                passed.append(True)
            except RateLimited:
                passed.append(False)
            yield 0.02

    env.start(ask())
    env.run()
    return passed


def test_periods_of_the_clock_begin_at_different_phases() -> None:
    """Otherwise every run would meet a new period at the same instants."""
    assert len({tuple(boundary_of(replication, FixedWindowSpec)) for replication in range(8)}) >= 4
    assert boundary_of(2, FixedWindowSpec) == boundary_of(2, FixedWindowSpec)
    assert len({tuple(boundary_of(replication, AnchoredWindowSpec)) for replication in range(8)}) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_windows_of_users_long_gone_are_forgotten(kind: type[WindowSpec]) -> None:
    env = Environment()
    spec = kind.model_validate({"key": "user", "limit": "10/s"})
    limiter: Any = spec.build(Context(env, Streams(1, 0), NullProbe(env), "limit"))
    most = 0

    def visit() -> Activity:
        nonlocal most
        for user in range(4000):
            limiter.take(request_of(user))
            most = max(most, limiter.windows_kept)
            yield 0.02

    env.start(visit())
    env.run()
    assert 50 <= most <= (210 if kind is SlidingCounterSpec else 110)


def whole(limiter: dict[str, Any]) -> dict[str, Any]:
    """A gateway with one limiter, before a service that answers at once."""
    return {
        "machines": {"vm": {"cores": 8, "memory": "4G"}},
        "gateway": {"machine": "vm", "cpu": "0s", "rate_limits": {"all": limiter}},
        "caches": {"redis": {"machine": "vm", "command_cpu": "0s", "round_trip": "1ms"}},
        "services": {"api": {"machine": "vm", "endpoints": {"get": {"steps": [{"kind": "delay", "duration": "1ms"}]}}}},
        "routes": {"get": {"service": "api", "endpoint": "get", "through": ["gateway"]}},
        "traffic": {"mix": {"get": 1}},
    }


WINDOW = {"kind": "anchored_window", "key": "global", "limit": "1/600s"}
BUCKET = {"kind": "bucket4j_intervally", "key": "global", "refill": "1/600s"}
SPRING = {
    "kind": "spring_redis", "key": "global", "replenish_rate": 1, "burst_capacity": 600, "requested_tokens": 600,
}  # fmt: skip


@pytest.mark.parametrize(
    ("limiter", "killed", "statuses"),
    [
        (WINDOW, None, [200, 429, 429]),
        (WINDOW, "gateway", [200, 429, 200]),
        (WINDOW, "caches.redis", [200, 429, 429]),
        ({**WINDOW, "cache": "redis"}, "gateway", [200, 429, 429]),
        ({**WINDOW, "cache": "redis"}, "caches.redis", [200, 429, 200]),
        (BUCKET, "gateway", [200, 429, 200]),
        (BUCKET, "caches.redis", [200, 429, 429]),
        ({**SPRING, "cache": "redis"}, "caches.redis", [200, 429, 200]),
        ({**SPRING, "cache": "redis"}, "gateway", [200, 429, 429]),
    ],
)
def test_books_die_with_the_container_that_keeps_them(
    play: Callable[..., Any], limiter: dict[str, Any], killed: str | None, statuses: list[int]
) -> None:
    game = play(whole(limiter), [0.0, 1.0, 20.0]).until(2.0)
    if killed is not None:
        game.system.containers[killed].doom("killed by the test")
    rows = sorted(game.until(None).end(), key=lambda row: row["request"])
    assert [row["status"] for row in rows] == statuses
