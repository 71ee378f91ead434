"""What a limiter keeps in Redis: its buckets as keys among all others, which take memory, expire and can be evicted.

Models   Two keys for each bucket, tokens and timestamp, written anew with a time to live by every script. A bucket is
         there only where both of them are: one that was evicted makes the bucket full again.
Units    Seconds of Redis' clock and bytes.
Source   Spring Cloud Gateway 5.0, META-INF/scripts/request_rate_limiter.lua (two GET, two SETEX). Sizes measured on
         Redis 7.0.15: 20,000 users of the script's keys took 6.19 MB, 310 bytes each.
Omits    The length of keys; what a script writes takes its memory when its caller has heard of it.
Checked  experiments/validation/redis_rate_limiter.py
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from models.cache.keyspace import Keyspace, Shelf
from sim.environment import Environment

KEY_BYTES: Final = 155


class Redis(Protocol):
    """Whose clock it is, and who must be alive to keep anything."""

    @property
    def is_up(self) -> bool: ...
    @property
    def clock_offset_s(self) -> float: ...


class Books:
    """The buckets of one limiter, by key."""

    __slots__ = ("_env", "_redis", "_shelf", "_space")

    def __init__(self, env: Environment, redis: Redis, space: Keyspace, shelf: Shelf) -> None:
        self._env = env
        self._redis = redis
        self._space = space
        self._shelf = shelf

    def __len__(self) -> int:
        return (len(self._shelf.entries) + 1) // 2

    def get(self, key: int, now_s: int) -> Any:
        """The bucket, or None where a key of it has expired or was evicted."""
        now = self._env.now + self._redis.clock_offset_s
        tokens = self._space.find(self._shelf, 2 * key, now)
        timestamp = self._space.find(self._shelf, 2 * key + 1, now)
        return None if tokens is None or timestamp is None else tokens.value

    def put(self, key: int, bucket: Any) -> None:
        """Write both keys, and let them live on: after `get`, which has freed what had expired."""
        now = self._env.now + self._redis.clock_offset_s
        space, shelf = self._space, self._shelf
        for place in (2 * key, 2 * key + 1):
            entry = shelf.entries.get(place)
            if entry is not None:
                space.renew(entry, now)
            elif self._redis.is_up:  # the first may have been more than its memory held
                entry, _ = space.store(shelf, place, now, KEY_BYTES)
            else:
                return
            entry.value = bucket

    def clear(self) -> None:
        """Redis was killed: it has lost them with all the rest."""
