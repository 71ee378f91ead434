"""The state machine of the circuit breaker: decides by results, time and permits; see `breaker`."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from models.circuit_breaker.windows import CountWindow, TimeWindow, Window, rate_reaches
from models.resilience import grown_ms, whole_ms

if TYPE_CHECKING:
    from models.circuit_breaker.spec import CircuitBreakerSpec

MS_NS = 1_000_000


class State(IntEnum):
    """The number is what the breaker's level reports."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


_CLOSED, _HALF_OPEN, _OPEN = State.CLOSED, State.HALF_OPEN, State.OPEN  # looking them up in an enum is slow


class CircuitBreakerRule:
    """The state machine. Decides; never waits. `now_ns` never falls."""

    __slots__ = (
        "_is_automatic", "_max_half_open_ns", "_minimum", "_open_until_ns", "_open_ns", "_openings", "_slow_ns",
        "_spec", "_window", "permits_left", "reason", "state",
    )  # fmt: skip

    def __init__(self, spec: CircuitBreakerSpec) -> None:
        self._spec = spec
        self._slow_ns = round(spec.slow_call_duration_threshold * 1e9)
        self._openings = 0  # since it was closed last
        self._open_ns = whole_ms(spec.wait_duration_in_open_state) * MS_NS
        self._max_half_open_ns = whole_ms(spec.max_wait_duration_in_half_open_state) * MS_NS
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
        self._openings = 0
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
        self._openings += 1
        factor = self._spec.exponential_backoff_multiplier
        if factor is not None:
            most_s = self._spec.exponential_max_wait_duration_in_open_state
            first_ms = whole_ms(self._spec.wait_duration_in_open_state)
            most_ms = None if most_s is None else whole_ms(most_s)
            self._open_ns = grown_ms(first_ms, factor, self._openings, most_ms) * MS_NS
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
