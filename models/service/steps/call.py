# cython: annotation_typing=True
"""A call of another service. What guards it is `guards`."""

from __future__ import annotations

from models.outcomes import CallFailure, ClientGone, InstanceDied
from models.replica import Replica
from models.request import Request, Visit
from models.service.spec import CallStepSpec
from models.service.steps.guards import LANES_PER_CALL
from models.service.steps.layers import Hop
from models.spec import Context
from models.step import Step, take
from sim.environment import Activity
from sim.patience import TimeLimit


class CallStep(Step):
    """Call another service; where that fails, the fallback answers instead.

    The callee works in a process of its own, as it does on its own machine: it goes on when its caller dies.
    """

    __slots__ = ("_fallback", "_fallbacks", "_hop", "_limit", "_site", "_visit")

    def __init__(
        self, context: Context, spec: CallStepSpec, hop: Hop, idempotent: bool, fallback: list[Step] | None, site: int
    ) -> None:
        super().__init__(context, spec.name, spec.probability)
        self._hop = hop
        self._limit = TimeLimit(context.env, None)
        self._visit = (spec.service, spec.endpoint, idempotent)
        self._fallback = fallback
        self._fallbacks = context.probe.count(f"{context.path}.fallbacks")
        self._site = site

    def process(self, request: Request, visit: Visit, replica: Replica) -> Activity:
        service, endpoint, idempotent = self._visit
        onward = Visit(service, endpoint, visit.lane * LANES_PER_CALL + self._site, idempotent)
        try:
            yield from self._send(request, onward, replica)
        except ClientGone:
            raise
        except CallFailure as failure:
            if self._fallback is None or (isinstance(failure, InstanceDied) and not replica.host.is_started):
                raise
            self._fallbacks.add()
            yield from take(self._fallback, request, visit, replica)

    def _send(self, request: Request, onward: Visit, replica: Replica) -> Activity:
        return self._limit.call(self._hop.handle(request, onward))


class GuardedCallStep(CallStep):
    """A call behind the guards of the replica that makes it."""

    __slots__ = ()

    def _send(self, request: Request, onward: Visit, replica: Replica) -> Activity:
        return replica.guards[self.path].call(request, onward)
