"""sim/resources.py and sim/patience.py: no interleaving of waits, holds, limits and interrupts leaks or reorders.

Everything happens at whole seconds, so that ends, limits and interrupts fall into the same instants all the time, and
every sum of times is exact.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sim.environment import Environment, Light, Timer
from sim.errors import Failure
from sim.patience import Cancelled, TimeLimit, TimeLimitReached
from sim.probe import NullProbe
from sim.resources import Leases, Permits


@dataclass(frozen=True)
class Visit:
    """One process: when it comes, how it waits, how long it stays, how often it tries again after an interrupt."""

    begin_s: int
    way: str
    duration_s: int
    tries: int


def visits(*ways: str) -> st.SearchStrategy[list[Visit]]:
    visit = st.builds(Visit, st.integers(0, 8), st.sampled_from(ways), st.integers(0, 4), st.integers(1, 3))
    return st.lists(visit, min_size=1, max_size=9)


interrupts = st.lists(st.tuples(st.integers(0, 16), st.integers(0, 8)), max_size=14)
limits = st.one_of(st.none(), st.integers(0, 5))


@dataclass
class Presence:
    """A process at the station, by its own clock."""

    came_s: float
    served_s: float | None = None


class World:
    """Runs the visits entry by entry, and holds what must be true between any two entries of the schedule."""

    def __init__(self, capacity: int, visits: list[Visit], interrupts: list[tuple[int, int]]) -> None:
        self.env = Environment()
        self.station = NullProbe(self.env).station("desk", capacity, "permit")
        self.lights: list[Light] = []
        self.present: dict[int, Presence] = {}
        """In order of coming."""
        self.waited_s = self.held_s = 0.0
        self.build(capacity)
        for instant, victim in interrupts:
            if victim < len(visits):
                Timer(self.env, partial(self.interrupt, victim)).arm(float(instant))
        for me, visit in enumerate(visits):
            self.lights.append(self.env.start(self.live(me, visit), float(visit.begin_s)))
        while self.env.agenda:
            self.env.step()
            self.check()
        assert not any(light.is_alive for light in self.lights)
        assert (self.station.busy, self.station.waiting) == (0, 0)
        assert self.station.busy_area == self.held_s
        assert self.station.waiting_area == self.waited_s

    def build(self, capacity: int) -> None:
        raise NotImplementedError

    def visit(self, me: int, visit: Visit) -> Any:
        raise NotImplementedError

    def is_waiting(self, light: Light) -> bool:
        raise NotImplementedError

    def is_handed(self, light: Light) -> bool:
        raise NotImplementedError

    def interrupt(self, victim: int) -> None:
        self.env.throw(self.lights[victim], Failure())

    def live(self, me: int, visit: Visit) -> Any:
        for _ in range(visit.tries):
            mine = self.present[me] = Presence(self.env.now)
            try:
                yield from self.visit(me, visit)
                return
            except Failure:
                continue
            finally:
                del self.present[me]
                if mine.served_s is None:
                    self.waited_s += self.env.now - mine.came_s
                else:
                    self.waited_s += mine.served_s - mine.came_s
                    self.held_s += self.env.now - mine.served_s

    def check(self) -> None:
        """Who is served came before all who wait, and the station agrees with the clocks of the processes."""
        waiting = [me for me in self.present if self.is_waiting(self.lights[me])]
        assert len(waiting) == self.station.waiting
        order = list(self.present)
        for me, mine in self.present.items():
            if mine.served_s is None and self.is_handed(self.lights[me]):
                mine.served_s = self.env.now
                assert all(order.index(me) < order.index(other) for other in waiting)
        station = self.station
        assert station.queued == station.granted + station.expired + station.waiting
        assert station.arrivals == station.started + station.waiting + station.refused + station.expired


class PermitWorld(World):
    def __init__(self, max_wait_s: int | None, *rest: Any) -> None:
        self.max_wait_s = max_wait_s
        super().__init__(*rest)
        assert self.permits.in_use == self.permits.waiting == 0

    def build(self, capacity: int) -> None:
        self.permits = Permits(self.env, capacity, self.station, self.max_wait_s)

    def is_waiting(self, light: Light) -> bool:
        return light.waiting is self.permits

    def is_handed(self, light: Light) -> bool:
        return light.waiting is self.permits._granted

    def visit(self, me: int, visit: Visit) -> Any:
        mine, permits = self.present[me], self.permits
        if visit.way == "hold" and self.max_wait_s is None:
            yield permits.hold(float(visit.duration_s))
            permits.release()
            assert mine.served_s == self.env.now - visit.duration_s
            return
        if visit.way == "try":
            if not permits.try_acquire():
                self.station.refuse()
                return
        elif not (permits.acquire() or (yield)):
            assert self.max_wait_s is not None
            assert self.env.now == mine.came_s + self.max_wait_s
            return
        mine.served_s = self.env.now
        assert self.max_wait_s is None or mine.served_s <= mine.came_s + self.max_wait_s
        try:
            yield float(visit.duration_s)
        finally:
            permits.release()

    def check(self) -> None:
        super().check()
        assert 0 <= self.permits.in_use == self.station.busy <= self.permits.capacity
        assert self.permits.waiting == 0 or self.permits.in_use == self.permits.capacity  # never idle beside a waiter


@settings(max_examples=500)
@given(limits, st.integers(1, 3), visits("hold", "acquire", "try"), interrupts)
def test_permits(max_wait_s: int | None, capacity: int, who: list[Visit], errors: list[tuple[int, int]]) -> None:
    PermitWorld(max_wait_s, capacity, who, errors)


class LeaseWorld(World):
    """Items 1, 2, ...; whoever "breaks" theirs throws it away and brings a new one a second later."""

    def __init__(self, max_wait_s: int | None, *rest: Any) -> None:
        self.max_wait_s = max_wait_s
        self.made = 0
        self.lent: Counter[int] = Counter()
        self.absent = 0
        super().__init__(*rest)
        assert len(self.leases.idle) == len(set(self.leases.idle)) == self.station.servers

    def build(self, capacity: int) -> None:
        self.leases: Leases = Leases(self.env, self.station, self.max_wait_s)
        for _ in range(capacity):
            self.bring()

    def bring(self) -> None:
        self.made += 1
        self.leases.offer(self.made)

    def bring_back(self) -> None:
        self.absent -= 1
        self.bring()

    def is_waiting(self, light: Light) -> bool:
        return light.waiting is self.leases

    def is_handed(self, light: Light) -> bool:
        return type(light.waiting).__name__ == "_Lent"

    def visit(self, me: int, visit: Visit) -> Any:
        mine, leases = self.present[me], self.leases
        item = leases.take() or (yield)
        if item is None:
            assert self.max_wait_s is not None
            assert self.env.now == mine.came_s + self.max_wait_s
            return
        if mine.served_s is None:
            mine.served_s = self.env.now
        self.lent[item] += 1
        assert self.lent[item] == 1
        assert item not in leases.idle
        try:
            yield float(visit.duration_s)
        finally:
            self.lent[item] -= 1
            if visit.way == "break":
                leases.discard()
                self.absent += 1
                Timer(self.env, self.bring_back).arm(self.env.now + 1)
            else:
                leases.give_back(item)

    def check(self) -> None:
        super().check()
        assert not (self.leases.waiting and self.leases.idle)  # never idle beside a waiter
        assert len(self.leases.idle) + self.station.busy + self.absent == self.station.servers


@settings(max_examples=500)
@given(limits, st.integers(1, 3), visits("keep", "break"), interrupts)
def test_leases(max_wait_s: int | None, capacity: int, who: list[Visit], errors: list[tuple[int, int]]) -> None:
    LeaseWorld(max_wait_s, capacity, who, errors)


# --- time limits ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Call:
    begin_s: int
    work_s: int
    caller_interrupted_s: int | None
    work_interrupted_s: int | None


maybe = st.none() | st.integers(0, 12)
calls = st.lists(st.builds(Call, st.integers(0, 5), st.integers(0, 6), maybe, maybe), min_size=1, max_size=6)


class Recorded:
    """One call: what became of the caller and of the work, and when."""

    def __init__(self, env: Environment, limit: TimeLimit, call: Call) -> None:
        self.env, self.limit, self.call = env, limit, call
        self.caller = self.work = ("never", -1.0)
        self.working: Light | None = None
        self.light = env.start(self.run(), float(call.begin_s))
        if call.caller_interrupted_s is not None:
            Timer(env, self.interrupt_caller).arm(float(call.caller_interrupted_s))
        if call.work_interrupted_s is not None:
            Timer(env, self.interrupt_work).arm(float(call.work_interrupted_s))

    def interrupt_caller(self) -> None:
        self.env.throw(self.light, Failure("caller"))

    def interrupt_work(self) -> None:
        if self.working is not None:
            self.env.throw(self.working, Failure("work"))

    def run(self) -> Any:
        try:
            value = yield from self.limit.call(self.do())
            assert value == "value"
            self.caller = ("answered", self.env.now)
        except TimeLimitReached:
            self.caller = ("left", self.env.now)
        except Failure as failure:
            self.caller = (failure.args[0], self.env.now)

    def do(self) -> Any:
        self.working = self.env.active
        self.work = ("begun", self.env.now)
        try:
            yield float(self.call.work_s)
            self.work = ("done", self.env.now)
        except Cancelled:
            self.work = ("cancelled", self.env.now)
            raise
        except Failure as failure:
            self.work = (failure.args[0], self.env.now)
            raise
        return "value"

    def check(self, limit_s: int | None, cancels: bool) -> None:
        """Whatever comes first ends it; where two things come at once, either may have been first."""
        call = self.call
        begin = call.begin_s
        if call.caller_interrupted_s is not None and call.caller_interrupted_s < begin:
            begin = call.caller_interrupted_s  # interrupted before it began: begins, and is interrupted
        ends = {"answered": begin + call.work_s}
        if call.caller_interrupted_s is not None and call.caller_interrupted_s >= begin:
            ends["caller"] = call.caller_interrupted_s
        if call.work_interrupted_s is not None and call.work_interrupted_s >= begin:
            ends["work"] = call.work_interrupted_s
        if limit_s is not None:
            ends["left"] = begin + limit_s
        what, when = self.caller
        assert when == min(ends.values())
        assert ends[what] == when
        work_ends = {"done": begin + call.work_s}
        if "work" in ends:
            work_ends["work"] = ends["work"]
        if cancels and what == "left":
            work_ends["cancelled"] = ends["left"]
        what, when = self.work
        assert when == min(work_ends.values())
        assert work_ends[what] == when


@settings(max_examples=500)
@given(st.one_of(st.none(), st.integers(0, 5)), st.booleans(), calls)
def test_time_limits(limit_s: int | None, cancels: bool, some: list[Call]) -> None:
    env = Environment()
    limit = TimeLimit(env, limit_s, cancels)
    records = [Recorded(env, limit, call) for call in some]
    env.run()
    for record in records:
        assert not record.light.is_alive
        assert record.working is not None
        assert not record.working.is_alive
        record.check(limit_s, cancels)
