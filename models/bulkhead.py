"""Bulkhead: at most so many requests in progress.

Models   A fair semaphore of `permits`. Without `max_wait` a request that finds none is refused at once; with it, it
         queues first come first served, and is refused when its wait is over.
Units    Seconds; the wait is cut to whole milliseconds, as the real one does.
Source   Resilience4j 2.3, bulkhead/internal/SemaphoreBulkhead.java, BulkheadConfig.java.
Omits    Unfair hand-over; changing permits while running.
Checked  experiments/validation/bulkhead.py, tests/unit/test_bulkhead_spec.py
"""

from __future__ import annotations

from pydantic import Field, PositiveInt

from models.outcomes import ConcurrencyLimited
from models.request import Request
from models.resilience import whole_ms
from models.spec import Context, NonNegativeDuration, Spec
from sim.environment import Activity
from sim.resources import Permits


class BulkheadSpec(Spec):
    """A semaphore bulkhead."""

    permits: PositiveInt = Field(
        default=25, description="Requests in progress at most (maxConcurrentCalls). Default 25 (Resilience4j 2.3)."
    )
    max_wait: NonNegativeDuration = Field(
        default=0.0,
        description="How long a request waits for a permit before it is refused (maxWaitDuration), in whole "
        "milliseconds. Default 0: it never waits (Resilience4j 2.3).",
    )

    def build(self, context: Context) -> Bulkhead:
        return Bulkhead(context, self)


class Bulkhead:
    """Permits around the work of a request.

    bulkhead.take()                        # where `waits` is False
    yield from bulkhead.enter(request)     # where it is True
    try: ...
    finally: bulkhead.release()
    """

    __slots__ = ("_env", "_permits", "_station", "path", "waits")

    def __init__(self, context: Context, spec: BulkheadSpec) -> None:
        self.path = context.path
        self._env = context.env
        self._station = context.probe.station(context.path, spec.permits, "permit")
        max_wait_ms = whole_ms(spec.max_wait)
        self.waits = max_wait_ms > 0
        self._permits = Permits(context.env, spec.permits, self._station, max_wait_ms / 1000 if self.waits else None)

    @property
    def in_use(self) -> int:
        return self._permits.in_use

    @property
    def waiting(self) -> int:
        return self._permits.waiting

    def take(self) -> None:
        """Take a permit, or raise `ConcurrencyLimited` at once."""
        if not self._permits.try_acquire():
            self._station.refuse()
            raise ConcurrencyLimited(self.path)

    def enter(self, request: Request) -> Activity:
        """Take a permit, waiting for one if need be. Raises `ConcurrencyLimited` when the wait is over.

        An interrupt while waiting takes nothing, and a permit handed over in the same instant goes back.
        """
        came_at = self._env.now
        try:
            is_granted = self._permits.acquire() or (yield)
        finally:
            request.wait_s += self._env.now - came_at
        if not is_granted:
            raise ConcurrencyLimited(self.path)

    def release(self) -> None:
        """Give the permit back; the longest waiter has it at this instant."""
        self._permits.release()
