# cython: annotation_typing=True
"""What a visit makes a replica do: steps, one after another.

A step is compiled once for a service and shared by its replicas; what belongs to one replica (its pools, its
breakers) is asked of the replica that works on the visit. One that is nothing but a burst of CPU needs no process of
its own: whoever takes the steps asks it for `demand_s`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from models.request import Request, Visit
from models.spec import Context
from sim.environment import Activity, Environment


class Step:
    """A step. It may be taken only with some probability."""

    __slots__ = ("_probability", "is_burst", "luck", "name", "path")
    kind: ClassVar[str]

    def __init__(self, context: Context, name: str, probability: float) -> None:
        self.path = context.path
        self.name = name
        self.is_burst = False
        self._probability = probability
        self.luck = context.streams.uniforms(f"{context.path}.probability") if probability < 1 else None
        """None: it is always taken."""

    def is_taken(self, request: Request, visit: Visit) -> bool:
        return self.luck is None or self.luck.at(request.identity, visit.lane) < self._probability

    def demand_s(self, request: Request, visit: Visit) -> float:
        """CPU time, where `is_burst`."""
        raise NotImplementedError

    def process(self, request: Request, visit: Visit, replica: Any) -> Activity:
        """Carry the step out. Raises `CallFailure`."""
        raise NotImplementedError


class Endpoint:
    """The steps of one endpoint, ready to be taken in any replica of the service."""

    __slots__ = ("_env", "steps")

    def __init__(self, context: Context, steps: list[Step]) -> None:
        self._env = context.env
        self.steps = steps

    def __call__(self, request: Request, visit: Visit, replica: Any) -> Activity:
        """What a visit makes `replica` do."""
        if request.steps_s is None:
            return take(self.steps, request, visit, replica)
        return take_timed(self.steps, request, visit, replica, self._env)


def take(steps: list[Step], request: Request, visit: Visit, replica: Any) -> Activity:
    """Take steps one after another."""
    step: Step
    for step in steps:
        if step.luck is None or step.is_taken(request, visit):
            yield from step.process(request, visit, replica)


def take_timed(steps: Sequence[Step], request: Request, visit: Visit, replica: Any, env: Environment) -> Activity:
    """Take steps one after another and note how long each took on `request.steps_s`."""
    for step in steps:
        if step.is_taken(request, visit):
            began_at_s = env.now
            try:
                yield from step.process(request, visit, replica)
            finally:
                spent = request.steps_s
                assert spent is not None
                spent[step.path] = spent.get(step.path, 0.0) + env.now - began_at_s
