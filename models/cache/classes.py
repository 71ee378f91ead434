"""A class of data as clients ask for it: which keys, what commands cost, which keys have nothing behind them."""

from __future__ import annotations

from typing import Final

import numpy as np

from models.cache.keyspace import Keyspace
from models.cache.spec import CacheClassSpec, RedisSpec
from models.request import Request
from models.spec import Context
from sim import elementary
from sim.distributions import Distribution
from sim.streams.keyed import Draws

NULL_BYTES: Final = 64
"""Spring's NullValue, serialised as a Java object (spring-data-redis, RedisCache.BINARY_NULL_VALUE)."""


def zipf_weights(keys: int, exponent: float) -> list[float]:
    """1 / rank ** exponent for ranks 1 to `keys`, the same to the last bit on every machine."""
    ranks = np.arange(1.0, keys + 1.0)
    weights: list[float] = elementary.exp(-exponent * elementary.log(ranks)).tolist()
    return weights


class Costs:
    """What one kind of command takes, drawn for the request that issues it."""

    __slots__ = ("cpu", "round_trip")

    def __init__(self, context: Context, cpu: Distribution, round_trip: Distribution) -> None:
        self.cpu: Draws = context.streams.draws(f"{context.path}.command_cpu", cpu)
        self.round_trip: Draws = context.streams.draws(f"{context.path}.round_trip", round_trip)


class DataClass:
    """One class of data of one Redis."""

    __slots__ = (
        "_entry_bytes", "_key", "_keys", "_missing", "_missing_share", "_null_bytes", "cache_nulls", "duplicate_loads",
        "errors_ignored", "evict", "evictions", "hits", "local", "local_evictions", "local_hits", "local_misses",
        "local_stale_hits",
        "lookup", "misses", "shelf", "stale_hits", "store", "stores", "updates", "value_bytes",
    )  # fmt: skip

    def __init__(self, context: Context, spec: CacheClassSpec, redis: RedisSpec, space: Keyspace, number: int) -> None:
        cpu, round_trip = redis.command_cpu.distribution(), redis.round_trip.distribution()
        self.lookup, self.store, self.evict = (
            Costs(context.at(command), cpu, round_trip) for command in ("lookup", "store", "evict")
        )
        self._keys = spec.keys
        self._key = context.streams.choices(f"{context.path}.key", zipf_weights(spec.keys, spec.popularity))
        self._missing_share = spec.missing
        self._missing = context.streams.uniforms(f"{context.path}.missing")
        self.cache_nulls = spec.cache_nulls
        self.value_bytes = spec.value
        self._entry_bytes = spec.value + redis.entry_overhead
        self._null_bytes = NULL_BYTES + redis.entry_overhead
        self.local = spec.local
        self.updates: dict[int, int] = {}
        """How often each key's data has been changed, where it has been."""
        count, path = context.probe.count, context.path
        self.hits, self.misses, self.stores = count(f"{path}.hits"), count(f"{path}.misses"), count(f"{path}.stores")
        self.duplicate_loads = count(f"{path}.duplicate_loads")
        """Stores of a key that was fresh: somebody else had loaded it meanwhile."""
        self.evictions = count(f"{path}.evictions")
        self.stale_hits = count(f"{path}.stale_hits")
        """Hits on what had been read before the data was changed."""
        self.errors_ignored = count(f"{path}.errors_ignored")
        self.local_hits, self.local_stale_hits = count(f"{path}.local.hits"), count(f"{path}.local.stale_hits")
        self.local_misses = count(f"{path}.local.misses")
        self.local_evictions = count(f"{path}.local.evictions")
        self.shelf = space.shelf(spec.ttl, number, count(f"{path}.expired"), count(f"{path}.evicted"))

    def key_of(self, request: Request) -> int:
        """The key a request asks for: one for all its commands on this class."""
        return self._key.at(request.identity) if request.key is None else request.key % self._keys

    def is_missing(self, key: int) -> bool:
        """Whether nothing is behind the key: a load finds null."""
        return self._missing_share > 0.0 and self._missing.at(key) < self._missing_share

    def is_kept(self, key: int) -> bool:
        """Whether what a load of the key finds is stored."""
        return self.cache_nulls or not self.is_missing(key)

    def size_of(self, key: int) -> int:
        """What the key's entry takes in Redis."""
        return self._null_bytes if self._missing_share and self.is_missing(key) else self._entry_bytes

    def version(self, key: int) -> int:
        """How often the data behind the key has been changed."""
        return self.updates.get(key, 0)

    def changed(self, key: int) -> None:
        """The data behind the key is another now: whatever was read of it before is stale."""
        self.updates[key] = self.updates.get(key, 0) + 1
