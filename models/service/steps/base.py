# cython: annotation_typing=True
"""What every step is, and how steps are taken one after another.

A step is compiled once for a service and shared by its replicas; what belongs to one replica (its pools, its
breakers) is asked of the replica that works on the visit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from models.replica import Replica
from models.request import Request, Visit
from models.spec import Context
from sim.environment import Activity, Environment


class Step:
    """A step: `run` is its process. It may be taken only with some probability."""

    __slots__ = ("_luck", "_probability", "name", "path", "run")
    kind: ClassVar[str]

    def __init__(self, context: Context, name: str, probability: float) -> None:
        self.path = context.path
        self.name = name
        self._probability = probability
        self._luck = context.streams.uniforms(f"{context.path}.probability") if probability < 1 else None

    def is_taken(self, request: Request, visit: Visit) -> bool:
        return self._luck is None or self._luck.at(request.identity, visit.lane) < self._probability

    def process(self, request: Request, visit: Visit, replica: Replica) -> Activity:
        """Carry the step out. Raises `CallFailure`."""
        raise NotImplementedError


def take(steps: list[Step], request: Request, visit: Visit, replica: Replica) -> Activity:
    """Take steps one after another."""
    for step in steps:
        if step._luck is None or step.is_taken(request, visit):
            yield from step.process(request, visit, replica)


def take_timed(steps: Sequence[Step], request: Request, visit: Visit, replica: Replica, env: Environment) -> Activity:
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
