"""sim/patience.py: deadlines come up exactly and cheaply; callers leave, work goes on or is cancelled."""

from __future__ import annotations

from typing import Any

import pytest

from sim.environment import Environment, Light
from sim.errors import Failure, SimulationError
from sim.patience import Cancelled, Deadlines, TimeLimit, TimeLimitReached

Trace = list[tuple[Any, ...]]

# --- deadlines --------------------------------------------------------------------------------------------------------


def test_what_is_still_pending_expires_at_its_deadline_and_nothing_else() -> None:
    env = Environment()
    pending = set(range(10))
    expired = []

    def expire(item):
        expired.append((env.now, item))
        pending.discard(item)

    deadlines: Deadlines[int] = Deadlines(env, 2.5, pending.__contains__, expire)

    def source():
        for item in range(10):
            deadlines.add(item)
            if item % 3:
                pending.discard(item)
            yield 0.5

    env.start(source())
    env.run()
    assert expired == [(2.5, 0), (4.0, 3), (5.5, 6), (7.0, 9)]


def test_what_ends_in_time_costs_no_event() -> None:
    """A thousand items that all end well before a long limit: one timer entry every limit, not one an item."""
    env = Environment()
    pending: set[int] = set()
    deadlines: Deadlines[int] = Deadlines(env, 50.0, pending.__contains__, lambda item: pytest.fail("expired"))

    def source():
        for item in range(1000):
            pending.add(item)
            deadlines.add(item)
            yield 0.25
            pending.remove(item)

    env.start(source())
    env.run()
    entries = env.numbers - 1 - 1000
    assert 0 < entries <= 10
    assert len(deadlines._entries) <= 2  # nor does it keep what has ended


def test_several_deadlines_in_one_instant_of_which_one_ends_another() -> None:
    env = Environment()
    pending = {"a", "b", "c"}
    expired = []

    def expire(item):
        expired.append(item)
        pending.discard(item)
        pending.discard("b")

    deadlines: Deadlines[str] = Deadlines(env, 1.0, pending.__contains__, expire)
    for item in "abc":
        deadlines.add(item)
    env.run()
    assert expired == ["a", "c"]


def test_a_deadline_may_be_added_while_one_expires() -> None:
    env = Environment()
    expired = []

    def expire(item):
        expired.append((env.now, item))
        if item < 3:
            deadlines.add(item + 1)

    deadlines: Deadlines[int] = Deadlines(env, 1.0, lambda item: True, expire)
    deadlines.add(0)
    env.run(until=3.5)
    assert expired == [(1, 0), (2, 1), (3, 2)]


# --- calls with a time limit ------------------------------------------------------------------------------------------


class Scene:
    """A caller and its work, with everything that happens to them written down."""

    def __init__(self, limit_s: float | None, cancels: bool = False) -> None:
        self.env = Environment()
        self.limit = TimeLimit(self.env, limit_s, cancels)
        self.trace: Trace = []
        self.working: Light | None = None

    def log(self, *entry: Any) -> None:
        self.trace.append((self.env.now, *entry))

    def work(self, duration_s: float, ending: Any = "answer") -> Any:
        self.working = self.env.active
        try:
            yield duration_s
        except Failure as failure:
            self.log("work", type(failure).__name__)
            raise
        self.log("work", "done")
        if isinstance(ending, Exception):
            raise ending
        return ending

    def call(self, work: Any) -> Any:
        try:
            value = yield from self.limit.call(work)
        except Failure as failure:
            self.log("caller", type(failure).__name__)
        else:
            self.log("caller", value)

    def start(self, duration_s: float, ending: Any = "answer") -> Light:
        return self.env.start(self.call(self.work(duration_s, ending)))


def test_an_answer_in_time() -> None:
    scene = Scene(5.0)
    scene.start(2.0)
    scene.env.run()
    assert scene.trace == [(2, "work", "done"), (2, "caller", "answer")]


def test_the_caller_goes_on_in_the_instant_of_the_answer_without_an_event() -> None:
    scene = Scene(None)
    scene.start(2.0)
    scene.env.run()
    assert scene.env.numbers == 1 + 1 + 1  # the start, the delay, the caller's ticket


def test_work_that_never_waits_is_done_at_once() -> None:
    scene = Scene(5.0)

    def immediate():
        return "at once"
        yield

    def refuse():
        raise Failure("refused")
        yield

    scene.env.start(scene.call(immediate()))
    scene.env.start(scene.call(refuse()))
    scene.env.run()
    assert scene.trace == [(0, "caller", "at once"), (0, "caller", "Failure")]
    assert scene.env.now == 0


def test_a_failure_of_the_work_is_the_callers() -> None:
    scene = Scene(5.0)
    failure = Failure("broken")
    caught = []

    def caller():
        try:
            yield from scene.limit.call(scene.work(2.0, failure))
        except Failure as error:
            caught.append(error)

    scene.env.start(caller())
    scene.env.run()
    assert caught == [failure]


def test_an_error_of_the_simulation_in_the_work_ends_the_run() -> None:
    scene = Scene(5.0)
    scene.start(2.0, LookupError("bug"))
    with pytest.raises(LookupError, match="bug"):
        scene.env.run()


def test_abandon_the_caller_leaves_at_the_limit_and_the_work_goes_on() -> None:
    scene = Scene(3.0)
    scene.start(7.0)
    scene.env.run()
    assert scene.trace == [(3, "caller", "TimeLimitReached"), (7, "work", "done")]


def test_cancel_the_caller_leaves_at_the_limit_and_the_work_stops() -> None:
    scene = Scene(3.0, cancels=True)
    scene.start(7.0)
    scene.env.run()
    assert scene.trace == [(3, "work", "Cancelled"), (3, "caller", "Cancelled")]
    assert issubclass(Cancelled, TimeLimitReached)
    assert scene.env.now == 3


def test_cancelled_work_may_take_time_to_stop_and_the_caller_does_not_wait_for_it() -> None:
    scene = Scene(3.0, cancels=True)

    def slow_to_stop():
        try:
            yield 7.0
        finally:
            yield 1.5
            scene.log("work", "stopped")

    scene.env.start(scene.call(slow_to_stop()))
    scene.env.run()
    assert scene.trace == [(3, "caller", "TimeLimitReached"), (4.5, "work", "stopped")]


@pytest.mark.parametrize("cancels", [False, True])
def test_a_caller_that_is_interrupted_leaves_its_work_to_go_on(cancels: bool) -> None:
    scene = Scene(5.0, cancels)
    light = scene.start(9.0)
    scene.env.run(until=2)
    scene.env.throw(light, Failure("gone"))
    scene.env.run()
    assert scene.trace == [(2, "caller", "Failure"), (9, "work", "done")]


def test_work_that_is_interrupted_fails_the_call() -> None:
    scene = Scene(5.0)
    scene.start(9.0)
    scene.env.run(until=2)
    assert scene.working is not None
    scene.env.throw(scene.working, Failure("killed"))
    scene.env.run()
    assert scene.trace == [(2, "work", "Failure"), (2, "caller", "Failure")]


@pytest.mark.parametrize("first", ["caller", "work"])
def test_caller_and_work_interrupted_in_one_instant(first: str) -> None:
    scene = Scene(5.0)
    caller = scene.start(9.0)
    scene.env.run(until=2)
    assert scene.working is not None
    for light in (caller, scene.working) if first == "caller" else (scene.working, caller):
        scene.env.throw(light, Failure(first))
    scene.env.run()
    assert sorted(scene.trace) == [(2, "caller", "Failure"), (2, "work", "Failure")]
    assert not caller.is_alive
    assert not scene.working.is_alive


def test_an_answer_and_an_interrupt_of_the_caller_in_one_instant() -> None:
    scene = Scene(5.0)
    light = scene.start(2.0)

    def killer():
        yield 2.0
        scene.env.throw(light, Failure("late"))

    scene.env.start(killer())  # the work's end stands earlier in the schedule
    scene.env.run()
    assert scene.trace == [(2, "work", "done"), (2, "caller", "answer")]


def test_an_answer_at_the_limit_after_the_limit_came_up_is_still_an_answer() -> None:
    """The limit came first in that instant, but the answer was there before the caller had gone."""
    scene = Scene(2.0)

    def work():
        yield 1.0
        yield 1.0
        return "just in time"

    scene.env.start(scene.call(work()))
    scene.env.run()
    assert scene.trace == [(2, "caller", "just in time")]


def test_nested_limits_each_leave_on_their_own() -> None:
    env = Environment()
    outer, inner = TimeLimit(env, 2.0), TimeLimit(env, 5.0, cancels=True)
    trace: Trace = []

    def deepest():
        try:
            yield 9.0
        except Cancelled:
            trace.append((env.now, "cancelled"))
            raise

    def middle():
        try:
            yield from inner.call(deepest())
        except TimeLimitReached as reached:
            trace.append((env.now, "middle", type(reached).__name__))

    def top():
        try:
            yield from outer.call(middle())
        except TimeLimitReached:
            trace.append((env.now, "top left"))

    env.start(top())
    env.run()
    assert trace == [(2, "top left"), (5, "cancelled"), (5, "middle", "Cancelled")]


def test_work_whose_caller_comes_back_to_it_while_it_ends() -> None:
    """The caller runs inside the work's last step, and interrupts the work, which has nothing left to be told."""
    env = Environment()
    limit = TimeLimit(env, None)
    trace: Trace = []
    working: list[Any] = []

    def work():
        working.append(env.active)
        yield 1.0

    def caller():
        yield from limit.call(work())
        env.throw(working[0], Failure("after the end"))
        trace.append((env.now, "caller on"))
        yield 1.0
        trace.append((env.now, "caller done", working[0].is_alive))

    env.start(caller())
    env.run()
    assert trace == [(1, "caller on"), (2, "caller done", False)]


def test_a_simulated_failure_that_the_caller_does_not_catch_is_an_error_of_the_simulation() -> None:
    env = Environment()
    limit = TimeLimit(env, 5.0)

    def work():
        yield 1.0
        raise Failure("uncaught")

    def careless():
        yield from limit.call(work())

    env.start(careless())
    with pytest.raises(SimulationError, match=r"left the process .*careless"):
        env.run()
