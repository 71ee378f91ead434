"""The gateway's filters in a system: their order, their pools, and what a scenario may say of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from models.gateway import BackoffSpec, GatewaySpec
from models.gateway.backoff import BackoffRule
from models.system import SystemSpec

PlayFixture = Callable[..., Any]

BREAKER = "gateway.circuit_breakers.guard"
LIMITER = {"kind": "bucket4j_greedy", "key": "user", "refill": "100/60s"}


def system(gateway: dict[str, Any], delay: str = "1s", replicas: int = 1, **more: Any) -> dict[str, Any]:
    endpoint = {"steps": [{"kind": "delay", "duration": delay}]}
    return {
        "machines": {"vm": {"cores": 8, "memory": "4G"}},
        "gateway": {"machine": "vm", "cpu": "0s", **gateway},
        "services": {"api": {"machine": "vm", "replicas": replicas, "endpoints": {"get": endpoint}}},
        "routes": {"get": {"service": "api", "endpoint": "get", "through": ["gateway"]}},
        "traffic": {"mix": {"get": 1}},
        **more,
    }


def gateway(**fields: Any) -> GatewaySpec:
    return GatewaySpec.model_validate({"machine": "vm", "cpu": "1ms", **fields})


def ends(rows: list[dict[str, Any]]) -> list[tuple[int, float]]:
    return [(row["status"], row["latency_s"]) for row in rows]


def test_the_order_that_nobody_wrote() -> None:
    spec = gateway(
        retries={"again": {}}, circuit_breakers={"guard": {}}, rate_limits={"each": LIMITER}, concurrency={"api": {}}
    )
    assert spec.order == ["each", "concurrency", "guard", "again"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"filters": ["each"]}, "filters: must name each of nothing once, got each"),
        ({"rate_limits": {"each": LIMITER}, "filters": []}, "filters: must name each of each once, got nothing"),
        ({"rate_limits": {"a": LIMITER}, "retries": {"a": {}}}, "must be unique"),
        ({"rate_limits": {"concurrency": LIMITER}}, "must be unique and not 'concurrency'"),
        ({"retries": {"again": {"series": [], "exceptions": []}}}, "must not all be empty"),
        ({"retries": {"again": {"backoff": {"first": "10ms", "maximum": "5ms"}}}}, "at least first"),
        ({"retries": {"again": {"retries": 0}}}, "greater than 0"),
        ({"retries": {"again": {"methods": []}}}, "at least 1"),
    ],
)
def test_what_the_real_gateway_would_refuse(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        gateway(**fields)


@pytest.mark.parametrize("group", ["retries", "circuit_breakers"])
def test_filters_name_services_that_exist(group: str) -> None:
    with pytest.raises(ValidationError, match=f"gateway.{group}.x.services: must name one of the services, got 'shop'"):
        SystemSpec.model_validate(
            system({group: {"x": {"services": ["shop"]}}}, traffic={"open": {"rate": "1/s"}, "mix": {"get": 1}})
        )


def test_a_filter_of_other_services_is_not_in_the_way(play: PlayFixture) -> None:
    document = system({"circuit_breakers": {"guard": {"services": ["other"], "time_limit": "100ms"}}})
    document["services"]["other"] = document["services"]["api"]
    document["routes"]["other"] = {"service": "other", "endpoint": "get", "through": ["gateway"]}
    rows = play(document, [0.0, 0.0], endpoints=[0, 1]).until(None).end()
    assert ends(rows) == [(200, 1.0), (504, pytest.approx(0.1))]


def test_every_try_burns_the_gateway_s_cpu(play: PlayFixture) -> None:
    document = system({"cpu": "10ms", "retries": {"again": {"retries": 2}}, "response_timeout": "100ms"})
    (row,) = play(document, [0.0]).until(None).end()
    assert (row["status"], row["cpu_s"]) == (504, pytest.approx(0.03))
    assert row["latency_s"] == pytest.approx(0.33)


def test_a_breaker_begins_anew_with_its_gateway(play: PlayFixture) -> None:
    guard = {"sliding_window_size": 1, "time_limit": "100ms", "wait_duration_in_open_state": "1h"}
    game = play(system({"circuit_breakers": {"guard": guard}}, delay="200ms"), [0.0, 1.0, 5.0])
    breaker = game.system.breakers["gateway.circuit_breakers.guard"]
    game.until(2.0)
    assert breaker.state.name == "OPEN"
    game.system.containers["gateway"].kill("for a test")
    game.until(4.0)
    assert breaker.state.name == "CLOSED"
    assert [status for status, _ in ends(game.until(None).end())] == [504, 503, 504]


def test_a_call_that_finds_nobody_counts_and_gives_its_permit_back(play: PlayFixture) -> None:
    guard = {"sliding_window_size": 1, "wait_duration_in_open_state": "1s", "time_limit": None,
             "permitted_number_of_calls_in_half_open_state": 1}  # fmt: skip
    faults = {"down": {"kind": "crash", "target": "services.api", "at": "1s", "lasts": "3s"}}
    document = system({"circuit_breakers": {"guard": guard}, "response_timeout": None}, "10ms", faults=faults)
    for client in ({}, {"patience": "60s"}):  # who may leave makes the way to a service a process of its own
        document["traffic"] = {"mix": {"get": 1}, "client": client}
        running = play(document, [2.0, 2.5, 3.5, 5.0, 6.0])
        running.until(10.0)
        rows = running.end()
        assert [row["status"] for row in rows] == [502, 503, 502, 200, 200]
        moved = [(round(change.t_s, 6), change.after) for change in running.system.breakers[BREAKER].transitions]
        assert moved == [(2.0, "OPEN"), (3.5, "HALF_OPEN"), (3.5, "OPEN"), (5.0, "HALF_OPEN"), (5.01, "CLOSED")]


def test_what_its_service_does_not_reach_is_an_answer_of_the_service(play: PlayFixture) -> None:
    """Also where the one that is down has a name that begins like the service's own."""
    down = {"kind": "crash", "target": "services.api2", "at": "0s", "lasts": "100s"}
    again = {"series": ["client_error"], "exceptions": ["io"]}
    document = system({"retries": {"again": again}}, faults={"down": down})
    document["services"]["api2"] = document["services"]["api"]
    call = {"kind": "call", "service": "api2", "endpoint": "get"}
    document["services"]["api"] = {"machine": "vm", "endpoints": {"get": {"steps": [call]}}}
    game = play(document, [1.0]).until(None)
    assert ends(game.end()) == [(502, 0.0)]
    assert game.recording.whole.counts["gateway.retries.again.retries"] == 0


def test_a_network_that_lets_nothing_through_is_an_error_and_no_answer(play: PlayFixture) -> None:
    guard = {"sliding_window_size": 1, "time_limit": None, "slow_call_duration_threshold": "1h",
             "fallback": {"cpu": "0s"}}  # fmt: skip
    cut = {"kind": "partition", "between": ["gateway", "services.api"], "at": "0s"}
    game = play(system({"circuit_breakers": {"guard": guard}}, faults={"cut": cut}), [1.0]).until(None)
    assert ends(game.end()) == [(200, pytest.approx(924.6))]
    assert [change.after for change in game.system.breakers[BREAKER].transitions] == ["OPEN"]


def test_a_service_that_accepts_nobody_gives_no_answer(play: PlayFixture) -> None:
    """Its backlog is full until the kernel of the gateway gives up: an IOException."""
    guard = {"sliding_window_size": 1, "time_limit": None, "fallback": {"cpu": "0s"}}
    document = system({"circuit_breakers": {"guard": guard}}, delay="1h")
    document["services"]["api"]["workers"] = {"kind": "tomcat", "max_connections": 1, "accept_count": 0}
    rows = play(document, [0.0, 1.0, 2.0]).until(None).end()  # one is worked on, one in the backlog, one outside
    assert sorted(ends(rows)) == [(200, 131.0), (200, 3600.0), (200, 7199.0)]


def test_pauses_between_tries_are_accounted_for(play: PlayFixture) -> None:
    down = {"kind": "crash", "target": "services.api", "at": "0s", "lasts": "1200ms"}
    gateway = {"retries": {"again": {"retries": 2, "backoff": {"first": "100ms"}}}}
    game = play(system(gateway, delay="500ms", faults={"down": down}), [1.0]).until(None)
    assert ends(game.end()) == [(200, pytest.approx(0.8))]
    split = game.recording.requests.split()
    assert split is not None and split.parts_s["delay"] == pytest.approx(0.8)


def test_a_gateway_that_dies_retries_nothing(play: PlayFixture) -> None:
    game = play(system({"retries": {"again": {}}, "circuit_breakers": {"guard": {"time_limit": "10s"}}}), [0.0])
    game.until(0.5)
    game.system.containers["gateway"].kill("for a test")
    rows = game.until(None).end()
    assert ends(rows) == [(502, 0.5)]


def test_a_fixed_pool_lets_others_wait(play: PlayFixture) -> None:
    rows = play(system({"connections": {"max_connections": 2}}), [0.0] * 5).until(None).end()
    assert sorted(ends(rows)) == [(200, 1.0), (200, 1.0), (200, 2.0), (200, 2.0), (200, 3.0)]
    assert sorted(row["wait_s"] for row in rows) == [0.0, 0.0, 1.0, 1.0, 2.0]


def test_every_replica_has_a_pool_of_its_own(play: PlayFixture) -> None:
    rows = play(system({"connections": {"max_connections": 1}}, replicas=2), [0.0] * 4).until(None).end()
    assert sorted(row["latency_s"] for row in rows) == [1.0, 1.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("gateway", "status"),
    [
        ({}, 500),
        ({"response_timeout": "10s"}, 500),  # its TimeoutException is another class than the pool's
        ({"circuit_breakers": {"guard": {"time_limit": None}}}, 504),  # the filter maps java.util.concurrent's
        ({"retries": {"again": {"series": ["client_error"]}}}, 500),  # and Retry does not know that one
    ],
)
def test_who_waits_too_long_for_a_connection(play: PlayFixture, gateway: dict[str, Any], status: int) -> None:
    document = system({"connections": {"max_connections": 1, "acquire_timeout": "300ms"}, **gateway})
    rows = play(document, [0.0, 0.0]).until(None).end()
    assert sorted(ends(rows)) == [(200, 1.0), (status, pytest.approx(0.3))]
    assert {row["outcome"] for row in rows} == {"succeeded", "failed"}


def test_a_breaker_s_time_limit_is_not_tried_again_from_outside(play: PlayFixture) -> None:
    """Reactor's TimeoutException is none of those that Retry lists."""
    filters = {"retries": {"again": {"series": ["client_error"]}}, "circuit_breakers": {"guard": {}}}
    game = play(system({**filters, "filters": ["again", "guard"]}, delay="3s"), [0.0]).until(None)
    assert ends(game.end()) == [(504, 1.0)]


def test_a_pool_to_a_proxy_is_one(play: PlayFixture) -> None:
    balancer = {"machine": "vm", "cpu": "0s", "upstreams": {"up": {"service": "api", "connect_time": "0s"}}}
    document = system(
        {"connections": {"max_connections": 2}},
        replicas=2,
        load_balancers={"nginx": balancer},
        routes={"get": {"service": "api", "endpoint": "get", "through": ["gateway", "nginx"]}},
    )
    rows = play(document, [0.0] * 4).until(None).end()
    assert sorted(row["latency_s"] for row in rows) == [1.0, 1.0, 2.0, 2.0]


def test_anonymous_users_stay_anonymous(play: PlayFixture) -> None:
    document = system({"rate_limits": {"each": LIMITER}, "key_resolver": {"anonymous_share": 0.5}}, delay="0s")
    users = [number % 40 for number in range(400)]
    rows = play(document, [0.01 * number for number in range(400)], users=users).until(None).end()
    statuses = {user: {row["status"] for row in rows if row["user"] == user} for user in range(40)}
    assert all(len(seen) == 1 for seen in statuses.values()), "a user has a key, or has none"
    assert 8 <= sum(seen == {403} for seen in statuses.values()) <= 32


milliseconds = st.integers(1, 5000)


@given(
    first=milliseconds, room=st.none() | milliseconds, factor=st.integers(1, 4), factor_of_chance=st.floats(0, 1),
    based=st.booleans(), chances=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=12),
)  # fmt: skip
@settings(max_examples=200)
def test_pauses_stay_between_the_first_and_the_longest(first, room, factor, factor_of_chance, based, chances) -> None:
    limits = {"first": f"{first}ms", "maximum": None if room is None else f"{first + room}ms"}
    spec = {**limits, "factor": factor, "based_on_previous_value": based, "random_factor": factor_of_chance}
    rule = BackoffRule(BackoffSpec.model_validate(spec))
    last_s = 0.0
    for number, chance in enumerate(chances, start=1):
        last_s = rule.pause_s(number, last_s, chance)
        assert first / 1000 - 1e-9 <= last_s
        assert room is None or last_s <= (first + room) / 1000 + 1e-9


def test_jitter_adds_whole_milliseconds_within_its_share() -> None:
    rule = BackoffRule(BackoffSpec.model_validate({"first": "100ms", "factor": 2, "random_factor": 0.5}))
    pauses = [rule.pause_s(2, 0.1, chance / 100) for chance in range(100)]
    assert min(pauses) == pytest.approx(0.1)
    assert max(pauses) == pytest.approx(0.298)
    assert all(abs(pause * 1000 - round(pause * 1000)) < 1e-6 for pause in pauses)
