# cython: annotation_typing=True
"""Steps that concern nobody else: burn CPU, wait for something outside the model."""

from __future__ import annotations

from models.replica import Replica
from models.request import Request, Visit
from models.service.spec import CpuStepSpec, DelayStepSpec
from models.spec import Context
from models.step import Step
from sim.environment import Activity
from sim.streams.keyed import Draws


class CpuStep(Step):
    __slots__ = ("_demand", "_given")

    def __init__(self, context: Context, spec: CpuStepSpec, given: str) -> None:
        super().__init__(context, spec.name, spec.probability)
        self._demand: Draws = context.streams.draws(f"{context.path}.demand", spec.demand.distribution())
        self._given = given
        self.is_burst = True

    def demand_s(self, request: Request, visit: Visit) -> float:
        if request.given is not None:
            given_s = request.given_s(self._given)
            if given_s is not None:
                return given_s
        return self._demand.at(request.identity, visit.lane)

    def process(self, request: Request, visit: Visit, replica: Replica) -> Activity:
        return replica.burn(request, self.demand_s(request, visit))


class DelayStep(Step):
    __slots__ = ("_duration", "_given")

    def __init__(self, context: Context, spec: DelayStepSpec, given: str) -> None:
        super().__init__(context, spec.name, spec.probability)
        self._duration: Draws = context.streams.draws(f"{context.path}.duration", spec.duration.distribution())
        self._given = given

    def process(self, request: Request, visit: Visit, replica: Replica) -> Activity:
        given = request.given_s(self._given)
        duration_s = self._duration.at(request.identity, visit.lane) if given is None else given
        yield duration_s
        request.delay_s += duration_s
