"""A step that blocks the event loop it runs on: JDBC, or another driver that waits in its caller's thread.

Everybody else whose connection is on that loop waits for as long as it takes; other steps of the endpoint, and other
endpoints, hold the loop only while they burn CPU.
"""

from __future__ import annotations

from models.replica import Replica
from models.request import Request, Visit
from models.step import Step
from sim.environment import Activity


class BlockingStep(Step):
    """Another step, taken on the loop."""

    __slots__ = ("_step",)

    def __init__(self, step: Step) -> None:
        self.path = step.path
        self.name = step.name
        self._probability = step._probability
        self.luck = step.luck
        self.is_burst = False
        self._step = step

    def process(self, request: Request, visit: Visit, replica: Replica) -> Activity:
        return replica.block(request, self._step.process(request, visit, replica))
