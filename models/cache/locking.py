"""Spring's locking cache writer: a lock in Redis for each cache name.

Models   Every command on a class of data first asks for the lock's key, which is one more command, and while it is
         there asks again after each sleep. Who loads takes the lock where sync = true leaves that to the writer (Spring
         Data Redis 3.4 and later): then one load of the whole class runs at a time, in all replicas together, and
         everybody else's commands on it wait. The lock has no time to live: who dies with it leaves it behind, until
         Redis forgets it.
Units    Seconds.
Source   Spring Data Redis 4.0 (a1bd567) and 2.7, cache/DefaultRedisCacheWriter.java (execute, doLock: SET NX without
         expiry, doUnlock: DEL; 2.7 takes the lock for clear and putIfAbsent only), RedisCacheWriter.java (sleep 50 ms).
Omits    The memory of the lock's key, which is never evicted; a time to live of locks; clearing a cache.
Checked  experiments/validation/spring_cache.py
"""

from __future__ import annotations

from typing import Any

from models.cache.classes import Costs, DataClass
from models.cache.command_thread import Host
from models.cache.commands import DROP_LOCK, HAS_LOCK, TAKE_LOCK
from models.cache.lettuce import Client
from models.cache.redis import Redis
from models.cache.spec import RedisSpec
from models.request import Request
from models.spec import Context
from sim.environment import Activity


class LockingRedis(Redis):
    """A Redis whose clients look for a class's lock before they do anything."""

    __slots__ = ("_lock_costs", "_locked", "_polls", "_sleep_s")

    def __init__(self, context: Context, spec: RedisSpec, host: Host) -> None:
        super().__init__(context, spec, host)
        self.writer_locks_when_sync = not self.locks_when_sync
        self._sleep_s = spec.client.lock_sleep
        self._locked: dict[DataClass, bool] = {}
        cpu, round_trip = spec.command_cpu.distribution(), spec.round_trip.distribution()
        at = context.at("classes")
        self._lock_costs = {name: Costs(at.at(name).at("lock"), cpu, round_trip) for name in spec.classes}
        """Of each command on the lock: the same for all that a request needs."""
        self._polls = {name: context.probe.count(f"{at.at(name).path}.lock_polls") for name in spec.classes}

    def clear(self) -> None:
        self._locked.clear()
        super().clear()

    # commands

    def lookup(self, client: Client, request: Request, cls: str, lane: int) -> Activity:
        yield from self._await_unlocked(client, request, cls, lane)
        return (yield from Redis.lookup(self, client, request, cls, lane))

    def store(self, client: Client, request: Request, cls: str, lane: int, version: int = 0) -> Activity:
        part = self._classes[cls]
        if part.is_kept(part.key_of(request)):
            yield from self._await_unlocked(client, request, cls, lane)
            yield from Redis.store(self, client, request, cls, lane, version)

    def evict(self, client: Client, request: Request, cls: str, lane: int) -> Activity:
        yield from self._await_unlocked(client, request, cls, lane)
        yield from Redis.evict(self, client, request, cls, lane)

    def lookup_locked(self, client: Client, request: Request, cls: str, lane: int) -> Activity:
        """GET by whoever has the lock."""
        return Redis.lookup(self, client, request, cls, lane)

    def store_locked(self, client: Client, request: Request, cls: str, lane: int, version: int = 0) -> Activity:
        """SET by whoever has the lock."""
        return Redis.store(self, client, request, cls, lane, version)

    # the lock

    def lock(self, client: Client, request: Request, cls: str, lane: int) -> Activity:
        """Wait until the class is unlocked, and lock it. Who comes in between is first."""
        yield from self._await_unlocked(client, request, cls, lane)
        while (yield from self._ask(client, request, cls, lane, TAKE_LOCK)):
            yield from self._await_unlocked(client, request, cls, lane)

    def unlock(self, client: Client, request: Request, cls: str, lane: int) -> Activity:
        return self._ask(client, request, cls, lane, DROP_LOCK)

    def _await_unlocked(self, client: Client, request: Request, cls: str, lane: int) -> Activity:
        while (yield from self._ask(client, request, cls, lane, HAS_LOCK)):
            self._polls[cls].add()
            began_at_s = self._env.now
            try:
                yield self._sleep_s
            finally:
                request.wait_s += self._env.now - began_at_s

    def _ask(self, client: Client, request: Request, cls: str, lane: int, command: int) -> Activity:
        costs, identity = self._lock_costs[cls], request.identity
        return self._command(
            client, request, costs.round_trip.at(identity, lane), costs.cpu.at(identity, lane),
            command == TAKE_LOCK, command, self._classes[cls],
        )  # fmt: skip

    def _carry_out(self, command: int, part: DataClass | None, key: int, version: int) -> Any:
        """Of the commands on a lock the answer is whether it was there."""
        if part is None or command < HAS_LOCK:
            return super()._carry_out(command, part, key, version)
        was_locked = self._locked.get(part, False)
        if command != HAS_LOCK:
            self._locked[part] = command == TAKE_LOCK
        return was_locked
