"""Resilience4j's circuit breaker: every measured vector, and recorded behaviour of the real library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.circuit_breaker import CircuitBreakerRule, CircuitBreakerSpec, State
from models.outcomes import CircuitOpen
from models.spec import Context
from sim.environment import Environment
from sim.probe import NullProbe

FIDELITY = "2.1"

MS = 1_000_000
SECOND = 1000 * MS
RECORDING = Path(__file__).parent / "recordings" / "circuit_breaker.txt"


def rule_of(**settings: Any) -> CircuitBreakerRule:
    return CircuitBreakerRule(CircuitBreakerSpec(**settings))


def half_open(**settings: Any) -> CircuitBreakerRule:
    """A rule at 2 s that opened at 0 and has let one call through half-open."""
    rule = rule_of(sliding_window_size=2, wait_duration_in_open_state="1s", **settings)
    rule.record(0, True, 0)
    rule.record(0, True, 0)
    assert rule.state is State.OPEN
    assert rule.acquire(2 * SECOND)
    assert rule.state is State.HALF_OPEN
    return rule


def test_minimum_is_at_most_the_window() -> None:
    """FIDELITY 2.1: window 10, min unset, all errors: CLOSED to 9, OPEN at the 10th."""
    rule = rule_of(sliding_window_size=10)
    states = []
    for _ in range(10):
        assert rule.acquire(0)
        rule.record(0, True, 0)
        states.append(rule.state)
    assert states == [State.CLOSED] * 9 + [State.OPEN]


def test_a_success_can_open() -> None:
    """FIDELITY 2.1: window/min 10: 5 errors then 5 ok: OPEN on the 10th (a success), 50.0%."""
    rule = rule_of(sliding_window_size=10, minimum_number_of_calls=10)
    for is_failed in [True] * 5 + [False] * 4:
        rule.record(0, is_failed, 0)
        assert rule.state is State.CLOSED
    rule.record(0, False, 0)
    assert rule.state is State.OPEN
    assert rule.reason == "failure rate 50.0 % of 10 calls"


def test_a_time_based_window_keeps_the_minimum() -> None:
    """FIDELITY 2.1: time-based 10 s, min unset, 60 errors: never opens (60 < 100); 100 do open it."""
    rule = rule_of(sliding_window_type="time_based", sliding_window_size=10)
    for _ in range(60):
        rule.record(0, True, 0)
    assert (rule.state, rule.window.calls) == (State.CLOSED, 60)
    for _ in range(40):
        rule.record(0, True, 0)
    assert rule.state is State.OPEN


def test_a_time_based_window_moves_by_whole_seconds() -> None:
    """FIDELITY 2.1: the same, recorded at x.5 s: 60 buffered at +9.4 s, 0 at +9.6 s."""
    for later_ms, buffered in ((9_400, 60), (9_600, 0)):
        rule = rule_of(sliding_window_type="time_based", sliding_window_size=10)
        recorded_at = 1_234 * SECOND + 500 * MS
        for _ in range(60):
            rule.record(recorded_at, True, 0)
        rule.record(recorded_at + later_ms * MS, False, 0)
        assert rule.window.calls == buffered + 1
        assert rule.window.failed == buffered


def test_half_open_strictly_after_the_wait() -> None:
    """FIDELITY 2.1: wait 60 s: at 60.000 s denied, at 60.001 s HALF_OPEN. No traffic leaves it OPEN."""
    rule = rule_of(sliding_window_size=1)
    rule.record(5 * SECOND, True, 0)
    assert rule.patience_ns is None
    assert not rule.acquire(65 * SECOND)
    assert rule.state is State.OPEN
    assert rule.acquire(65 * SECOND + MS)
    assert rule.state is State.HALF_OPEN


def test_half_open_decides_at_its_own_minimum() -> None:
    """FIDELITY 2.1: min 2, permitted 3: two ok close it after 2, not 3."""
    rule = half_open(minimum_number_of_calls=2, permitted_number_of_calls_in_half_open_state=3)
    rule.record(2 * SECOND, False, 0)
    assert rule.state is State.HALF_OPEN
    rule.record(2 * SECOND, False, 0)
    assert rule.state is State.CLOSED


def test_calls_that_hang_wedge_it() -> None:
    """FIDELITY 2.1: half-open, 2 permits hang: 1 h later still HALF_OPEN, denying; a cancelled call frees one."""
    rule = half_open(permitted_number_of_calls_in_half_open_state=2)
    assert rule.acquire(2 * SECOND)
    assert not rule.acquire(3602 * SECOND)
    assert (rule.state, rule.patience_ns) == (State.HALF_OPEN, None)
    rule.release()
    assert rule.acquire(3602 * SECOND)
    assert not rule.acquire(3602 * SECOND)


def test_max_wait_half_open_unwedges_it() -> None:
    """FIDELITY 2.1: a permitted call that never ends wedges the breaker; maxWaitDurationInHalfOpenState re-opens it."""
    rule = half_open(permitted_number_of_calls_in_half_open_state=2, max_wait_duration_in_half_open_state="3s")
    assert rule.patience_ns == 3 * SECOND
    rule.time_is_up(5 * SECOND)
    assert rule.state is State.OPEN
    assert not rule.acquire(6 * SECOND)
    assert rule.acquire(6 * SECOND + 1)


def test_stale_results_go_to_the_current_state() -> None:
    """FIDELITY 2.1: two failures of calls begun while CLOSED arrive in half-open: OPEN."""
    rule = half_open(permitted_number_of_calls_in_half_open_state=2)
    rule.record(2 * SECOND, True, 0)
    assert rule.state is State.HALF_OPEN
    rule.record(2 * SECOND, True, 0)
    assert rule.state is State.OPEN


def test_slow_is_strictly_longer() -> None:
    """FIDELITY 2.1: slow threshold 100 ms (rate 50, window 2): 100, 100, then 101: not slow, not slow, slow: OPEN."""
    rule = rule_of(sliding_window_size=2, slow_call_duration_threshold="100ms", slow_call_rate_threshold=50)
    assert [rule.record(0, False, ms * MS) for ms in (100, 100)] == [False, False]
    assert rule.state is State.CLOSED
    assert rule.record(0, False, 101 * MS)
    assert rule.state is State.OPEN
    assert rule.reason == "slow call rate 50.0 % of 2 calls"


def test_a_change_of_state_starts_an_empty_window() -> None:
    """FIDELITY 2.1: every change of state starts an empty window."""
    rule = half_open(permitted_number_of_calls_in_half_open_state=1)
    assert rule.window.calls == 0
    rule.record(2 * SECOND, False, 0)
    assert rule.state is State.CLOSED
    assert rule.window.calls == 0
    rule.record(2 * SECOND, True, 0)
    assert rule.state is State.CLOSED


def test_the_rate_is_that_of_a_ring() -> None:
    """FIDELITY 2.1: the window is a ring buffer: what falls out of it counts no more."""
    rule = rule_of(sliding_window_size=4, failure_rate_threshold=75)
    for is_failed in (True, False, True, False, False, True):
        rule.record(0, is_failed, 0)
    assert (rule.window.calls, rule.window.failed) == (4, 2)


@pytest.mark.parametrize("is_automatic", [False, True])
def test_through_simulated_time(is_automatic: bool) -> None:
    """FIDELITY 2.1: OPEN to HALF_OPEN lazily, by the first call after the wait; if automatic, by a timer."""
    env = Environment()
    spec = CircuitBreakerSpec(
        sliding_window_size=2,
        wait_duration_in_open_state="30s",
        automatic_transition_from_open_to_half_open_enabled=is_automatic,
        permitted_number_of_calls_in_half_open_state=1,
    )
    breaker = spec.build(Context(env, None, NullProbe(env), "breaker"))  # type: ignore[arg-type]
    denied: list[float] = []

    def call(is_failed: bool) -> Any:
        try:
            breaker.acquire()
        except CircuitOpen:
            denied.append(env.now)
            return
        yield 0.5
        breaker.record(is_failed, 0.5)

    for at_s, is_failed in ((0.0, True), (0.0, True), (10.0, False), (30.4, False), (45.0, False)):
        env.start(call(is_failed), delay=at_s)
    env.run()
    half_open_at = 30.5 if is_automatic else 45.0
    assert denied == [10.0, 30.4]
    assert [change[:3] for change in breaker.transitions] == [
        (0.5, "CLOSED", "OPEN"),
        (half_open_at, "OPEN", "HALF_OPEN"),
        (45.5, "HALF_OPEN", "CLOSED"),
    ]


def recorded() -> list[tuple[str, list[str]]]:
    """Blocks of the recording: a line `N ...` for a new breaker, then lines `command => answer`."""
    blocks: list[tuple[str, list[str]]] = []
    for line in RECORDING.read_text().splitlines():
        if line.startswith("N "):
            blocks.append((line, []))
        elif not line.startswith("#"):
            blocks[-1][1].append(line)
    return blocks


BLOCKS = recorded()


class Replay:
    """The rule behind the recorder's commands, with timers that ring in between."""

    def __init__(self, head: str) -> None:
        kind, size, minimum, rate, slow, slow_rate, wait, permitted, most, automatic, _ = head.split()[1:]
        self.rule = rule_of(
            sliding_window_type=kind.lower(),
            sliding_window_size=int(size),
            minimum_number_of_calls=int(minimum),
            failure_rate_threshold=float(rate),
            slow_call_duration_threshold=f"{slow}ns",
            slow_call_rate_threshold=float(slow_rate),
            wait_duration_in_open_state=f"{wait}ns",
            permitted_number_of_calls_in_half_open_state=int(permitted),
            max_wait_duration_in_half_open_state=f"{most}ns",
            automatic_transition_from_open_to_half_open_enabled=automatic == "1",
        )
        self.due_ns: int | None = None

    def answer(self, command: str) -> str:
        name, at, *arguments = command.split()
        now_ns = int(at)
        while self.due_ns is not None and self.due_ns <= now_ns:
            due_ns = self.due_ns
            self.rule.time_is_up(due_ns)
            self._set_timer(due_ns)
        before = self.rule.state
        said = ""
        if name == "A":
            said = f"{int(self.rule.acquire(now_ns))} "
        elif name == "R":
            self.rule.record(now_ns, arguments[0] == "1", int(arguments[1]))
        else:
            self.rule.release()
        if self.rule.state is not before:
            self._set_timer(now_ns)
        return f"{command} => {said}{self.rule.state.name}"

    def _set_timer(self, now_ns: int) -> None:
        patience_ns = self.rule.patience_ns
        self.due_ns = None if patience_ns is None else now_ns + patience_ns


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_behaves_as_the_recorded_library_did(number: int) -> None:
    """FIDELITY 2.1: answer by answer as Resilience4j 2.3.0 when the recording was made (recordings/README.md)."""
    head, lines = BLOCKS[number]
    replay = Replay(head)
    assert [replay.answer(line.split(" => ")[0]) for line in lines] == lines
    assert len(lines) >= 10
