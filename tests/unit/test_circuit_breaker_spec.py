"""Circuit breaker: its spec, its reports, its timers."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from models.circuit_breaker import CallBreakerSpec, CircuitBreaker, CircuitBreakerSpec, State, rate_reaches
from models.outcomes import CircuitOpen
from models.spec import Context
from sim.environment import Activity, Environment
from sim.probe import Count, Level, NullProbe
from sim.streams import Streams


class Keeping(NullProbe):
    """Keeps what is reported where a test can read it."""

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.counts: dict[str, Count] = {}
        self.notes: list[tuple[str, str]] = []
        self.state: Level

    def count(self, path: str) -> Count:
        self.counts[path] = Count(path)
        return self.counts[path]

    def level(self, path: str, value: float = 0.0) -> Level:
        self.state = super().level(path, value)
        return self.state

    def note(self, path: str, text: str) -> None:
        self.notes.append((path, text))

    def totals(self) -> dict[str, int]:
        return {path.rsplit(".", 1)[1]: count.total for path, count in self.counts.items()}


def build(replication: int = 0, **settings: Any) -> tuple[Environment, CircuitBreaker, Keeping]:
    env = Environment()
    probe = Keeping(env)
    spec = CircuitBreakerSpec(**settings)
    return env, spec.build(Context(env, Streams(1, replication), probe, "steps.call.breaker")), probe


def test_defaults_are_the_librarys() -> None:
    assert CircuitBreakerSpec().model_dump(mode="json") == {
        "sliding_window_type": "count_based",
        "sliding_window_size": 100,
        "minimum_number_of_calls": 100,
        "failure_rate_threshold": 50.0,
        "slow_call_duration_threshold": "1m",
        "slow_call_rate_threshold": 100.0,
        "wait_duration_in_open_state": "1m",
        "permitted_number_of_calls_in_half_open_state": 10,
        "max_wait_duration_in_half_open_state": "0s",
        "automatic_transition_from_open_to_half_open_enabled": False,
        "exponential_backoff_multiplier": None,
        "exponential_max_wait_duration_in_open_state": None,
    }
    lists = {"record_exceptions": None, "ignore_exceptions": []}
    assert CallBreakerSpec().model_dump(mode="json") == {**CircuitBreakerSpec().model_dump(mode="json"), **lists}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sliding_window_type", "COUNT"),
        ("sliding_window_size", 0),
        ("minimum_number_of_calls", 0),
        ("failure_rate_threshold", 0),
        ("failure_rate_threshold", 100.1),
        ("slow_call_duration_threshold", "0s"),
        ("slow_call_rate_threshold", 0),
        ("wait_duration_in_open_state", "900us"),
        ("permitted_number_of_calls_in_half_open_state", 0),
        ("max_wait_duration_in_half_open_state", "-1s"),
        ("ignore_exceptions", ["bad"]),
        ("record_exceptions", []),
        ("exponential_backoff_multiplier", 0),
        ("exponential_max_wait_duration_in_open_state", "1s"),
    ],
)
def test_refuses_what_the_real_setters_refuse(field: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        CallBreakerSpec.model_validate({field: value})


@pytest.mark.parametrize(
    ("number", "calls", "threshold", "reached"),
    [
        (5, 10, 50.0, True),
        (4, 10, 50.0, False),
        (1, 3, 33.333332, True),
        (1, 7, 14.2857143, True),  # only in 32-bit floats: the threshold is rounded down with the rate
        (1, 7, 14.28572, False),
        (2, 3, 66.6667, False),
        (0, 100, 0.1, False),
        (100, 100, 100.0, True),
    ],
)
def test_rates_are_compared_in_32_bits(number: int, calls: int, threshold: float, reached: bool) -> None:
    assert rate_reaches(number, calls, threshold) is reached


def test_reports_counts_state_notes_and_transitions() -> None:
    env, breaker, probe = build(
        sliding_window_size=2,
        wait_duration_in_open_state="30s",
        permitted_number_of_calls_in_half_open_state=2,
        slow_call_duration_threshold="2s",
    )

    def calls() -> Activity:
        for is_failed, duration_s in ((False, 0.0), (True, 1.0)):
            breaker.acquire()
            yield duration_s
            breaker.record(is_failed, duration_s)
        with pytest.raises(CircuitOpen) as refusal:
            breaker.acquire()
        assert (refusal.value.path, refusal.value.status) == ("steps.call.breaker", 503)
        yield 39.0
        breaker.acquire()
        breaker.release()
        for duration_s in (1.0, 3.0):
            breaker.acquire()
            yield duration_s
            breaker.record(False, duration_s)

    env.start(calls())
    env.run()
    assert breaker.state is State.CLOSED
    assert breaker.transitions == [
        (1.0, "CLOSED", "OPEN", "failure rate 50.0 % of 2 calls"),
        (40.0, "OPEN", "HALF_OPEN", "wait over, first call"),
        (44.0, "HALF_OPEN", "CLOSED", "rates below their thresholds"),
    ]
    assert probe.notes == [
        ("steps.call.breaker", f"{change.before} -> {change.after}: {change.reason}") for change in breaker.transitions
    ]
    assert probe.totals() == {
        "permitted": 5, "not_permitted": 1, "succeeded": 3, "failed": 1, "slow": 1, "cancelled": 1,
    }  # fmt: skip
    probe.state.settle()
    assert (probe.state.value, probe.state.area) == (0.0, 39.0 * 2 + 4.0 * 1)


def test_timers_follow_the_state_they_belong_to() -> None:
    """A half-open wait is forgotten once results decide; an automatic transition needs no call."""
    env, breaker, _ = build(
        sliding_window_size=1,
        wait_duration_in_open_state="10s",
        permitted_number_of_calls_in_half_open_state=1,
        max_wait_duration_in_half_open_state="5s",
        automatic_transition_from_open_to_half_open_enabled=True,
    )

    def calls() -> Activity:
        breaker.acquire()
        breaker.record(True, 0.0)
        yield 27.0
        breaker.acquire()
        breaker.record(False, 0.0)

    env.start(calls())
    env.run(until=100.0)
    assert [change[:3] for change in breaker.transitions] == [
        (0.0, "CLOSED", "OPEN"),
        (10.0, "OPEN", "HALF_OPEN"),
        (15.0, "HALF_OPEN", "OPEN"),
        (25.0, "OPEN", "HALF_OPEN"),
        (27.0, "HALF_OPEN", "CLOSED"),
    ]
    assert breaker.state is State.CLOSED


def test_a_quiet_breaker_costs_no_events() -> None:
    """Without automatic transitions an open breaker waits for a call, not for a timer."""
    env, breaker, _ = build(sliding_window_size=1)
    breaker.acquire()
    breaker.record(True, 0.0)
    env.run()
    assert (env.now, breaker.state) == (0.0, State.OPEN)


def test_a_time_based_window_has_a_second_of_its_own() -> None:
    """Two failures 0.5 s apart share a window of one second, or do not: it depends on when the second began."""

    def opens(replication: int) -> bool:
        env, breaker, _ = build(
            replication, sliding_window_type="time_based", sliding_window_size=1, minimum_number_of_calls=2
        )

        def fail_twice() -> Activity:
            breaker.record(True, 0.0)
            yield 0.5
            breaker.record(True, 0.0)

        env.start(fail_twice())
        env.run()
        return breaker.state is State.OPEN

    assert {opens(replication) for replication in range(12)} == {False, True}
