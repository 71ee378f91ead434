"""Circuit breaker: after too many failed or slow calls, further ones are refused for a while.

Models   CLOSED lets everything through and looks at a sliding window of results (the last so many, or those of the last
         so many seconds of the wall clock). OPEN refuses until the wait is over; HALF_OPEN lets a few calls through and
         decides by their results. A result goes to whatever state is current when it comes, not to the state its
         call began in. Without calls an OPEN breaker stays open, unless the transition is automatic. Which failures
         count, and which are as if the call had not been made, is said by name.
Units    Integer nanoseconds in the rule; rates in percent, as 32-bit floats like the real ones.
Source   Resilience4j 2.3, circuitbreaker/internal/CircuitBreakerStateMachine.java and CircuitBreakerMetrics.java,
         CircuitBreakerConfig.java.
Omits    Disabled, forced and metrics-only states; waits in the open state that are spread at random.
Checked  experiments/validation/circuit_breaker.py, tests/properties/test_circuit_breaker.py,
         tests/unit/test_circuit_breaker_spec.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from models.circuit_breaker.rule import CircuitBreakerRule, State
from models.circuit_breaker.windows import SECOND_NS
from models.outcomes import CircuitOpen
from models.resilience import Names
from models.spec import Context
from sim.environment import Timer

if TYPE_CHECKING:
    from models.circuit_breaker.spec import CircuitBreakerSpec

_CLOSED = State.CLOSED  # looking it up in an enum is slow


class Transition(NamedTuple):
    """A change of state, for the report."""

    t_s: float
    before: str
    after: str
    reason: str


class CircuitBreaker:
    """A breaker around calls. The caller keeps to this order, whatever happens to the call:

    breaker.acquire()                           # raises CircuitOpen
    ...
    breaker.record(is_failed, duration_s)       # it has a result
    breaker.fail(names, duration_s)             # it has failed, and the lists of the specification say what that means
    breaker.release()                           # it was cancelled and has no result

    Reports counts (permitted, not_permitted, succeeded, failed, slow, cancelled) and its state as a level
    (0 closed, 1 half-open, 2 open). `transitions` lists every change of state.
    """

    __slots__ = (
        "_cancelled", "_env", "_failed", "_ignored", "_level", "_not_permitted", "_permitted", "_phase_ns", "_probe",
        "_recorded", "_rule", "_slow", "_spec", "_succeeded", "_timer", "is_deserted", "path", "transitions",
    )  # fmt: skip

    def __init__(
        self, context: Context, spec: CircuitBreakerSpec, recorded: Names | None = None, ignored: Names = frozenset()
    ) -> None:
        """`recorded`: names of the failures that count, None for all; `ignored`: of those that count as nothing."""
        self.path = path = context.path
        self._env = context.env
        self._probe = probe = context.probe
        self._spec = spec
        self._rule = CircuitBreakerRule(spec)
        self._recorded = recorded
        self._ignored = ignored
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

    def fail(self, names: Names, duration_s: float) -> None:
        """A call that was let through has failed in a way that goes by `names`: the lists say what that counts as."""
        if names & self._ignored:
            self.release()
        else:
            self.record(self._recorded is None or bool(names & self._recorded), duration_s)

    def release(self) -> None:
        """A call that was let through was cancelled, or failed in an ignored way: its permit comes back."""
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
