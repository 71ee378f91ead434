"""The processor against an exact one: rational arithmetic, everything brought to now at every event, no shortcuts.

A scenario runs on the real processor with processes that start, finish, interrupt, cancel and change speeds, also from
inside each other; what they did to it, and when, is written down and replayed on the reference. Every burst must end,
and every account must read, as there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from sim.environment import Environment, Light
from sim.errors import Failure
from sim.processor import Burst, Container, Processor, Quota

TOLERANCE = Fraction(1, 10**8)
"""Demands, budgets and boundaries nearer than this (seconds or CPU-seconds) are reached. Above the processor's own
tolerance, below anything that the grid of a scenario makes."""


# --- the reference ---


class ExactContainer:
    def __init__(self, began: Fraction, weight: float, quota: Quota | None) -> None:
        self.weight = Fraction(weight)
        self.left: dict[int, Fraction] = {}
        self.stopped: dict[int, Fraction] = {}
        self.quota = self.period = self.budget = self.boundary = Fraction(0)
        self.has_quota = quota is not None
        if quota is not None:
            self.quota, self.period = Fraction(quota.quota_s), Fraction(quota.period_s)
            phase = Fraction(quota.phase_s)
            self.budget = self.quota
            self.boundary = phase + ((began - phase) // self.period) * self.period
            while self.boundary <= began + TOLERANCE:
                self.boundary += self.period
        self.is_throttled = False
        self.freezes = 0
        self.slowdown = Fraction(1)
        self.cpu = self.area = self.throttled_wall = self.throttled_thread = Fraction(0)
        self.slowed = self.frozen_wall = self.frozen_thread = Fraction(0)

    @property
    def is_frozen(self) -> bool:
        return self.freezes > 0

    @property
    def running(self) -> int:
        return 0 if self.is_throttled or self.is_frozen else len(self.left)


class ExactProcessor:
    """Brings everything to each event, then shares anew. Inputs are handed to it in order of time."""

    def __init__(self, began: Fraction, cores: float, speed: float, containers: list[ExactContainer]) -> None:
        self.now = began
        self.cores, self.speed = Fraction(cores), Fraction(speed)
        self.containers = containers
        self.ended: dict[int, Fraction] = {}
        self.waited: dict[int, Fraction] = {}

    def rates(self) -> list[Fraction]:
        """Cores times speed that each container gets: raise the water until cores or wishes run out."""
        need = [Fraction(container.running) for container in self.containers]
        rates = [Fraction(0)] * len(need)
        cores = self.cores
        hungry = [i for i, wish in enumerate(need) if wish]
        while hungry:
            level = cores / sum(self.containers[i].weight for i in hungry)
            fed = [i for i in hungry if need[i] <= level * self.containers[i].weight]
            for i in fed:
                rates[i] = need[i]
                cores -= need[i]
            if not fed:
                for i in hungry:
                    rates[i] = level * self.containers[i].weight
                break
            hungry = [i for i in hungry if i not in fed]
        return [rate * self.speed for rate in rates]

    def advance(self, until: Fraction) -> None:
        while True:
            rates = self.rates()
            step = until - self.now
            for container, rate in zip(self.containers, rates, strict=True):
                if rate:
                    step = min(step, min(container.left.values()) * container.running * container.slowdown / rate)
                    if container.has_quota:
                        step = min(step, container.budget / rate)
                if container.has_quota:
                    step = min(step, container.boundary - self.now)
            step = max(step, Fraction(0))
            self.now += step
            for container, rate in zip(self.containers, rates, strict=True):
                self.serve(container, rate, step)
            if self.now >= until:
                return

    def serve(self, container: ExactContainer, rate: Fraction, step: Fraction) -> None:
        present = len(container.left)
        container.cpu += rate * step
        container.area += present * step
        container.slowed += rate * step * (1 - 1 / container.slowdown)
        if container.is_frozen:
            container.frozen_wall += step
            container.frozen_thread += present * step
        elif container.is_throttled:
            container.throttled_wall += step
            container.throttled_thread += present * step
            for burst in container.left:
                container.stopped[burst] += step
        for burst in container.left if rate else ():
            container.left[burst] -= rate * step / present / container.slowdown
        if container.has_quota:
            container.budget -= rate * step
            while self.now >= container.boundary - TOLERANCE:
                container.budget = container.quota
                container.boundary += container.period
        self.finish(container)

    def finish(self, container: ExactContainer) -> None:
        for burst in [burst for burst, left in container.left.items() if left * container.slowdown <= TOLERANCE]:
            del container.left[burst]
            self.ended[burst] = self.now
            self.waited[burst] = container.stopped.pop(burst)
        container.is_throttled = container.has_quota and bool(container.left) and container.budget <= TOLERANCE

    def start(self, container: ExactContainer, burst: int, demand: float) -> None:
        container.left[burst] = Fraction(demand)
        container.stopped[burst] = Fraction(0)
        self.finish(container)

    def cancel(self, container: ExactContainer, burst: int) -> Fraction:
        if burst not in container.left:
            assert self.now - self.ended.pop(burst) <= TOLERANCE, "cancelled when it had long ended"
            return Fraction(0)
        left = container.left.pop(burst)
        del container.stopped[burst]
        self.finish(container)
        return left


# --- scenarios ---


@dataclass
class Record:
    """What was done to the processor and what came of it, in order."""

    inputs: list[tuple[float, str, int, int, float]] = field(default_factory=list)
    """(instant, start | cancel | speed | freeze | thaw | slow, burst, container, demand, speed or factor)"""
    ends: dict[int, tuple[float, float]] = field(default_factory=dict)
    """burst: (instant, throttled seconds)"""
    left: dict[int, float] = field(default_factory=dict)


class Scenario:
    """Random processes on random containers. Times are multiples of a coarse grid: ties abound."""

    def __init__(
        self,
        seed: int,
        began_s: float = 0.0,
        grids_s: Sequence[float] = (2.0**-10, 0.001),
        weights: Sequence[float] = (1, 1, 1, 2, 3, 512, 1024),
        periods_s: Sequence[float] = (0.1, 0.1, 0.015625, 0.02),
    ) -> None:
        self.random = random = np.random.Generator(np.random.Philox(seed))
        self.env = Environment(began_s)
        self.began_s = began_s
        self.grid_s = float(random.choice(grids_s))
        self.stride = int(random.choice([1, 5, 20]))
        self.cores = float(random.choice([0.5, 1, 1, 2, 2, 2.5, 4, 8]))
        self.speed = float(random.choice([1.0, 1.0, 0.5, 1.25, 3.0]))
        self.processor = Processor(self.env, self.cores, self.speed)
        self.weights = [float(random.choice(weights)) for _ in range(int(random.integers(1, 7)))]
        self.quotas = [self.quota(periods_s) for _ in self.weights]
        self.containers = [
            self.processor.container(str(i), weight, quota)
            for i, (weight, quota) in enumerate(zip(self.weights, self.quotas, strict=True))
        ]
        self.record = Record()
        self.bursts = 0
        self.budget = int(random.integers(10, 45))
        self.parked: dict[int, tuple[Light, int]] = {}
        self.handles: dict[int, tuple[Burst, int]] = {}
        self.changes_speed = random.random() < 0.4
        for _ in range(int(random.integers(1, 9))):
            self.env.start(self.process(), delay=self.time(20))
        if self.changes_speed:
            self.env.start(self.stall(), delay=self.time(60))
        self.is_troubled = random.random() < 0.5
        if self.is_troubled:
            for offset in (0.2173, 0.6391):
                self.env.start(self.trouble(offset * self.grid_s), delay=self.time(60))

    def quota(self, periods_s: Sequence[float]) -> Quota | None:
        random = self.random
        if random.random() < 0.4:
            return None
        period_s = float(random.choice(periods_s))
        return Quota(period_s * float(random.choice([0.1, 0.25, 0.5, 1, 1.5, 2, 3])), period_s, self.time(40))

    def time(self, most: int) -> float:
        return int(self.random.integers(0, most) // self.stride) * self.stride * self.grid_s

    def process(self) -> Any:
        """Bursts one after the other, each followed by some mischief; interrupted now and then."""
        while self.bursts < self.budget:
            container = int(self.random.integers(len(self.containers)))
            demand_s = self.demand()
            burst = self.begin(container, demand_s)
            light = self.env.active
            assert light is not None
            self.parked[burst] = (light, container)
            try:
                throttled_s = (yield self.containers[container].run(demand_s)) or 0.0
            except Failure:
                pass
            else:
                del self.parked[burst]
                self.record.ends[burst] = (self.env.now, throttled_s)
            self.mischief()
            if self.random.random() < 0.5:
                yield self.time(15)

    def stall(self) -> Any:
        """The cores stand still for a while, three times. Off the grid: what is due at the very instant at which they
        stop may end then or when they go on."""
        yield 0.371 * self.grid_s
        for _ in range(3):
            self.change_speed(0.0)
            yield self.time(30)
            self.change_speed(1.0)
            yield self.time(100)

    def trouble(self, offset_s: float) -> Any:
        """One container after another is frozen or slow for a while, off the grid for the same reason."""
        yield offset_s
        for _ in range(4):
            number = int(self.random.integers(len(self.containers)))
            container = self.containers[number]
            if self.random.random() < 0.6:
                self.write("freeze", 0, number, 0.0)
                container.freeze()
                yield self.time(60) + offset_s
                self.write("thaw", 0, number, 0.0)
                container.thaw()
            else:
                for factor in (float(self.random.choice([1.5, 2.0, 10.0])), 1.0):
                    self.write("slow", 0, number, factor)
                    container.slow_down(factor)
                    yield self.time(60) + offset_s
            yield self.time(30)

    def change_speed(self, speed: float) -> None:
        self.write("speed", 0, 0, speed)
        self.processor.set_speed(speed)

    def demand(self) -> float:
        return self.time(60) + self.stride * self.grid_s

    def begin(self, container: int, demand_s: float) -> int:
        self.bursts += 1
        self.write("start", self.bursts, container, demand_s)
        return self.bursts

    def write(self, what: str, burst: int, container: int, value: float) -> None:
        self.record.inputs.append((self.env.now, what, burst, container, value))

    def mischief(self) -> None:
        """What a process that has just been resumed may do to others."""
        throw = self.random.random()
        if throw < 0.12 and self.parked:
            burst = list(self.parked)[int(self.random.integers(len(self.parked)))]
            light, container = self.parked.pop(burst)
            self.interrupt(burst, light, container)
        elif throw < 0.24 and self.handles:
            burst = list(self.handles)[int(self.random.integers(len(self.handles)))]
            handle, container = self.handles.pop(burst)
            self.write("cancel", burst, container, 0.0)
            self.record.left[burst] = self.containers[container].cancel(handle)
        elif throw < 0.5 and self.bursts < self.budget:
            container = int(self.random.integers(len(self.containers)))
            demand_s = self.demand()
            for _ in range(int(self.random.integers(1, 4))):
                burst = self.begin(container, demand_s)
                self.handles[burst] = (self.containers[container].start(demand_s, self.finished(burst)), container)
        elif throw < 0.56 and self.changes_speed:
            self.change_speed(float(self.random.choice([0.25, 1.0, 0.5, 2.0])))
        elif throw < 0.58:
            self.kill(int(self.random.integers(len(self.containers))))

    def interrupt(self, burst: int, light: Light, container: int) -> None:
        self.write("cancel", burst, container, 0.0)
        self.env.throw(light, Failure("interrupted"))

    def kill(self, container: int) -> None:
        for burst, (light, where) in list(self.parked.items()):
            if where == container:
                del self.parked[burst]
                self.interrupt(burst, light, container)
        for burst, (_, where) in list(self.handles.items()):
            if where == container:
                del self.handles[burst]
                self.write("cancel", burst, container, 0.0)
        self.containers[container].clear()

    def finished(self, burst: int) -> Callable[[], None]:
        def done() -> None:
            if self.handles.pop(burst, None) is not None:
                self.record.ends[burst] = (self.env.now, -1.0)
                self.mischief()

        return done


def close(value: float, exact: Fraction, within: float) -> bool:
    return abs(Fraction(value) - exact) <= Fraction(within)


def replay(scenario: Scenario, within: float) -> ExactProcessor:
    """What the reference makes of the same inputs."""
    began = Fraction(scenario.began_s)
    containers = [ExactContainer(began, *each) for each in zip(scenario.weights, scenario.quotas, strict=True)]
    exact = ExactProcessor(began, scenario.cores, scenario.speed, containers)
    for when, what, burst, container, value in scenario.record.inputs:
        exact.advance(Fraction(when))
        if what == "start":
            exact.start(containers[container], burst, value)
        elif what == "cancel":
            left = exact.cancel(containers[container], burst)
            assert close(scenario.record.left.get(burst, float(left)), left, within)
        elif what == "slow":
            containers[container].slowdown = Fraction(value)
        elif what in ("freeze", "thaw"):
            containers[container].freezes += 1 if what == "freeze" else -1
        else:
            exact.speed = Fraction(value)
    exact.advance(Fraction(scenario.env.now) + max(TOLERANCE, Fraction(within)))
    return exact


def check_accounts(container: Container) -> None:
    """What every audit may ask of a container at any instant."""
    handed_s = container.served_s + container.rounding_s + container.slowed_s
    assert container.cpu_s == pytest.approx(handed_s, rel=1e-9, abs=1e-12)
    assert container.throttled_thread_s + container.frozen_thread_s <= container.present_area * (1 + 1e-9) + 1e-12
    assert container.present_area == pytest.approx(container.present_s, rel=1e-9, abs=1e-12)


def compare(seed: int, scenario: Scenario, within: float) -> None:
    """Run a scenario, replay it, and compare every end and every account."""
    scenario.env.run()
    exact = replay(scenario, within)
    assert scenario.record.ends.keys() == exact.ended.keys(), seed
    for burst, (when, throttled_s) in scenario.record.ends.items():
        assert close(when, exact.ended[burst], within), (seed, burst, when, float(exact.ended[burst]))
        assert throttled_s < 0 or close(throttled_s, exact.waited[burst], within), (seed, burst)
    for container, twin in zip(scenario.containers, exact.containers, strict=True):
        assert container.runnable == len(twin.left) == 0
        assert close(container.cpu_s, twin.cpu, within), seed
        assert close(container.present_area, twin.area, 20 * within), seed
        assert close(container.throttled_wall_s, twin.throttled_wall, 20 * within), seed
        assert close(container.throttled_thread_s, twin.throttled_thread, 20 * within), seed
        assert close(container.slowed_s, twin.slowed, 20 * within), seed
        assert close(container.frozen_wall_s, twin.frozen_wall, 20 * within), seed
        assert close(container.frozen_thread_s, twin.frozen_thread, 20 * within), seed
        check_accounts(container)
    assert scenario.processor.load == 0
    assert close(scenario.processor.cpu_s, sum((twin.cpu for twin in exact.containers), Fraction(0)), within), seed


@pytest.mark.parametrize("chunk", range(16))
def test_bursts_end_and_accounts_read_as_in_exact_arithmetic(chunk: int) -> None:
    for seed in range(chunk * 25, chunk * 25 + 25):
        compare(seed, Scenario(seed), within=1e-9)


def test_the_same_late_in_a_run_where_the_clock_is_coarse() -> None:
    """Its grain is 2e-9 s there. Times off the quotas' grid: a demand that ends exactly with a budget may go either
    way once sums of such grains decide."""
    for seed in range(1000, 1060):
        scenario = Scenario(seed, began_s=1e7, grids_s=(0.00117431,), weights=(1, 2, 3), periods_s=(0.1,))
        compare(seed, scenario, within=1e-6)


@pytest.mark.parametrize("chunk", range(3))
def test_accounts_balance_at_any_instant(chunk: int) -> None:
    """Also while bursts are present: nobody knows what the reader will meet."""
    for seed in range(chunk * 40, chunk * 40 + 40):
        scenario = Scenario(seed)
        processor = scenario.processor
        while scenario.env.peek() < float("inf"):
            scenario.env.step()
            cpu_s = 0.0
            for container in scenario.containers:
                check_accounts(container)
                cpu_s += container.cpu_s
                assert abs(container.rounding_s) <= container.begun * 4e-9, "no speed is above 3"
            assert processor.cpu_s == pytest.approx(cpu_s, rel=1e-12)
            assert processor.cpu_s <= processor.capacity_s * (1 + 1e-9) + 1e-9
        assert sum(container.begun for container in scenario.containers) == scenario.bursts


def test_the_scenarios_meet_everything_that_is_modelled() -> None:
    """A reference proves little on scenarios in which nothing happens."""
    met = dict.fromkeys(("throttled", "saturated", "cancelled", "late cancel", "speed", "tie", "start"), 0)
    met |= dict.fromkeys(("frozen", "slowed", "frozen while throttled", "frozen while saturated"), 0)
    for seed in range(100):
        scenario = Scenario(seed)
        while scenario.env.peek() < float("inf"):
            scenario.env.step()
            is_saturated = scenario.processor.load > scenario.cores
            met["saturated"] += is_saturated
            for container in scenario.containers:
                if container.is_frozen and container.runnable:
                    met["frozen while saturated"] += is_saturated
                    met["frozen while throttled"] += container._budget_s <= 1e-9
        kinds = [what for _, what, *_ in scenario.record.inputs]
        instants = [when for when, _ in scenario.record.ends.values()]
        met["throttled"] += any(container.throttled_wall_s for container in scenario.containers)
        met["cancelled"] += any(left > 0 for left in scenario.record.left.values())
        met["late cancel"] += any(left == 0 for left in scenario.record.left.values())
        met["speed"] += "speed" in kinds
        met["tie"] += len(instants) > len(set(instants))
        met["frozen"] += any(container.frozen_thread_s for container in scenario.containers)
        met["slowed"] += any(container.slowed_s for container in scenario.containers)
        met["start"] += any(throttled_s < 0 for _, throttled_s in scenario.record.ends.values())
    assert min(met.values()) >= 5, met
