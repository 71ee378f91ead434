"""CPU bursts of a container's threads that a collection can stop, all of them at once.

A stopped burst is taken off the processor with what it still has to do, and put back there when the threads may go on;
one that comes while they are stopped waits for that. Threads of the collector itself use the processor directly, so the
container's quota and weight hold for both.
"""

from __future__ import annotations

from typing import Any, Protocol

from sim.environment import Environment
from sim.environment.scheduled import Light


class Cpu(Protocol):
    """The processor's side of a container."""

    throttled_wall_s: float

    def run(self, demand_s: float, /) -> Any: ...
    def start(self, demand_s: float, done: Any, /) -> Any: ...
    def cancel(self, burst: Any, /) -> float: ...


class _Task:
    """One thread's burst: on the processor, or held back with what is left of it."""

    __slots__ = ("_light", "_owner", "_throttled_before", "burst", "left_s")

    def __init__(self, owner: StoppableCpu, light: Light, demand_s: float) -> None:
        self._owner = owner
        self._light = light
        self._throttled_before = owner.cpu.throttled_wall_s
        self.left_s = demand_s
        self.burst: Any = None

    def withdraw(self, light: Light) -> None:
        self._owner.drop(self)

    def done(self) -> None:
        self._owner.tasks.pop(self, None)
        if self._light.waiting is self:
            self._owner.env.resume(self._light, self._owner.cpu.throttled_wall_s - self._throttled_before)


class StoppableCpu:
    """What threads of the application run on."""

    __slots__ = ("cpu", "env", "is_stopped", "tasks")

    def __init__(self, env: Environment, cpu: Any) -> None:
        self.env = env
        self.cpu: Cpu = cpu
        self.tasks: dict[_Task, None] = {}
        self.is_stopped = False

    def run(self, demand_s: float) -> Any:
        """`throttled_s = yield cpu.run(demand_s)`, as the processor's own."""
        light = self.env.active
        assert light is not None
        task = _Task(self, light, demand_s)
        self.tasks[task] = None
        if not self.is_stopped:
            task.burst = self.cpu.start(demand_s, task.done)
        self.env.park(task)
        return None

    def drop(self, task: _Task) -> None:
        """The thread is interrupted."""
        if self.tasks.pop(task, self) is not self and task.burst is not None:
            self.cpu.cancel(task.burst)

    def stop(self) -> None:
        """All threads stop where they are."""
        self.is_stopped = True
        for task in self.tasks:
            if task.burst is not None:
                task.left_s = self.cpu.cancel(task.burst)
                task.burst = None

    def go_on(self) -> None:
        """They go on with what they had left."""
        self.is_stopped = False
        for task in self.tasks:
            task.burst = self.cpu.start(task.left_s, task.done)

    def clear(self) -> None:
        """The process has died: its threads are gone."""
        self.tasks.clear()
        self.is_stopped = False
