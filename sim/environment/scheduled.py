"""What can have entries in the schedule: light processes and timers. See the package for what is modelled."""

from __future__ import annotations

from collections.abc import Callable, Generator
from math import inf
from typing import TYPE_CHECKING, Any, Protocol

from sim.environment.numbers import ENDED
from sim.errors import SimulationError

if TYPE_CHECKING:
    from sim.environment.schedule import Schedule

Activity = Generator[Any, Any, Any]
"""What a light process runs: a generator yielding delays (float), None (parked) or SimPy events."""


class Waitable(Protocol):
    """What a light process can be parked in. `withdraw` takes it out again, exactly, when it is interrupted."""

    def withdraw(self, light: Light) -> None: ...


class Scheduled:
    """What can have entries in the schedule: one counts while its number is the `ticket`."""

    __slots__ = ("ticket",)

    ticket: int


class Light(Scheduled):
    """A process that is its own heap entry. Made by `Environment.start`, without an `__init__`: that call would cost a
    fiftieth of a request."""

    __slots__ = ("env", "generator", "on_end", "value", "waiting")

    env: Schedule
    generator: Any  # an Activity
    on_end: Callable[[Any], None] | None
    waiting: Waitable | None
    value: Any
    """What the `yield` it is at will return, or the error (`Thrown`) that it will raise."""

    @property
    def is_alive(self) -> bool:
        generator = self.generator
        return generator.gi_running or generator.gi_frame is not None


class _Unbegun:
    """What a process waits in before its first step: nothing has to be undone when it is interrupted there."""

    def withdraw(self, light: Light) -> None:
        """It takes its first step, and then has the error raised in it."""


UNBEGUN = _Unbegun()


class Thrown:
    """An error on its way into a process."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Timer(Scheduled):
    """A callback at an instant. `arm` moves it, `disarm` forgets it; both cost O(log n) at most."""

    __slots__ = ("callback", "env", "when")

    def __init__(self, env: Schedule, callback: Callable[[], None]) -> None:
        self.env = env
        self.callback = callback
        self.ticket = ENDED
        self.when = inf

    def arm(self, when: float) -> None:
        """Fire at the instant `when` (exactly that float), replacing any earlier setting."""
        if not when >= self.env.now:
            raise SimulationError(f"timer armed at {when!r}, before now {self.env.now!r}")
        self.when = when
        self.env.enter(when, self)

    def disarm(self) -> None:
        self.ticket = ENDED
        self.when = inf

    @property
    def armed(self) -> bool:
        return self.ticket != ENDED

    def fire(self) -> None:
        """Called by the run loop when the entry that armed it comes up."""
        self.ticket = ENDED
        self.when = inf
        self.callback()
