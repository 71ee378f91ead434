"""Simulated time: SimPy's environment with a lean run loop and a light process.

Models   A `Light` process is a generator that may yield a float (a delay in seconds), `None` (parked until
         somebody wakes it) or any SimPy event. It is its own heap entry: no event object is made for a delay.
         A `Timer` is a callback that can be armed, moved and disarmed. Both are cancelled exactly and in O(1):
         a heap entry counts only while its number equals the `ticket` of what it points at.
Units    Seconds.
Source   SimPy 4.1 (simpy/core.py, simpy/events.py): entries come up by time, priority and number as there, so every
         stock process, event and resource runs here with identical results.
Checked  tests/unit/test_environment.py, tests/properties/test_environment_properties.py
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import suppress
from functools import partial
from math import inf
from typing import Any, Protocol

import simpy
from simpy.core import EmptySchedule
from simpy.events import NORMAL, Event

from sim.errors import Failure, SimulationError
from sim.heap import INTERPRETED, Agenda, TupleAgenda, heappop, heappush, heappushpop

Activity = Generator[Any, Any, Any]
"""What a light process runs: a generator yielding delays (float), None (parked) or SimPy events."""

ENDED = -1
"""Ticket of a light process that has ended, and of a timer that is disarmed: equals no heap entry's number."""

_LATER = 1 << 52
"""What a number is greater by for each step of SimPy's priorities: entries of an instant come up by these first."""

_RETURNED = object()
"""Instead of what a process yields: it has returned."""


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
    """What the `yield` it is at will return, or the error (`_Thrown`) that it will raise."""

    @property
    def is_alive(self) -> bool:
        generator = self.generator
        return generator.gi_running or generator.gi_frame is not None


class _Unbegun:
    """What a process waits in before its first step: nothing has to be undone when it is interrupted there."""

    def withdraw(self, light: Light) -> None:
        """It takes its first step, and then has the error raised in it."""


_UNBEGUN = _Unbegun()


class _Thrown:
    """An error on its way into a process."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


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
                light.env.resume(light, _Thrown(event._value))


class Timer(Scheduled):
    """A callback at an instant. `arm` moves it, `disarm` forgets it; both cost O(log n) at most."""

    __slots__ = ("callback", "env", "when")

    def __init__(self, env: Schedule, callback: Callable[[], None]) -> None:
        self.env = env
        self.callback = callback
        self.ticket = ENDED
        self.when = float("inf")

    def arm(self, when: float) -> None:
        """Fire at the instant `when` (exactly that float), replacing any earlier setting."""
        if not when >= self.env.now:
            raise SimulationError(f"timer armed at {when!r}, before now {self.env.now!r}")
        self.when = when
        self.env.enter(when, self)

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


def _withdraw(light: Light) -> None:
    """Take `light` out of whatever it waits for. Nothing makes it go on now."""
    waiting, light.waiting = light.waiting, None
    if waiting is not None:
        waiting.withdraw(light)
    light.ticket = ENDED


def _hand_over(light: Light) -> Any:
    """The step of a process that is handed something, or that somebody wants the return value of."""
    value = light.value
    light.value = None
    try:
        if type(value) is _Thrown:
            return light.generator.throw(value.error)
        return light.generator.send(value)
    except StopIteration as end:
        value = end.value
    light.ticket = ENDED
    if light.on_end is not None:
        light.on_end(value)
    return _RETURNED


class Schedule:
    """The clock, what is due when, and the light processes and timers that live by it."""

    __slots__ = ("agenda", "active", "now", "numbers")

    agenda: Any  # TupleAgenda | Agenda
    """What is due when: light processes, timers and SimPy's own events, by time and number."""
    numbers: int
    """How many numbers have been given to entries, and to processes that parked."""
    now: float
    """The current simulated time, in seconds."""
    active: Light | None
    """The light process that is running now, or ran last."""

    def __init__(self) -> None:
        self.agenda = TupleAgenda() if INTERPRETED else Agenda()
        self.numbers = 0
        self.active = None

    def _happen(self, event: Any) -> None:
        """Process an event of SimPy's own, now."""
        raise NotImplementedError

    def enter(self, when: float, what: Scheduled) -> None:
        """Have `what` come up at `when`, after all else that is due then by now. Entries that it had are void."""
        self.numbers = what.ticket = number = self.numbers + 1
        if INTERPRETED:
            heappush(self.agenda, (when, number, what))
        else:
            self.agenda.push(when, number, what)

    def enter_urgently(self, when: float, what: Scheduled) -> None:
        """The same, but before all that is not urgent."""
        self.numbers += 1
        what.ticket = number = self.numbers - _LATER
        self.agenda.push(when, number, what)

    def start(self, generator: Activity, delay: float = 0.0, on_end: Callable[[Any], None] | None = None) -> Light:
        """Run `generator` as a light process, its first step after `delay` seconds.

        `on_end(value)` is called with the generator's return value, in the step in which it returns.
        An exception that leaves the generator ends the run: simulated failures are caught by models.
        """
        if not delay >= 0:
            raise SimulationError(f"a process started after {delay!r} s")
        light = Light()
        light.env = self
        light.generator = generator
        light.on_end = on_end
        light.waiting = _UNBEGUN
        light.value = None
        self.enter(self.now + delay, light)
        return light

    def start_now(self, generator: Activity, on_end: Callable[[Any], None] | None = None) -> Light:
        """Like `start`, but its first step runs before this call returns, without a heap entry."""
        light = Light()
        light.env = self
        light.generator = generator
        light.on_end = on_end
        light.waiting = light.value = None
        light.ticket = ENDED
        outer = self.active
        try:
            self._advance(light)
        finally:
            self.active = outer
        return light

    def wake(self, light: Light, value: Any = None, delay: float = 0.0) -> None:
        """Let a parked `light` go on after `delay` seconds; its `yield` returns `value`."""
        if not delay >= 0:
            raise SimulationError(f"a process woken after {delay!r} s")
        light.value = value
        self.enter(self.now + delay, light)

    def resume(self, light: Light, value: Any = None) -> None:
        """Let a parked `light` go on inside this call. Only from timers, `on_end` and event callbacks, as their
        last act on any state that the process could touch."""
        light.value = value
        light.ticket = ENDED
        outer = self.active
        try:
            self._advance(light)
        finally:
            self.active = outer

    def throw(self, light: Light, error: BaseException) -> None:
        """Raise `error` inside `light` at this instant, taking it out of whatever it waits for.

        Does nothing if it has ended. A permit or lease granted to it but not yet noticed goes back. A process that is
        running gets the error at its next `yield`, one that has not begun takes its first step before, and several
        errors arrive in the order in which they were thrown: each unless the process has ended by then.
        """
        if light.is_alive:
            if light.waiting is not _UNBEGUN and not light.generator.gi_running:
                _withdraw(light)
            self.enter_urgently(self.now, Timer(self, partial(self._strike, light, error)))

    def _strike(self, light: Light, error: BaseException) -> None:
        """Raise `error` in `light`, between two steps of any process."""
        if light.waiting is _UNBEGUN:
            self.resume(light)  # its first step
        if light.is_alive:
            _withdraw(light)
            self.resume(light, _Thrown(error))

    def park(self, waitable: Waitable) -> Light:
        """Note that the running process is about to `yield` into `waitable`. Returns it, with a fresh ticket."""
        light = self.active
        assert light is not None
        self.numbers = light.ticket = self.numbers + 1
        light.waiting = waitable
        return light

    def stop(self) -> None:
        """End the run at this instant, before anything else that is scheduled for it."""
        self.enter_urgently(self.now, Timer(self, _stop))

    def _loop(self) -> None:
        """The run loop. The body for a light process repeats `_advance`: a call a step costs a tenth.

        Where it is interpreted, entries are tuples, and a process that goes on with a delay takes the place of what
        comes next in one step. `while True` is not style: CPython 3.11 optimises a running function only after
        unconditional jumps backwards.
        """
        agenda, interpreted = self.agenda, INTERPRETED
        now, number = self.now, 0
        what: Any = None
        target: Any
        while True:
            if type(what) is Light:
                light = what
                if light.ticket == number:
                    self.now = now
                    self.active = light
                    light.waiting = None
                    try:
                        if light.value is None and light.on_end is None:
                            target = next(light.generator, _RETURNED)
                        else:
                            target = _hand_over(light)
                    except Failure as failure:
                        raise escaped(light) from failure
                    if type(target) is float and target >= 0.0:
                        if interpreted:  # self.enter(now + target, light), and what comes next
                            self.numbers = light.ticket = number = self.numbers + 1
                            now, number, what = heappushpop(agenda, (now + target, number, light))
                            continue
                        self.enter(now + target, light)
                    elif target is _RETURNED:
                        light.ticket = ENDED
                    elif target is not None:
                        self._follow(light, target)
            elif type(what) is Timer:
                timer = what
                if timer.ticket == number:
                    self.now = now
                    timer.ticket = ENDED  # timer.fire()
                    timer.when = inf
                    timer.callback()
            elif what is not None:
                self.now = now
                self._happen(what)
            if interpreted:
                if not agenda:
                    return
                now, number, what = heappop(agenda)
            else:
                if not agenda.size:
                    return
                what = agenda.take()
                now, number = agenda.when, agenda.number

    def _advance(self, light: Light) -> None:
        """One step of a light process: send or throw, then see what it yields."""
        self.active = light
        light.waiting = None
        value = light.value
        try:
            if light.on_end is not None:
                target = _hand_over(light)
            elif value is None:
                target = next(light.generator, _RETURNED)
            elif type(value) is _Thrown:
                target = _hand_over(light)
            else:  # what a CPU burst returns; hardly ever does the process end there
                light.value = None
                target = light.generator.send(value)
        except StopIteration:
            target = _RETURNED
        except Failure as failure:
            raise escaped(light) from failure
        if type(target) is float and target >= 0.0:
            self.enter(self.now + target, light)
        elif target is _RETURNED:
            light.ticket = ENDED
        elif target is not None:
            self._follow(light, target)

    def _follow(self, light: Light, target: Any) -> None:
        """Wait for what the process yielded: a delay in seconds or a SimPy event."""
        if isinstance(target, (int, float)):
            if not target >= 0:
                raise SimulationError(f"a process yielded a delay of {target!r} s")
            self.enter(self.now + float(target), light)
        elif isinstance(target, Event):
            light.ticket = ENDED
            light.waiting = wait = _EventWait(light)
            if target.callbacks is None:
                past, target = target, Event(self)
                target.trigger(past)
                target._defused = True  # whoever saw it fail took care of it
            target.callbacks.append(wait.happened)
        else:
            raise SimulationError(f"a process yielded {target!r}: a delay, an event or nothing was expected")


class Environment(Schedule, simpy.Environment):
    """`simpy.Environment` that also runs `Light` processes and `Timer`s."""

    def __init__(self, initial_time: float = 0.0) -> None:
        Schedule.__init__(self)
        simpy.Environment.__init__(self, initial_time)
        del self._eid  # `numbers` counts, and SimPy's own queue is empty but for the event that happens

    def schedule(self, event: Event, priority: int = NORMAL, delay: float = 0) -> None:
        """An event of SimPy's own."""
        self.numbers += 1
        self.agenda.push(self.now + delay, self.numbers + (priority - NORMAL) * _LATER, event)

    def _happen(self, event: Event) -> None:
        self._queue.append((self.now, NORMAL, 0, event))
        simpy.Environment.step(self)

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
            with suppress(_Horizon):
                self._loop()
            return None
        if until <= self.now:
            raise ValueError(f"until ({until}) must be greater than the current simulation time")
        horizon = Timer(self, _stop)
        self.enter_urgently(float(until), horizon)
        try:
            self._loop()
        except _Horizon:
            return None
        finally:
            horizon.disarm()  # an error may have ended the run before it
        raise SimulationError("the horizon's timer vanished from the schedule")  # pragma: no cover


# SimPy's own name for the clock. Not a property: stock events read it, too, and a slot costs a fifth of a call.
Environment._now = Schedule.__dict__["now"]


def escaped(light: Light) -> SimulationError:
    """A process has to catch what may be thrown at it: nobody above it would."""
    return SimulationError(f"a simulated failure left the process {light.generator.__qualname__}")
