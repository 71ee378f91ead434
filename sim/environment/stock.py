"""SimPy's own events, processes and resources, on the same schedule. See the package for what is modelled."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import simpy
from simpy.core import EmptySchedule
from simpy.events import NORMAL, Event

from sim.environment.numbers import ENDED, LATER
from sim.environment.schedule import Horizon, Schedule, stop
from sim.environment.scheduled import Light, Scheduled, Thrown, Timer
from sim.errors import SimulationError


class _EventWait:
    """One wait for a stock SimPy event: the bridge from its callbacks to a light process."""

    __slots__ = ("light",)

    def __init__(self, light: Light) -> None:
        self.light = light

    def withdraw(self, light: Light) -> None:
        """Nothing to undo: the callback stays, and finds that the process does not wait here any more."""

    def happened(self, event: Event) -> None:
        light = self.light
        if light.waiting is self:
            if event._ok:
                light.env.resume(light, event._value)
            else:
                event._defused = True
                light.env.resume(light, Thrown(event._value))


class Environment(Schedule, simpy.Environment):
    """`simpy.Environment` that also runs `Light` processes and `Timer`s."""

    def __init__(self, initial_time: float = 0.0) -> None:
        Schedule.__init__(self)
        simpy.Environment.__init__(self, initial_time)
        del self._eid  # `numbers` counts, and SimPy's own queue is empty but for the event that happens

    def schedule(self, event: Event, priority: int = NORMAL, delay: float = 0) -> None:
        """An event of SimPy's own."""
        self.numbers += 1
        self.agenda.push(self.now + delay, self.numbers + (priority - NORMAL) * LATER, event)

    def _happen(self, event: Event) -> None:
        self._queue.append((self.now, NORMAL, 0, event))
        simpy.Environment.step(self)

    def _await(self, light: Light, event: Any) -> None:
        if not isinstance(event, Event):
            raise SimulationError(f"a process yielded {event!r}: a delay, an event or nothing was expected")
        light.ticket = ENDED
        light.waiting = wait = _EventWait(light)
        if event.callbacks is None:
            past, event = event, Event(self)
            event.trigger(past)
            event._defused = True  # whoever saw it fail took care of it
        event.callbacks.append(wait.happened)

    def peek(self) -> float:
        """The instant of the next entry that counts, infinity if there is none."""
        agenda = self.agenda
        while agenda:
            what = agenda.look()
            if not isinstance(what, Scheduled) or what.ticket == agenda.number:
                when: float = agenda.when
                return when
            agenda.take()
        return float("inf")

    def step(self) -> None:
        """Process one heap entry of any kind (the stock `run(until=event)` uses this)."""
        agenda = self.agenda
        if not agenda:
            raise EmptySchedule
        what = agenda.take()
        if not isinstance(what, Scheduled):
            self.now = agenda.when
            self._happen(what)
        elif what.ticket == agenda.number:
            self.now = agenda.when
            if isinstance(what, Light):
                self._advance(what)
            else:
                assert isinstance(what, Timer)
                what.fire()

    def run(self, until: float | Event | None = None) -> Any:
        """Run to the end of the schedule, to the instant `until`, or until the event `until` has happened.

        As in SimPy, entries at exactly the instant `until` are left for the next run.
        """
        if isinstance(until, Event):
            return super().run(until)
        if until is None:
            with suppress(Horizon):
                self._loop()
            return None
        if until <= self.now:
            raise ValueError(f"until ({until}) must be greater than the current simulation time")
        horizon = Timer(self, stop)
        self.enter_urgently(float(until), horizon)
        try:
            self._loop()
        except Horizon:
            return None
        finally:
            horizon.disarm()  # an error may have ended the run before it
        raise SimulationError("the horizon's timer vanished from the schedule")  # pragma: no cover


# SimPy's own name for the clock. Not a property: stock events read it, too, and a slot costs a fifth of a call.
Environment._now = Schedule.__dict__["now"]
