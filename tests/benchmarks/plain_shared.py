"""The reference model in plain SimPy, its cores shared under quotas as the scenario's are: what that costs there.

As plain_simpy.py, but for the cores: the replicas are containers with CPU quotas on four cores that all their threads
share. One process shares them out: it works out how fast each container's bursts go, sleeps until the first of them
ends, a budget is spent or a period begins, and is interrupted where a burst comes before that. Neither tuned nor
slowed; the bars are stated against plain_simpy.py, which serves cores first come first served.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import simpy
from draws import CORES, REPLICAS, Draws, Figures
from plain_simpy import System

PERIOD_S = 0.1
SMALL_S = 1e-9
"""What is left of a burst, of a budget or of a period and is no more than this is nothing: floats do not add up."""


class Burst:
    def __init__(self, env: simpy.Environment, demand_s: float) -> None:
        self.left_s = demand_s
        self.ended = env.event()


class Container:
    """The threads of a replica, of the same weight as any other's, with a budget in every period."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.quota_s = self.budget_s = CORES * PERIOD_S
        self.bursts: list[Burst] = []
        self.cores = 0.0

    @property
    def runnable(self) -> int:
        return len(self.bursts) if self.budget_s > SMALL_S else 0

    def run(self, demand_s: float) -> simpy.Event:
        self.machine.account()
        burst = Burst(self.machine.env, demand_s)
        self.bursts.append(burst)
        self.machine.process.interrupt()
        return burst.ended


class Machine:
    def __init__(self, env: simpy.Environment) -> None:
        self.env = env
        self.containers: list[Container] = []
        self.accounted_at = env.now
        self.period = 0
        self.process = env.process(self.share())

    def share(self) -> Iterator[Any]:
        env = self.env
        while True:
            self.divide()
            try:
                if any(container.bursts for container in self.containers):
                    yield env.timeout(self.next_s())
                else:
                    yield env.event()
            except simpy.Interrupt:
                pass
            self.account()

    def divide(self) -> None:
        """How many cores each container has: equal shares, but none more than it has threads, or a spent budget."""
        left, others = float(REPLICAS * CORES), len(self.containers)
        for container in sorted(self.containers, key=lambda container: container.runnable):
            container.cores = min(container.runnable, left / others)
            left -= container.cores
            others -= 1

    def next_s(self) -> float:
        """For how long nothing changes by itself: until a burst ends, a budget is spent, a period begins."""
        next_s = (self.period + 1) * PERIOD_S - self.env.now
        for container in self.containers:
            if container.cores:
                least_s = min(burst.left_s for burst in container.bursts)
                next_s = min(
                    next_s, least_s * len(container.bursts) / container.cores, container.budget_s / container.cores
                )
        return next_s

    def account(self) -> None:
        """What has happened since the last time: CPU time was had, bursts have ended, periods have begun."""
        now = self.env.now
        elapsed_s, self.accounted_at = now - self.accounted_at, now
        for container in self.containers:
            if container.cores:
                container.budget_s -= container.cores * elapsed_s
                each_s = container.cores * elapsed_s / len(container.bursts)
                for burst in container.bursts:
                    burst.left_s -= each_s
                    if burst.left_s <= SMALL_S:
                        burst.ended.succeed()
                container.bursts = [burst for burst in container.bursts if burst.left_s > SMALL_S]
        period = int((now + SMALL_S) / PERIOD_S)
        if period > self.period:
            self.period = period
            for container in self.containers:
                container.budget_s = container.quota_s


class Replica:
    def __init__(self, machine: Machine) -> None:
        self.cpu = Container(machine)
        self.connections = 0
        machine.containers.append(self.cpu)


class SharedSystem(System):
    def __init__(self, env: simpy.Environment, draws: Draws) -> None:
        super().__init__(env, draws)
        machine = Machine(env)
        self.replicas = [Replica(machine) for _ in range(REPLICAS)]

    def request(self, number: int) -> Iterator[Any]:
        env, draws = self.env, self.draws
        arrived_at = env.now
        if not self.bucket.take() or self.bulkhead.count >= self.bulkhead.capacity:
            self.figures.refused += 1
            return
        with self.bulkhead.request() as permit:
            yield permit
            replica = min(self.replicas, key=lambda replica: replica.connections)
            replica.connections += 1
            yield replica.cpu.run(draws.first_cpu_s[number])
            yield env.timeout(draws.cache_s[number])
            if not draws.is_hit[number]:
                with self.pool.request() as connection:
                    yield connection
                    yield env.timeout(draws.query_s[number])
            yield replica.cpu.run(draws.second_cpu_s[number])
            replica.connections -= 1
        self.figures.latencies_s.append(env.now - arrived_at)
        second = int(env.now)
        self.figures.per_second[second] = self.figures.per_second.get(second, 0) + 1


def run(draws: Draws, env: simpy.Environment | None = None) -> Figures:
    """Run the model over `draws`, on a stock environment unless another is given."""
    env = env or simpy.Environment()
    system = SharedSystem(env, draws)
    env.process(system.arrivals())
    env.run()
    return system.figures


def count_events(draws: Draws) -> int:
    """How many events a run processes."""
    env = simpy.Environment()
    run(draws, env)
    return next(env._eid)
