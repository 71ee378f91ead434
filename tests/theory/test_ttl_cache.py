"""TTL caches under independent Poisson references have a known hit ratio; the model's intervals must cover it.

An entry stored at a miss stays for T and is not prolonged. References to key i come at rate lambda_i, so in each cycle
one miss is followed by lambda_i T hits on average, and the hit ratio of the key is lambda_i T / (1 + lambda_i T).
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from models.cache import Entries, RedisSpec, zipf_weights
from models.request import Request
from models.spec import Context
from sim.distributions import Exponential
from sim.environment import Activity, Environment
from sim.probe import NullProbe
from sim.streams import Streams

RATE_PER_S = 20.0
TTL_S = 3.0
KEYS = 40
POPULARITY = 0.9
WARM_UP_S = 10 * TTL_S


def rates() -> list[float]:
    weights = zipf_weights(KEYS, POPULARITY)
    return [RATE_PER_S * weight / math.fsum(weights) for weight in weights]


def hit_ratio_of_key(rate: float) -> float:
    return rate * TTL_S / (1 + rate * TTL_S)


def hit_ratio_of_all() -> float:
    return math.fsum(rate / RATE_PER_S * hit_ratio_of_key(rate) for rate in rates())


def interval(values: list[float], level: float = 0.95) -> tuple[float, float]:
    """The Student-t interval of the mean."""
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half = float(stats.t.ppf((1 + level) / 2, len(values) - 1)) * error
    return mean - half, mean + half


def replicate_rule(seed: int, duration_s: float) -> float:
    """Hit ratio of the bare rule after warm-up, under references drawn by numpy."""
    chance = np.random.default_rng(seed)
    number = int(RATE_PER_S * duration_s)
    instants = np.cumsum(chance.exponential(1 / RATE_PER_S, number)).tolist()
    shares = np.array(rates()) / RATE_PER_S
    keys = chance.choice(KEYS, number, p=shares / shares.sum()).tolist()
    entries = Entries(TTL_S)
    hits = counted = 0
    for now, key in zip(instants, keys, strict=True):
        is_hit = entries.is_fresh(key, now)
        if not is_hit:
            entries.store(key, now)
        if now > WARM_UP_S:
            counted += 1
            hits += is_hit
    return hits / counted


def test_intervals_cover_the_hit_ratio_as_often_as_they_claim() -> None:
    truth = hit_ratio_of_all()
    covered = 0
    for group in range(60):
        low, high = interval([replicate_rule(1000 * group + number, 90.0) for number in range(6)])
        covered += low <= truth <= high
    assert 52 <= covered <= 60  # 57 expected of 60


class Idle:
    """A container that is never busy and takes any memory."""

    path = "redis"
    is_up = True

    def run(self, demand_s: float) -> float:
        return demand_s

    def use_memory(self, delta_bytes: int) -> None:
        pass

    def enter(self) -> None:
        pass

    def leave(self, light: object) -> None:
        pass


def replicate_model(replication: int, duration_s: float) -> tuple[list[int], list[int]]:
    """Hits and references by key of the whole model: open arrivals, drawn keys, look up, miss, store."""
    env, streams = Environment(), Streams(11, replication)
    cls = {"ttl": f"{TTL_S:g}s", "keys": KEYS, "popularity": POPULARITY, "value": "1K"}
    spec = RedisSpec.model_validate({"command_cpu": 0, "round_trip": 0, "classes": {"hot": cls}})
    redis = spec.build(Context(env, streams, NullProbe(env), "redis"), Idle())
    client = redis.client("shop-1")
    gap = streams.sequence("gap", Exponential(1 / RATE_PER_S))
    hits, references = [0] * KEYS, [0] * KEYS

    def visit(identity: int) -> Activity:
        request = Request(identity, identity, 0, 0, 0, env.now)
        is_hit = (yield from redis.lookup(client, request, "hot", 0)) is not None
        if not is_hit:
            yield from redis.store(client, request, "hot", 0)
        if env.now > WARM_UP_S:
            key = redis.data_class("hot").key_of(request)
            references[key] += 1
            hits[key] += is_hit

    def arrive() -> Activity:
        identity = 0
        while True:
            yield gap.next()
            env.start(visit(identity))
            identity += 1

    env.start(arrive())
    env.run(until=duration_s)
    return hits, references


@pytest.fixture(scope="module")
def runs() -> list[tuple[list[int], list[int]]]:
    return [replicate_model(replication, 130.0) for replication in range(20)]


def test_the_whole_model_has_the_hit_ratio_of_theory(runs: list[tuple[list[int], list[int]]]) -> None:
    low, high = interval([sum(hits) / sum(references) for hits, references in runs])
    assert low <= hit_ratio_of_all() <= high
    assert high - low < 0.02


@pytest.mark.parametrize("key", [0, 1, 5, 20, 39])
def test_each_key_has_its_own_hit_ratio(runs: list[tuple[list[int], list[int]]], key: int) -> None:
    low, high = interval([hits[key] / references[key] for hits, references in runs], level=0.99)
    assert low <= hit_ratio_of_key(rates()[key]) <= high
    assert high - low < 0.2
