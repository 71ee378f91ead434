"""The entries of one class of data, by key, in the order in which they expire."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from math import inf
from typing import Any


class Entry:
    """One key of Redis with what Redis keeps about it."""

    __slots__ = (
        "entries", "expires_at_s", "hash", "key", "lfu_counter", "next", "size_bytes", "touched", "value", "version",
    )  # fmt: skip

    def __init__(self, entries: Entries, key: int, size_bytes: int, hash_: int) -> None:
        self.entries = entries
        self.key = key
        self.size_bytes = size_bytes
        """With all that Redis needs to keep it."""
        self.hash = hash_
        self.expires_at_s = inf
        self.touched = 0
        """When it was last used: in seconds of the LRU clock, or in minutes where frequency is counted."""
        self.lfu_counter = 0
        self.version = 0
        """How often the data had been changed when it was read from where it comes from."""
        self.value: Any = None
        """What limiters keep. What is cached has a size and a version, no value."""
        self.next: Entry | None = None
        """The next entry in its bucket of the hash table."""


class Entries:
    """The entries of one class. Decides; never waits. They expire in the order in which they were stored last."""

    __slots__ = ("_by_key", "_ttl_s", "get")

    def __init__(self, ttl_s: float | None) -> None:
        self._ttl_s = inf if ttl_s is None else ttl_s
        self._by_key: OrderedDict[int, Entry] = OrderedDict()
        self.get: Callable[[int], Entry | None] = self._by_key.get
        """The entry of a key, fresh or not."""

    def __len__(self) -> int:
        """Entries that take memory: expired ones do until they are freed."""
        return len(self._by_key)

    @property
    def earliest_s(self) -> float:
        """Nothing expires up to this instant, itself included."""
        for entry in self._by_key.values():
            return entry.expires_at_s
        return inf

    def is_fresh(self, key: int, now: float) -> bool:
        entry = self._by_key.get(key)
        return entry is not None and now <= entry.expires_at_s

    def store(self, key: int, now: float, size_bytes: int = 0, hash_: int = 0) -> Entry:
        """Store anew, whatever was there."""
        entry = self._by_key.get(key)
        if entry is None:
            entry = self._by_key[key] = Entry(self, key, size_bytes, hash_)
        else:
            self._by_key.move_to_end(key)
        entry.expires_at_s = now + self._ttl_s
        return entry

    def renew(self, entry: Entry, now: float) -> None:
        """Stored again, by whoever has it in hand."""
        self._by_key.move_to_end(entry.key)
        entry.expires_at_s = now + self._ttl_s

    def remove(self, key: int) -> Entry | None:
        """What was there, if anything."""
        return self._by_key.pop(key, None)

    def expired(self, now: float) -> Entry | None:
        """The entry that has been expired for longest, if any has."""
        for entry in self._by_key.values():
            return entry if entry.expires_at_s < now else None
        return None

    def clear(self) -> None:
        self._by_key.clear()
