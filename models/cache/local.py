"""A cache inside a replica, asked before Redis.

Models   A fixed number of entries; the least recently used one goes. An entry stays for a time after it was stored,
         whatever is read meanwhile. Each replica has its own: a change that one of them evicts stays in the others.
         What it holds is memory of the replica's container, and gone when that dies.
Units    Seconds and bytes.
Source   Caffeine (maximumSize, expireAfterWrite); Spring's CaffeineCache.
Omits    W-TinyLFU: Caffeine keeps entries that are asked for often rather than the last ones, so it hits a little more
         often where keys differ much in popularity; CPU time; expired entries are only freed when somebody asks for
         them or when they are the least recently used.
Checked  tests/unit/test_cache_parts.py
"""

from __future__ import annotations

from collections import OrderedDict
from math import inf
from typing import TYPE_CHECKING, Final

from models.cache.classes import NULL_BYTES, DataClass
from models.cache.spec import LocalCacheSpec
from models.request import Request
from sim.environment import Environment

if TYPE_CHECKING:
    from models.cache.lettuce import Client

ENTRY_BYTES: Final = 112
"""What an entry takes beside its value: a Caffeine node, a ConcurrentHashMap node, a boxed key (assumed)."""


class LocalCache:
    """Decides; never waits. Every change says by how many bytes memory grew."""

    __slots__ = ("_entries", "_maximum_size", "_stays_s", "bytes")

    def __init__(self, spec: LocalCacheSpec) -> None:
        self._maximum_size = spec.maximum_size
        self._stays_s = inf if spec.expire_after_write is None else spec.expire_after_write
        self._entries: OrderedDict[int, tuple[float, int, int]] = OrderedDict()
        """Until when, version, size; least recently used first."""
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: int, now: float) -> int | None:
        """The version that is held of the key, if one is."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if now >= entry[0]:
            self.remove(key)
            return None
        self._entries.move_to_end(key)
        return entry[1]

    def put(self, key: int, version: int, value_bytes: int, now: float) -> bool:
        """Store anew. Says whether another entry had to go."""
        self.remove(key)
        size_bytes = value_bytes + ENTRY_BYTES
        self._entries[key] = (now + self._stays_s, version, size_bytes)
        self.bytes += size_bytes
        if len(self._entries) <= self._maximum_size:
            return False
        _, (_, _, freed_bytes) = self._entries.popitem(last=False)
        self.bytes -= freed_bytes
        return True

    def remove(self, key: int) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.bytes -= entry[2]


class LocalTier:
    """The local caches of one class of data, one in each process."""

    __slots__ = ("_env", "_name", "_part", "_spec")

    def __init__(self, env: Environment, name: str, part: DataClass, spec: LocalCacheSpec) -> None:
        self._env = env
        self._name = name
        self._part = part
        self._spec = spec

    def hit(self, client: Client, request: Request) -> bool:
        """Whether the process has the request's key; notes a hit on the request, unless something missed."""
        part = self._part
        key = part.key_of(request)
        cache = self._of(client)
        held_bytes = cache.bytes
        version = cache.get(key, self._env.now)
        self._account(client, cache.bytes - held_bytes)
        if version is None:
            part.local_misses.add()
            return False
        part.local_hits.add()
        if version != part.version(key):
            part.local_stale_hits.add()
        request.cache = request.cache or "hit"
        return True

    def keep(self, client: Client, request: Request, version: int) -> None:
        part = self._part
        key = part.key_of(request)
        if part.is_kept(key):
            cache = self._of(client)
            held_bytes = cache.bytes
            value_bytes = NULL_BYTES if part.is_missing(key) else part.value_bytes
            if cache.put(key, version, value_bytes, self._env.now):
                part.local_evictions.add()
            self._account(client, cache.bytes - held_bytes)

    def drop(self, client: Client, request: Request) -> None:
        """What @CacheEvict does in its own process, and in no other."""
        cache = self._of(client)
        held_bytes = cache.bytes
        cache.remove(self._part.key_of(request))
        self._account(client, cache.bytes - held_bytes)

    def _of(self, client: Client) -> LocalCache:
        return client.local(self._name, self._make)

    def _make(self) -> LocalCache:
        return LocalCache(self._spec)

    @staticmethod
    def _account(client: Client, delta_bytes: int) -> None:
        if delta_bytes and client.owner is not None:
            client.owner.use_memory(delta_bytes)
