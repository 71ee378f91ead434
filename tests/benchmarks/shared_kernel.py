"""The reference model on the kernel alone, but for its cores: they are shared as the scenario's are.

lean_kernel.py serves cores first come first served; here the replicas are containers with CPU quotas on four cores
that all their threads share. Nothing else is on: what this costs, no scenario with shared cores can do without.
"""

from __future__ import annotations

from draws import BULKHEAD, CORES, POOL, REPLICAS, Draws, Figures
from lean_kernel import Replica, TokenBucket

from sim.environment import Activity, Environment
from sim.probe import NullProbe
from sim.processor import Processor, Quota
from sim.resources import Permits

PERIOD_S = 0.1
WEIGHT = 1024.0


def build(env: Environment, draws: Draws) -> Figures:
    """Set the model up on `env`, ready to run."""
    assert REPLICAS == 2
    figures = Figures()
    probe = NullProbe(env)
    bucket = TokenBucket()
    bulkhead = Permits(env, BULKHEAD, probe.station("bulkhead", BULKHEAD, "permit"))
    machine = Processor(env, REPLICAS * CORES)
    quota = Quota(CORES * PERIOD_S, PERIOD_S, 0.0)
    first, second = (Replica(machine.container(name, WEIGHT, quota)) for name in ("first", "second"))
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
        yield replica.cpu.run(first_cpu_s[number])
        yield cache_s[number]
        if not is_hit[number]:
            yield pool.hold(query_s[number])
            pool.release()
        yield replica.cpu.run(second_cpu_s[number])
        replica.connections -= 1
        bulkhead.release()
        now = env.now
        ended(now - arrived_at)
        second_of_end = int(now)
        per_second[second_of_end] = per_second.get(second_of_end, 0) + 1

    env.start(arrivals())
    return figures
