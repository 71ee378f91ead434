"""Redis as a cache: entries that expire, a single command thread, memory that counts.

Models   A command is a round trip, then its turn on the one command thread, whose CPU time Redis' container burns; it
         takes effect when it ends. An entry is fresh for its class's TTL from when it was stored; reading it does not
         prolong it. Nobody is kept from loading a key that another is loading. When the container dies, commands
         under way fail and the content is gone.
Units    Seconds and bytes.
Source   Redis 7.0 (expire.c: an entry is gone when now > its instant; server.c: one command thread); Spring's cache
         abstraction (lookup, miss, invoke, put without single flight; CacheAspectSupport; exceptions from Redis
         propagate); Spring Data Redis (time-to-live none, time-to-idle off; RedisCacheConfiguration).
Omits    maxmemory and its evictions; the bursts of the active expiry cycle: what has expired is freed at the next
         command, at no CPU cost; io-threads, replication, persistence; Lettuce's queueing of commands while it
         reconnects (they fail at once here); null values, sync = true; the way back of a command's round trip is
         spent before the command.
Checked  tests/fidelity/test_redis_cache.py, tests/theory/test_ttl_cache.py, tests/properties/test_cache.py,
         tests/unit/test_cache_spec.py
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveInt

from models.distribution import DistributionSpec
from models.outcomes import CacheUnavailable, InstanceDied
from models.request import Request
from models.spec import Context, NonNegativeSize, PositiveDuration, PositiveSize, Spec
from sim import elementary
from sim.distributions import Distribution
from sim.environment import Activity
from sim.resources import Permits
from sim.streams import Draws


class CacheClassSpec(Spec):
    """A class of data: how many keys, how they are asked for, how long they stay."""

    ttl: PositiveDuration | None = Field(
        default=None,
        description="Time to live from when an entry is stored. Default: none, it stays (Spring Data Redis).",
    )
    keys: PositiveInt = Field(le=10_000_000, description="Distinct keys that requests ask for.")
    popularity: NonNegativeFloat = Field(
        description="Exponent of Zipf's law: the key of rank r is asked for in proportion to 1 / r ** popularity. "
        "0: all alike."
    )
    value: PositiveSize = Field(description="Size of a value, e.g. 2K.")


class RedisSpec(Spec):
    """A Redis that services and the gateway share."""

    command_cpu: DistributionSpec = Field(description="CPU time of one command on the command thread.")
    round_trip: DistributionSpec = Field(description="Network and client time of one command, there and back.")
    classes: dict[str, CacheClassSpec] = Field(default_factory=dict, description="Classes of data, by name.")
    entry_overhead: NonNegativeSize = Field(
        default=130,
        description="Bytes an entry takes beside its value. Default 130: measured on Redis 7.0.15 with short keys that "
        "expire (125 to 141 beside values of 100 and 1000 bytes).",
    )

    def build(self, context: Context, host: Host) -> Redis:
        return Redis(context, self, host)


class Entries:
    """The entries of one class. Decides; never waits. They expire in the order in which they were stored last."""

    __slots__ = ("_expire_at_s", "_ttl_s")

    def __init__(self, ttl_s: float | None) -> None:
        self._ttl_s = float("inf") if ttl_s is None else ttl_s
        self._expire_at_s: OrderedDict[int, float] = OrderedDict()

    def __len__(self) -> int:
        """Entries that take memory: expired ones do until they are freed."""
        return len(self._expire_at_s)

    @property
    def earliest_s(self) -> float:
        """Nothing expires up to this instant, itself included."""
        return next(iter(self._expire_at_s.values()), float("inf"))

    def is_fresh(self, key: int, now: float) -> bool:
        return now <= self._expire_at_s.get(key, -1.0)

    def store(self, key: int, now: float) -> bool:
        """Store anew, whatever was there. Says whether it takes memory that was not taken before."""
        is_new = key not in self._expire_at_s
        self._expire_at_s[key] = now + self._ttl_s
        if not is_new:
            self._expire_at_s.move_to_end(key)
        return is_new

    def evict(self, key: int) -> bool:
        """Says whether there was anything to remove."""
        return self._expire_at_s.pop(key, None) is not None

    def free_expired(self, now: float) -> int:
        """How many entries have gone. Each is looked at once in its life."""
        expire_at_s, freed = self._expire_at_s, 0
        while expire_at_s and next(iter(expire_at_s.values())) < now:
            expire_at_s.popitem(last=False)
            freed += 1
        return freed

    def clear(self) -> None:
        self._expire_at_s.clear()


def zipf_weights(keys: int, exponent: float) -> list[float]:
    """1 / rank ** exponent for ranks 1 to `keys`, the same to the last bit on every machine."""
    ranks = np.arange(1.0, keys + 1.0)
    weights: list[float] = elementary.exp(-exponent * elementary.log(ranks)).tolist()
    return weights


class Host(Protocol):
    """The container Redis runs in. When it dies it forgets the memory it was using, and says so to those inside."""

    @property
    def path(self) -> str: ...
    @property
    def is_up(self) -> bool: ...
    @property
    def run(self) -> Callable[[float], Any]: ...
    def use_memory(self, delta_bytes: int) -> None: ...
    def enter(self) -> Any: ...
    def leave(self, light: Any) -> None: ...


class _Costs:
    """What one kind of command takes, drawn for the request that issues it."""

    __slots__ = ("cpu", "round_trip")

    def __init__(self, context: Context, cpu: Distribution, round_trip: Distribution) -> None:
        self.cpu: Draws = context.streams.draws(f"{context.path}.command_cpu", cpu)
        self.round_trip: Draws = context.streams.draws(f"{context.path}.round_trip", round_trip)


class _Class:
    """One class of data: its entries, its draws, its counts."""

    __slots__ = (
        "_key", "_keys", "duplicate_loads", "entries", "entry_bytes", "evict", "evictions", "expired", "hits", "lookup",
        "misses", "store", "stores",
    )  # fmt: skip

    def __init__(self, context: Context, spec: CacheClassSpec, redis: RedisSpec) -> None:
        cpu, round_trip = redis.command_cpu.distribution(), redis.round_trip.distribution()
        self.lookup, self.store, self.evict = (
            _Costs(context.at(command), cpu, round_trip) for command in ("lookup", "store", "evict")
        )
        self._keys = spec.keys
        self._key = context.streams.choices(f"{context.path}.key", zipf_weights(spec.keys, spec.popularity))
        self.entries = Entries(spec.ttl)
        self.entry_bytes = spec.value + redis.entry_overhead
        count, path = context.probe.count, context.path
        self.hits, self.misses, self.stores = count(f"{path}.hits"), count(f"{path}.misses"), count(f"{path}.stores")
        self.duplicate_loads = count(f"{path}.duplicate_loads")
        """Stores of a key that was fresh: somebody else had loaded it meanwhile."""
        self.evictions = count(f"{path}.evictions")
        self.expired = count(f"{path}.expired")

    def key_of(self, request: Request) -> int:
        """The key a request asks for: one for all its commands on this class."""
        return self._key.at(request.identity) if request.key is None else request.key % self._keys


class Redis:
    """Carries out commands. Each is a process that raises `CacheUnavailable` where Redis is down or dies under it."""

    __slots__ = (
        "_classes", "_content", "_content_bytes", "_earliest_s", "_env", "_host", "_script_cpu", "_script_round_trip",
        "_thread", "path",
    )  # fmt: skip

    def __init__(self, context: Context, spec: RedisSpec, host: Host) -> None:
        path, streams = context.path, context.streams
        self.path = path
        self._env = context.env
        self._host = host
        self._thread = Permits(context.env, 1, context.probe.station(f"{path}.command_thread", 1, "command thread"))
        self._classes = {name: _Class(context.at("classes").at(name), cls, spec) for name, cls in spec.classes.items()}
        # A script is not asked for by whom it serves, so its costs are Redis' own chance.
        self._script_cpu = streams.sequence(f"{path}.script.command_cpu", spec.command_cpu.distribution())
        self._script_round_trip = streams.sequence(f"{path}.script.round_trip", spec.round_trip.distribution())
        self._earliest_s = float("inf")
        """No entry of any class expires up to this instant."""
        self._content_bytes = 0
        self._content = context.probe.level(f"{path}.content_bytes")

    def lookup(self, request: Request, cls: str, lane: int) -> Activity:
        """GET: whether the request's key of class `cls` is there. Notes hit or miss on the request: a miss if any."""
        part = self._classes[cls]
        yield from self._ask(request, part.lookup, lane)
        now = self._env.now
        if now > self._earliest_s:
            self._free_expired()
        is_hit = part.entries.is_fresh(part.key_of(request), now)
        if is_hit:
            part.hits.add()
            request.cache = request.cache or "hit"
        else:
            part.misses.add()
            request.cache = "miss"
        return is_hit

    def store(self, request: Request, cls: str, lane: int) -> Activity:
        """SET with the class's TTL."""
        part = self._classes[cls]
        yield from self._ask(request, part.store, lane)
        self._free_expired()
        part.stores.add()
        entries = part.entries
        if entries.store(part.key_of(request), self._env.now):
            self._earliest_s = min(self._earliest_s, entries.earliest_s)
            self._grow(part.entry_bytes)
        else:
            part.duplicate_loads.add()

    def evict(self, request: Request, cls: str, lane: int) -> Activity:
        """DEL, as an update does."""
        part = self._classes[cls]
        yield from self._ask(request, part.evict, lane)
        self._free_expired()
        if part.entries.evict(part.key_of(request)):
            part.evictions.add()
            self._grow(-part.entry_bytes)

    def run_script(self) -> Activity:
        """One EVALSHA of somebody who keeps the books: its time is the caller's to note."""
        yield from self._command(None, self._script_round_trip.next(), self._script_cpu.next())

    def clear(self) -> None:
        """The container has been killed: its content is lost, with the memory that held it."""
        for part in self._classes.values():
            part.entries.clear()
        self._earliest_s = float("inf")
        self._content_bytes = 0
        self._content.set(0)

    def _ask(self, request: Request, costs: _Costs, lane: int) -> Activity:
        """One command for a request."""
        identity = request.identity
        return self._command(request, costs.round_trip.at(identity, lane), costs.cpu.at(identity, lane))

    def _command(self, request: Request | None, round_trip_s: float, cpu_s: float) -> Activity:
        """The way, the wait for the thread, the work: where it is for a request, all of that is its cache time."""
        env, host, thread = self._env, self._host, self._thread
        began_at_s = env.now
        resident = None
        try:
            if host.is_up and round_trip_s:
                yield round_trip_s
            if not host.is_up:
                raise CacheUnavailable(self.path)
            if cpu_s or not thread.try_acquire():
                resident = host.enter()
                _ = thread.acquire() or (yield)
            try:
                if cpu_s:
                    yield host.run(cpu_s)
            finally:
                thread.release()
        except InstanceDied as death:
            if resident is None or death.path != host.path:  # it is the caller's own container that died
                raise
            raise CacheUnavailable(self.path) from death
        finally:
            if resident is not None:
                host.leave(resident)
            if request is not None:
                request.cache_s += env.now - began_at_s

    def _free_expired(self) -> None:
        """Free what has expired in any class, where anything can have."""
        now = self._env.now
        if now <= self._earliest_s:
            return
        self._earliest_s = float("inf")
        freed_bytes = 0
        for part in self._classes.values():
            freed = part.entries.free_expired(now)
            if freed:
                part.expired.add(freed)
                freed_bytes += freed * part.entry_bytes
            self._earliest_s = min(self._earliest_s, part.entries.earliest_s)
        if freed_bytes:
            self._grow(-freed_bytes)

    def _grow(self, delta_bytes: int) -> None:
        self._content_bytes += delta_bytes
        self._content.set(self._content_bytes)
        self._host.use_memory(delta_bytes)
