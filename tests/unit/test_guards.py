"""Guards around calls in a whole system: real statuses, draws of their own, replicas that die, what results say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from experiments.calls import calls
from experiments.result import setting_value
from models.outcomes import CircuitOpen, ConnectionRefused, Failed, InstanceDied, TimeLimitExceeded
from models.resilience import Sight
from models.service import CallStepSpec, EndpointSpec
from models.service.steps.guards import LANES_PER_CALL
from models.system import SystemSpec
from models.time_limiter import TimeLimiterSpec

PlayFixture = Callable[..., Any]
STEP = "services.front.endpoints.get.steps.ask"
IN_REPLICA = "services.front.replica-1.endpoints.get.steps.ask"


def call(service: str = "back", endpoint: str = "get", **more: Any) -> dict[str, Any]:
    return {"kind": "call", "name": "ask", "service": service, "endpoint": endpoint, **more}


def delay(duration: Any, **more: Any) -> dict[str, Any]:
    return {"kind": "delay", "duration": duration, **more}


def system(step: dict[str, Any], back: list[dict[str, Any]] | None = None, **services: Any) -> dict[str, Any]:
    return {
        "machines": {"vm": {"cores": 8, "memory": "4G"}},
        "services": {
            "front": {"machine": "vm", "endpoints": {"get": {"steps": [step]}}},
            "back": {"machine": "vm", "endpoints": {"get": {"steps": back or [delay("100ms")]}}},
            "far": {"machine": "vm", "endpoints": {"get": {"steps": [delay("1s")]}}},
            **services,
        },
        "routes": {"get": {"service": "front", "endpoint": "get"}},
        "traffic": {"mix": {"get": 1}, "open": {"rate": "1/s"}},
    }


LATE = [{**call("far"), "time_limiter": {"limit": "10ms"}}]
"""Steps that answer with a 504."""
SHUT = [{**call("far"), "time_limiter": {"limit": "10ms"}, "breaker": {"sliding_window_size": 1}}]
"""Steps that answer with a 504 the first time, and with a 503 after that."""


def counts_of(game: Any) -> dict[str, int]:
    names = ("visits", "calls", "breaker.succeeded", "breaker.failed", "breaker.cancelled", "retry.retries")
    counts = game.recording.whole.counts
    return {name: counts[f"{IN_REPLICA}.{name}"] for name in names if f"{IN_REPLICA}.{name}" in counts}


@pytest.mark.parametrize(
    ("lists", "succeeded", "failed", "cancelled"),
    [
        ({}, 0, 3, 0),
        ({"record_exceptions": ["504"]}, 2, 1, 0),
        ({"record_exceptions": ["503"]}, 1, 2, 0),
        ({"record_exceptions": ["5xx"]}, 0, 3, 0),
        ({"record_exceptions": ["time_limit", "circuit_open"]}, 3, 0, 0),
        ({"ignore_exceptions": ["503"]}, 0, 1, 2),
        ({"record_exceptions": ["5xx"], "ignore_exceptions": ["504"]}, 0, 2, 1),
    ],
)
def test_breaker_outcomes_come_from_real_statuses(
    play: PlayFixture, lists: dict[str, Any], succeeded: int, failed: int, cancelled: int
) -> None:
    """The callee answers 504, 503, 503. Why it does is its own business: what its guards did is not this one's."""
    game = play(system(call(breaker=lists), SHUT), [0.0, 1.0, 2.0]).until(None)
    rows = game.end()
    assert [row["status"] for row in rows] == [504, 503, 503]
    counts = counts_of(game)
    found = [counts[f"breaker.{name}"] for name in ("succeeded", "failed", "cancelled")]
    assert found == [succeeded, failed, cancelled]


def test_names_of_failures_depend_on_who_looks() -> None:
    sight = Sight(IN_REPLICA, "services.front.replica-1", "services.back")
    assert sight.names(CircuitOpen(f"{IN_REPLICA}.breaker")) == {"circuit_open"}
    assert sight.names(CircuitOpen("services.back.replica-1.endpoints.get.steps.ask.breaker")) == {"503", "5xx"}
    assert sight.names(TimeLimitExceeded(f"{IN_REPLICA}.time_limiter")) == {"time_limit"}
    assert sight.names(ConnectionRefused("services.back")) == {"connection_refused"}
    assert sight.names(ConnectionRefused("services.backup")) == {"502", "5xx"}
    assert sight.names(InstanceDied("services.back.replica-2")) == {"instance_died"}
    assert sight.names(InstanceDied("services.far.replica-1")) == {"502", "5xx"}
    assert sight.names(Failed("anywhere", 429)) == {"429", "4xx"}
    assert sight.is_own_death(InstanceDied("services.front.replica-1"))
    assert not sight.is_own_death(InstanceDied("services.back.replica-1"))


def test_every_attempt_draws_for_itself_and_the_request_stays_one(play: PlayFixture) -> None:
    work = delay({"kind": "exponential", "mean": "1s"})
    step = call(retry={"max_attempts": 40, "wait_duration": "0s"}, time_limiter={"limit": "300ms"})
    game = play(system(step, [work]), [0.0]).until(None)
    (row,) = game.end()
    assert (row["outcome"], row["attempts"]) == ("succeeded", 1)
    counts = counts_of(game)
    assert counts["calls"] == counts["retry.retries"] + 1 > 1
    assert row["latency_s"] < 0.3 * counts["calls"], "the last one was quick: its demand was another"


def test_the_first_attempt_s_draws_are_those_of_a_call_without_guards(play: PlayFixture) -> None:
    work = delay({"kind": "exponential", "mean": "1s"})
    (plain,) = play(system(call(), [work]), [0.0]).until(None).end()
    (guarded,) = play(system(call(retry={}), [work]), [0.0]).until(None).end()
    assert plain["latency_s"] == guarded["latency_s"]


def test_lanes_of_nested_calls_and_attempts_do_not_collide() -> None:
    lanes = [0]
    seen = {0}
    for _ in range(3):
        digits = [attempt * 64 + site for attempt in (0, 1, 63) for site in (1, 63)]
        lanes = [lane * LANES_PER_CALL + digit for lane in lanes for digit in digits]
        assert not seen & set(lanes)
        seen |= set(lanes)
    assert len(seen) == 1 + 6 + 36 + 216
    assert not any(lane % (1 << 32) == 0 for lane in seen - {0}), "a proxy's attempts are such"


def test_amplification_multiplies_by_layer(play: PlayFixture) -> None:
    """Three layers of three attempts: 27 calls of the last service for one request."""
    retry = {"max_attempts": 3, "wait_duration": "10ms"}
    document = system(call(retry=retry), [call("middle", retry=retry)])
    document["services"]["middle"] = {"machine": "vm", "endpoints": {"get": {"steps": [
        {**call("far"), "retry": retry, "time_limiter": {"limit": "10ms"}}
    ]}}}  # fmt: skip
    game = play(document, [0.0]).until(None)
    (row,) = game.end()
    assert (row["status"], row["attempts"]) == (504, 1)
    tree = calls(game.recording.whole, SystemSpec.model_validate(document))
    found = {path: (each["visits"], each["calls"], each["exhausted"]) for path, each in tree.items()}
    assert found == {
        STEP: (1, 3, 1),
        "services.back.endpoints.get.steps.ask": (3, 9, 3),
        "services.middle.endpoints.get.steps.ask": (9, 27, 9),
    }
    assert tree[STEP]["amplification"] == 3.0
    assert tree["services.middle.endpoints.get.steps.ask"]["left"] == 27


def test_a_client_s_read_limit_frees_the_caller_only(play: PlayFixture) -> None:
    game = play(system(call(read_timeout="50ms", fallback=[delay("10ms")])), [0.0]).until(0.08)
    back = game.system.services["back"].replicas[0]
    assert (game.system.in_flight, back.in_progress) == (0, 1)
    (row,) = game.until(None).end()
    assert (row["outcome"], row["latency_s"]) == ("succeeded", pytest.approx(0.06))
    (row,) = play(system(call(read_timeout="150ms")), [0.0]).until(None).end()
    assert (row["outcome"], row["latency_s"]) == ("succeeded", pytest.approx(0.1))


@pytest.mark.parametrize(
    ("guard", "limit"),
    [
        ({"bulkhead": {"permits": 2}}, f"{STEP}.bulkhead.permits"),
        (
            {"rate_limiter": {"limit_for_period": 2, "limit_refresh_period": "10s", "timeout_duration": "0s"}},
            f"{STEP}.rate_limiter.limit_for_period",
        ),
        (
            {"thread_pool_bulkhead": {"core_thread_pool_size": 1, "max_thread_pool_size": 1, "queue_capacity": 1}},
            f"{STEP}.thread_pool_bulkhead.max_thread_pool_size",
        ),
        ({"thread_pool_bulkhead": {"queue_capacity": 0}}, "machines.vm.cores"),
    ],
)
def test_what_a_guard_refuses_is_told_and_its_limit_known(play: PlayFixture, guard: dict[str, Any], limit: str) -> None:
    document = system(call(**guard))
    game = play(document, [0.001 * n for n in range(5)] if "cores" not in limit else [0.001 * n for n in range(11)])
    rows = game.until(None).end()
    refused = [row for row in rows if row["outcome"] == "refused"]
    assert len(refused) == 3
    spec = SystemSpec.model_validate(document)
    stopped = calls(game.recording.whole, spec)[STEP]["stopped"]
    assert sum(stopped.values()) == 3
    assert limit in {each.setting for each in game.system.limits}
    assert isinstance(setting_value(spec, limit), int | float)


def test_limiters_of_calls_stand_among_the_limiters(play: PlayFixture) -> None:
    guard = {"rate_limiter": {"limit_for_period": 1, "limit_refresh_period": "1h", "timeout_duration": "1s"}}
    game = play(system(call(**guard)), [0.0, 0.0]).until(None)
    rows = game.end()
    assert [(row["status"], row["latency_s"]) for row in rows] == [(200, pytest.approx(0.1)), (429, 1.0)]
    assert rows[1]["wait_s"] == 1.0
    (entry,) = [each for each in game.system.limits if each.kind == "rate"]
    assert entry.station == f"{IN_REPLICA}.rate_limiter"


GUARDED = {
    "retry": {"wait_duration": "100ms"},
    "breaker": {"sliding_window_size": 10},
    "rate_limiter": {"limit_for_period": 3, "limit_refresh_period": "2s", "timeout_duration": "10s"},
    "time_limiter": {"limit": "5s"},
}


@pytest.mark.parametrize("bulkhead", [{"bulkhead": {"permits": 2, "max_wait": "20s"}}, {"thread_pool_bulkhead": {}}])
def test_a_killed_replica_s_guards_begin_empty(play: PlayFixture, bulkhead: dict[str, Any]) -> None:
    document = system(call(**GUARDED, **bulkhead), [delay("3s")])
    document["services"]["front"]["restart"] = "always"
    game = play(document, [0.0] * 12 + [60.0] * 2).until(1.0)
    replica = game.system.services["front"].replicas[0]
    guards = replica.guards[STEP]
    station = f"{IN_REPLICA}.{next(iter(bulkhead))}"
    game.system.containers["services.front.replica-1"].doom("for a test")
    game.until(1.001)
    assert game.system.in_flight == 0
    instrument = game.recorder.instruments.stations[station]
    assert (instrument.busy, instrument.waiting) == (0, 0)
    if guards.bulkhead is not None:
        assert (guards.bulkhead.in_use, guards.bulkhead.waiting) == (0, 0)
    rows = game.until(None).end()
    assert [row["latency_s"] for row in rows[12:]] == [3.0, 3.0], "as if nothing had been"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"bulkhead": {}, "thread_pool_bulkhead": {}}, "one of bulkhead and thread_pool_bulkhead"),
        ({"disable_time_limiter": True}, "styles that bring one along"),
        ({"style": "spring_cloud_blocking", "rate_limiter": {}}, "has no rate_limiter"),
        ({"style": "spring_cloud_blocking", "time_limiter": {}, "disable_time_limiter": True}, "set and disabled"),
        ({"style": "spring_cloud_reactive", "thread_pool_bulkhead": {}}, "has no thread_pool_bulkhead"),
    ],
)
def test_guards_have_to_fit_their_style(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CallStepSpec.model_validate({"service": "a", "endpoint": "b", **fields})


def test_spring_cloud_brings_a_breaker_and_a_limit_along() -> None:
    plain = CallStepSpec(service="a", endpoint="b")
    assert (plain.breaker_in_force, plain.time_limiter_in_force, plain.is_guarded) == (None, None, False)
    cloud = CallStepSpec(service="a", endpoint="b", style="spring_cloud_blocking")
    assert cloud.breaker_in_force is not None
    assert cloud.time_limiter_in_force == TimeLimiterSpec()
    assert cloud.is_guarded


def test_an_endpoint_makes_fewer_calls_than_lanes_have_room_for() -> None:
    steps = [{"kind": "call", "service": "a", "endpoint": "b"}] * 64
    with pytest.raises(ValidationError, match="fewer than 64 calls"):
        EndpointSpec.model_validate({"steps": steps})
    EndpointSpec.model_validate({"steps": steps[:63]})


def test_a_pool_larger_in_its_core_than_in_all_is_told(play: PlayFixture) -> None:
    with pytest.raises(ValidationError, match="core_thread_pool_size: must be at most the 8 threads"):
        SystemSpec.model_validate(system(call(thread_pool_bulkhead={"core_thread_pool_size": 9})))
