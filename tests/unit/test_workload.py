"""Traffic: closed users, open arrivals, traces; wishes that belong to who asks, not to what happens."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from pydantic import ValidationError

from models.system import SystemSpec

PlayFixture = Callable[..., Any]
THINK = {"kind": "exponential", "mean": "500ms"}


def system(traffic: dict[str, Any], **more: Any) -> dict[str, Any]:
    delay = [{"kind": "delay", "duration": {"kind": "exponential", "mean": "200ms"}}]
    return {
        "machines": {"vm": {"cores": 4, "memory": "4G"}},
        "services": {"api": {"machine": "vm", "endpoints": {"get": {"steps": delay}, "put": {"steps": delay}}}},
        "routes": {name: {"service": "api", "endpoint": name} for name in ("get", "put")},
        "traffic": {"mix": {"get": 3, "put": 1}, **traffic},
        **more,
    }


def users(population: int = 20, **more: Any) -> dict[str, Any]:
    return {"users": {"population": population, "think_time": THINK, **more}}


def by_user(rows: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    grouped: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        grouped[row["user"]].append(row)
    return grouped


def test_users_start_by_thinking(play: PlayFixture) -> None:
    rows = play(system(users(think_time="2s"))).until(1.999).end()
    assert rows == []
    rows = play(system(users(think_time="2s"))).until(2.001).end()
    assert [row["t_s"] for row in rows] == [2.0] * 20


def test_a_user_has_one_request_at_a_time_and_thinks_after_it(play: PlayFixture) -> None:
    rows = play(system(users(think_time="300ms"))).until(20.0).end()
    for own in by_user(rows).values():
        for before, after in pairwise(own):
            assert after["t_s"] == pytest.approx(before["t_s"] + before["latency_s"] + 0.3)


def test_users_who_neither_think_nor_wait_do_not_stop_the_clock(play: PlayFixture) -> None:
    closed = {"shut": {"kind": "refuse", "target": "services.api", "at": "0s", "lasts": "1h"}}
    for shape in ({}, {"shape": {"kind": "piecewise", "points": [{"at": "0s", "factor": 1}]}}):
        rows = play(system({**users(population=2, think_time="0s"), **shape}, faults=closed)).until(0.01).end()
        assert len(rows) in (2 * 99, 2 * 100, 2 * 101), "each asks every 0.1 ms"


@pytest.mark.parametrize("trouble", [{"client": {"patience": "50ms"}}, {}])
def test_every_end_lets_the_user_go_on(play: PlayFixture, trouble: dict[str, Any]) -> None:
    document = system(
        {**users(think_time="300ms"), **trouble},
        gateway={
            "machine": "vm",
            "cpu": "0s",
            "rate_limits": {"all": {"kind": "bucket4j_greedy", "key": "global", "refill": "9/1s"}},
        },
    )
    for route in document["routes"].values():
        route["through"] = ["gateway"]
    rows = play(document).until(10.0).end()
    assert {row["outcome"] for row in rows} >= {"refused", "abandoned" if trouble else "succeeded"}
    for own in by_user(rows).values():
        assert len(own) > 15
        for before, after in pairwise(own):
            assert after["t_s"] == pytest.approx(before["t_s"] + before["latency_s"] + 0.3)


def test_a_session_is_followed_by_a_gap(play: PlayFixture) -> None:
    session = {"session": {"requests": 4, "gap": "10s"}}
    rows = play(system(users(40, **session, think_time="100ms"))).until(60.0).end()
    pauses = [
        round(after["t_s"] - before["t_s"] - before["latency_s"], 6)
        for own in by_user(rows).values()
        for before, after in pairwise(own)
    ]
    assert set(pauses) == {0.1, 10.0}
    # gaps a session = 1/4: binomial, 4 sigma
    share = pauses.count(10.0) / len(pauses)
    assert abs(share - 0.25) < 4 * (0.25 * 0.75 / len(pauses)) ** 0.5


def test_users_share_addresses(play: PlayFixture) -> None:
    rows = play(system({**users(7), "users_per_ip": 3})).until(10.0).end()
    assert {(row["user"], row["ip"]) for row in rows} == {(user, user // 3) for user in range(7)}
    open_rows = play(system({"open": {"rate": "50/s", "users": 7}, "users_per_ip": 3})).until(10.0).end()
    assert {(row["user"], row["ip"]) for row in open_rows} == {(user, user // 3) for user in range(7)}


def test_open_arrivals_come_whatever_happens(play: PlayFixture) -> None:
    even = play(system({"open": {"kind": "constant", "rate": "10/s"}})).until(2.001).end()
    gaps = {round(after["t_s"] - before["t_s"], 9) for before, after in pairwise(even)}
    assert gaps == {0.1}
    stuck = system({"open": {"rate": "10/s"}})
    for endpoint in stuck["services"]["api"]["endpoints"].values():
        endpoint["steps"] = [{"kind": "delay", "duration": "1h"}]
    free = system({"open": {"rate": "10/s"}})
    times = [[row["t_s"] for row in play(document).until(20.0).end()] for document in (free, stuck)]
    assert times[0] == times[1]
    assert 130 < len(times[0]) < 270  # 200 expected, sigma 14


def test_the_mix_is_a_matter_of_weights(play: PlayFixture) -> None:
    rows = play(system({"open": {"rate": "200/s"}})).until(10.0).end()
    share = sum(row["endpoint"] == "get" for row in rows) / len(rows)
    assert abs(share - 0.75) < 4 * (0.75 * 0.25 / len(rows)) ** 0.5
    rows = play(system({"open": {"rate": "100/s"}, "mix": {"put": 1}})).until(2.0).end()
    assert {row["endpoint"] for row in rows} == {"put"}


def test_a_trace_says_when_who_and_what(play: PlayFixture) -> None:
    nan = float("nan")
    demands = {"api.get.delay": [0.5, nan, 0.25], "api.put.delay": [nan, 0.75, nan]}
    document = system({"users_per_ip": 2})
    rows = play(document, [0.0, 1.0, 1.5], users=[4, 5, 9], endpoints=[0, 1, -1], demands=demands).until(None).end()
    assert [row["t_s"] for row in rows] == [0.0, 1.0, 1.5]
    assert [(row["user"], row["ip"]) for row in rows] == [(4, 2), (5, 2), (9, 4)]
    assert [row["endpoint"] for row in rows[:2]] == ["get", "put"]
    assert [row["latency_s"] for row in rows[:2]] == [0.5, 0.75]
    drawn = play(system({"users_per_ip": 2}), [0.0], endpoints=[0]).until(None).end()[0]["latency_s"]
    assert drawn not in (0.0, 0.5)


def test_a_trace_s_keys_are_the_keys_of_caches(play: PlayFixture) -> None:
    document = system({})
    document["caches"] = {
        "redis": {
            "machine": "vm",
            "command_cpu": "0s",
            "round_trip": "0s",
            "classes": {"items": {"keys": 10, "popularity": 0, "value": "1K"}},
        }
    }
    look = {"kind": "cache", "cache": "redis", "data_class": "items"}
    document["services"]["api"]["endpoints"]["get"]["steps"] = [look]
    rows = play(document, [0.0, 1.0, 2.0, 3.0], endpoints=[0] * 4, keys=[3, 4, 13, 4]).until(None).end()
    assert [row["cache"] for row in rows] == ["miss", "miss", "hit", "hit"]


def test_speed_scales_time(play: PlayFixture) -> None:
    document = system({})
    game = play(document, [0.0, 2.0])
    assert [row["t_s"] for row in game.until(None).end()] == [0.0, 2.0]
    faster = play({**document, "traffic": {"mix": {"get": 1}}}, [0.0, 2.0])
    assert faster.system.spec.traffic.trace.speed == 1.0


@pytest.mark.parametrize(
    ("traffic", "said"),
    [
        ({}, "must have exactly one of users, open and trace, got none"),
        ({**users(), "open": {"rate": "1/s"}}, "got users and open"),
        ({**users(), "mix": {"get": 0}}, "must have a route with a positive weight"),
        ({**users(), "mix": {}}, "at least 1 item"),
        ({"open": {"rate": "0/s"}}, "must be a rate above 0"),
        (users(session={"requests": 0.5, "gap": "1s"}), "greater than or equal to 1"),
        (users(1 << 21), "less than or equal"),
    ],
)
def test_refusals(traffic: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        SystemSpec.model_validate(system(traffic))
    assert said in str(refused.value)


def test_how_many_requests_of_a_user_there_is_time_for() -> None:
    def requests_each(duration_s: float | None, **more: Any) -> float:
        return SystemSpec.model_validate(system(users(**more))).traffic.requests_each(duration_s)

    assert requests_each(240.0) == pytest.approx(480.0)
    assert requests_each(240.0, think_time="2s", session={"requests": 20, "gap": "10s"}) == pytest.approx(100.0)
    assert requests_each(None) == 0.0
    assert SystemSpec.model_validate(system({"open": {"rate": "5/s"}})).traffic.requests_each(240.0) == 0.0
