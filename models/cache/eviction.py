"""Which entry goes when Redis' memory is full: the eight policies of maxmemory.

Models   LRU, LFU and TTL policies look at a few entries for each eviction, keep the best 16 candidates seen so far in
         a pool, and evict its best that still exists. LRU's clock has a resolution of 1 s; LFU counts uses in a
         logarithmic counter that starts at 5 and loses 1 for each minute in which nobody used the entry. The random
         policies take any entry. `volatile` policies only know entries with a time to live.
Source   Redis 7.0, src/evict.c (evictionPoolPopulate, performEvictions, LFULogIncr, LFUDecrAndReturn), src/server.h
         (LRU_CLOCK_RESOLUTION, EVPOOL_SIZE), redis.conf (lfu-log-factor 10, lfu-decay-time 1).
Omits    The LRU clock's 24 bits, the LFU clock's 16; several databases.
Checked  experiments/validation/redis.py, tests/unit/test_cache_parts.py, tests/real/test_redis_cache_real.py
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Final

from models.cache.entries import Entries, Entry
from models.cache.spec import Policy
from models.cache.table import Table

POOL_SIZE: Final = 16
LFU_INITIAL: Final = 5
LFU_LOG_FACTOR: Final = 10
LFU_DECAY_S: Final = 60.0
LRU_RESOLUTION_S: Final = 1.0


class Evictor:
    """Notes uses and picks what goes. `clock_s()` is Redis' wall clock, `chance()` gives uniforms."""

    __slots__ = ("_chance", "_clock_s", "_is_lfu", "_pool", "_samples", "_score", "_table", "_values", "policy")

    def __init__(
        self, policy: Policy, samples: int, table: Table, clock_s: Callable[[], float], chance: Callable[[], float]
    ) -> None:
        self.policy = policy
        self._samples = samples
        self._table = table
        self._clock_s = clock_s
        self._chance = chance
        self._is_lfu = policy.endswith("lfu")
        self._values: list[float] = []
        """How deserving of eviction the candidates are, ascending."""
        self._pool: list[tuple[Entries, int]] = []
        """The candidates: by name, since they may be gone, or be back, when it is their turn."""
        self._score = {"lru": self._idle_s, "lfu": self._rarity, "ttl": _soonness}.get(policy.rpartition("-")[2])

    def created(self, entry: Entry) -> None:
        """Stored for the first time, or over another value."""
        if self._is_lfu:
            entry.touched = int(self._clock_s() / LFU_DECAY_S)
            entry.lfu_counter = LFU_INITIAL
        else:
            entry.touched = int(self._clock_s() / LRU_RESOLUTION_S)

    def used(self, entry: Entry) -> None:
        if self._is_lfu:
            counter = self._decayed(entry)
            if counter < 255:
                above = max(0, counter - LFU_INITIAL)
                counter += self._chance() < 1.0 / (above * LFU_LOG_FACTOR + 1)
            entry.lfu_counter = counter
            entry.touched = int(self._clock_s() / LFU_DECAY_S)
        else:
            entry.touched = int(self._clock_s() / LRU_RESOLUTION_S)

    def pick(self) -> Entry | None:
        """What goes next; None where nothing may go."""
        if self.policy == "noeviction" or not self._table.count:
            return None
        if self._score is None:
            return self._table.any()
        while True:
            for entry in self._table.some(self._samples):
                self._offer(entry, self._score(entry))
            while self._pool:
                entries, key = self._pool.pop()
                self._values.pop()
                known = entries.get(key)
                if known is not None:
                    return known

    def clear(self) -> None:
        self._pool.clear()
        self._values.clear()

    def _offer(self, entry: Entry, value: float) -> None:
        """Into the pool, unless it is full of better candidates: then the worst of them goes."""
        place = bisect_left(self._values, value)
        if len(self._values) == POOL_SIZE:
            if place == 0:
                return
            place -= 1
            del self._values[0], self._pool[0]
        self._values.insert(place, value)
        self._pool.insert(place, (entry.entries, entry.key))

    def _idle_s(self, entry: Entry) -> float:
        return int(self._clock_s() / LRU_RESOLUTION_S) - entry.touched

    def _rarity(self, entry: Entry) -> float:
        return 255 - self._decayed(entry)

    def _decayed(self, entry: Entry) -> int:
        return max(0, entry.lfu_counter - max(0, int(self._clock_s() / LFU_DECAY_S) - entry.touched))


def _soonness(entry: Entry) -> float:
    return -entry.expires_at_s
