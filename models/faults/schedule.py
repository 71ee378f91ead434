"""When a fault is on. It costs an event where it begins and one where it ends, and none between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from models.faults.spec import TimedSpec, TimetableSpec
from models.spec import Context
from sim.distributions import Exponential
from sim.environment import Environment, Timer
from sim.streams import Sequential


class Effect(Protocol):
    """What a fault does while it is on."""

    def begin(self, lasts_s: float | None, over: Callable[[], None]) -> str:
        """Begin, and say what. `lasts_s`: for how long, None where that is not known; `over` is for effects that know
        themselves when they are."""
        ...

    def end(self) -> None: ...


class Timetable:
    """Instants decided by the specification and the fault's own chance, never by what happens."""

    __slots__ = ("_at_s", "_count", "_every_s", "_gaps", "_lasts_s", "_spans")

    def __init__(self, context: Context, spec: TimetableSpec) -> None:
        self._at_s = spec.at
        self._every_s = spec.every
        self._count = 0
        self._gaps: Sequential | None = None
        self._spans: Sequential | None = None
        self._lasts_s: float | None = None
        if isinstance(spec, TimedSpec):
            self._lasts_s = spec.lasts
            if spec.mean_time_between is not None:
                self._gaps = context.streams.sequence(f"{context.path}.gap", Exponential(spec.mean_time_between))
            if spec.mean_duration is not None:
                self._spans = context.streams.sequence(f"{context.path}.duration", Exponential(spec.mean_duration))

    def next_s(self, now: float) -> float | None:
        """When it begins next, at `now` or later: asked at the start, and again when it is over."""
        if self._gaps is not None:
            return now + self._gaps.next()
        assert self._at_s is not None
        while True:
            number, self._count = self._count, self._count + 1
            if number and self._every_s is None:
                return None
            due_s = self._at_s + number * (self._every_s or 0.0)
            if due_s >= now:  # else it was still on: that turn is left out
                return due_s

    def lasts_s(self) -> float | None:
        return self._lasts_s if self._spans is None else self._spans.next()


class Fault:
    """One fault: begins, ends, and says so. What it says is read by others: its words are fixed."""

    __slots__ = (
        "_begins", "_context", "_effect", "_ends", "_env", "_is_deserted", "_is_instant", "_timetable", "is_on",
    )  # fmt: skip

    def __init__(self, context: Context, spec: TimetableSpec, effect: Effect) -> None:
        self._context = context
        self._env: Environment = context.env
        self._timetable = Timetable(context, spec)
        self._effect = effect
        self.is_on = False
        self._is_deserted = False
        self._begins = Timer(self._env, self._begin)
        self._ends = Timer(self._env, self._end)
        self._is_instant = isinstance(spec, TimedSpec) and not spec.ends

    def start(self) -> None:
        """Put the first beginning on the schedule."""
        due_s = None if self._is_deserted else self._timetable.next_s(self._env.now)
        if due_s is not None:
            self._begins.arm(due_s)

    def desert(self) -> None:
        """Nobody will come any more: what has not begun does not begin."""
        self._is_deserted = True
        self._begins.disarm()

    def _begin(self) -> None:
        self.is_on = True
        lasts_s = self._timetable.lasts_s()
        what = self._effect.begin(lasts_s, self._end)
        self._context.probe.note(self._context.path, f"begins: {what}")
        if lasts_s is not None:
            self._ends.arm(self._env.now + lasts_s)
        elif self._is_instant:
            self._end()

    def _end(self) -> None:
        self.is_on = False
        self._effect.end()
        self._context.probe.note(self._context.path, "ends")
        self.start()
