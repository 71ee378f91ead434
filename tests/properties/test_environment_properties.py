"""sim/environment: light processes do, step for step, what stock SimPy processes do, whatever the interleaving."""

from __future__ import annotations

from functools import partial
from typing import Any

import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.environment import Environment, Light, Timer
from sim.errors import Failure

Trace = list[tuple[Any, ...]]

PROCESSES = 4
EVENTS = 3

operations = st.one_of(
    st.tuples(st.just("delay"), st.integers(0, 3)),
    st.tuples(st.just("throw"), st.integers(0, PROCESSES - 1)),
    st.tuples(st.just("throw twice"), st.integers(0, PROCESSES - 1)),
    st.tuples(st.just("wait"), st.integers(0, EVENTS - 1)),
    st.tuples(st.just("succeed"), st.integers(0, EVENTS - 1)),
    st.tuples(st.just("fail"), st.integers(0, EVENTS - 1)),
)
scripts = st.lists(
    st.lists(operations, max_size=8).map(lambda script: [("delay", 1), *script]),
    min_size=PROCESSES,
    max_size=PROCESSES,
)


class Program:
    """Processes that work through their scripts, at whole seconds so that everything happens at once.

    The same on both kinds of process: what is thrown is logged, and the script goes on with its next operation.
    """

    def __init__(self, is_light: bool, scripts: list[list[tuple[str, int]]]) -> None:
        self.is_light = is_light
        self.env: Any = Environment() if is_light else simpy.Environment()
        self.trace: Trace = []
        self.events = [self.env.event() for _ in range(EVENTS)]
        for event in self.events:
            event.defused = True
        self.awaited = [-1] * PROCESSES
        start = self.env.start if is_light else self.env.process
        self.processes = [start(self.work(number, script)) for number, script in enumerate(scripts)]
        self.env.run()

    def log(self, *entry: Any) -> None:
        self.trace.append((float(self.env.now), *entry))

    def work(self, me: int, script: list[tuple[str, int]]) -> Any:
        for place, (operation, argument) in enumerate(script):
            self.awaited[me] = -1
            try:
                if operation == "delay":
                    yield float(argument) if self.is_light else self.env.timeout(argument)
                elif operation == "wait":
                    if not self.events[argument].processed:
                        self.awaited[me] = argument
                        value = yield self.events[argument]
                        self.log(me, place, value)
                elif operation in ("succeed", "fail"):
                    self.trigger(argument, operation, (me, place))
                elif argument != me:
                    self.throw(argument, (me, place))
                    if operation == "throw twice":
                        self.throw(argument, (me, place, "again"))
            except simpy.Interrupt as interrupt:
                self.log(me, place, "hit", interrupt.cause)
            except Failure as failure:
                self.log(me, place, "hit", failure.args[0])
            except LookupError as error:
                self.log(me, place, "failed", error.args)
        self.log(me, "ended")

    def trigger(self, number: int, operation: str, mark: tuple[int, int]) -> None:
        event = self.events[number]
        if event.triggered:
            return
        if operation == "succeed":
            event.succeed(mark)
        else:
            event.fail(LookupError(mark))

    def throw(self, number: int, mark: tuple[Any, ...]) -> None:
        """Leaves alone who is about to be told of an event while its callbacks run: there, SimPy tells it first and
        interrupts it then, whereas a light process is taken out of the event's list at once."""
        process = self.processes[number]
        if not process.is_alive or (self.awaited[number] >= 0 and self.events[self.awaited[number]].processed):
            return
        if self.is_light:
            self.env.throw(process, Failure(mark))
        else:
            process.interrupt(mark)


@settings(max_examples=300)
@given(scripts)
def test_light_processes_do_what_stock_processes_do(scripts: list[list[tuple[str, int]]]) -> None:
    assert Program(True, scripts).trace == Program(False, scripts).trace


class Parking:
    """Something to wait in that hands over at the end of the instant, and is told who has left or gives back."""

    def __init__(self, env: Environment) -> None:
        self.env = env
        self.waiting: list[Light] = []
        self.handed: list[Light] = []
        self.given_back = 0

    def withdraw(self, light: Light) -> None:
        self.waiting.remove(light)

    def hand(self, light: Light) -> None:
        self.waiting.remove(light)
        self.handed.append(light)
        light.waiting = _Handed(self)
        self.env.wake(light, "handed")


class _Handed:
    def __init__(self, parking: Parking) -> None:
        self.parking = parking

    def withdraw(self, light: Light) -> None:
        self.parking.handed.remove(light)
        self.parking.given_back += 1


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(1, 5)), min_size=1, max_size=5),
    st.lists(
        st.tuples(st.integers(0, 12), st.sampled_from(["throw", "hand", "resume"]), st.integers(0, 4)), max_size=25
    ),
)
def test_a_process_goes_on_exactly_once_for_every_reason_to(
    sleepers: list[tuple[int, int]], actions: list[tuple[int, str, int]]
) -> None:
    """Every error thrown at a live process arrives in its instant; what was handed over arrives or is given back."""
    env = Environment()
    parking = Parking(env)
    seen: list[tuple[float, str, int]] = []
    thrown: list[tuple[float, str, int]] = []
    resumed: list[tuple[float, str, int]] = []
    handed = 0

    def sleeper(me: int, naps: int) -> Any:
        for _ in range(naps):
            try:
                parking.waiting.append(env.park(parking))
                operation = yield
                if operation == "handed":
                    parking.handed.remove(lights[me])
                seen.append((env.now, operation, me))
            except Failure as failure:
                seen.append((env.now, failure.args[0], me))

    lights = [env.start(sleeper(me, naps), float(begin)) for me, (begin, naps) in enumerate(sleepers)]

    def act(ordinal: int, operation: str, number: int) -> None:
        nonlocal handed
        number %= len(lights)
        light = lights[number]
        if operation == "throw":
            if light.is_alive:
                thrown.append((env.now, f"error {ordinal}", number))
                env.throw(light, Failure(f"error {ordinal}"))
        elif light in parking.waiting:
            if operation == "hand":
                handed += 1
                parking.hand(light)
            else:
                resumed.append((env.now, "resumed", number))
                parking.waiting.remove(light)
                env.resume(light, "resumed")

    for ordinal, (instant, operation, number) in enumerate(actions):
        Timer(env, partial(act, ordinal, operation, number)).arm(float(instant))
    env.run()

    errors = [entry for entry in seen if entry[1].startswith("error")]
    lost = [entry for entry in thrown if entry not in errors]
    assert all(not lights[entry[2]].is_alive for entry in lost)
    assert errors == sorted(set(errors) & set(thrown), key=thrown.index)
    assert [entry for entry in seen if entry[1] == "resumed"] == resumed
    assert sum(1 for entry in seen if entry[1] == "handed") == handed - parking.given_back
    assert parking.handed == []
    assert sorted(map(lights.index, parking.waiting)) == [me for me, light in enumerate(lights) if light.is_alive]
