"""What the requests of the reference model bring, drawn once for every way of writing it.

The reference model: open Poisson arrivals at 700/s; a greedy token bucket of 800 per second, capacity 100; a bulkhead
of 100 that refuses; least connections over 2 replicas of 2 cores (exponential 2 ms of CPU); a cache that answers
after 0.5 ms + exponential 0.5 ms, 80 % hits; on a miss a pool of 10 and a query (exponential 20 ms); 2 ms of CPU
again. 70 % at the bottleneck.

Numbers are handed out as plain lists, so that no way of writing the model pays for drawing them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

ARRIVALS_PER_S = 700.0
BUCKET_CAPACITY = 100
BUCKET_TOKENS_PER_S = 800
BULKHEAD = 100
REPLICAS = 2
CORES = 2
POOL = 10


class Draws(NamedTuple):
    """One entry a request, all in seconds but the last."""

    gap_s: list[float]
    first_cpu_s: list[float]
    cache_s: list[float]
    query_s: list[float]
    second_cpu_s: list[float]
    is_hit: list[bool]


def draw(requests: int, seed: int = 1) -> Draws:
    chance = np.random.Generator(np.random.Philox(seed))
    return Draws(
        chance.exponential(1 / ARRIVALS_PER_S, requests).tolist(),
        chance.exponential(0.002, requests).tolist(),
        (0.0005 + chance.exponential(0.0005, requests)).tolist(),
        chance.exponential(0.020, requests).tolist(),
        chance.exponential(0.002, requests).tolist(),
        (chance.random(requests) < 0.8).tolist(),
    )


class Figures:
    """What every way of writing the model reports: exact latencies, and how many requests ended in each second."""

    __slots__ = ("latencies_s", "per_second", "refused")

    def __init__(self) -> None:
        self.latencies_s: list[float] = []
        self.per_second: dict[int, int] = {}
        self.refused = 0

    def percentiles_s(self) -> tuple[float, float, float]:
        p50, p95, p99 = np.quantile(self.latencies_s, (0.5, 0.95, 0.99))
        return float(p50), float(p95), float(p99)
