"""Clients: patience, round trips, and the one outcome of each request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

PlayFixture = Callable[..., Any]
DELAY = [{"kind": "delay", "duration": "1s"}]


def system(client: dict[str, Any], through: list[str] | None = None, **service: Any) -> dict[str, Any]:
    return {
        "machines": {"vm": {"cores": 4, "memory": "4G"}},
        "gateway": {"machine": "vm", "cpu": "0s", "concurrency": {"api": {"permits": 1}}},
        "services": {"api": {"machine": "vm", "endpoints": {"get": {"steps": DELAY}}, **service}},
        "load_balancers": {
            "nginx": {"machine": "vm", "cpu": "0s", "upstreams": {"up": {"service": "api", "connect_time": "0s"}}}
        },
        "routes": {"get": {"service": "api", "endpoint": "get", "through": through or []}},
        "traffic": {"client": client, "mix": {"get": 1}},
    }


WAYS = [[], ["gateway"], ["nginx"], ["gateway", "nginx"]]


@pytest.mark.parametrize("through", WAYS)
def test_a_request_is_abandoned_exactly_when_patience_ends(play: PlayFixture, through: list[str]) -> None:
    game = play(system({"patience": "0.3s"}, through), [0.0, 2.125])
    rows = game.until(None).end()
    assert [(row["outcome"], row["status"]) for row in rows] == [("abandoned", 499)] * 2
    assert [row["t_s"] + row["latency_s"] for row in rows] == [0.3, 2.425]


@pytest.mark.parametrize("through", WAYS)
def test_work_goes_on_after_the_client_has_left(play: PlayFixture, through: list[str]) -> None:
    game = play(system({"patience": "300ms"}, through), [0.0])
    replica = game.system.services["api"].replicas[0]
    game.until(0.999)
    assert (game.system.in_flight, replica.in_progress) == (0, 1)
    game.until(1.001)
    assert replica.in_progress == 0
    game.until(None).end()


def test_the_gateway_s_permit_is_free_at_once(play: PlayFixture) -> None:
    times = [0.0, 0.2, 0.31]
    rows = play(system({"patience": "300ms"}, ["gateway"]), times).until(None).end()
    assert [(row["outcome"], row["status"]) for row in rows] == [
        ("abandoned", 499),
        ("refused", 503),
        ("abandoned", 499),
    ]


def test_patience_covers_waiting_in_queues(play: PlayFixture) -> None:
    rows = play(system({"patience": "1500ms"}, workers={"kind": "tomcat", "threads": 1}), [0.0] * 3).until(None).end()
    assert [row["outcome"] for row in rows] == ["succeeded", "abandoned", "abandoned"]


def test_an_answer_at_the_last_instant_counts_once(play: PlayFixture) -> None:
    """Whatever comes first at that instant is the outcome; there is only one."""
    rows = play(system({"patience": "1s"}), [0.0, 5.0]).until(None).end()
    assert [row["latency_s"] for row in rows] == [1.0, 1.0]
    assert {row["outcome"] for row in rows} <= {"succeeded", "abandoned"}


def test_half_of_the_round_trip_comes_before_and_half_after(play: PlayFixture) -> None:
    game = play(system({"round_trip": "400ms"}), [0.0])
    replica = game.system.services["api"].replicas[0]
    assert [game.until(time).system and replica.in_progress for time in (0.1, 0.3, 1.1, 1.3)] == [0, 1, 1, 0]
    (row,) = game.until(None).end()
    assert row["latency_s"] == pytest.approx(1.4)


@pytest.mark.parametrize(("patience", "leaves_at_s"), [("100ms", 0.1), ("500ms", 0.5), ("1300ms", 1.3)])
def test_clients_leave_on_the_way_too(play: PlayFixture, patience: str, leaves_at_s: float) -> None:
    """Before the request is there, while it is worked on, and while the answer is on its way."""
    game = play(system({"round_trip": "400ms", "patience": patience}), [0.0])
    (row,) = game.until(None).end()
    assert (row["outcome"], row["latency_s"]) == ("abandoned", leaves_at_s)
    arrivals = game.recording.whole.stations["services.api.replica-1.threads"].arrivals
    assert arrivals == (0 if leaves_at_s == 0.1 else 1)


def test_a_refusal_travels_back_as_well(play: PlayFixture) -> None:
    rows = play(system({"round_trip": "400ms"}, ["gateway"]), [0.0, 0.1]).until(None).end()
    assert (rows[1]["outcome"], rows[1]["latency_s"]) == ("refused", pytest.approx(0.4))
