"""The reference model on the kernel alone: light processes, and permits that cost no event when they are free.

Same draws, same figures as plain_simpy.py, and every station keeps its exact account.
"""

from __future__ import annotations

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
    __slots__ = ("env", "refilled_at", "tokens")

    def __init__(self, env: Environment) -> None:
        self.env = env
        self.tokens = float(BUCKET_CAPACITY)
        self.refilled_at = 0.0

    def take(self) -> bool:
        now = self.env._now
        tokens = self.tokens + (now - self.refilled_at) * BUCKET_TOKENS_PER_S
        self.refilled_at = now
        if tokens > BUCKET_CAPACITY:
            tokens = float(BUCKET_CAPACITY)
        if tokens < 1:
            self.tokens = tokens
            return False
        self.tokens = tokens - 1
        return True


class Replica:
    __slots__ = ("connections", "cpu")

    def __init__(self, env: Environment, cpu: Permits) -> None:
        self.cpu = cpu
        self.connections = 0


class System:
    __slots__ = ("bucket", "bulkhead", "draws", "env", "figures", "pool", "replicas")

    def __init__(self, env: Environment, draws: Draws) -> None:
        probe = NullProbe(env)
        self.env = env
        self.draws = draws
        self.figures = Figures()
        self.bucket = TokenBucket(env)
        self.bulkhead = Permits(env, BULKHEAD, probe.station("bulkhead", BULKHEAD, "permit"))
        self.replicas = [
            Replica(env, Permits(env, CORES, probe.station(f"replica-{number}.cpu", CORES, "core")))
            for number in range(REPLICAS)
        ]
        self.pool = Permits(env, POOL, probe.station("pool", POOL, "lease"))

    def arrivals(self) -> Activity:
        for number, gap in enumerate(self.draws.gap_s):
            yield gap
            self.env.start_now(self.request(number))

    def request(self, number: int) -> Activity:
        env, draws = self.env, self.draws
        arrived_at = env._now
        if not self.bucket.take() or not self.bulkhead.try_acquire():
            self.figures.refused += 1
            return
        first, second = self.replicas
        replica = first if first.connections <= second.connections else second
        replica.connections += 1
        cpu = replica.cpu
        yield cpu.hold(draws.first_cpu_s[number])
        cpu.release()
        yield draws.cache_s[number]
        if not draws.is_hit[number]:
            yield self.pool.hold(draws.query_s[number])
            self.pool.release()
        yield cpu.hold(draws.second_cpu_s[number])
        cpu.release()
        replica.connections -= 1
        self.bulkhead.release()
        figures, now = self.figures, env._now
        figures.latencies_s.append(now - arrived_at)
        ended_in = int(now)
        figures.per_second[ended_in] = figures.per_second.get(ended_in, 0) + 1


def run(draws: Draws) -> Figures:
    env = Environment()
    system = System(env, draws)
    env.start(system.arrivals())
    env.run()
    return system.figures


def count_events(draws: Draws) -> int:
    """How many entries of the schedule a run processes, stale ones included."""
    env = Environment()
    system = System(env, draws)
    env.start(system.arrivals())
    events = 0
    while env._queue:
        env.step()
        events += 1
    return events
