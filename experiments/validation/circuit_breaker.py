"""Resilience4j's circuit breaker: every measured vector, and recorded behaviour of the real library."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from experiments.validation.check import Component, expect
from models.circuit_breaker import CallBreakerSpec, CircuitBreaker, CircuitBreakerRule, CircuitBreakerSpec, State
from models.outcomes import CircuitOpen
from models.spec import Context
from sim.environment import Activity, Environment
from sim.probe import NullProbe

CIRCUIT_BREAKER = Component(
    "Resilience4j CircuitBreaker",
    version="2.3.0",
    source="resilience4j: circuitbreaker/internal/CircuitBreakerStateMachine.java, CircuitBreakerMetrics.java, "
    "core/metrics/*.java",
    section="2.1",
)
MS = 1_000_000
SECOND = 1000 * MS


def rule_of(**settings: Any) -> CircuitBreakerRule:
    return CircuitBreakerRule(CircuitBreakerSpec(**settings))


def half_open(**settings: Any) -> CircuitBreakerRule:
    """A rule at 2 s that opened at 0 and has let one call through half-open."""
    rule = rule_of(sliding_window_size=2, wait_duration_in_open_state="1s", **settings)
    rule.record(0, True, 0)
    rule.record(0, True, 0)
    expect(rule.state, State.OPEN)
    expect(rule.acquire(2 * SECOND), True)
    expect(rule.state, State.HALF_OPEN)
    return rule


@CIRCUIT_BREAKER.check(
    "window 10, min unset, all errors", "the minimum is at most the window: CLOSED to 9, OPEN at the 10th"
)
def _minimum() -> None:
    rule = rule_of(sliding_window_size=10)
    states = []
    for _ in range(10):
        rule.acquire(0)
        rule.record(0, True, 0)
        states.append(rule.state)
    expect(states, [State.CLOSED] * 9 + [State.OPEN])


@CIRCUIT_BREAKER.check("window/min 10: 5 errors then 5 ok", "OPEN on the 10th, a success, at 50.0 %")
def _success_opens() -> None:
    rule = rule_of(sliding_window_size=10, minimum_number_of_calls=10)
    for is_failed in [True] * 5 + [False] * 4:
        rule.record(0, is_failed, 0)
        expect(rule.state, State.CLOSED)
    rule.record(0, False, 0)
    expect((rule.state, rule.reason), (State.OPEN, "failure rate 50.0 % of 10 calls"))


@CIRCUIT_BREAKER.check("time-based 10 s, min unset, 60 errors/s", "never opens: 60 < 100, the minimum as configured")
def _time_based_minimum() -> None:
    rule = rule_of(sliding_window_type="time_based", sliding_window_size=10)
    for _ in range(60):
        rule.record(0, True, 0)
    expect((rule.state, rule.window.calls), (State.CLOSED, 60))
    for _ in range(40):
        rule.record(0, True, 0)
    expect(rule.state, State.OPEN)


@CIRCUIT_BREAKER.check("same, recorded at x.5 s; +9.4 s / +9.6 s", "60 buffered / 0: whole seconds leave the window")
def _whole_seconds() -> None:
    for later_ms, buffered in ((9_400, 60), (9_600, 0)):
        rule = rule_of(sliding_window_type="time_based", sliding_window_size=10)
        recorded_at = 1_234 * SECOND + 500 * MS
        for _ in range(60):
            rule.record(recorded_at, True, 0)
        rule.record(recorded_at + later_ms * MS, False, 0)
        expect((rule.window.calls, rule.window.failed), (buffered + 1, buffered))


@CIRCUIT_BREAKER.check("wait 60 s: at 60.000 / 60.001 s", "denied / HALF_OPEN; without traffic it stays OPEN")
def _strictly_after() -> None:
    rule = rule_of(sliding_window_size=1)
    rule.record(5 * SECOND, True, 0)
    expect(rule.patience_ns, None)
    expect((rule.acquire(65 * SECOND), rule.state), (False, State.OPEN))
    expect((rule.acquire(65 * SECOND + MS), rule.state), (True, State.HALF_OPEN))


@CIRCUIT_BREAKER.check("min 2, permitted 3: two ok", "CLOSED after 2, not 3")
def _half_open_minimum() -> None:
    rule = half_open(minimum_number_of_calls=2, permitted_number_of_calls_in_half_open_state=3)
    rule.record(2 * SECOND, False, 0)
    expect(rule.state, State.HALF_OPEN)
    rule.record(2 * SECOND, False, 0)
    expect(rule.state, State.CLOSED)


@CIRCUIT_BREAKER.check("half-open, 2 permits hang, 1 h later", "still HALF_OPEN, denying; a cancelled call frees one")
def _wedged() -> None:
    rule = half_open(permitted_number_of_calls_in_half_open_state=2)
    expect(rule.acquire(2 * SECOND), True)
    expect(rule.acquire(3602 * SECOND), False)
    expect((rule.state, rule.patience_ns), (State.HALF_OPEN, None))
    rule.release()
    expect([rule.acquire(3602 * SECOND), rule.acquire(3602 * SECOND)], [True, False])


@CIRCUIT_BREAKER.check("two stale failures arrive in half-open", "results go to the current state: OPEN")
def _stale() -> None:
    rule = half_open(permitted_number_of_calls_in_half_open_state=2)
    rule.record(2 * SECOND, True, 0)
    expect(rule.state, State.HALF_OPEN)
    rule.record(2 * SECOND, True, 0)
    expect(rule.state, State.OPEN)


@CIRCUIT_BREAKER.check(
    "slow threshold 100 ms: 100, 100, then 101 (rate 50, window 2)", "not slow, not slow, slow: OPEN"
)
def _slow() -> None:
    rule = rule_of(sliding_window_size=2, slow_call_duration_threshold="100ms", slow_call_rate_threshold=50)
    expect([rule.record(0, False, ms * MS) for ms in (100, 100)], [False, False])
    expect(rule.state, State.CLOSED)
    expect(rule.record(0, False, 101 * MS), True)
    expect((rule.state, rule.reason), (State.OPEN, "slow call rate 50.0 % of 2 calls"))


@CIRCUIT_BREAKER.check(
    "A permitted call that never ends wedges the breaker (use maxWaitDuration)", "maxWaitDuration re-opens it"
)
def _max_wait() -> None:
    rule = half_open(permitted_number_of_calls_in_half_open_state=2, max_wait_duration_in_half_open_state="3s")
    expect(rule.patience_ns, 3 * SECOND)
    rule.time_is_up(5 * SECOND)
    expect(rule.state, State.OPEN)
    expect([rule.acquire(6 * SECOND), rule.acquire(6 * SECOND + 1)], [False, True])


@CIRCUIT_BREAKER.check("Every change of state starts an empty window", "half-open and closed begin without results")
def _empty_window() -> None:
    rule = half_open(permitted_number_of_calls_in_half_open_state=1)
    expect(rule.window.calls, 0)
    rule.record(2 * SECOND, False, 0)
    expect((rule.state, rule.window.calls), (State.CLOSED, 0))
    rule.record(2 * SECOND, True, 0)
    expect(rule.state, State.CLOSED)


@CIRCUIT_BREAKER.check("Ring buffer is count-based", "what falls out of it counts no more")
def _ring() -> None:
    rule = rule_of(sliding_window_size=4, failure_rate_threshold=75)
    for is_failed in (True, False, True, False, False, True):
        rule.record(0, is_failed, 0)
    expect((rule.window.calls, rule.window.failed), (4, 2))


def call_at(times: tuple[tuple[float, bool], ...], is_automatic: bool) -> tuple[list[float], list[Any]]:
    """Calls of half a second at given times; who was denied when, and the breaker's changes."""
    env = Environment()
    spec = CircuitBreakerSpec(
        sliding_window_size=2,
        wait_duration_in_open_state="30s",
        automatic_transition_from_open_to_half_open_enabled=is_automatic,
        permitted_number_of_calls_in_half_open_state=1,
    )
    breaker = spec.build(Context(env, None, NullProbe(env), "breaker"))  # type: ignore[arg-type]
    denied: list[float] = []

    def call(is_failed: bool) -> Activity:
        try:
            breaker.acquire()
        except CircuitOpen:
            denied.append(env.now)
            return
        yield 0.5
        breaker.record(is_failed, 0.5)

    for at_s, is_failed in times:
        env.start(call(is_failed), delay=at_s)
    env.run()
    return denied, [change[:3] for change in breaker.transitions]


TIMES = ((0.0, True), (0.0, True), (10.0, False), (30.4, False), (45.0, False))


@CIRCUIT_BREAKER.check("OPEN→HALF_OPEN lazily", "by the first call after the wait, not before")
def _lazily() -> None:
    denied, changes = call_at(TIMES, is_automatic=False)
    expect(denied, [10.0, 30.4])
    expect(changes, [(0.5, "CLOSED", "OPEN"), (45.0, "OPEN", "HALF_OPEN"), (45.5, "HALF_OPEN", "CLOSED")])


@CIRCUIT_BREAKER.check("with automatic transition, by a timer", "at the end of the wait, without a call")
def _by_a_timer() -> None:
    denied, changes = call_at(TIMES, is_automatic=True)
    expect(denied, [10.0, 30.4])
    expect(changes, [(0.5, "CLOSED", "OPEN"), (30.5, "OPEN", "HALF_OPEN"), (45.5, "HALF_OPEN", "CLOSED")])


def breaker_with(**lists: Any) -> CircuitBreaker:
    env = Environment()
    spec = CallBreakerSpec(sliding_window_size=2, permitted_number_of_calls_in_half_open_state=1, **lists)
    return spec.build(Context(env, None, NullProbe(env), "breaker"))  # type: ignore[arg-type]


@CIRCUIT_BREAKER.check("ignoreExceptions: neither counted", "ignored failures leave the window and its permits alone")
def _ignored() -> None:
    breaker = breaker_with(ignore_exceptions=["404"])
    for _ in range(10):
        breaker.acquire()
        breaker.fail(frozenset(("404", "4xx")), 0.0)
    expect(breaker.state, State.CLOSED)
    for _ in range(2):
        breaker.acquire()
        breaker.fail(frozenset(("500", "5xx")), 0.0)
    expect(breaker.state, State.OPEN)


@CIRCUIT_BREAKER.check(
    "With recordExceptions set, any other exception counts as success", "only what is listed opens the breaker"
)
def _recorded_only() -> None:
    breaker = breaker_with(record_exceptions=["5xx"])
    for names in (("404", "4xx"), ("time_limit",), ("500", "5xx")):
        breaker.acquire()
        breaker.fail(frozenset(names), 0.0)
        expect(breaker.state, State.OPEN if "5xx" in names else State.CLOSED, str(names))


@CIRCUIT_BREAKER.check(
    "waitIntervalFunctionInOpenState, exponential: 1 s x 2, at most 3 s", "the open state lasts 1, 2, 3, 3 s"
)
def _growing_waits() -> None:
    rule = rule_of(
        sliding_window_size=1, permitted_number_of_calls_in_half_open_state=1, wait_duration_in_open_state="1s",
        exponential_backoff_multiplier=2, exponential_max_wait_duration_in_open_state="3s",
    )  # fmt: skip
    now_ns = 0
    for wait_s in (1, 2, 3, 3):
        rule.record(now_ns, True, 0)
        now_ns += wait_s * SECOND
        expect((rule.acquire(now_ns), rule.acquire(now_ns + 1)), (False, True), f"after {wait_s} s")
        now_ns += 1
    rule.record(now_ns, False, 0)
    rule.record(now_ns, True, 0)
    expect(rule.acquire(now_ns + SECOND + 1), True, "once it has been closed it begins anew")


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


@CIRCUIT_BREAKER.check(
    "random commands to 2.3.0, recorded", "answer by answer as the library (recordings/circuit_breaker.md)"
)
def _recording() -> None:
    text = (files("experiments.validation") / "recordings" / "circuit_breaker.txt").read_text()
    replay: Replay | None = None
    answers = 0
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("N "):
            replay = Replay(line)
        elif not line.startswith("#"):
            assert replay is not None
            expect(replay.answer(line.split(" => ")[0]), line, f"line {number}")
            answers += 1
    expect(answers > 2000, True, "the recording is whole")


CIRCUIT_BREAKER.leaves_out(
    "Errors are not recorded by decorators", "failures of a simulated call are exceptions, never java.lang.Error"
)
