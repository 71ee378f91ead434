# cython: annotation_typing=True
"""Steps on a cache: look up and load on a miss, evict.

Models   Spring's cache abstraction: look up, on a miss invoke, then put. Nobody is kept from loading a key that another
         is loading, unless `sync` takes a lock: then one request of the replica at a time looks again and loads. An
         update evicts from Redis and from its own replica's local cache. Errors of the cache fail the request, or
         count as misses where an error handler swallows them. With a locking writer `sync` takes the lock in Redis; who
         dies with it leaves it there.
Source   Spring Framework, spring-context cache/interceptor/CacheAspectSupport.java (get, invoke, put; a synchronised
         get does not ask the error handler before 6.2) and SimpleCacheErrorHandler.java (rethrows); Spring Data Redis
         2.7 and 3.3, cache/RedisCache.java (get, then getSynchronized, which gets again); 4.0,
         cache/DefaultRedisCacheWriter.java (get with a loader: get, lock, get again, load, put, unlock).
Checked  experiments/validation/spring_cache.py, tests/unit/test_cache_parts.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from models.outcomes import CacheUnavailable, InstanceDied
from models.replica import Replica
from models.request import Request, Visit
from models.service.spec import CacheStepSpec, EvictStepSpec
from models.spec import Context
from models.step import Step, take
from sim.environment import Activity
from sim.errors import Failure


class Cache(Protocol):
    """What a step needs of a cache."""

    locks_when_sync: bool
    writer_locks_when_sync: bool

    def client(self, name: str, owner: Any = None) -> Any: ...
    def data_class(self, name: str) -> Any: ...
    def tier(self, name: str) -> Any: ...
    def lookup(self, client: Any, request: Request, cls: str, lane: int) -> Activity: ...
    def store(self, client: Any, request: Request, cls: str, lane: int, version: int = 0) -> Activity: ...
    def evict(self, client: Any, request: Request, cls: str, lane: int) -> Activity: ...


class CacheStep(Step):
    """Look up; on a miss load and store. `has_lock`: it is part of a synchronised load of the same class, whose lock
    its thread has already: Java's locks are re-entrant."""

    __slots__ = (
        "_cache", "_clients", "_cls", "_data", "_env", "_has_lock", "_is_locked", "_look_up", "_on_miss", "_store",
        "_tier", "_writer",
    )  # fmt: skip

    def __init__(
        self, context: Context, spec: CacheStepSpec, cache: Cache, on_miss: list[Step], has_lock: bool = False
    ) -> None:
        super().__init__(context, spec.name, spec.probability)
        self._env = context.env
        self._cache = cache
        self._cls = spec.data_class
        self._data = cache.data_class(spec.data_class)
        self._tier = cache.tier(spec.data_class)
        self._on_miss = on_miss
        self._is_locked = spec.sync and cache.locks_when_sync
        self._has_lock = has_lock
        self._writer: Any = cache if spec.sync and cache.writer_locks_when_sync else None
        """Where the lock is in Redis."""
        swallows = spec.on_error == "ignore" and not self._is_locked and self._writer is None
        self._look_up: Callable[..., Activity] = self._look_up_anyway if swallows else cache.lookup
        self._store: Callable[..., Activity] = self._store_anyway if swallows else cache.store
        self._clients: dict[str, Any] = {}
        """The connections of the replicas that have been here, by name: within a transaction a replica is seen through
        an object that is another one for each visit."""

    def process(self, request: Request, visit: Visit, replica: Replica) -> Activity:
        client = self._clients.get(replica.name) or self._meet(replica)
        tier = self._tier
        if tier is not None and tier.hit(client, request):
            return
        entry = yield from self._look_up(client, request, self._cls, visit.lane)
        if entry is not None:
            if tier is not None:
                tier.keep(client, request, entry.version)
        elif self._is_locked:
            yield from self._load_alone(client, request, visit, replica)
        elif self._writer is not None:
            yield from self._load_locked(client, request, visit, replica)
        else:
            yield from self._load(client, request, visit, replica)

    def _meet(self, replica: Replica) -> Any:
        client = self._clients[replica.name] = self._cache.client(replica.name, replica.host)
        return client

    def _look_up_anyway(self, client: Any, request: Request, cls: str, lane: int) -> Activity:
        """Look up where an error handler makes a miss of what fails."""
        try:
            return (yield from self._cache.lookup(client, request, cls, lane))
        except CacheUnavailable:
            self._data.errors_ignored.add()
            return None

    def _store_anyway(self, client: Any, request: Request, cls: str, lane: int, version: int) -> Activity:
        try:
            yield from self._cache.store(client, request, cls, lane, version)
        except CacheUnavailable:
            self._data.errors_ignored.add()

    def _load_alone(self, client: Any, request: Request, visit: Visit, replica: Replica) -> Activity:
        """Wait for the lock, look again, and load what is still missing."""
        if self._has_lock:
            yield from self._load_missing(client, request, visit, replica)
            return
        lock = client.lock(self._cls)
        if not lock.acquire():
            began_at_s = self._env.now
            yield
            request.wait_s += self._env.now - began_at_s
        try:
            yield from self._load_missing(client, request, visit, replica)
        finally:
            lock.release()

    def _load_missing(self, client: Any, request: Request, visit: Visit, replica: Replica) -> Activity:
        if (yield from self._look_up(client, request, self._cls, visit.lane)) is None:
            yield from self._load(client, request, visit, replica)

    def _load_locked(self, client: Any, request: Request, visit: Visit, replica: Replica) -> Activity:
        """The same, where the lock is for all processes."""
        writer, data, cls, lane = self._writer, self._data, self._cls, visit.lane
        yield from writer.lock(client, request, cls, lane)
        try:
            entry = yield from writer.lookup_locked(client, request, cls, lane)
            if entry is None:
                version = data.version(data.key_of(request)) if data.updates else 0
                yield from take(self._on_miss, request, visit, replica)
                yield from writer.store_locked(client, request, cls, lane, version)
            else:
                version = entry.version
        except InstanceDied as death:
            if death.path != replica.host.path:
                yield from writer.unlock(client, request, cls, lane)
            raise
        except Failure:
            yield from writer.unlock(client, request, cls, lane)
            raise
        yield from writer.unlock(client, request, cls, lane)
        if self._tier is not None:
            self._tier.keep(client, request, version)

    def _load(self, client: Any, request: Request, visit: Visit, replica: Replica) -> Activity:
        data, tier = self._data, self._tier
        version = data.version(data.key_of(request)) if data.updates else 0
        yield from take(self._on_miss, request, visit, replica)
        yield from self._store(client, request, self._cls, visit.lane, version)
        if tier is not None:
            tier.keep(client, request, version)


class EvictStep(Step):
    """Remove the request's key, whose data has just been changed."""

    __slots__ = ("_cache", "_cls", "_data", "_swallows", "_tier")

    def __init__(self, context: Context, spec: EvictStepSpec, cache: Cache) -> None:
        super().__init__(context, spec.name, spec.probability)
        self._cache = cache
        self._cls = spec.data_class
        self._data = cache.data_class(spec.data_class)
        self._tier = cache.tier(spec.data_class)
        self._swallows = spec.on_error == "ignore"

    def process(self, request: Request, visit: Visit, replica: Replica) -> Activity:
        client = self._cache.client(replica.name, replica.host)
        data = self._data
        data.changed(data.key_of(request))
        if self._tier is not None:
            self._tier.drop(client, request)
        try:
            yield from self._cache.evict(client, request, self._cls, visit.lane)
        except CacheUnavailable:
            if not self._swallows:
                raise
            data.errors_ignored.add()
