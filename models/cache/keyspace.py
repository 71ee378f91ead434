"""What Redis holds: entries of all classes, the memory they take, what expires and what is evicted.

Models   An entry whose time is over is gone for whoever asks, and freed then; else it takes memory until the cycle
         that looks for such entries meets it, or eviction does. A command that finds more memory in use than maxmemory
         first evicts until it fits, for at most 500 us; where nothing may go, commands that write are refused.
Units    Seconds of Redis' clock and bytes.
Source   Redis 7.0, src/db.c (expireIfNeeded, dbOverwrite: the new value is as much used as
         the one it replaces), src/expire.c (activeExpireCycle), src/evict.c (performEvictions).
Omits    The time that looking at entries takes which are not removed (some 50 ns each).
Checked  experiments/validation/redis.py, tests/properties/test_cache.py, tests/real/test_redis_cache_real.py
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final

from models.cache.entries import Entries, Entry
from models.cache.eviction import Evictor
from models.cache.spec import RedisSpec
from models.cache.table import Table, mix
from sim.probe import Count, Level

EMPTY_BYTES: Final = 914_496
"""used_memory of a Redis 7.0.15 that holds nothing (measured)."""
EVICTION_LIMIT_S: Final = 500e-6
"""maxmemory-eviction-tenacity 10: looked at after every 16 evictions."""
CYCLE_LIMIT_S: Final = 0.025
"""A quarter of the tenth of a second between two cycles (hz 10): looked at after every 16 rounds."""
KEYS_PER_ROUND: Final = 20
ACCEPTABLE_STALE: Final = 0.1


class Shelf:
    """One class of data in Redis: its entries, and where their ends are counted."""

    __slots__ = ("entries", "evicted", "expired", "salt")

    def __init__(self, entries: Entries, salt: int, expired: Count, evicted: Count) -> None:
        self.entries = entries
        self.salt = salt
        """Sets the hashes of this class apart from those of others."""
        self.expired = expired
        self.evicted = evicted


class Keyspace:
    """Decides; never waits. `use_memory(delta)` is told of memory taken and given back."""

    __slots__ = (
        "_evictor", "_free_s", "_is_ordered", "_is_whole", "_level", "_limit_bytes", "_shelves", "_table",
        "_use_memory", "bytes", "earliest_s", "is_limited",
    )  # fmt: skip

    def __init__(
        self, spec: RedisSpec, level: Level, use_memory: Callable[[int], None], clock_s: Callable[[], float],
        chance: Callable[[], float],
    ) -> None:  # fmt: skip
        self._free_s = spec.free_cpu
        self._level = level
        self._use_memory = use_memory
        self.is_limited = spec.maxmemory > 0
        self._limit_bytes = spec.maxmemory - EMPTY_BYTES
        self._is_whole = self.is_limited and spec.maxmemory_policy.startswith("allkeys")
        """Whether all entries are in the table, or only those with a time to live."""
        self._table = Table(chance)
        self._evictor = (
            Evictor(spec.maxmemory_policy, spec.maxmemory_samples, self._table, clock_s, chance)
            if self.is_limited and spec.maxmemory_policy != "noeviction"
            else None
        )
        self._shelves: dict[Entries, Shelf] = {}
        self.bytes = 0
        self._is_ordered = True
        self.earliest_s = inf
        """No entry expires up to this instant."""

    def shelf(self, ttl_s: float | None, number: int, expired: Count, evicted: Count) -> Shelf:
        """Room for the class of this number."""
        entries = Entries(ttl_s)
        shelf = self._shelves[entries] = Shelf(entries, mix(number), expired, evicted)
        return shelf

    @property
    def count(self) -> int:
        """DBSIZE: expired entries that have not been freed are counted."""
        number = 0
        for entries in self._shelves:
            number += len(entries)
        return number

    @property
    def is_over(self) -> bool:
        """More memory is in use than maxmemory."""
        return self.is_limited and self.bytes > self._limit_bytes

    def find(self, shelf: Shelf, key: int, now: float) -> Entry | None:
        """The entry that GET finds. One whose time is over is freed."""
        entry = shelf.entries.get(key)
        if entry is None:
            return None
        if now > entry.expires_at_s:
            self._remove(entry)
            shelf.expired.add()
            return None
        if self._evictor is not None:
            self._evictor.used(entry)
        return entry

    def store(self, shelf: Shelf, key: int, now: float, size_bytes: int) -> tuple[Entry, bool]:
        """SET. Says whether there was an entry that was still fresh."""
        entries = shelf.entries
        known = entries.get(key)
        was_fresh = False
        if known is not None:
            was_fresh = now <= known.expires_at_s
            if not was_fresh:
                shelf.expired.add()
            entry = entries.store(key, now)
        else:
            entry = entries.store(key, now, size_bytes, mix(shelf.salt ^ key))
            if self._is_whole or entry.expires_at_s < inf:
                self._table.add(entry)
            self._grow(size_bytes)
        if entry.expires_at_s < self.earliest_s:
            self.earliest_s = entry.expires_at_s
        if self._evictor is not None:
            (self._evictor.used if was_fresh else self._evictor.created)(entry)
        return entry, was_fresh

    def renew(self, entry: Entry, now: float) -> None:
        """SET over an entry that has just been found."""
        entry.entries.renew(entry, now)
        if self._evictor is not None:
            self._evictor.used(entry)

    def delete(self, shelf: Shelf, key: int, now: float) -> bool:
        """DEL. Says whether there was an entry that was still fresh."""
        entry = shelf.entries.get(key)
        if entry is None:
            return False
        self._remove(entry)
        if now > entry.expires_at_s:
            shelf.expired.add()
            return False
        return True

    def make_room(self) -> tuple[bool, bool, float]:
        """What happens before a command while memory is over the limit: whether it fits now, or is being made to fit;
        whether that is still to be gone on with; and the CPU time it took."""
        if self._evictor is None:
            return False, False, 0.0
        freed = 0
        while self.is_over:
            entry = self._evictor.pick()
            if entry is None:
                return False, False, freed * self._free_s
            self._remove(entry)
            self._shelves[entry.entries].evicted.add()
            freed += 1
            if freed % 16 == 0 and freed * self._free_s > EVICTION_LIMIT_S:
                return True, self.is_over, freed * self._free_s
        return True, False, freed * self._free_s

    def expire_some(self, now: float) -> tuple[bool, float]:
        """One run of the active cycle: whether its time was up before it was through, and the CPU time it took."""
        freed = rounds = 0
        while self._table.count:
            rounds += 1
            looked_at = self._table.scan(KEYS_PER_ROUND)
            expired = [entry for entry in looked_at if entry.expires_at_s < now]
            for entry in expired:
                self._remove(entry)
                self._shelves[entry.entries].expired.add()
            stale = len(expired)
            freed += stale
            if rounds % 16 == 0 and freed * self._free_s > CYCLE_LIMIT_S:
                self._note_earliest()
                return True, freed * self._free_s
            if looked_at and stale <= ACCEPTABLE_STALE * len(looked_at):
                break
        self._note_earliest()
        return False, freed * self._free_s

    def catch_up(self, now: float, cycles: int) -> None:
        """What the active cycle has done in so many runs while nobody was there to see it."""
        rounds_in_table = -(-self._table.size // KEYS_PER_ROUND)
        if cycles < rounds_in_table or not self._is_ordered:
            for _ in range(min(cycles, 2 * rounds_in_table)):
                if self.earliest_s < now:
                    self.expire_some(now)
            return
        for shelf in self._shelves.values():  # it has been round: nothing that expired is left
            while (entry := shelf.entries.expired(now)) is not None:
                self._remove(entry)
                shelf.expired.add()
        self._note_earliest()

    def clock_was_set_back(self) -> None:
        """Entries do not expire in the order in which they were stored any more."""
        self._is_ordered = False
        self._note_earliest()

    def clear(self) -> None:
        """Everything is lost, with the memory that held it."""
        for entries in self._shelves:
            entries.clear()
        self._table.clear()
        if self._evictor is not None:
            self._evictor.clear()
        self._is_ordered = True
        self.earliest_s = inf
        self.bytes = 0
        self._level.set(0)

    def _note_earliest(self) -> None:
        if not self._is_ordered and self._table.count:
            self.earliest_s = -inf
            return
        self._is_ordered = True
        self.earliest_s = inf
        for entries in self._shelves:
            earliest_s = entries.earliest_s
            if earliest_s < self.earliest_s:
                self.earliest_s = earliest_s

    def _remove(self, entry: Entry) -> None:
        entry.entries.remove(entry.key)
        if self._is_whole or entry.expires_at_s < inf:
            self._table.remove(entry)
        self._grow(-entry.size_bytes)

    def _grow(self, delta_bytes: int) -> None:
        self.bytes += delta_bytes
        self._level.set(self.bytes)
        self._use_memory(delta_bytes)
