"""The reference model on the kernel alone: light processes, and permits that cost no event when they are free.

Same draws, same figures as plain_simpy.py, and every station keeps its exact account.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from draws import (
    BUCKET_CAPACITY,
    BUCKET_TOKENS_PER_S,
    BULKHEAD,
    CORES,
    POOL,
    REPLICAS,
    Draws,
    Figures,
)

from sim.environment import Activity, Environment
from sim.probe import NullProbe
from sim.resources import Permits


class TokenBucket:
    __slots__ = ("refilled_at", "tokens")

    def __init__(self) -> None:
        self.tokens = float(BUCKET_CAPACITY)
        self.refilled_at = 0.0

    def take(self, now: float) -> bool:
        tokens = self.tokens + (now - self.refilled_at) * BUCKET_TOKENS_PER_S
        self.refilled_at = now
        if tokens > BUCKET_CAPACITY:
            tokens = float(BUCKET_CAPACITY)
        if tokens < 1:
            self.tokens = tokens
            return False
        self.tokens = tokens - 1
        return True


Build = Callable[[Environment, Draws], Figures]
"""Sets a model up, as `build` does."""
Cpu = TypeVar("Cpu")


class Replica(Generic[Cpu]):
    __slots__ = ("connections", "cpu")

    def __init__(self, cpu: Cpu) -> None:
        self.cpu = cpu
        self.connections = 0


def build(env: Environment, draws: Draws) -> Figures:
    """Set the model up on `env`, ready to run."""
    assert REPLICAS == 2
    figures = Figures()
    probe = NullProbe(env)
    bucket = TokenBucket()
    bulkhead = Permits(env, BULKHEAD, probe.station("bulkhead", BULKHEAD, "permit"))
    first, second = (
        Replica(Permits(env, CORES, probe.station(f"{name}.cpu", CORES, "core"))) for name in ("first", "second")
    )
    pool = Permits(env, POOL, probe.station("pool", POOL, "lease"))
    gap_s, first_cpu_s, cache_s, query_s, second_cpu_s, is_hit = draws
    ended, per_second = figures.latencies_s.append, figures.per_second

    def arrivals() -> Activity:
        for number, gap in enumerate(gap_s):
            yield gap
            env.start_now(request(number))

    def request(number: int) -> Activity:
        arrived_at = env.now
        if not bucket.take(arrived_at) or not bulkhead.try_acquire():
            figures.refused += 1
            return
        replica = first if first.connections <= second.connections else second
        replica.connections += 1
        cpu = replica.cpu
        yield cpu.hold(first_cpu_s[number])
        cpu.release()
        yield cache_s[number]
        if not is_hit[number]:
            yield pool.hold(query_s[number])
            pool.release()
        yield cpu.hold(second_cpu_s[number])
        cpu.release()
        replica.connections -= 1
        bulkhead.release()
        now = env.now
        ended(now - arrived_at)
        second_of_end = int(now)
        per_second[second_of_end] = per_second.get(second_of_end, 0) + 1

    env.start(arrivals())
    return figures


def run(draws: Draws, build: Build = build) -> Figures:
    env = Environment()
    figures = build(env, draws)
    env.run()
    return figures


def count_events(draws: Draws, build: Build = build) -> int:
    """How many entries of the schedule a run processes, stale ones included."""
    env = Environment()
    build(env, draws)
    events = 0
    while env.agenda:
        env.step()
        events += 1
    return events
