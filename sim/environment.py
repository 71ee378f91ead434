"""Simulated time: SimPy's environment with a lean run loop and a light process.

Models   A `Light` process is a generator that may yield a float (a delay in seconds), `None` (parked until
         somebody wakes it) or any SimPy event. It is its own heap entry: no event object is made for a delay.
         A `Timer` is a callback that can be armed, moved and disarmed. Both are cancelled exactly and in O(1):
         a heap entry counts only while its number equals the `ticket` of what it points at.
Units    Seconds.
Source   SimPy 4.1 (simpy/core.py, simpy/events.py): heap entries stay (time, priority, number, event), so every
         stock process, event and resource runs here with identical results.
Checked  tests/unit/test_environment.py, tests/properties/test_environment.py
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from heapq import heappop, heappush
from inspect import GEN_CLOSED, getgeneratorstate
from typing import Any, Protocol

import simpy
from simpy.core import EmptySchedule
from simpy.events import NORMAL, URGENT, Event

from sim.errors import SimulationError

type_ = type
Activity = Generator[Any, Any, Any]
"""What a light process runs: a generator yielding delays (float), None (parked) or SimPy events."""

ENDED = -1
"""Ticket of a light process that has ended, and of a timer that is disarmed: equals no heap entry's number."""


class Waitable(Protocol):
    """What a light process can be parked in. `withdraw` takes it out again, exactly, when it is interrupted."""

    def withdraw(self, light: Light) -> None: ...


class Light:
    """A process that is its own heap entry. Make one with `Environment.start`."""

    __slots__ = ("env", "error", "generator", "on_end", "send", "ticket", "value", "waiting")

    def __init__(self, env: Environment, generator: Activity, on_end: Callable[[Any], None] | None) -> None:
        self.env = env
        self.generator = generator
        self.send = generator.send
        self.ticket = ENDED
        self.waiting: Waitable | None = None
        self.value: Any = None
        self.error: BaseException | None = None
        self.on_end = on_end

    @property
    def is_alive(self) -> bool:
        return getgeneratorstate(self.generator) != GEN_CLOSED

    def _after_event(self, event: Event) -> None:
        """Go on after a stock SimPy event: the bridge from its callbacks to this process."""
        if isinstance(self.waiting, _EventWait) and self.waiting.event is event:
            if not event._ok:
                event._defused = True
                self.error = event._value
            self.env.resume(self, event._value)


class _EventWait:
    """Parked on a stock event; withdrawing leaves a stale callback that `_after_event` ignores."""

    __slots__ = ("event",)

    def __init__(self, event: Event) -> None:
        self.event = event

    def withdraw(self, light: Light) -> None:
        """Nothing to undo: the callback compares `light.waiting` with its event."""


class Timer:
    """A callback at an instant. `arm` moves it, `disarm` forgets it; both cost O(log n) at most."""

    __slots__ = ("callback", "env", "ticket", "when")

    def __init__(self, env: Environment, callback: Callable[[], None]) -> None:
        self.env = env
        self.callback = callback
        self.ticket = ENDED
        self.when = float("inf")

    def arm(self, when: float) -> None:
        """Fire at the instant `when` (exactly that float), replacing any earlier setting."""
        env = self.env
        if when < env._now:
            raise SimulationError(f"timer armed at {when!r}, before now {env._now!r}")
        self.when = when
        self.ticket = number = next(env._eid)
        heappush(env._queue, (when, NORMAL, number, self))

    def disarm(self) -> None:
        self.ticket = ENDED
        self.when = float("inf")

    @property
    def armed(self) -> bool:
        return self.ticket != ENDED

    def fire(self) -> None:
        """Called by the run loop when the entry that armed it comes up."""
        self.ticket = ENDED
        self.when = float("inf")
        self.callback()


class _Horizon(Exception):
    """Raised by the timer that ends `run(until=number)`."""


def _stop() -> None:
    raise _Horizon


class Environment(simpy.Environment):
    """`simpy.Environment` that also runs `Light` processes and `Timer`s."""

    _queue: list[Any]  # (time, priority, number, stock event | Light | Timer)

    active: Light | None = None
    """The light process that is running now, or ran last."""

    @property
    def now(self) -> float:
        """The current simulated time, in seconds."""
        return self._now

    def start(
        self, generator: Activity, delay: float = 0.0, on_end: Callable[[Any], None] | None = None
    ) -> Light:
        """Run `generator` as a light process, its first step after `delay` seconds.

        `on_end(value)` is called with the generator's return value, in the step in which it returns.
        An exception that leaves the generator ends the run: simulated failures are caught by models.
        """
        light = Light(self, generator, on_end)
        light.ticket = number = next(self._eid)
        heappush(self._queue, (self._now + delay, NORMAL, number, light))
        return light

    def start_now(self, generator: Activity, on_end: Callable[[Any], None] | None = None) -> Light:
        """Like `start`, but its first step runs before this call returns, without a heap entry."""
        light = Light(self, generator, on_end)
        outer = self.active
        self._advance(light)
        self.active = outer
        return light

    def wake(self, light: Light, value: Any = None, delay: float = 0.0) -> None:
        """Let a parked `light` go on after `delay` seconds; its `yield` returns `value`."""
        light.value = value
        light.ticket = number = next(self._eid)
        heappush(self._queue, (self._now + delay, NORMAL, number, light))

    def resume(self, light: Light, value: Any = None) -> None:
        """Let a parked `light` go on inside this call. Only from timers, `on_end` and event callbacks, as their
        last act on any state that the process could touch."""
        light.value = value
        outer = self.active
        self._advance(light)
        self.active = outer

    def throw(self, light: Light, error: BaseException) -> None:
        """Raise `error` inside `light` at this instant, taking it out of whatever it waits for.

        Does nothing if it has ended. A permit or lease granted to it but not yet noticed goes back.
        """
        if not light.is_alive:
            return
        if light.waiting is not None:
            light.waiting.withdraw(light)
            light.waiting = None
        light.error = error
        light.ticket = number = next(self._eid)
        heappush(self._queue, (self._now, URGENT, number, light))

    def park(self, waitable: Waitable) -> Light:
        """Note that the running process is about to `yield` into `waitable`. Returns it, with a fresh ticket."""
        light = self.active
        assert light is not None
        light.ticket = next(self._eid)
        light.waiting = waitable
        return light

    def step(self) -> None:
        """Process one heap entry of any kind (the stock `run(until=event)` uses this)."""
        if not self._queue:
            raise EmptySchedule
        kind = type_(self._queue[0][3])
        if kind is Light or kind is Timer:
            now, _, number, entry = heappop(self._queue)
            if entry.ticket == number:
                self._now = now
                if kind is Light:
                    self._advance(entry)
                else:
                    entry.fire()
        else:
            super().step()

    def run(self, until: float | Event | None = None) -> Any:
        """Run to the end of the schedule, to the instant `until`, or until the event `until` has happened.

        As in SimPy, entries at exactly the instant `until` are left for the next run.
        """
        if isinstance(until, Event):
            return super().run(until)
        if until is None:
            self._loop()
            return None
        if until <= self._now:
            raise ValueError(f"until ({until}) must be greater than the current simulation time")
        horizon = Timer(self, _stop)
        horizon.ticket = number = next(self._eid)
        heappush(self._queue, (float(until), URGENT, number, horizon))
        try:
            self._loop()
        except _Horizon:
            return None
        raise SimulationError("the horizon's timer vanished from the schedule")  # pragma: no cover

    def _loop(self) -> None:
        """The run loop. The body for a light process repeats `_advance`: a call a step costs a tenth."""
        queue, pop, push, number_of = self._queue, heappop, heappush, self._eid.__next__
        step = super().step
        while queue:
            entry = queue[0][3]
            kind = type_(entry)
            if kind is Light:
                now, _, number, light = pop(queue)
                if light.ticket != number:
                    continue
                self._now = now
                self.active = light
                light.waiting = None
                value = light.value
                light.value = None
                try:
                    target = light.send(value) if light.error is None else self._throw_into(light)
                except StopIteration as end:
                    light.ticket = ENDED
                    if light.on_end is not None:
                        light.on_end(end.value)
                    continue
                if type_(target) is float:
                    light.ticket = number = number_of()
                    push(queue, (now + target, NORMAL, number, light))
                elif target is not None:
                    self._follow(light, target)
            elif kind is Timer:
                now, _, number, timer = pop(queue)
                if timer.ticket == number:
                    self._now = now
                    timer.fire()
            else:
                step()

    def _advance(self, light: Light) -> None:
        """One step of a light process: send or throw, then see what it yields."""
        self.active = light
        light.waiting = None
        value, light.value = light.value, None
        try:
            target = light.send(value) if light.error is None else self._throw_into(light)
        except StopIteration as end:
            light.ticket = ENDED
            if light.on_end is not None:
                light.on_end(end.value)
            return
        if target is not None:
            self._follow(light, target)

    @staticmethod
    def _throw_into(light: Light) -> Any:
        error, light.error = light.error, None
        assert error is not None
        return light.generator.throw(error)

    def _follow(self, light: Light, target: Any) -> None:
        """Wait for what the process yielded: a delay in seconds or a SimPy event."""
        if isinstance(target, (int, float)):
            if not target >= 0:
                raise SimulationError(f"a process yielded a delay of {target!r} s")
            light.ticket = number = next(self._eid)
            heappush(self._queue, (self._now + target, NORMAL, number, light))
        elif isinstance(target, Event):
            light.ticket = ENDED
            light.waiting = _EventWait(target)
            if target.callbacks is None:
                happened = Event(self)
                light.waiting = _EventWait(happened)
                happened.callbacks.append(light._after_event)
                happened.trigger(target)
            else:
                target.callbacks.append(light._after_event)
        else:
            raise SimulationError(f"a process yielded {target!r}: a delay, an event or nothing was expected")
