"""Event loops: each serves its own connections, in order of arrival."""

from __future__ import annotations

from typing import Any

import pytest

from models.event_loops import Loops, default_loops
from sim.environment import Activity, Environment
from sim.errors import Failure, SimulationError
from sim.probe import NullProbe, Station


class Gone(Failure):
    """Somebody is interrupted."""


class World:
    def __init__(self, number: int) -> None:
        self.env = Environment()
        self.station: Station = NullProbe(self.env).station("loops", number, "loop")
        self.loops = Loops(self.env, number, self.station)
        self.log: list[tuple[int, float]] = []

    def stay(self, user: int, duration_s: float) -> Activity:
        loop = self.loops.of(user)
        try:
            _ = loop.acquire() or (yield)
            try:
                yield duration_s
                self.log.append((user, self.env.now))
            finally:
                loop.release()
        except Gone:
            self.log.append((-user, self.env.now))


def test_users_of_one_loop_wait_for_each_other_and_for_nobody_else() -> None:
    world = World(4)
    for user in (0, 4, 8, 1, 2):
        world.env.start(world.stay(user, 1.0))
    world.env.run()
    assert world.log == [(0, 1.0), (1, 1.0), (2, 1.0), (4, 2.0), (8, 3.0)]
    assert (world.station.arrivals, world.station.queued, world.station.busy, world.station.waiting) == (5, 2, 0, 0)


@pytest.mark.parametrize("moment_s", [0.5, 1.0])
def test_who_leaves_while_it_waits_or_just_as_it_gets_the_loop_keeps_nothing(moment_s: float) -> None:
    world = World(1)
    world.env.start(world.stay(1, 1.0))
    leaver = world.env.start(world.stay(2, 1.0))
    world.env.start(world.stay(3, 1.0))

    def interrupt() -> Any:
        yield moment_s
        world.env.throw(leaver, Gone())

    world.env.start(interrupt())
    world.env.run()
    assert world.log == sorted([(1, 1.0), (-2, moment_s), (3, 2.0)], key=lambda entry: entry[1])
    assert world.station.busy == world.station.waiting == 0
    with pytest.raises(SimulationError, match="nobody had"):
        world.loops.of(0).release()


def test_loops_by_processors() -> None:
    assert [default_loops(cpus) for cpus in (1, 2, 4, 6)] == [4, 4, 4, 6]
