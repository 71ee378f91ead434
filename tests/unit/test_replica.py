"""Replicas: threads or loops, memory of requests, cold starts, death."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

PlayFixture = Callable[..., Any]


def system(steps: list[dict[str, Any]], machine: dict[str, Any] | None = None, **service: Any) -> dict[str, Any]:
    return {
        "machines": {"vm": {"cores": 4, "memory": "4G", **(machine or {})}},
        "services": {"api": {"machine": "vm", "endpoints": {"get": {"steps": steps}}, **service}},
        "routes": {"get": {"service": "api", "endpoint": "get"}},
    }


def ends(rows: list[dict[str, Any]]) -> list[float]:
    return [round(row["t_s"] + row["latency_s"], 6) for row in rows]


CPU = [{"kind": "cpu", "demand": "1s"}]
DELAY = [{"kind": "delay", "duration": "1s"}]


def test_a_thread_is_held_while_the_request_waits_for_something_outside(play: PlayFixture) -> None:
    rows = play(system(DELAY, workers={"kind": "tomcat", "threads": 2}), [0.0] * 4).until(None).end()
    assert ends(rows) == [1, 1, 2, 2]
    assert [row["wait_s"] for row in rows] == [0, 0, 1, 1]


def test_a_loop_is_held_only_while_it_burns_cpu(play: PlayFixture) -> None:
    one_loop = {"kind": "event_loop", "loops": 1}
    assert ends(play(system(DELAY, workers=one_loop), [0.0] * 4).until(None).end()) == [1, 1, 1, 1]
    assert ends(play(system(CPU, workers=one_loop), [0.0] * 4).until(None).end()) == [1, 2, 3, 4]
    two = {"kind": "event_loop", "loops": 2}
    assert ends(play(system(CPU, workers=two), [0.0] * 4).until(None).end()) == [1, 1, 2, 2]


def test_cores_are_shared_and_the_wait_for_them_is_noted(play: PlayFixture) -> None:
    rows = play(system(CPU, machine={"cores": 1}), [0.0, 0.0]).until(None).end()
    assert ends(rows) == [2, 2]
    assert [(row["cpu_s"], row["wait_s"]) for row in rows] == [(1, 1), (1, 1)]


def test_a_quota_s_pauses_are_noted_as_throttled(play: PlayFixture) -> None:
    (row,) = play(system(CPU, limits={"cpus": 0.5}), [0.0]).until(None).end()
    assert row["cpu_s"] == 1
    assert row["latency_s"] == pytest.approx(2.0, abs=0.1)
    assert row["throttled_s"] == pytest.approx(row["latency_s"] - 1.0, abs=1e-6)


def test_memory_is_held_by_those_who_are_in_the_replica(play: PlayFixture) -> None:
    game = play(
        system(DELAY, base_memory="100M", memory_per_request="10M", workers={"kind": "tomcat", "threads": 1}),
        [0.0, 0.0],
    )
    host = game.system.containers["services.api.replica-1"]
    seen = [game.until(time).system and host.memory_bytes >> 20 for time in (0.5, 1.5, 2.5)]
    assert seen == [120, 110, 100]


def dying(**service: Any) -> dict[str, Any]:
    """A replica that holds two requests; the third one kills it."""
    return system(CPU, base_memory="100M", memory_per_request="10M", limits={"memory": "125M"}, **service)


def test_who_is_in_a_replica_when_it_dies_fails_and_who_comes_then_is_refused(play: PlayFixture) -> None:
    game = play(dying(start_wait="1s"), [0.0, 0.1, 0.2, 0.25, 1.2, 1.4]).until(None)
    rows = game.end()
    assert [(row["outcome"], row["status"]) for row in rows] == [
        *[("failed", 502)] * 3,
        *[("refused", 502)] * 2,
        ("succeeded", 200),
    ]
    assert ends(rows)[:4] == [0.2, 0.2, 0.2, 0.25]
    assert game.recording.requests.by_reason(2) == {"instance_died": 3}
    assert game.recording.requests.by_reason(1) == {"connection_refused": 2}


def test_the_first_requests_after_a_restart_burn_more(play: PlayFixture) -> None:
    times = [0.0, 0.1, 0.2, *(10.0 * n for n in range(1, 7))]
    rows = play(dying(cold_factor=5, cold_requests=4), times).until(None).end()
    assert [row["cpu_s"] for row in rows[3:]] == [5, 4, 3, 2, 1, 1]
    warm = play(dying(cold_factor=5, cold_requests=4), [10.0]).until(None).end()
    assert warm[0]["cpu_s"] == 1, "a system that has been up is warm"


def test_cpu_for_those_who_have_gone_is_waste(play: PlayFixture) -> None:
    document = system(CPU)
    document["traffic"] = {"client": {"patience": "300ms"}}
    game = play(document, [0.0, 5.0]).until(None)
    rows = game.end()
    assert [row["outcome"] for row in rows] == ["abandoned"] * 2
    waste = game.recording.whole.tallies["services.api.replica-1.waste_cpu_s"]
    assert (waste.count, waste.total) == (2, 2.0)


def test_breakers_die_with_their_replica(play: PlayFixture) -> None:
    """Another process begins with closed breakers: what the last one knew is gone."""
    ask = {
        "kind": "call",
        "service": "back",
        "endpoint": "get",
        "time_limiter": {"limit": "10ms"},
        "breaker": {"sliding_window_size": 2, "minimum_number_of_calls": 2, "wait_duration_in_open_state": "1h"},
    }
    document = system([{"kind": "delay", "duration": "1s"}, ask], base_memory="100M", memory_per_request="10M",
                      limits={"memory": "125M"})  # fmt: skip
    document["services"]["back"] = {"machine": "vm", "endpoints": {"get": {"steps": DELAY}}}
    game = play(document, [0.0, 2.0, 4.0, 10.0, 10.0, 10.0, 20.0]).until(None)
    statuses = [row["status"] for row in game.end()]
    assert statuses == [504, 504, 503, 502, 502, 502, 504], "closed again after the restart"
    (breaker,) = game.system.breakers.values()
    assert [(change.before, change.after) for change in breaker.transitions] == [("CLOSED", "OPEN"), ("OPEN", "CLOSED")]
