"""Rate limiter of Resilience4j: so many calls in every cycle, and callers that wait for a later one.

Models   Cycles of `limit_refresh_period` one after another since the limiter was made; each brings `limit_for_period`
         permits, and never are there more than that. A caller that finds none reserves one of a later cycle and waits
         for it. Where that would take longer than `timeout_duration` it reserves none, and is refused after it has
         waited that long nevertheless.
Units    Integer nanoseconds in the rule.
Source   Resilience4j 2.3, ratelimiter/internal/AtomicRateLimiter.java, RateLimiterConfig.java.
Omits    Several permits at once; changes while it runs; drainPermissionsOnResult.
Checked  experiments/validation/rate_limiter.py, tests/unit/test_rate_limiter_spec.py, tests/properties/test_guards.py
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt

from models.outcomes import RateLimited
from models.request import Request
from models.spec import Context, Duration, NonNegativeDuration, Spec
from sim.environment import Activity

_FROM = "(Resilience4j 2.3)"


class RateLimiterSpec(Spec):
    """Resilience4j's settings, under its own names."""

    limit_for_period: PositiveInt = Field(default=50, description=f"Permits of one cycle. Default 50 {_FROM}.")
    limit_refresh_period: Annotated[Duration, Field(ge=1e-9)] = Field(
        default=500e-9, description=f"How long a cycle is. Default 500ns {_FROM}."
    )
    timeout_duration: NonNegativeDuration = Field(
        default=5.0, description=f"How long a call waits for a permit at most. Default 5s {_FROM}."
    )

    def build(self, context: Context) -> RateLimiter:
        return RateLimiter(context, self)


class RateLimiterRule:
    """Permits by cycle. Decides; never waits. `now_ns` never falls."""

    __slots__ = ("_cycle", "_limit", "_patience_ns", "_period_ns", "_start_ns", "permits")

    def __init__(self, spec: RateLimiterSpec, start_ns: int) -> None:
        self._limit = spec.limit_for_period
        self._period_ns = round(spec.limit_refresh_period * 1e9)
        self._patience_ns = round(spec.timeout_duration * 1e9)
        self._start_ns = start_ns
        self._cycle = 0
        self.permits = spec.limit_for_period
        """Permits left in the cycle; below 0: how many of later cycles are reserved."""

    def ask(self, now_ns: int) -> tuple[bool, int]:
        """Whether a call has its permit, and how long it waits until it has it, or until it is refused."""
        since_ns = now_ns - self._start_ns
        period_ns, limit = self._period_ns, self._limit
        cycle = since_ns // period_ns
        if cycle != self._cycle:
            self.permits = min(self.permits + (cycle - self._cycle) * limit, limit)
            self._cycle = cycle
        wait_ns = 0
        if self.permits < 1:
            whole_cycles = -self.permits // limit  # that the next cycle's permits are not enough for
            wait_ns = whole_cycles * period_ns + (cycle + 1) * period_ns - since_ns
        if wait_ns > self._patience_ns:
            return False, self._patience_ns
        self.permits -= 1
        return True, wait_ns


class RateLimiter:
    """`yield from limiter.check(request)` passes, waits, or raises `RateLimited`.

    Reports the counts `<path>.granted` and `<path>.refused`, and the tally `<path>.held_s` of those who waited.
    """

    __slots__ = ("_env", "_granted", "_refused", "_rule", "_spec", "_held", "path", "waits")

    def __init__(self, context: Context, spec: RateLimiterSpec) -> None:
        self.path = context.path
        self.waits = True
        self._env = context.env
        self._spec = spec
        # The process has been up before the run begins: where in a cycle that is, is chance.
        phase = context.streams.sequence(f"{context.path}.cycle_phase").next()
        self._rule = RateLimiterRule(spec, -int(phase * round(spec.limit_refresh_period * 1e9)))
        self._granted = context.probe.count(f"{context.path}.granted")
        self._refused = context.probe.count(f"{context.path}.refused")
        self._held = context.probe.tally(f"{context.path}.held_s")

    def check(self, request: Request) -> Activity:
        """Take a permit, waiting for it if need be. Raises `RateLimited` when that was in vain. A permit that was
        reserved by somebody who then left stays reserved."""
        env = self._env
        is_granted, wait_ns = self._rule.ask(int(env.now * 1e9 + 0.5))
        (self._granted if is_granted else self._refused).add()
        if wait_ns:
            came_at_s = env.now
            try:
                yield wait_ns / 1e9
            finally:
                waited_s = env.now - came_at_s
                request.wait_s += waited_s
                self._held.observe(waited_s)
        if not is_granted:
            raise RateLimited(self.path)

    def restart(self) -> None:
        """The process that held it has died; the next one begins with a cycle of its own."""
        self._rule = RateLimiterRule(self._spec, int(self._env.now * 1e9 + 0.5))
