"""A listening socket: accepted, waiting in the kernel, or not even seen."""

from __future__ import annotations

from typing import Any

import pytest

from models.listener import ConnectTimedOut, Listener, syn_pauses_s
from models.outcomes import CallFailure
from models.request import Request
from models.spec import Context
from sim.environment import Activity, Environment
from sim.errors import Failure
from sim.probe import NullProbe
from sim.streams import Streams


class Gone(Failure):
    """Somebody is interrupted."""


class World:
    def __init__(self, limit: int, accept_count: int, backoff: Any = "linear") -> None:
        self.env = Environment()
        context = Context(self.env, Streams(1, 0), NullProbe(self.env), "api")
        self.listener = Listener(context, limit, accept_count, backoff)
        self.log: list[tuple[int, str, float]] = []

    def visit(self, number: int, duration_s: float) -> Activity:
        listener = self.listener
        request = Request(number, number, 0, number, number, self.env.now)
        try:
            yield from listener.connect(request)
            try:
                self.log.append((number, "in", self.env.now))
                assert request.wait_s == self.env.now
                yield duration_s
            finally:
                listener.close()
        except (CallFailure, Gone) as end:
            self.log.append((number, type(end).__name__, self.env.now))
            assert request.wait_s == self.env.now

    def come(self, *durations_s: float) -> list[Any]:
        return [self.env.start(self.visit(number, each)) for number, each in enumerate(durations_s)]


def test_the_kernel_s_queue_holds_one_more_than_the_backlog_and_drops_the_rest() -> None:
    world = World(1, 1)
    world.come(1.5, 1.5, 1.5, 1.0)
    world.env.run()
    assert world.log == [(0, "in", 0.0), (1, "in", 1.5), (2, "in", 3.0), (3, "in", 4.5)]
    assert world.listener._drops.total == 2, "at 0 and at 1 s; at 2 s there is room in the queue"
    assert world.listener.accepted == world.listener.waiting == 0


def test_linux_grants_a_backlog_of_4096_at_most() -> None:
    world = World(1, 9000)
    world.come(0.5, *[0.0] * 4098)
    world.env.run(0.1)
    assert (world.listener.waiting, world.listener._drops.total) == (4097, 1)


@pytest.mark.parametrize(("backoff", "again_s", "drops"), [("linear", 2.0, 2), ("exponential", 3.0, 2)])
def test_a_dropped_syn_is_sent_again(backoff: str, again_s: float, drops: int) -> None:
    world = World(1, 0, backoff)
    world.come(1.5, 0.1, 0.1)
    world.env.run()
    assert world.log[-1] == (2, "in", again_s)
    assert world.listener._drops.total == drops


@pytest.mark.parametrize(("backoff", "sent", "given_up_s"), [("linear", 11, 131.0), ("exponential", 7, 127.0)])
def test_the_kernel_gives_up(backoff: Any, sent: int, given_up_s: float) -> None:
    assert len(syn_pauses_s(backoff)) == sent
    world = World(1, 0, backoff)
    world.come(1000.0, 1.0, 1.0)
    world.env.run(200.0)
    assert world.log == [(0, "in", 0.0), (2, "ConnectTimedOut", given_up_s)]
    assert ConnectTimedOut.status == 504


@pytest.mark.parametrize("moment_s", [0.5, 1.0])
def test_who_hangs_up_in_the_queue_gives_its_place_back(moment_s: float) -> None:
    world = World(1, 5)
    lights = world.come(1.0, 1.0, 1.0)

    def interrupt() -> Any:
        yield moment_s
        world.env.throw(lights[1], Gone())

    world.env.start(interrupt())
    world.env.run()
    assert world.log == [(0, "in", 0.0), (1, "Gone", moment_s), (2, "in", 1.0)]
    assert world.listener.accepted == world.listener.waiting == 0
