"""Circuit breaker: after too many failed or slow calls, further ones are refused for a while.

Models   CLOSED lets everything through and looks at a sliding window of results (the last so many, or those of the last
         so many seconds of the wall clock). OPEN refuses until the wait is over; HALF_OPEN lets a few calls through and
         decides by their results. A result goes to whatever state is current when it comes, not to the state its
         call began in. Without calls an OPEN breaker stays open, unless the transition is automatic.
Units    Integer nanoseconds in the rule; rates in percent, as 32-bit floats like the real ones.
Source   Resilience4j 2.3, circuitbreaker/internal/CircuitBreakerStateMachine.java and CircuitBreakerMetrics.java,
         CircuitBreakerConfig.java.
Omits    Growing waits in the open state; disabled, forced and metrics-only states; which exceptions count (the caller
         says whether a call failed).
Checked  tests/fidelity/test_circuit_breaker.py, tests/properties/test_circuit_breaker.py,
         tests/unit/test_circuit_breaker_spec.py
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, PositiveInt

from models.circuit_breaker.windows import SECOND_NS, CountWindow, TimeWindow, Window, rate_reaches
from models.outcomes import CircuitOpen
from models.spec import Context, Duration, NonNegativeDuration, Spec
from sim.environment import Timer

_FROM = "(Resilience4j 2.3)"

Percentage = Annotated[float, Field(gt=0, le=100)]


class CircuitBreakerSpec(Spec):
    """Resilience4j's settings, under its own names."""

    sliding_window_type: Literal["count_based", "time_based"] = Field(
        default="count_based",
        description=f"Whether the window holds the last calls or the last seconds. Default count_based {_FROM}.",
    )
    sliding_window_size: PositiveInt = Field(
        default=100, description=f"Calls (count_based) or seconds (time_based) in the window. Default 100 {_FROM}."
    )
    minimum_number_of_calls: PositiveInt = Field(
        default=100,
        description="Results before a rate is looked at; a count_based window or the half-open calls lower it to "
        f"their own number, a time_based window does not. Default 100 {_FROM}.",
    )
    failure_rate_threshold: Percentage = Field(
        default=50.0, description=f"Percent of failed calls at which it opens. Default 50 {_FROM}."
    )
    slow_call_duration_threshold: Annotated[Duration, Field(ge=1e-9)] = Field(
        default=60.0, description=f"Calls that take longer are slow. Default 60s {_FROM}."
    )
    slow_call_rate_threshold: Percentage = Field(
        default=100.0, description=f"Percent of slow calls at which it opens. Default 100 {_FROM}."
    )
    wait_duration_in_open_state: Annotated[Duration, Field(ge=0.001)] = Field(
        default=60.0, description=f"How long it stays open, in whole milliseconds. Default 60s {_FROM}."
    )
    permitted_number_of_calls_in_half_open_state: PositiveInt = Field(
        default=10, description=f"Calls let through half-open. Default 10 {_FROM}."
    )
    max_wait_duration_in_half_open_state: NonNegativeDuration = Field(
        default=0.0,
        description="How long it waits half-open for results before it opens again, in whole milliseconds. "
        f"Default 0: for ever {_FROM}.",
    )
    automatic_transition_from_open_to_half_open_enabled: bool = Field(
        default=False,
        description="Whether a timer ends the open state; else the first call after the wait does. "
        f"Default false {_FROM}.",
    )

    def build(self, context: Context) -> CircuitBreaker:
        return CircuitBreaker(context, self)


class State(IntEnum):
    """The number is what the breaker's level reports."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


_CLOSED, _HALF_OPEN, _OPEN = State.CLOSED, State.HALF_OPEN, State.OPEN  # looking them up in an enum is slow


class Transition(NamedTuple):
    """A change of state, for the report."""

    t_s: float
    before: str
    after: str
    reason: str


class CircuitBreakerRule:
    """The state machine. Decides; never waits. `now_ns` never falls."""

    __slots__ = (
        "_is_automatic", "_max_half_open_ns", "_minimum", "_open_until_ns", "_open_ns", "_slow_ns", "_spec", "_window",
        "permits_left", "reason", "state",
    )  # fmt: skip

    def __init__(self, spec: CircuitBreakerSpec) -> None:
        self._spec = spec
        self._slow_ns = round(spec.slow_call_duration_threshold * 1e9)
        self._open_ns = _cut_to_milliseconds(spec.wait_duration_in_open_state)
        self._max_half_open_ns = _cut_to_milliseconds(spec.max_wait_duration_in_half_open_state)
        self._is_automatic = spec.automatic_transition_from_open_to_half_open_enabled
        self._open_until_ns = 0
        self.permits_left = 0
        """Calls that the half-open state still lets through."""
        self.reason = ""
        """Why the state changed last."""
        self._close("")

    @property
    def window(self) -> Window:
        """The results that the current state looks at; an open breaker looks at none."""
        return self._window

    @property
    def patience_ns(self) -> int | None:
        """How long the current state lasts if nothing happens; `time_is_up` then ends it. None: for ever."""
        if self.state is _OPEN and self._is_automatic:
            return self._open_ns
        if self.state is _HALF_OPEN and self._max_half_open_ns > 0:
            return self._max_half_open_ns
        return None

    def acquire(self, now_ns: int) -> bool:
        """Whether a call may run. Every call that may owes one `record` or `release`."""
        if self.state is _CLOSED:
            return True
        if self.state is _OPEN:
            if now_ns <= self._open_until_ns:
                return False
            self._half_open("wait over, first call")
        if self.permits_left > 0:
            self.permits_left -= 1
            return True
        return False

    def release(self) -> None:
        """A call that was let through has no result. Its permit comes back to whatever state is current."""
        if self.state is _HALF_OPEN:
            self.permits_left += 1

    def record(self, now_ns: int, is_failed: bool, duration_ns: int) -> bool:
        """A call has its result. Returns whether it was slow."""
        is_slow = duration_ns > self._slow_ns
        if self.state is _OPEN:
            return is_slow  # too late to matter: it goes to a window that nobody will look at again
        window = self._window
        window.record(now_ns, is_failed, is_slow)
        if window.calls >= self._minimum:
            failure_rate_reached = rate_reaches(window.failed, window.calls, self._spec.failure_rate_threshold)
            if failure_rate_reached or rate_reaches(window.slow, window.calls, self._spec.slow_call_rate_threshold):
                self._open(now_ns, _because(window, failure_rate_reached))
            elif self.state is _HALF_OPEN:
                self._close("rates below their thresholds")
        return is_slow

    def time_is_up(self, now_ns: int) -> None:
        """The current state has lasted for `patience_ns`."""
        if self.state is _OPEN:
            self._half_open("wait over, automatic")
        else:
            self._open(now_ns, "no verdict half-open in time")

    def _close(self, reason: str) -> None:
        spec = self._spec
        self.state = _CLOSED
        self.reason = reason
        self._minimum = spec.minimum_number_of_calls
        self._window: Window
        if spec.sliding_window_type == "count_based":
            self._minimum = min(self._minimum, spec.sliding_window_size)
            self._window = CountWindow(spec.sliding_window_size)
        else:
            self._window = TimeWindow(spec.sliding_window_size)

    def _open(self, now_ns: int, reason: str) -> None:
        self.state = _OPEN
        self.reason = reason
        self._open_until_ns = now_ns + self._open_ns

    def _half_open(self, reason: str) -> None:
        permitted = self._spec.permitted_number_of_calls_in_half_open_state
        self.state = _HALF_OPEN
        self.reason = reason
        self.permits_left = permitted
        self._minimum = min(self._spec.minimum_number_of_calls, permitted)
        self._window = CountWindow(permitted)


def _because(window: Window, failure_rate_reached: bool) -> str:
    if failure_rate_reached:
        return f"failure rate {window.failed * 100 / window.calls:.1f} % of {window.calls} calls"
    return f"slow call rate {window.slow * 100 / window.calls:.1f} % of {window.calls} calls"


def _cut_to_milliseconds(duration_s: float) -> int:
    """Nanoseconds of what java.time.Duration.toMillis makes of a duration."""
    return round(duration_s * 1e9) // 1_000_000 * 1_000_000


class CircuitBreaker:
    """A breaker around calls. The caller keeps to this order, whatever happens to the call:

    breaker.acquire()                           # raises CircuitOpen
    ...
    breaker.record(is_failed, duration_s)       # it has a result
    breaker.release()                           # or it was cancelled and has none

    Reports counts (permitted, not_permitted, succeeded, failed, slow, cancelled) and its state as a level
    (0 closed, 1 half-open, 2 open). `transitions` lists every change of state.
    """

    __slots__ = (
        "_cancelled", "_env", "_failed", "_level", "_not_permitted", "_permitted", "_phase_ns", "_probe", "_rule",
        "_slow", "_spec", "_succeeded", "_timer", "is_deserted", "path", "transitions",
    )  # fmt: skip

    def __init__(self, context: Context, spec: CircuitBreakerSpec) -> None:
        self.path = path = context.path
        self._env = context.env
        self._probe = probe = context.probe
        self._spec = spec
        self._rule = CircuitBreakerRule(spec)
        self.is_deserted = False
        """Nobody will call any more: then time alone changes nothing."""
        self._timer = Timer(context.env, self._time_is_up)
        self.transitions: list[Transition] = []
        # Only a time-based window looks at the wall clock, whose second does not begin when the run does.
        self._phase_ns = 0
        if spec.sliding_window_type == "time_based":
            self._phase_ns = int(context.streams.sequence(f"{path}.clock_phase").next() * SECOND_NS)
        self._level = probe.level(f"{path}.state", float(_CLOSED))
        self._permitted = probe.count(f"{path}.permitted")
        self._not_permitted = probe.count(f"{path}.not_permitted")
        self._succeeded = probe.count(f"{path}.succeeded")
        self._failed = probe.count(f"{path}.failed")
        self._slow = probe.count(f"{path}.slow")
        self._cancelled = probe.count(f"{path}.cancelled")

    @property
    def state(self) -> State:
        return self._rule.state

    def acquire(self) -> None:
        """Let a call run, or raise `CircuitOpen`."""
        rule = self._rule
        before = rule.state
        is_permitted = rule.acquire(self._now_ns())
        if rule.state is not before:
            self._report(before)
        if not is_permitted:
            self._not_permitted.add()
            raise CircuitOpen(self.path)
        self._permitted.add()

    def record(self, is_failed: bool, duration_s: float) -> None:
        """The result of a call that was let through, and how long it took."""
        rule = self._rule
        before = rule.state
        if rule.record(self._now_ns(), is_failed, int(duration_s * 1e9 + 0.5)):
            self._slow.add()
        if is_failed:
            self._failed.add()
        else:
            self._succeeded.add()
        if rule.state is not before:
            self._report(before)

    def release(self) -> None:
        """A call that was let through was cancelled: its permit comes back, nothing is recorded."""
        self._cancelled.add()
        self._rule.release()

    def restart(self) -> None:
        """The process that held it has died, and the next one begins closed. Calls under way are nobody's."""
        before = self._rule.state
        self._rule = CircuitBreakerRule(self._spec)
        self._timer.disarm()
        if before is not _CLOSED:
            self._rule.reason = "restarted with its replica"
            self._report(before)

    def desert(self) -> None:
        """Nobody will call any more: an open breaker need not keep the clock busy."""
        self.is_deserted = True
        self._timer.disarm()

    def _now_ns(self) -> int:
        return int(self._env.now * 1e9 + 0.5) + self._phase_ns

    def _time_is_up(self) -> None:
        before = self._rule.state
        self._rule.time_is_up(self._now_ns())
        self._report(before)

    def _report(self, before: State) -> None:
        """The state has changed: note it, and arm the timer that ends the new one if nothing else does."""
        rule = self._rule
        self.transitions.append(Transition(self._env.now, before.name, rule.state.name, rule.reason))
        self._level.set(float(rule.state))
        self._probe.note(self.path, f"{before.name} -> {rule.state.name}: {rule.reason}")
        patience_ns = rule.patience_ns
        if patience_ns is None or self.is_deserted:
            self._timer.disarm()
        else:
            self._timer.arm(self._env.now + patience_ns / 1e9)
