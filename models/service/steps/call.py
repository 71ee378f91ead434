"""A call of another service, and what guards it."""

from __future__ import annotations

from typing import Any, Protocol

from models.outcomes import CallFailure, ClientGone, InstanceDied
from models.replica import Replica
from models.request import Request, Visit
from models.service.spec import CallStepSpec
from models.service.steps.base import Step, take
from models.spec import Context
from sim.environment import Activity
from sim.patience import TimeLimit

LANES_PER_CALL = 64
"""A call's lane is its caller's times this, plus the number of the call site, so visits do not share their draws."""


class Hop(Protocol):
    """Somewhere a visit can be sent."""

    def handle(self, request: Request, visit: Visit) -> Activity: ...


class CallStep(Step):
    """Call another service: the breaker asks first, the limiter leaves a slow call, the fallback answers instead.

    The callee works in a process of its own, as it does on its own machine: it goes on when its caller dies.
    """

    __slots__ = ("_breaker_name", "_env", "_fallback", "_fallbacks", "_hop", "_limit", "_site", "_visit")

    def __init__(
        self, context: Context, spec: CallStepSpec, hop: Hop, idempotent: bool, fallback: list[Step] | None, site: int
    ) -> None:
        super().__init__(context, spec.name, spec.probability)
        self._env = context.env
        self._hop = hop
        self._breaker_name = context.path if spec.breaker is not None else None
        self._limit: Any = (
            TimeLimit(context.env, None)
            if spec.time_limiter is None
            else spec.time_limiter.build(context.at("time_limiter"))
        )
        self._visit = (spec.service, spec.endpoint, idempotent)
        self._fallback = fallback
        self._fallbacks = context.probe.count(f"{context.path}.fallbacks")
        self._site = site

    def process(self, request: Request, visit: Visit, replica: Replica) -> Activity:
        service, endpoint, idempotent = self._visit
        onward = Visit(service, endpoint, visit.lane * LANES_PER_CALL + self._site, idempotent)
        try:
            if self._breaker_name is None:
                yield from self._limit.call(self._hop.handle(request, onward))
            else:
                yield from self._guarded(request, onward, replica, replica.breakers[self._breaker_name])
        except ClientGone:
            raise
        except CallFailure as failure:
            if self._fallback is None or (isinstance(failure, InstanceDied) and not replica.host.is_up):
                raise
            self._fallbacks.add()
            yield from take(self._fallback, request, visit, replica)

    def _guarded(self, request: Request, onward: Visit, replica: Replica, breaker: Any) -> Activity:
        breaker.acquire()
        began_at_s = self._env.now
        try:
            yield from self._limit.call(self._hop.handle(request, onward))
        except ClientGone:
            breaker.release()
            raise
        except CallFailure as failure:
            if not (isinstance(failure, InstanceDied) and not replica.host.is_up):  # else the breaker has died, too
                breaker.record(True, self._env.now - began_at_s)
            raise
        breaker.record(False, self._env.now - began_at_s)
