"""The gateway: order of its filters, its CPU and loops, and how long it waits for whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

PlayFixture = Callable[..., Any]


def system(gateway: dict[str, Any], steps: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    steps = steps or [{"kind": "delay", "duration": "1s"}]
    return {
        "machines": {"vm": {"cores": 8, "memory": "4G"}},
        "gateway": {"machine": "vm", "cpu": "0s", **gateway},
        "services": {
            "api": {"machine": "vm", "endpoints": {"get": {"steps": steps}}},
            "other": {"machine": "vm", "endpoints": {"get": {"steps": steps}}},
        },
        "routes": {
            "get": {"service": "api", "endpoint": "get", "through": ["gateway"]},
            "other": {"service": "other", "endpoint": "get", "through": ["gateway"]},
        },
        "traffic": {"mix": {"get": 1}},
        **more,
    }


def bucket(capacity: int, key: str = "global") -> dict[str, Any]:
    return {"kind": "bucket4j_greedy", "key": key, "refill": f"{capacity}/1000s"}


def outcomes(rows: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(row["outcome"], row["status"]) for row in rows]


def test_rate_limits_are_asked_before_permits(play: PlayFixture) -> None:
    """Who is refused by the limiter takes no permit; who is refused for want of a permit has taken a token."""
    game = play(system({"rate_limits": {"all": bucket(3)}, "concurrency": {"api": {"permits": 2}}}), [0.0] * 5)
    assert outcomes(game.until(None).end()) == [("succeeded", 200)] * 2 + [("refused", 503)] + [("refused", 429)] * 2
    station = game.recording.whole.stations["gateway.concurrency.api"]
    assert (station.arrivals, station.refused) == (3, 1)


def test_rate_limits_are_asked_in_the_order_in_which_they_stand(play: PlayFixture) -> None:
    for order, first in ((["all", "each"], "all"), (["each", "all"], "each")):
        limits = {"all": bucket(1), "each": bucket(1, "user")}
        document = system({"rate_limits": {name: limits[name] for name in order}})
        game = play(document, [0.0, 0.0], users=[7, 7]).until(None)
        game.end()
        counts = game.recording.whole.counts
        assert {name: counts[f"gateway.rate_limits.{name}.refused"] for name in order} == {
            name: int(name == first) for name in order
        }


def test_permits_are_by_service(play: PlayFixture) -> None:
    document = system({"concurrency": {"api": {"permits": 1}}})
    game = play(document, [0.0] * 4, endpoints=[0, 1, 0, 1]).until(None)
    assert [outcome for outcome, _ in outcomes(game.end())] == ["succeeded", "succeeded", "refused", "succeeded"]


def test_everybody_burns_the_gateway_s_cpu_on_its_loops(play: PlayFixture) -> None:
    gateway = {"cpu": "1s", "loops": 2, "rate_limits": {"all": bucket(1)}}
    game = play(system(gateway), [0.0] * 4).until(None)
    rows = game.end()
    assert [row["latency_s"] for row in rows] == [2, 1, 2, 2], "refused at 1 s and 2 s, answered at 2 s"
    assert [row["cpu_s"] for row in rows] == [1] * 4
    assert [row["wait_s"] for row in rows] == [0, 0, 1, 1]


def test_without_a_response_timeout_it_waits(play: PlayFixture) -> None:
    (row,) = play(system({}, [{"kind": "delay", "duration": "1h"}]), [0.0]).until(None).end()
    assert row["latency_s"] == 3600


def test_a_service_works_on_after_the_response_timeout(play: PlayFixture) -> None:
    game = play(system({"response_timeout": "300ms", "concurrency": {"api": {"permits": 1}}}), [0.0, 0.5])
    replica = game.system.services["api"].replicas[0]
    game.until(0.6)
    assert replica.in_progress == 2
    game.until(None)
    rows = game.end()
    assert outcomes(rows) == [("failed", 504)] * 2, "the permit was free again at 300 ms"
    assert [row["latency_s"] for row in rows] == pytest.approx([0.3, 0.3])
    assert game.env.now == pytest.approx(1.5), "work went on for nobody"


NGINX = {
    "load_balancers": {
        "nginx": {"machine": "vm", "cpu": "0s", "upstreams": {"up": {"service": "api", "connect_time": "500ms"}}}
    },
    "routes": {"get": {"service": "api", "endpoint": "get", "through": ["gateway", "nginx"]}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("gateway", "client", "status"),
    [({"response_timeout": "300ms"}, {}, 504), ({}, {"patience": "300ms"}, 499),
     ({"response_timeout": "2s"}, {"patience": "300ms"}, 499)],
)  # fmt: skip
def test_a_proxy_stops_when_the_gateway_hangs_up(
    play: PlayFixture, gateway: dict[str, Any], client: dict[str, Any], status: int
) -> None:
    """It is still connecting then, so that the service never hears of the request."""
    document = system(gateway, **NGINX)
    document["traffic"] = {"mix": {"get": 1}, "client": client}
    game = play(document, [0.0]).until(None)
    (row,) = game.end()
    assert (row["status"], row["latency_s"]) == (status, pytest.approx(0.3))
    assert game.recording.whole.stations["services.api.replica-1.threads"].arrivals == 0
    assert game.system.proxies["nginx"]._processes[0].upstreams["api"].connections == [0]


def test_a_proxy_that_answers_in_time_is_not_cut_off(play: PlayFixture) -> None:
    document = system({"response_timeout": "2s"}, **NGINX)
    rows = play(document, [0.0, 1.0]).until(None).end()
    assert outcomes(rows) == [("succeeded", 200)] * 2
    assert [row["latency_s"] for row in rows] == pytest.approx([1.5, 1.5])


def test_a_dead_gateway_refuses(play: PlayFixture) -> None:
    game = play(system({"start_wait": "1s"}), [0.0, 0.5, 2.5])
    gateway = game.system.containers["gateway"]
    game.until(0.4)
    gateway.doom("for a test")
    rows = game.until(None).end()
    assert outcomes(rows) == [("failed", 502), ("refused", 502), ("succeeded", 200)]
