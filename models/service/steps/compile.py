"""From the steps of an endpoint's specification to the processes that carry them out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any, Protocol

from models.replica import Replica, Work
from models.request import Request, Visit
from models.service.spec import (
    CacheStepSpec,
    CallStepSpec,
    CpuStepSpec,
    DatabaseStepSpec,
    DelayStepSpec,
    EvictStepSpec,
)
from models.service.steps.base import Step, take, take_timed
from models.service.steps.cache import Cache, CacheStep, EvictStep
from models.service.steps.call import CallStep, Hop
from models.service.steps.database import Database, DatabaseStep
from models.service.steps.plain import CpuStep, DelayStep
from models.spec import Context
from sim.environment import Activity


class Parts(Protocol):
    """What assembly hands to the steps of a service: what they use, by name."""

    def cache(self, name: str) -> Cache: ...
    def database(self, pool: str) -> Database: ...
    def service(self, name: str) -> Hop: ...
    def is_idempotent(self, service: str, endpoint: str) -> bool: ...


class Endpoint:
    """The steps of one endpoint, ready to be taken in any replica of the service."""

    __slots__ = ("_env", "_steps")

    def __init__(self, context: Context, steps: list[Step]) -> None:
        self._env = context.env
        self._steps = steps

    def work(self, request: Request, visit: Visit, replica: Replica) -> Activity:
        """What a visit makes `replica` do."""
        if request.steps_s is None:
            return take(self._steps, request, visit, replica)
        return take_timed(self._steps, request, visit, replica, lambda: self._env.now)


def compile_endpoint(context: Context, service: str, endpoint: str, specs: Sequence[Any], parts: Parts) -> Work:
    """Turn the steps of an endpoint into processes. Draws are keyed by the endpoint, so replicas share them."""
    sites = count(1)

    def compile_steps(specs: Sequence[Any]) -> list[Step]:
        return [compile_step(spec) for spec in specs]

    def compile_step(spec: Any) -> Step:
        at = context.at("steps").at(spec.name)
        given = f"{service}.{endpoint}.{spec.name}"
        match spec:
            case CpuStepSpec():
                return CpuStep(at, spec, given)
            case DelayStepSpec():
                return DelayStep(at, spec, given)
            case CacheStepSpec():
                return CacheStep(at, spec, parts.cache(spec.cache), compile_steps(spec.on_miss))
            case EvictStepSpec():
                return EvictStep(at, spec, parts.cache(spec.cache))
            case DatabaseStepSpec():
                return DatabaseStep(at, spec, parts.database(spec.pool), given)
            case CallStepSpec():
                site = next(sites)
                fallback = None if spec.fallback is None else compile_steps(spec.fallback)
                idempotent = parts.is_idempotent(spec.service, spec.endpoint)
                return CallStep(at, spec, parts.service(spec.service), idempotent, fallback, site)
        raise TypeError(f"unknown step {spec!r}")

    return Endpoint(context, compile_steps(specs)).work
