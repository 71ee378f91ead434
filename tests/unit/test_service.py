"""Services: steps in order, by chance, on a miss, with fallbacks and breakers; and which replica a call goes to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from models.service import EndpointSpec, ServiceSpec, walk

PlayFixture = Callable[..., Any]


def delay(duration: Any, **more: Any) -> dict[str, Any]:
    return {"kind": "delay", "duration": duration, **more}


def call(**more: Any) -> dict[str, Any]:
    return {"kind": "call", "name": "ask", "service": "back", "endpoint": "get", **more}


def system(steps: list[dict[str, Any]], back: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "machines": {"vm": {"cores": 8, "memory": "4G"}},
        "services": {
            "front": {
                "machine": "vm",
                "pools": {"main": {"database": "db", "maximum_pool_size": 1}},
                "endpoints": {"get": {"steps": steps}},
            },
            "back": {"machine": "vm", "endpoints": {"get": {"steps": back or [delay("1s")]}}},
        },
        "caches": {
            "redis": {
                "machine": "vm", "command_cpu": "0s", "round_trip": "1ms",
                "classes": {"items": {"keys": 1, "popularity": 0, "value": "1K", "ttl": "10s"}},
            }
        },
        "databases": {"db": {"machine": "vm", "queries": {"find": {"cpu": "100ms"}}}},
        "routes": {"get": {"service": "front", "endpoint": "get"}},
        "traffic": {"mix": {"get": 1}},
        **more,
    }  # fmt: skip


CACHED = {
    "kind": "cache", "cache": "redis", "data_class": "items",
    "on_miss": [{"kind": "db", "pool": "main", "query": "find"}],
}  # fmt: skip
EVICT = {"kind": "evict", "cache": "redis", "data_class": "items"}


def test_steps_are_taken_one_after_another(play: PlayFixture) -> None:
    (row,) = play(system([delay("1s"), {"kind": "cpu", "demand": "2s"}, delay("4s")]), [0.0]).until(None).end()
    assert (row["latency_s"], row["cpu_s"]) == (7.0, 2.0)


def test_a_step_is_taken_as_often_as_it_says(play: PlayFixture) -> None:
    times = [10.0 * n for n in range(400)]
    rows = play(system([delay("1s"), delay("2s", probability=0.3)]), times).until(None).end()
    longer = sum(row["latency_s"] == 3.0 for row in rows)
    assert {row["latency_s"] for row in rows} == {1.0, 3.0}
    assert abs(longer / 400 - 0.3) < 4 * (0.3 * 0.7 / 400) ** 0.5
    more = play(system([delay("1s"), delay("2s", probability=0.5)]), times).until(None).end()
    assert all(
        after["latency_s"] == 3.0 for before, after in zip(rows, more, strict=True) if before["latency_s"] == 3.0
    ), "the same luck for the same request"


def test_a_miss_loads_and_stores_and_a_hit_does_neither(play: PlayFixture) -> None:
    game = play(system([CACHED]), [0.0, 1.0, 20.0]).until(None)
    rows = game.end()
    assert [row["cache"] for row in rows] == ["miss", "hit", "miss"]
    assert [row["latency_s"] for row in rows] == pytest.approx([0.102, 0.001, 0.102], abs=1e-4)
    counts = game.recording.whole.counts
    assert (counts["caches.redis.classes.items.stores"], counts["caches.redis.classes.items.expired"]) == (2, 1)


def test_nobody_is_kept_from_loading_what_another_is_loading(play: PlayFixture) -> None:
    game = play(system([CACHED]), [0.0, 0.01]).until(None)
    rows = game.end()
    assert [row["cache"] for row in rows] == ["miss", "miss"]
    assert game.recording.whole.counts["caches.redis.classes.items.duplicate_loads"] == 1
    assert rows[1]["wait_s"] == pytest.approx(0.09, abs=1e-3), "there is one connection"


def test_an_eviction_makes_the_next_one_miss(play: PlayFixture) -> None:
    document = system([CACHED])
    document["services"]["front"]["endpoints"]["put"] = {"method": "PUT", "steps": [EVICT]}
    document["routes"]["put"] = {"service": "front", "endpoint": "put"}
    rows = play(document, [0.0, 1.0, 2.0, 3.0], endpoints=[0, 0, 1, 0]).until(None).end()
    assert [row["cache"] for row in rows] == ["miss", "hit", "", "miss"]


def test_a_connection_is_held_only_during_the_query(play: PlayFixture) -> None:
    rows = play(system([{"kind": "db", "pool": "main", "query": "find"}, delay("1s")]), [0.0, 0.0]).until(None).end()
    assert [row["latency_s"] for row in rows] == pytest.approx([1.1, 1.2], abs=1e-3)


def test_a_fallback_answers_where_the_call_fails(play: PlayFixture) -> None:
    limited = call(time_limiter={"limit": "100ms"})
    game = play(system([limited]), [0.0]).until(None)
    (row,) = game.end()
    assert (row["outcome"], row["status"], row["latency_s"]) == ("failed", 504, pytest.approx(0.1))
    game = play(system([call(time_limiter={"limit": "100ms"}, fallback=[delay("10ms")])]), [0.0]).until(None)
    (row,) = game.end()
    assert (row["outcome"], row["latency_s"]) == ("succeeded", pytest.approx(0.11))
    assert game.recording.whole.counts["services.front.endpoints.get.steps.ask.fallbacks"] == 1
    empty = play(system([call(time_limiter={"limit": "100ms"}, fallback=[])]), [0.0]).until(None).end()
    assert empty[0]["outcome"] == "succeeded"


def test_a_fallback_that_fails_fails_the_request(play: PlayFixture) -> None:
    broken = {**call(time_limiter={"limit": "20ms"}), "name": "again"}
    (row,) = play(system([call(time_limiter={"limit": "100ms"}, fallback=[broken])]), [0.0]).until(None).end()
    assert (row["outcome"], row["latency_s"]) == ("failed", pytest.approx(0.12))


def test_work_behind_a_call_goes_on_when_its_caller_dies(play: PlayFixture) -> None:
    game = play(system([call()]), [0.0])
    game.until(0.5)
    game.system.containers["services.front.replica-1"].doom("for a test")
    back = game.system.services["back"].replicas[0]
    game.until(0.999)
    assert (game.system.in_flight, back.in_progress) == (0, 1)
    game.until(1.001)
    assert back.in_progress == 0
    (row,) = game.until(None).end()
    assert (row["outcome"], row["latency_s"]) == ("failed", 0.5)


def test_a_replica_that_dies_takes_no_fallback(play: PlayFixture) -> None:
    game = play(system([call(fallback=[delay("1s")])]), [0.0])
    game.until(0.5)
    game.system.containers["services.front.replica-1"].doom("for a test")
    (row,) = game.until(None).end()
    assert (row["outcome"], row["latency_s"]) == ("failed", 0.5)


def test_a_callee_that_dies_is_a_failed_call(play: PlayFixture) -> None:
    game = play(system([call(fallback=[delay("1s")])]), [0.0])
    game.until(0.5)
    game.system.containers["services.back.replica-1"].doom("for a test")
    (row,) = game.until(None).end()
    assert (row["outcome"], row["latency_s"]) == ("succeeded", 1.5)


BREAKER = {"sliding_window_size": 4, "minimum_number_of_calls": 4, "wait_duration_in_open_state": "10s"}


def test_a_breaker_sees_what_the_limiter_makes_of_the_calls(play: PlayFixture) -> None:
    """The time limiter is inside: a call that was left counts as failed, and as long as it was waited for."""
    guarded = call(breaker=BREAKER, time_limiter={"limit": "100ms"})
    game = play(system([guarded]), [1.0 * n for n in range(6)]).until(None)
    rows = game.end()
    assert [row["status"] for row in rows] == [504] * 4 + [503] * 2
    assert [row["latency_s"] for row in rows] == pytest.approx([0.1] * 4 + [0.0] * 2)
    assert game.recording.requests.by_reason(1) == {"circuit_open": 2}
    path = "services.front.replica-1.endpoints.get.steps.ask.breaker"
    counts = game.recording.whole.counts
    assert {what: counts[f"{path}.{what}"] for what in ("permitted", "failed", "succeeded", "not_permitted")} == {
        "permitted": 4, "failed": 4, "succeeded": 0, "not_permitted": 2,
    }  # fmt: skip


def test_a_breaker_sees_successes_and_slow_calls(play: PlayFixture) -> None:
    slow = {**BREAKER, "slow_call_duration_threshold": "500ms", "slow_call_rate_threshold": 100}
    rows = play(system([call(breaker=slow)]), [2.0 * n for n in range(5)]).until(None).end()
    assert [row["status"] for row in rows] == [200] * 4 + [503]
    rows = play(system([call(breaker=BREAKER)]), [2.0 * n for n in range(9)]).until(None).end()
    assert {row["status"] for row in rows} == {200}


def test_every_replica_has_breakers_and_pools_of_its_own(play: PlayFixture) -> None:
    document = system([call(breaker=BREAKER)])
    document["services"]["front"]["replicas"] = 2
    game = play(document, [0.0])
    first, second = game.system.services["front"].replicas
    assert first.guards.keys() == second.guards.keys()
    assert all(first.guards[path] is not second.guards[path] for path in first.guards)
    assert first.pools["main"] is not second.pools["main"]


def replicas_of(play: PlayFixture, balancing: str, times: list[float], dead: int | None = None) -> list[str]:
    document = system([delay("1s")])
    document["services"]["front"].update(replicas=3, balancing=balancing)
    game = play(document, times)
    if dead is not None:
        game.system.services["front"].replicas[dead].host.is_listed = False
    return [row["replica"] for row in game.until(None).end()]


def test_round_robin_goes_round_and_passes_over_the_dead(play: PlayFixture) -> None:
    assert replicas_of(play, "round_robin", [0.0] * 4) == ["front-1", "front-2", "front-3", "front-1"]
    assert replicas_of(play, "round_robin", [0.0] * 4, dead=1) == ["front-1", "front-3", "front-1", "front-3"]


def test_least_connections_takes_the_least_busy_and_the_first_on_ties(play: PlayFixture) -> None:
    times = [0.0, 0.5, 1.2, 1.3]
    assert replicas_of(play, "least_connections", times) == ["front-1", "front-2", "front-1", "front-3"]
    assert replicas_of(play, "least_connections", [0.0] * 3, dead=0) == ["front-2", "front-3", "front-2"]


def test_steps_are_named_by_kind_and_number() -> None:
    endpoint = EndpointSpec.model_validate(
        {"steps": [delay("1s"), {**CACHED, "on_miss": [delay("1s")]}, delay("1s", name="last"), delay("1s")]}
    )
    assert [step.name for step in walk(endpoint.steps)] == ["delay", "cache", "delay_2", "last", "delay_3"]
    with pytest.raises(ValidationError, match="step names must be unique in their endpoint, got 'delay' twice"):
        EndpointSpec.model_validate({"steps": [delay("1s"), delay("1s", name="delay")]})


@pytest.mark.parametrize("workers", [{"kind": "tomcat"}, {"kind": "event_loop", "blocking": True}])
def test_a_step_blocks_only_loops_that_are_not_blocked_anyway(workers: dict[str, Any]) -> None:
    steps = [{"kind": "cache", "cache": "c", "data_class": "d", "on_miss": [delay("1s", blocking=True)]}]
    with pytest.raises(ValidationError, match=r"endpoints.get.steps.delay.blocking: must be left out where threads"):
        ServiceSpec.model_validate({"machine": "vm", "workers": workers, "endpoints": {"get": {"steps": steps}}})


def test_defaults_are_the_real_ones() -> None:
    spec = ServiceSpec.model_validate({"machine": "vm", "endpoints": {"get": {"steps": [delay("1s")]}}})
    assert (spec.workers.kind, spec.workers.threads, spec.balancing) == ("tomcat", 200, "round_robin")  # type: ignore[union-attr]
    for method, is_idempotent in (("GET", True), ("PUT", True), ("DELETE", True), ("POST", False), ("PATCH", False)):
        assert EndpointSpec.model_validate({"method": method, "steps": [delay("1s")]}).is_idempotent is is_idempotent
