"""The reference model in plain SimPy, as anyone would write it: the fair baseline of every claim about speed.

A process a request, `simpy.Resource` for whatever is limited, `timeout` for whatever takes time. Frozen: improving
it, or making it worse, would change what "times plain" means.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import simpy
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


class TokenBucket:
    def __init__(self, env: simpy.Environment) -> None:
        self.env = env
        self.tokens = float(BUCKET_CAPACITY)
        self.refilled_at = 0.0

    def take(self) -> bool:
        now = self.env.now
        self.tokens = min(float(BUCKET_CAPACITY), self.tokens + (now - self.refilled_at) * BUCKET_TOKENS_PER_S)
        self.refilled_at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Replica:
    def __init__(self, env: simpy.Environment) -> None:
        self.cpu = simpy.Resource(env, CORES)
        self.connections = 0


class System:
    def __init__(self, env: simpy.Environment, draws: Draws) -> None:
        self.env = env
        self.draws = draws
        self.figures = Figures()
        self.bucket = TokenBucket(env)
        self.bulkhead = simpy.Resource(env, BULKHEAD)
        self.replicas = [Replica(env) for _ in range(REPLICAS)]
        self.pool = simpy.Resource(env, POOL)

    def arrivals(self) -> Iterator[Any]:
        for number, gap in enumerate(self.draws.gap_s):
            yield self.env.timeout(gap)
            self.env.process(self.request(number))

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
            with replica.cpu.request() as core:
                yield core
                yield env.timeout(draws.first_cpu_s[number])
            yield env.timeout(draws.cache_s[number])
            if not draws.is_hit[number]:
                with self.pool.request() as connection:
                    yield connection
                    yield env.timeout(draws.query_s[number])
            with replica.cpu.request() as core:
                yield core
                yield env.timeout(draws.second_cpu_s[number])
            replica.connections -= 1
        self.figures.latencies_s.append(env.now - arrived_at)
        second = int(env.now)
        self.figures.per_second[second] = self.figures.per_second.get(second, 0) + 1


def run(draws: Draws, env: simpy.Environment | None = None) -> Figures:
    """Run the model over `draws`, on a stock environment unless another is given."""
    env = env or simpy.Environment()
    system = System(env, draws)
    env.process(system.arrivals())
    env.run()
    return system.figures


def count_events(draws: Draws) -> int:
    """How many events a run processes."""
    env = simpy.Environment()
    system = System(env, draws)
    env.process(system.arrivals())
    events = 0
    while env.peek() != float("inf"):
        env.step()
        events += 1
    return events
