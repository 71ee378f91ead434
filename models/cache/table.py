"""Redis' hash table, as far as it matters for which entries are looked at: buckets, chains, sampling, scanning.

Models   A power of two of buckets that doubles when there are more entries than buckets and shrinks where fewer than a
         tenth are used. Sampling walks from a random bucket on, as Redis does: neighbours are looked at together,
         entries after a gap a little more often than others; of the last bucket's chain chance takes what is needed.
Source   Redis 7.0, src/dict.c (dictGetSomeKeys, dictGetRandomKey, _dictExpandIfNeeded), server.c (htNeedsResize).
Omits    Rehashing little by little: it is done at once. Only entries that somebody will look for are in it.
Checked  tests/unit/test_cache_parts.py
"""

from __future__ import annotations

from collections.abc import Callable

from models.cache.entries import Entry

SMALLEST = 4
_WORD = (1 << 64) - 1


_STEP, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def mix(number: int) -> int:
    """64 bits that look random, the same for the same number (the finaliser of splitmix64)."""
    word = (number + _STEP) & _WORD
    word = ((word ^ (word >> 30)) * _FIRST) & _WORD
    word = ((word ^ (word >> 27)) * _SECOND) & _WORD
    return word ^ (word >> 31)


class Table:
    """Entries in buckets by their hash. `chance()` gives uniforms in [0, 1)."""

    __slots__ = ("_buckets", "_chance", "_cursor", "_mask", "count")

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._buckets: list[Entry | None] = [None] * SMALLEST
        self._mask = SMALLEST - 1
        self._cursor = 0
        self.count = 0

    @property
    def size(self) -> int:
        return self._mask + 1

    def add(self, entry: Entry) -> None:
        if self.count > self._mask:
            self._resize(2 * (self._mask + 1))
        bucket = entry.hash & self._mask
        entry.next = self._buckets[bucket]
        self._buckets[bucket] = entry
        self.count += 1

    def remove(self, entry: Entry) -> None:
        bucket = entry.hash & self._mask
        each = self._buckets[bucket]
        if each is entry:
            self._buckets[bucket] = entry.next
        else:
            while each is not None and each.next is not entry:
                each = each.next
            assert each is not None
            each.next = entry.next
        self.count -= 1
        if self._mask >= SMALLEST and 10 * self.count < self._mask:
            self._resize(max(SMALLEST, 1 << max(0, self.count - 1).bit_length()))

    def _resize(self, size: int) -> None:
        old, self._buckets, self._mask = self._buckets, [None] * size, size - 1
        buckets, mask = self._buckets, self._mask
        for entry in old:
            while entry is not None:
                after = entry.next
                bucket = entry.hash & mask
                entry.next = buckets[bucket]
                buckets[bucket] = entry
                entry = after

    def some(self, wanted: int) -> list[Entry]:
        """Up to `wanted` neighbours from a random bucket on: cheap, not fair."""
        found: list[Entry] = []
        wanted = min(wanted, self.count)
        if not wanted:
            return found
        buckets, mask = self._buckets, self._mask
        place, gap, stored = int(self._chance() * (mask + 1)), 0, 0
        for _ in range(10 * wanted):
            entry = buckets[place]
            if entry is None:
                gap += 1
                if gap >= 5 and gap > wanted:
                    place, gap = int(self._chance() * (mask + 1)), 0
            else:
                gap = 0
                while entry is not None:
                    if stored < wanted:
                        found.append(entry)
                    elif (lot := int(self._chance() * (stored + 1))) < wanted:
                        found[lot] = entry
                    stored += 1
                    entry = entry.next
                if stored >= wanted:
                    return found
            place = (place + 1) & mask
        return found

    def any(self) -> Entry | None:
        """One entry: a random bucket that is not empty, a random place in its chain."""
        if not self.count:
            return None
        entry: Entry | None = None
        while entry is None:
            entry = self._buckets[int(self._chance() * (self._mask + 1))]
        chain = [entry]
        while entry.next is not None:
            entry = entry.next
            chain.append(entry)
        return chain[int(self._chance() * len(chain))]

    def scan(self, wanted: int) -> list[Entry]:
        """The entries of the next buckets, at least `wanted` where there are enough: the cursor goes round."""
        found: list[Entry] = []
        buckets, mask, cursor = self._buckets, self._mask, self._cursor
        wanted = min(wanted, self.count)
        last = cursor + 20 * wanted
        while cursor < last:
            entry = buckets[cursor & mask]
            cursor += 1
            if entry is None:
                continue
            while entry is not None:
                found.append(entry)
                entry = entry.next
            if len(found) >= wanted:
                break
        self._cursor = cursor & mask
        return found

    def clear(self) -> None:
        self._buckets = [None] * SMALLEST
        self._mask = SMALLEST - 1
        self._cursor = 0
        self.count = 0
