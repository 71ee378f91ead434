"""sim/environment: stock SimPy programs run as on SimPy's own environment; light processes and timers are exact."""

from __future__ import annotations

import gc
import random
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simpy
from simpy.util import start_delayed

from sim.environment import Environment, Light, Timer
from sim.errors import Failure, SimulationError

# --- stock programs, each run on both environments --------------------------------------------------------------------

Trace = list[tuple[Any, ...]]


def bank_with_renege(env: simpy.Environment, trace: Trace) -> None:
    """Customers who leave when they have waited too long, as in SimPy's bank example."""
    chance = random.Random(42)
    counter = simpy.Resource(env, capacity=2)

    def customer(name, service, patience):
        arrived = env.now
        with counter.request() as turn:
            outcome = yield turn | env.timeout(patience)
            if turn in outcome:
                trace.append((env.now, name, "waited", env.now - arrived, len(counter.queue)))
                yield env.timeout(service)
                trace.append((env.now, name, "finished"))
            else:
                trace.append((env.now, name, "reneged", env.now - arrived))

    def source():
        for number in range(60):
            env.process(customer(f"customer {number}", chance.expovariate(1 / 12), chance.uniform(1, 3)))
            yield env.timeout(chance.expovariate(1 / 5))

    env.process(source())


def machine_shop(env: simpy.Environment, trace: Trace) -> None:
    """Machines that break and interrupt their work, repaired by one man with other things to do (preemption)."""
    chance = random.Random(7)
    repairman = simpy.PreemptiveResource(env, capacity=1)

    class Machine:
        def __init__(self, name):
            self.name, self.made, self.broken = name, 0, False
            self.process = env.process(self.work())
            env.process(self.fail())

        def work(self):
            while True:
                left = chance.normalvariate(10, 2)
                while left > 0:
                    begun = env.now
                    try:
                        yield env.timeout(left)
                        left = 0
                    except simpy.Interrupt as interrupt:
                        self.broken = True
                        left -= env.now - begun
                        trace.append((env.now, self.name, "broke", interrupt.cause, left))
                        with repairman.request(priority=1) as request:
                            yield request
                            yield env.timeout(30)
                        self.broken = False
                self.made += 1
                trace.append((env.now, self.name, "made", self.made))

        def fail(self):
            while True:
                yield env.timeout(chance.expovariate(1 / 60))
                if not self.broken:
                    self.process.interrupt("worn")

    def other_jobs():
        while True:
            left = 25
            while left:
                with repairman.request(priority=2) as request:
                    yield request
                    begun = env.now
                    try:
                        yield env.timeout(left)
                        left = 0
                    except simpy.Interrupt as interrupt:
                        left -= env.now - begun
                        trace.append((env.now, "repairman", interrupt.cause.usage_since, left))

    for number in range(4):
        Machine(f"machine {number}")
    env.process(other_jobs())


def stores_and_containers(env: simpy.Environment, trace: Trace) -> None:
    """Producers, consumers and a tank: Store, FilterStore, PriorityStore and Container, all at whole seconds."""
    chance = random.Random(3)
    belt = simpy.Store(env, capacity=3)
    shelf = simpy.FilterStore(env)
    heap = simpy.PriorityStore(env)
    tank = simpy.Container(env, capacity=50, init=10)

    def produce(name):
        for number in range(25):
            yield env.timeout(chance.randint(0, 3))
            yield belt.put((name, number))
            trace.append((env.now, name, "put", number, len(belt.items)))
            yield shelf.put(number)
            yield heap.put(simpy.PriorityItem(chance.randint(0, 3), f"{name}{number}"))

    def consume(name, parity):
        for _ in range(20):
            item = yield belt.get()
            trace.append((env.now, name, "got", item))
            number = yield shelf.get(lambda number: number % 2 == parity)
            first = yield heap.get()
            trace.append((env.now, name, number, first.priority, first.item))
            yield env.timeout(chance.randint(1, 2))

    def drive(name):
        for _ in range(10):
            yield tank.get(chance.randint(5, 15))
            trace.append((env.now, name, "fuelled", tank.level))
            yield env.timeout(chance.randint(1, 5))

    def lorry():
        while True:
            yield env.timeout(7)
            yield tank.put(20)
            trace.append((env.now, "lorry", tank.level))

    for name in ("a", "b"):
        env.process(produce(name))
    env.process(consume("odd", 1))
    env.process(consume("even", 0))
    for name in ("car", "bus"):
        env.process(drive(name))
    env.process(lorry())


def conditions_and_failures(env: simpy.Environment, trace: Trace) -> None:
    """Nested conditions, processes as events, failures that are caught, events that have already happened."""
    bell = env.event()

    def work(name, duration, error=None):
        yield env.timeout(duration)
        if error is not None:
            raise error
        return name

    def wait():
        both = yield (env.timeout(2, "x") & env.process(work("y", 5))) | env.timeout(30)
        trace.append((env.now, sorted(str(value) for value in both.values())))
        try:
            yield env.all_of([env.process(work("never", 10)), env.process(work("bad", 3, ValueError("broken")))])
        except ValueError as error:
            trace.append((env.now, "caught", str(error)))
        yield bell
        trace.append((env.now, "bell", bell.value))
        value = yield bell
        trace.append((env.now, "bell again", value))
        try:
            yield env.process(work("z", 0, KeyError("k")))
        except KeyError as error:
            trace.append((env.now, "caught", error.args))
        result = yield env.any_of([])
        trace.append((env.now, list(result.keys())))

    def ring():
        yield env.timeout(20)
        bell.succeed("ding")
        trace.append((env.now, "rung", bell.processed))

    env.process(wait())
    env.process(ring())
    start_delayed(env, work("late", 1), 4).callbacks.append(
        lambda event: trace.append((env.now, "late", event.value.is_alive))
    )


def interrupts(env: simpy.Environment, trace: Trace) -> None:
    """Interrupts before the first step, twice in one instant, in the instant of the awaited event, while queued."""
    door = simpy.Resource(env, capacity=1)

    def sleeper(name, naps):
        for _ in range(naps):
            try:
                yield env.timeout(4)
                trace.append((env.now, name, "slept"))
            except simpy.Interrupt as interrupt:
                trace.append((env.now, name, "woken", interrupt.cause))

    def visitor(name):
        try:
            with door.request() as request:
                yield request
                trace.append((env.now, name, "in"))
                yield env.timeout(3)
        except simpy.Interrupt as interrupt:
            trace.append((env.now, name, "sent away", interrupt.cause))
        trace.append((env.now, name, "queue", len(door.queue), door.count))

    def nurse(sleepers, visitors):
        for number in range(12):
            for target in sleepers + visitors:
                if target.is_alive and number % 3:
                    target.interrupt(number)
                    if number % 2:
                        target.interrupt((number, "again"))
            yield env.timeout(2)

    sleepers = [env.process(sleeper(name, 9)) for name in ("x", "y")]
    visitors = [env.process(visitor(f"v{number}")) for number in range(6)]
    sleepers[0].interrupt("at once")
    env.process(nurse(sleepers, visitors))


PROGRAMS = [bank_with_renege, machine_shop, stores_and_containers, conditions_and_failures, interrupts]


def to_a_number(env):
    env.run(until=90)


def in_slices(env):
    for instant in (0.5, 10, 30.25, 60, 90):
        env.run(until=instant)
        assert env.now == instant


def to_an_event(env):
    assert env.run(until=env.timeout(90, "over")) == "over"


def step_by_step(env):
    while env.peek() < 90:
        env.step()


@pytest.mark.parametrize("drive", [to_a_number, in_slices, to_an_event, step_by_step])
@pytest.mark.parametrize("program", PROGRAMS)
def test_stock_programs_run_as_on_simpy(program: Callable[[Any, Trace], None], drive: Callable[[Any], None]) -> None:
    traces: list[Trace] = []
    for make in (simpy.Environment, Environment):
        trace: Trace = []
        env = make()
        program(env, trace)
        drive(env)
        trace.append((env.now, "end"))
        traces.append(trace)
    assert len(traces[0]) > 8
    assert traces[0] == traces[1]


def test_stock_programs_do_not_notice_light_processes_beside_them() -> None:
    """Lights and timers at instants of their own change nothing, stale entries included."""
    traces: list[Trace] = []
    for is_crowded in (False, True):
        trace: Trace = []
        env = Environment()
        stores_and_containers(env, trace)
        if is_crowded:
            timer = Timer(env, lambda: None)

            def tick(env=env, timer=timer):
                for number in range(200):
                    timer.arm(env.now + 100 * (number % 7) + 0.1)
                    yield 0.3717

            env.start(tick())
        env.run(until=70)
        traces.append(trace)
    assert traces[0] == traces[1]


@pytest.mark.parametrize("make", [simpy.Environment, Environment])
def test_ends_of_a_run(make: Callable[[], simpy.Environment]) -> None:
    env = make()
    done = env.event()

    def work():
        yield env.timeout(3)
        done.succeed("done")
        yield env.timeout(3)

    env.process(work())
    with pytest.raises(ValueError, match="must be greater"):
        env.run(until=0)
    assert env.run(until=done) == "done"
    assert env.now == 3
    assert env.run(until=done) == "done"
    env.run()
    assert env.now == 6
    with pytest.raises(RuntimeError, match="not triggered"):
        env.run(until=env.event())
    with pytest.raises(simpy.core.EmptySchedule):
        env.step()


@pytest.mark.parametrize("make", [simpy.Environment, Environment])
def test_what_ends_at_the_horizon_is_left_for_the_next_run(make: Callable[[], simpy.Environment]) -> None:
    env = make()
    seen = []

    def work():
        for _ in range(4):
            yield env.timeout(1)
            seen.append(env.now)

    env.process(work())
    env.run(until=2)
    assert seen == [1]
    env.run(until=3)
    assert seen == [1, 2]


@pytest.mark.parametrize("make", [simpy.Environment, Environment])
def test_an_unhandled_error_ends_the_run_and_its_horizon(make: Callable[[], simpy.Environment]) -> None:
    env = make()

    def bad():
        yield env.timeout(1)
        raise LookupError("lost")

    env.process(bad())
    with pytest.raises(LookupError, match="lost"):
        env.run(until=50)
    assert env.now == 1


def test_a_run_goes_on_after_an_error_past_the_horizon_of_the_failed_one() -> None:
    env = Environment()
    seen = []

    def bad():
        yield 1.0
        raise LookupError("lost")

    def good():
        yield 100.0
        seen.append(env.now)

    env.start(bad())
    env.start(good())
    with pytest.raises(LookupError):
        env.run(until=50)
    env.run()
    assert seen == [100.0]


# --- light processes --------------------------------------------------------------------------------------------------


def run_light(*generators: Any) -> Environment:
    env = Environment()
    for generator in generators:
        env.start(generator(env))
    env.run()
    return env


def test_delays_may_be_floats_integers_and_numpy_numbers() -> None:
    seen = []

    def work(env):
        for delay in (1.5, 2, np.float64(0.25), np.float64(0.5), 0, 0.0, True):
            yield delay
            seen.append(env.now)

    env = run_light(work)
    assert seen == [1.5, 3.5, 3.75, 4.25, 4.25, 4.25, 5.25]
    assert {type(instant) for instant in seen} == {float}
    assert env.now == 5.25


@pytest.mark.parametrize("nonsense", [-1.0, -1, float("nan"), "1", [1.0], object()])
def test_a_process_that_yields_nonsense_is_an_error(nonsense: Any) -> None:
    def work(env):
        yield nonsense

    with pytest.raises(SimulationError, match="yielded"):
        run_light(work)


def test_starting_waking_and_arming_in_the_past_is_an_error() -> None:
    env = Environment(5.0)

    def work():
        yield

    light = env.start(work())
    env.run()
    for wrong in (-1e-9, float("nan")):
        with pytest.raises(SimulationError, match="started after"):
            env.start(work(), delay=wrong)
        with pytest.raises(SimulationError, match="woken after"):
            env.wake(light, None, wrong)
        with pytest.raises(SimulationError, match="timer armed"):
            Timer(env, lambda: None).arm(5.0 + wrong)


def test_on_end_is_told_the_value_once_in_the_step_of_the_return() -> None:
    env = Environment()
    told = []

    def work(value):
        yield 1.0
        yield 2.0
        return value

    def empty():
        return "at once"
        yield

    for value in ("a", None, 0):
        env.start(work(value), on_end=lambda value: told.append((env.now, value)))
    env.start_now(empty(), on_end=lambda value: told.append((env.now, value)))
    assert told == [(0, "at once")]
    env.run()
    assert told[1:] == [(3.0, "a"), (3.0, None), (3.0, 0)]


def test_start_now_takes_the_first_step_inside_the_call() -> None:
    seen = []

    def child(env):
        seen.append(("child", env.now, env.active is not None))
        yield 1.0
        seen.append(("child again", env.now))

    def parent(env):
        me = env.active
        yield 2.0
        light = env.start_now(child(env))
        assert env.active is me
        assert light.is_alive
        seen.append(("parent", env.now))
        yield 5.0
        assert not light.is_alive

    run_light(parent)
    assert seen == [("child", 2.0, True), ("parent", 2.0), ("child again", 3.0)]


def test_a_simulated_failure_that_leaves_a_process_is_an_error_of_the_simulation() -> None:
    """It must not surface in whoever happened to start or resume the process, who might catch it as its own."""
    caught = []

    def child():
        raise Failure("refused")
        yield

    def parent(env):
        yield 1.0
        me = env.active
        try:
            env.start_now(child())
        except Failure as failure:  # pragma: no cover
            caught.append(failure)
        except SimulationError:
            assert env.active is me
            raise

    with pytest.raises(SimulationError, match=r"left the process .*child") as error:
        run_light(parent)
    assert isinstance(error.value.__cause__, Failure)
    assert caught == []

    def late(env):
        yield 1.0
        raise Failure("late")

    with pytest.raises(SimulationError, match=r"left the process .*late"):
        run_light(late)


def test_parked_until_woken_with_a_value() -> None:
    env = Environment()
    seen = []

    def sleeper():
        seen.append((yield))
        seen.append((yield 1.0))
        seen.append((yield))
        seen.append(env.now)

    light = env.start(sleeper())
    env.run()
    assert seen == []
    env.wake(light, "first")
    env.run()
    assert seen == ["first", None]
    env.wake(light, "second", 2.5)
    env.run()
    assert seen == ["first", None, "second", 3.5]
    assert not light.is_alive


def test_equal_instants_are_processed_in_the_order_in_which_they_were_scheduled() -> None:
    env = Environment()
    seen = []

    def stock(name):
        yield env.timeout(1)
        seen.append(name)

    def light(name):
        yield 1.0
        seen.append(name)

    env.start(light("light a"))
    env.process(stock("stock b"))
    env.start(light("light c"))
    timer = Timer(env, lambda: seen.append("timer d"))
    timer.arm(1.0)
    env.run()
    # The timer was scheduled before any process took its step; a stock process begins urgently.
    assert seen == ["timer d", "stock b", "light a", "light c"]


# --- lights and stock events ------------------------------------------------------------------------------------------


def test_a_light_waits_for_stock_events_of_every_kind() -> None:
    seen: Trace = []

    def stock(env):
        yield env.timeout(3)
        return "result"

    def work(env):
        def saw(value):
            seen.append((env.now, value))

        saw((yield env.timeout(1, "value")))
        saw((yield env.process(stock(env))))
        saw(list((yield env.all_of([env.timeout(1, "a"), env.timeout(2, "b")])).values()))
        store = simpy.Store(env)
        store.put("item")
        saw((yield store.get()))
        with simpy.Resource(env).request() as request:
            yield request
            saw("granted")
        past = env.timeout(0, "past")
        yield 1.0
        assert past.processed
        saw((yield past))

    run_light(work)
    assert seen == [(1, "value"), (4, "result"), (6, ["a", "b"]), (6, "item"), (6, "granted"), (7, "past")]


def test_several_lights_wait_for_one_event_in_order() -> None:
    env = Environment()
    bell = env.event()
    seen = []

    def work(name):
        seen.append((name, (yield bell)))

    for name in "abc":
        env.start(work(name))

    def ring():
        yield 1.0
        bell.succeed("ding")

    env.start(ring())
    env.run()
    assert seen == [("a", "ding"), ("b", "ding"), ("c", "ding")]


def test_a_failed_event_is_raised_in_the_light_and_does_not_end_the_run() -> None:
    env = Environment()
    bell = env.event()
    seen = []

    def work(name):
        try:
            yield bell
        except ValueError as error:
            seen.append((name, str(error), env.now))
        try:
            yield bell  # has already failed
        except ValueError as error:
            seen.append((name, str(error), env.now))

    env.start(work("a"))
    env.start(work("b"))
    env.run(until=2)
    bell.fail(ValueError("broken"))
    env.run()
    assert seen == [("a", "broken", 2), ("b", "broken", 2), ("a", "broken", 2), ("b", "broken", 2)]


def test_a_failed_event_that_nobody_waits_for_any_more_ends_the_run_as_in_simpy() -> None:
    outcomes = []
    for is_light in (False, True):
        env = Environment() if is_light else simpy.Environment()
        bell = env.event()

        def work(env=env, bell=bell):
            with suppress(simpy.Interrupt, Failure):
                yield bell
            yield env.timeout(10)

        if is_light:
            light = env.start(work())
            env.run(until=1)
            env.throw(light, Failure("go"))
        else:
            process = env.process(work())
            env.run(until=1)
            process.interrupt("go")
        env.run(until=2)
        bell.fail(ValueError("broken"))
        with pytest.raises(ValueError, match="broken"):
            env.run()
        outcomes.append(env.now)
    assert outcomes == [2, 2]


def test_an_interrupted_wait_for_a_past_failed_event_ends_nothing() -> None:
    env = Environment()
    bell = env.event()
    bell.fail(ValueError("broken"))
    bell.defused = True
    seen = []

    def work():
        yield 1.0
        try:
            yield bell
        except Failure:
            seen.append("interrupted")
        yield 1.0

    def killer(light):
        yield 1.0
        env.throw(light, Failure("now"))

    env.start(killer(env.start(work())))
    env.run()
    assert seen == ["interrupted"]
    assert env.now == 2.0


# --- timers -----------------------------------------------------------------------------------------------------------


def test_a_timer_fires_once_at_the_exact_instant_last_set() -> None:
    env = Environment()
    fired = []
    timer = Timer(env, lambda: fired.append((env.now, timer.armed, timer.when)))
    assert not timer.armed
    timer.arm(0.1 + 0.2)
    assert timer.armed
    assert timer.when == 0.1 + 0.2
    env.run()
    assert fired == [(0.1 + 0.2, False, float("inf"))]
    timer.arm(5.0)
    timer.arm(7.0)
    timer.arm(6.0)
    env.run()
    assert fired[1:] == [(6.0, False, float("inf"))]
    assert env.now == 6.0  # stale entries do not move the clock
    timer.arm(9.0)
    timer.disarm()
    assert not timer.armed
    env.run()
    assert len(fired) == 2
    assert env.now == 6.0


def test_a_timer_may_be_armed_for_now_and_rearmed_from_its_callback() -> None:
    env = Environment()
    fired = []

    def again():
        fired.append(env.now)
        if len(fired) < 5:
            timer.arm(env.now + len(fired) % 2)

    timer = Timer(env, again)
    timer.arm(0.0)
    env.run()
    assert fired == [0, 1, 1, 2, 2]


def test_peek_and_step_skip_what_has_been_cancelled() -> None:
    env = Environment()
    timer = Timer(env, lambda: None)
    timer.arm(1.0)
    timer.arm(4.0)

    def work():
        with suppress(Failure):
            yield 2.0

    light = env.start(work())
    env.run(until=1.5)
    assert env.peek() == 2.0
    env.throw(light, Failure("x"))
    assert env.peek() == 1.5
    env.step()
    assert env.peek() == 4.0
    timer.disarm()
    assert env.peek() == float("inf")
    with pytest.raises(simpy.core.EmptySchedule):
        env.step()


# --- throwing ---------------------------------------------------------------------------------------------------------


def test_an_interrupted_delay_is_over_at_once_and_for_good() -> None:
    env = Environment()
    seen = []

    def work():
        try:
            yield 10.0
        except Failure as failure:
            seen.append((env.now, str(failure)))
        yield 1.0
        seen.append((env.now, "on"))

    light = env.start(work())
    env.run(until=3)
    env.throw(light, Failure("now"))
    env.run()
    assert seen == [(3, "now"), (4, "on")]
    assert env.now == 4
    env.throw(light, Failure("too late"))
    env.run()
    assert seen[2:] == []


class Shelf:
    """Something to be parked in that remembers who was taken out of it."""

    def __init__(self) -> None:
        self.withdrawn: list[Any] = []

    def withdraw(self, light: Any) -> None:
        self.withdrawn.append(light)


def test_several_errors_in_one_instant_arrive_in_order_and_withdraw_once_each() -> None:
    env = Environment()
    shelf = Shelf()
    seen = []

    def work():
        for _ in range(3):
            try:
                env.park(shelf)
                yield
            except Failure as failure:
                seen.append((env.now, str(failure)))
        yield 1.0

    light = env.start(work())
    env.run(until=2)
    for name in ("first", "second", "third"):
        env.throw(light, Failure(name))
    assert shelf.withdrawn == [light]
    env.run()
    assert seen == [(2, "first"), (2, "second"), (2, "third")]
    assert shelf.withdrawn == [light] * 3
    assert env.now == 3


def test_the_second_error_finds_a_process_that_ended_at_the_first() -> None:
    env = Environment()
    seen = []

    def work():
        try:
            yield 10.0
        except Failure as failure:
            seen.append(str(failure))

    light = env.start(work())
    env.run(until=2)
    env.throw(light, Failure("first"))
    env.throw(light, Failure("second"))
    env.run()
    assert seen == ["first"]
    assert not light.is_alive


@pytest.mark.parametrize("delay", [0.0, 5.0])
@pytest.mark.parametrize("errors", [1, 3])
def test_a_process_that_has_not_begun_takes_its_first_step_before_it_is_interrupted(delay: float, errors: int) -> None:
    """So that whatever it would do about an interrupt, it does: nothing that was started simply vanishes."""
    env = Environment()
    seen = []

    def work():
        seen.append((env.now, "begun"))
        for _ in range(errors):
            try:
                yield 10.0
            except Failure as failure:
                seen.append((env.now, str(failure)))

    env.run(until=1)
    light = env.start(work(), delay, on_end=lambda value: seen.append((env.now, "ended")))
    for number in range(errors):
        env.throw(light, Failure(str(number)))
    env.run()
    assert seen == [(1, "begun"), *((1, str(number)) for number in range(errors)), (1, "ended")]
    assert env.now == 1


@pytest.mark.parametrize("then", ["delay", "park", "event", "return", "hold"])
def test_an_error_thrown_at_the_running_process_arrives_at_its_next_wait_in_the_same_instant(then: str) -> None:
    env = Environment()
    shelf = Shelf()
    seen = []

    def work():
        yield 1.0
        env.throw(env.active, Failure("myself"))
        env.throw(env.active, Failure("again"))
        for _ in range(2):
            try:
                if then == "delay":
                    yield 5.0
                elif then == "park":
                    env.park(shelf)
                    yield
                elif then == "event":
                    yield env.event()
                elif then == "hold":
                    env.wake(env.active, True, 5.0)
                    yield
                else:
                    return
            except Failure as failure:
                seen.append((env.now, str(failure)))
        yield 1.0

    env.start(work())
    env.run()
    assert seen == ([] if then == "return" else [(1, "myself"), (1, "again")])
    assert env.now == (1 if then == "return" else 2)
    assert len(shelf.withdrawn) == (2 if then == "park" else 0)


def test_a_child_may_interrupt_the_parent_that_is_starting_it() -> None:
    env = Environment()
    seen = []

    def child(parent):
        env.throw(parent, Failure("from below"))
        yield 3.0
        seen.append((env.now, "child goes on"))

    def parent():
        yield 1.0
        env.start_now(child(env.active))
        seen.append((env.now, "parent still runs"))
        try:
            yield 10.0
        except Failure as failure:
            seen.append((env.now, str(failure)))

    env.start(parent())
    env.run()
    assert seen == [(1, "parent still runs"), (1, "from below"), (4, "child goes on")]


def test_thrown_in_the_instant_in_which_it_would_go_on_by_itself() -> None:
    """Whoever comes first in the schedule wins; the other finds nothing left to do."""
    env = Environment()
    seen = []

    def work(name):
        try:
            yield 2.0
            seen.append((name, "delay over"))
        except Failure as failure:
            seen.append((name, str(failure)))

    def killer():
        yield 2.0
        for light in lights:
            env.throw(light, Failure("interrupted"))

    lights = [env.start(work("before"))]
    env.start(killer())
    lights.append(env.start(work("after")))
    env.run()
    assert seen == [("before", "delay over"), ("after", "interrupted")]


def test_waiting_again_for_the_event_one_was_interrupted_in_keeps_ones_new_place() -> None:
    traces = []
    for is_light in (False, True):
        env = Environment() if is_light else simpy.Environment()
        bell = env.event()
        trace: Trace = []

        def work(name, env=env, bell=bell, trace=trace):
            while True:
                try:
                    trace.append((env.now, name, (yield bell)))
                    return
                except (Failure, simpy.Interrupt):
                    trace.append((env.now, name, "interrupted"))

        if is_light:
            first = env.start(work("first"))
            env.start(work("second"))
            env.run(until=1)
            env.throw(first, Failure("x"))
        else:
            process = env.process(work("first"))
            env.process(work("second"))
            env.run(until=1)
            process.interrupt()
        env.run(until=2)
        bell.succeed("ding")
        env.run()
        traces.append(trace)
    assert traces[0] == traces[1]
    assert [entry[1] for entry in traces[1]] == ["first", "second", "first"]


def test_resuming_nests_and_the_active_process_is_restored() -> None:
    env = Environment()
    seen = []
    lights = {}

    def inner():
        while True:
            value = yield
            assert env.active is lights["inner"]
            seen.append(("inner", value))

    def outer():
        me = env.active
        for number in range(3):
            yield 1.0
            env.resume(lights["inner"], number)
            assert env.active is me
            seen.append(("outer", number))

    lights["inner"] = env.start_now(inner())
    lights["outer"] = env.start(outer())
    env.run()
    assert seen == [(name, number) for number in range(3) for name in ("inner", "outer")]


def test_a_resumed_process_can_be_interrupted_in_the_same_instant() -> None:
    env = Environment()
    seen = []

    def sleeper():
        seen.append((yield))
        try:
            yield 5.0
        except Failure as failure:
            seen.append((env.now, str(failure)))

    light = env.start_now(sleeper())

    def timer():
        env.throw(victim, Failure("other"))
        env.resume(light, "up")

    def other():
        try:
            yield 9.0
        except Failure:
            seen.append("other interrupted")
            env.throw(light, Failure("from other"))

    victim = env.start_now(other())
    Timer(env, timer).arm(1.0)
    env.run()
    assert seen == ["up", "other interrupted", (1.0, "from other")]
    assert env.now == 1.0


# --- what it costs ----------------------------------------------------------------------------------------------------


def test_a_delay_costs_one_entry_and_a_start_now_none() -> None:
    env = Environment()

    def child():
        yield 1.0

    def parent():
        for _ in range(10):
            yield 1.0
            env.start_now(child())

    env.start(parent())
    before = env.numbers
    env.run()
    assert env.numbers - before == 10 + 10


def test_ended_processes_leave_nothing_behind() -> None:
    """Neither cycles that only the garbage collector would find nor entries in the schedule."""
    env = Environment()

    def child():
        yield 1.0
        return "value"

    def parent():
        for _ in range(500):
            yield 0.5
            env.start_now(child())
            env.start(child(), on_end=lambda value: None)

    env.start(parent())
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        env.run()
        gc.collect()
        lost = [thing for thing in gc.garbage if isinstance(thing, Light) and thing.env is env]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert lost == []
    assert len(env.agenda) == 0


def test_the_reference_model_needs_a_third_of_the_events_for_the_same_figures(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What tests/benchmarks/bench.py times: same draws, same latencies to the last bit, and events counted."""
    monkeypatch.syspath_prepend(str(project / "tests" / "benchmarks"))
    import draws
    import lean_kernel
    import plain_shared
    import plain_simpy
    import shared_kernel

    try:
        drawn = draws.draw(3000)
        plain, lean = plain_simpy.run(drawn), lean_kernel.run(drawn)
        mixed = plain_simpy.run(drawn, Environment())
        fair, shared = plain_shared.run(drawn), lean_kernel.run(drawn, shared_kernel.build)
        events = [module.count_events(drawn) / 3000 for module in (plain_simpy, lean_kernel, plain_shared)]
    finally:
        for name in ("draws", "lean_kernel", "plain_shared", "plain_simpy", "shared_kernel"):
            sys.modules.pop(name, None)
    assert plain.latencies_s == lean.latencies_s == mixed.latencies_s
    assert plain.per_second == lean.per_second
    assert plain.refused == lean.refused == mixed.refused
    assert [round(count, 1) for count in events] == [12.6, 4.2, 14.5]
    assert fair.latencies_s == pytest.approx(shared.latencies_s, abs=1e-9)
    assert (fair.per_second, fair.refused) == (shared.per_second, shared.refused)
    assert fair.percentiles_s() == pytest.approx(shared.percentiles_s(), rel=1e-9)
    p50, p95, p99 = plain.percentiles_s()
    assert all(low < high for low, high in pairwise((0.002, p50, p95, p99, 1.0)))
