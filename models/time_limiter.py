"""Time limiter: the caller waits so long and no longer; the work goes on.

Models   Work runs in a process of its own. At the limit the caller has an error; the thread, the connection and the
         calls behind it stay busy until they are done, for nobody. A reactive chain is cancelled besides: what it holds
         in its own process comes back.
Units    Seconds; the limit is cut to whole milliseconds, as the real one does.
Source   Resilience4j 2.3, timelimiter/internal/TimeLimiterImpl.java: it cancels the future, and an interrupt frees
         neither a worker in a blocking read nor anything downstream.
Omits    Work that does heed the interrupt.
Checked  experiments/validation/time_limiter.py, tests/unit/test_time_limiter_spec.py
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from models.outcomes import TimeLimitExceeded
from models.resilience import whole_ms
from models.spec import Context, Duration, Spec
from sim.environment import Activity
from sim.patience import TimeLimit, TimeLimitReached
from sim.probe import Level


class TimeLimiterSpec(Spec):
    """How long a caller waits."""

    limit: Annotated[Duration, Field(ge=0.001)] = Field(
        default=1.0,
        description="How long the caller waits (timeoutDuration), in whole milliseconds. "
        "Default 1s (Resilience4j 2.3).",
    )

    def build(self, context: Context, cancels: bool = False) -> TimeLimiter:
        return TimeLimiter(context, self, cancels)


class _Work:
    """Work under way behind the limit, and whether anybody still waits for it."""

    __slots__ = ("is_done", "is_unattended", "unattended")

    def __init__(self, unattended: Level) -> None:
        self.unattended = unattended
        self.is_done = False
        self.is_unattended = False

    def run(self, work: Activity) -> Activity:
        try:
            return (yield from work)
        finally:
            self.is_done = True
            if self.is_unattended:
                self.unattended.set(self.unattended.value - 1)

    def leave(self) -> None:
        if not self.is_done:
            self.is_unattended = True
            self.unattended.set(self.unattended.value + 1)


class TimeLimiter:
    """`yield from limiter.call(work)` returns what `work` returns, or raises.

    Reports `<path>.left` (calls whose caller left at the limit) and the level `<path>.unattended` (works that go on
    for nobody: its area is the time wasted on them, in seconds).
    """

    __slots__ = ("_cancels", "_left", "_limit", "_unattended", "path")

    def __init__(self, context: Context, spec: TimeLimiterSpec, cancels: bool = False) -> None:
        """`cancels`: at the limit the work's own process is stopped, too (`sim.patience.Cancelled`)."""
        self.path = context.path
        self._cancels = cancels
        self._limit = TimeLimit(context.env, whole_ms(spec.limit) / 1000, cancels)
        self._left = context.probe.count(f"{context.path}.left")
        self._unattended = context.probe.level(f"{context.path}.unattended")

    def call(self, work: Activity) -> Activity:
        """Run `work`. Raises `TimeLimitExceeded` at the limit, or the `Failure` that ended the work.

        An interrupt makes the caller leave, too: the work goes on.
        """
        attended = _Work(self._unattended)
        try:
            return (yield from self._limit.call(attended.run(work)))
        except TimeLimitReached:
            if attended.is_done and not self._cancels:
                raise
            self._left.add()
            raise TimeLimitExceeded(self.path) from None
        finally:
            attended.leave()
