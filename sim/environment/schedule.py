"""The clock, the heap of what is due, and the loop. See the package for what is modelled."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf
from typing import Any

from sim.environment.numbers import ENDED, LATER
from sim.environment.scheduled import UNBEGUN, Activity, Light, Scheduled, Thrown, Timer, Waitable
from sim.errors import Failure, SimulationError
from sim.heap import INTERPRETED, Agenda, TupleAgenda, heappop, heappush, heappushpop

_RETURNED = object()
"""Instead of what a process yields: it has returned."""


class Horizon(Exception):
    """Raised by the timer that ends `run(until=number)`."""


def stop() -> None:
    raise Horizon


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
        if type(value) is Thrown:
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

    def _await(self, light: Light, event: Any) -> None:
        """Have a process go on when an event of SimPy's own has happened."""
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
        what.ticket = number = self.numbers - LATER
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
        light.waiting = UNBEGUN
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
            if light.waiting is not UNBEGUN and not light.generator.gi_running:
                _withdraw(light)
            self.enter_urgently(self.now, Timer(self, partial(self._strike, light, error)))

    def _strike(self, light: Light, error: BaseException) -> None:
        """Raise `error` in `light`, between two steps of any process."""
        if light.waiting is UNBEGUN:
            self.resume(light)  # its first step
        if light.is_alive:
            _withdraw(light)
            self.resume(light, Thrown(error))

    def park(self, waitable: Waitable) -> Light:
        """Note that the running process is about to `yield` into `waitable`. Returns it, with a fresh ticket."""
        light = self.active
        assert light is not None
        self.numbers = light.ticket = self.numbers + 1
        light.waiting = waitable
        return light

    def stop(self) -> None:
        """End the run at this instant, before anything else that is scheduled for it."""
        self.enter_urgently(self.now, Timer(self, stop))

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
                        delay_s = target
                        self.enter(now + delay_s, light)
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
            elif type(value) is Thrown:
                target = _hand_over(light)
            else:  # what a CPU burst returns; hardly ever does the process end there
                light.value = None
                target = light.generator.send(value)
        except StopIteration:
            target = _RETURNED
        except Failure as failure:
            raise escaped(light) from failure
        if type(target) is float and target >= 0.0:
            delay_s = target
            self.enter(self.now + delay_s, light)
        elif target is _RETURNED:
            light.ticket = ENDED
        elif target is not None:
            self._follow(light, target)

    def _follow(self, light: Light, target: Any) -> None:
        """Wait for what the process yielded, where it is not simply a delay."""
        if isinstance(target, (int, float)):
            if not target >= 0:
                raise SimulationError(f"a process yielded a delay of {target!r} s")
            self.enter(self.now + float(target), light)
        else:
            self._await(light, target)


def escaped(light: Light) -> SimulationError:
    """A process has to catch what may be thrown at it: nobody above it would."""
    return SimulationError(f"a simulated failure left the process {light.generator.__qualname__}")
