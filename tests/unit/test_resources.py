"""sim/resources.py: permits and leases are granted in order, left exactly, and accounted for to the last instant."""

from __future__ import annotations

from typing import Any

import pytest

from sim.environment import Environment, Light
from sim.errors import Failure, SimulationError
from sim.probe import NullProbe, Station
from sim.resources import Leases, Permits


def make_permits(capacity: float, max_wait_s: float | None = None) -> tuple[Environment, Permits]:
    env = Environment()
    return env, Permits(env, capacity, NullProbe(env).station("desk", capacity, "permit"), max_wait_s)


def make_leases(*items: Any, max_wait_s: float | None = None) -> tuple[Environment, Leases]:
    env = Environment()
    leases: Leases = Leases(env, NullProbe(env).station("pool", len(items), "lease"), max_wait_s)
    for item in items:
        leases.offer(item)
    return env, leases


def counts(station: Station) -> dict[str, int]:
    names = ("arrivals", "started", "refused", "expired", "waiting", "busy", "most_waiting")
    return {name: getattr(station, name) for name in names if getattr(station, name)}


# --- permits ----------------------------------------------------------------------------------------------------------


def test_what_is_free_is_granted_without_an_event() -> None:
    env, permits = make_permits(2)
    assert permits.try_acquire()
    assert permits.acquire()
    assert not permits.try_acquire()
    assert (permits.in_use, permits.waiting, len(env.agenda)) == (2, 0, 0)
    permits.release()
    permits.release()
    assert permits.in_use == 0
    assert counts(permits.station) == {"arrivals": 2, "started": 2}


def test_waiters_are_served_in_order_of_arrival_and_a_newcomer_cannot_overtake() -> None:
    env, permits = make_permits(1)
    seen = []

    def visit(name, begin, duration):
        yield begin
        if not (permits.acquire() or (yield)):
            pytest.fail("there is no time limit")
        seen.append((env.now, name))
        yield duration
        permits.release()
        # The permit has been handed over at this instant, though the next one has not noticed yet.
        assert permits.in_use == (1 if name != "d" else 0)

    for name, begin in (("a", 0.0), ("b", 1.0), ("c", 2.0), ("d", 3.0)):
        env.start(visit(name, begin, 3.0))
    env.run()
    assert seen == [(0, "a"), (3, "b"), (6, "c"), (9, "d")]
    assert counts(permits.station) == {"arrivals": 4, "started": 4, "most_waiting": 3}
    assert permits.station.waiting_area == 2 + 4 + 6
    assert permits.station.busy_area == 12


def test_hold_takes_two_entries_in_all_when_queued_and_one_when_free() -> None:
    env, permits = make_permits(1)
    ends = []

    def visit():
        yield permits.hold(2.0)
        permits.release()
        ends.append(env.now)

    lights = [env.start(visit()) for _ in range(4)]
    env.run()
    assert ends == [2, 4, 6, 8]
    assert not any(light.is_alive for light in lights)
    assert permits.in_use == permits.waiting == 0
    # Of numbers drawn: a start each, an end of hold each, and a ticket each for the three who queued.
    assert env.numbers == 4 + 4 + 3


def test_a_time_limit_ends_the_wait_and_only_the_wait() -> None:
    env, permits = make_permits(1, max_wait_s=2.0)
    seen = []

    def visit(name, begin, duration):
        yield begin
        if permits.acquire() or (yield):
            seen.append((env.now, name, "in"))
            yield duration
            permits.release()
        else:
            seen.append((env.now, name, "gave up"))

    for name, begin, duration in (("a", 0.0, 5.0), ("b", 1.0, 9.0), ("c", 2.0, 9.0), ("d", 4.0, 4.0)):
        env.start(visit(name, begin, duration))
    env.run()
    assert seen == [(0, "a", "in"), (3, "b", "gave up"), (4, "c", "gave up"), (5, "d", "in")]
    assert counts(permits.station) == {"arrivals": 4, "started": 2, "expired": 2, "most_waiting": 2}
    assert (permits.in_use, permits.waiting) == (0, 0)


def test_hold_refuses_what_it_cannot_do() -> None:
    env, permits = make_permits(1, max_wait_s=2.0)
    errors = []

    def visit():
        for duration_s in (-1.0, float("nan")):
            try:
                yield permits.hold(duration_s)
            except SimulationError as error:
                errors.append(str(error))
        yield permits.hold(5.0)

    def second():
        yield permits.hold(1.0)

    env.start(visit())
    env.start(second())
    with pytest.raises(SimulationError, match="knows no time limit"):
        env.run()
    assert errors == ["desk: held for -1.0 s", "desk: held for nan s"]
    assert permits.in_use == 1


@pytest.mark.parametrize("capacity", [0, -1, 0.0])
def test_a_capacity_is_positive(capacity: float) -> None:
    with pytest.raises(ValueError, match="capacity must be positive"):
        make_permits(capacity)


def test_endless_capacity_never_queues() -> None:
    env, permits = make_permits(float("inf"))

    def visit():
        yield permits.hold(1.0)
        permits.release()

    for _ in range(100):
        env.start(visit())
    env.run()
    assert env.now == 1.0
    assert counts(permits.station) == {"arrivals": 100, "started": 100}


def test_more_releases_than_permits_is_an_error() -> None:
    _, permits = make_permits(1)
    with pytest.raises(SimulationError, match="desk: released more permits than were taken"):
        permits.release()


def interrupted(env: Environment, permits: Permits, kind: str, seen: list[Any]) -> Any:
    """Takes a permit in either way; releases what it got, and nothing else."""
    try:
        if kind == "hold":
            yield permits.hold(2.0)
        else:
            if not (permits.acquire() or (yield)):
                seen.append((env.now, "gave up"))
                return
            try:
                yield 2.0
            except Failure:
                permits.release()
                raise
        permits.release()
        seen.append((env.now, "served"))
    except Failure:
        seen.append((env.now, "interrupted"))


@pytest.mark.parametrize("kind", ["hold", "acquire"])
def test_an_interrupt_while_queued_while_granted_and_while_held(kind: str) -> None:
    """Three victims at capacity 1: one holds, one has been handed the permit in that instant, one is queued."""
    env, permits = make_permits(1)
    seen: list[Any] = []
    lights = [env.start(interrupted(env, permits, kind, seen)) for _ in range(4)]
    env.run(until=1)
    env.throw(lights[0], Failure())  # holds: with hold() the permit goes to the next at once, else when it unwinds
    if kind == "acquire":
        env.step()
    assert (permits.in_use, permits.waiting) == (1, 2)
    assert lights[1].waiting is permits._granted
    env.throw(lights[1], Failure())  # has been handed the permit and does not know it yet
    assert lights[2].waiting is permits._granted
    env.throw(lights[3], Failure())  # is queued
    assert (permits.in_use, permits.waiting) == (1, 0)
    env.run()
    assert seen == [(1, "interrupted")] * 3 + [(3, "served")]
    assert (permits.in_use, permits.waiting, len(permits._queue)) == (0, 0, 0)
    assert counts(permits.station) == {"arrivals": 4, "started": 3, "expired": 1, "most_waiting": 3}
    assert permits.station.busy_area == 3.0


def test_an_interrupt_in_the_instant_in_which_the_wait_expired_leaves_once() -> None:
    env, permits = make_permits(1, max_wait_s=1.0)
    seen: list[Any] = []
    env.start(interrupted(env, permits, "acquire", seen))
    victim = env.start(interrupted(env, permits, "acquire", seen))

    def killer():
        yield 1.0
        assert permits.waiting == 0  # the limit has been reached, though the victim has not noticed
        env.throw(victim, Failure())

    env.start(killer())
    env.run()
    assert seen == [(1, "interrupted"), (2, "served")]
    assert counts(permits.station) == {"arrivals": 2, "started": 1, "expired": 1, "most_waiting": 1}
    assert permits.station.waiting_area == 1.0


def test_an_interrupted_waiter_may_queue_again_at_the_end() -> None:
    env, permits = make_permits(1)
    seen = []

    def stubborn(name):
        while True:
            try:
                yield permits.hold(2.0)
                permits.release()
                seen.append((env.now, name))
                return
            except Failure:
                seen.append((env.now, name, "again"))

    lights = [env.start(stubborn(name)) for name in "abc"]
    env.run(until=1)
    env.throw(lights[1], Failure())
    env.throw(lights[1], Failure())
    env.run()
    assert seen == [(1, "b", "again"), (1, "b", "again"), (2, "a"), (4, "c"), (6, "b")]


def test_those_who_left_do_not_fill_up_the_queue() -> None:
    """One permit that is never given back, and a thousand who each wait for a second."""
    env, permits = make_permits(1, max_wait_s=1.0)
    longest = 0

    def visit():
        nonlocal longest
        assert not (permits.acquire() or (yield))
        longest = max(longest, len(permits._queue))

    def arrivals():
        assert permits.acquire()
        for _ in range(1000):
            env.start(visit())
            yield 0.1

    env.start(arrivals())
    env.run(until=101)
    assert permits.station.expired == 1000 - permits.waiting
    assert longest < 100


# --- the account written out in Permits is the station's own ----------------------------------------------------------


class ByTheBook(Permits):
    """Permits that call the station and the environment instead of repeating them."""

    __slots__ = ()

    def try_acquire(self) -> bool:
        if self.station.busy >= self.capacity:
            return False
        self.station.start()
        return True

    def hold(self, duration_s: float) -> float | None:
        if not self.try_acquire():
            self._enqueue(duration_s)
            return None
        light = self._env.active
        assert light is not None
        light.waiting = self._granted
        return duration_s

    def release(self) -> None:
        if not self.station.waiting:
            self.station.end()
            return
        self.station.pass_on()
        while True:
            light, ticket, duration_s = self._queue.popleft()
            if light.ticket == ticket:
                break
        light.waiting = self._granted
        self._env.wake(light, None if duration_s else True, duration_s)

    def _enqueue(self, duration_s: float) -> None:
        light = self._env.park(self)
        waiter = (light, light.ticket, duration_s)
        self._queue.append(waiter)
        self.station.wait()
        if self._deadlines is not None:
            self._deadlines.add(waiter)


@pytest.mark.parametrize("max_wait_s", [None, 0.7])
@pytest.mark.parametrize("capacity", [1, 3])
def test_the_account_is_the_stations_own(capacity: int, max_wait_s: float | None) -> None:
    accounts, traces = [], []
    for kind in (Permits, ByTheBook):
        env = Environment()
        permits = kind(env, capacity, NullProbe(env).station("desk", capacity, "permit"), max_wait_s)
        seen: list[Any] = []
        lights: list[Light] = []

        def source(env=env, permits=permits, seen=seen, lights=lights):
            for number in range(200):
                way = "hold" if number % 3 and max_wait_s is None else "acquire"
                lights.append(env.start(interrupted(env, permits, way, seen)))
                yield (0.3 + 0.7 * (number % 5)) / capacity
                if number % 4 == 3:
                    env.throw(lights[number - 2], Failure())

        env.start(source())
        env.run()
        traces.append(seen)
        accounts.append({name: getattr(permits.station, name) for name in Station.__slots__ if name != "env"})
        assert permits.station.queued > 50
    assert traces[0] == traces[1]
    assert accounts[0] == accounts[1]


# --- leases -----------------------------------------------------------------------------------------------------------


def test_the_most_recently_returned_is_lent_first_and_waiters_in_order() -> None:
    env, leases = make_leases("x", "y")
    seen = []

    def borrow(name, begin, duration):
        yield begin
        item = leases.take() or (yield)
        seen.append((env.now, name, item))
        yield duration
        leases.give_back(item)

    for name, begin, duration in (("a", 0.0, 3.0), ("b", 0.5, 1.0), ("c", 1.0, 9.0), ("d", 2.0, 1.0), ("e", 9.5, 1.0)):
        env.start(borrow(name, begin, duration))
    env.run()
    assert seen == [(0, "a", "y"), (0.5, "b", "x"), (1.5, "c", "x"), (3, "d", "y"), (9.5, "e", "y")]
    assert leases.idle == ["x", "y"] or leases.idle == ["y", "x"]
    assert counts(leases.station) == {"arrivals": 5, "started": 5, "most_waiting": 1}
    assert leases.station.waiting_area == 0.5 + 1.0
    assert leases.station.busy_area == 3 + 1 + 9 + 1 + 1


def test_a_new_item_goes_to_the_longest_waiter() -> None:
    env, leases = make_leases()
    seen = []

    def borrow(name):
        item = leases.take() or (yield)
        seen.append((env.now, name, item))

    env.start(borrow("a"))
    env.start(borrow("b"))
    env.run(until=1)
    leases.offer("new")
    env.run(until=2)
    leases.offer("newer")
    leases.offer("newest")
    env.run()
    assert seen == [(1, "a", "new"), (2, "b", "newer")]
    assert leases.idle == ["newest"]
    assert leases.station.busy == 2
    leases.discard()
    leases.discard()
    with pytest.raises(SimulationError, match="pool: more leases came back than were lent"):
        leases.discard()
    with pytest.raises(SimulationError, match="pool: more leases came back than were lent"):
        leases.give_back("x")


def test_a_time_limit_on_a_lease_returns_none() -> None:
    env, leases = make_leases("x", max_wait_s=1.0)
    seen = []

    def borrow(name, duration):
        item = leases.take() or (yield)
        seen.append((env.now, name, item))
        if item:
            yield duration
            leases.give_back(item)

    for name in "abc":
        env.start(borrow(name, 5.0))
    env.run()
    assert seen == [(0, "a", "x"), (1, "b", None), (1, "c", None)]
    assert leases.idle == ["x"]
    assert counts(leases.station) == {"arrivals": 3, "started": 1, "expired": 2, "most_waiting": 2}


def test_a_lease_handed_to_somebody_who_is_interrupted_in_that_instant_goes_on() -> None:
    env, leases = make_leases("x", max_wait_s=4.0)
    seen = []

    def borrow(name, duration):
        try:
            item = leases.take() or (yield)
        except Failure:
            seen.append((env.now, name, "interrupted"))
            return
        seen.append((env.now, name, item))
        if item:
            yield duration
            leases.give_back(item)

    lights = [env.start(borrow(name, 2.0)) for name in "abcd"]

    def killer():
        yield 2.0
        # "a" has just given back
        assert lights[1].waiting is not leases
        env.throw(lights[1], Failure())
        env.throw(lights[3], Failure())

    env.start(killer())
    env.run()
    assert seen == [(0, "a", "x"), (2, "b", "interrupted"), (2, "d", "interrupted"), (2, "c", "x")]
    assert leases.idle == ["x"]
    assert counts(leases.station) == {"arrivals": 4, "started": 3, "expired": 1, "most_waiting": 3}


def test_a_lease_whose_wait_expired_and_who_is_interrupted_in_that_instant_leaves_once() -> None:
    env, leases = make_leases(max_wait_s=1.0)
    seen = []

    def borrow():
        try:
            seen.append(leases.take() or (yield))
        except Failure:
            seen.append("interrupted")

    light = env.start(borrow())

    def killer():
        yield 1.0
        assert leases.waiting == 0  # the limit has been reached, though the victim has not noticed
        env.throw(light, Failure())

    env.start(killer())
    env.run()
    assert seen == ["interrupted"]
    assert counts(leases.station) == {"arrivals": 1, "expired": 1, "most_waiting": 1}
