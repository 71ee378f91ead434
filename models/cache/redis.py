"""Redis as a cache: one command thread, entries that expire, memory that counts, clients that wait for it.

Models   A command is a round trip, then its turn on the one command thread, whose CPU time Redis' container burns; it
         takes effect when it ends. An entry is fresh for its class's TTL from when it was stored; reading it does not
         prolong it. A command that meets more memory than maxmemory evicts first; where nothing may go, those that
         write are refused. When the container dies, the content is gone, and commands under way are sent again once
         it is back, as long as their callers wait.
Units    Seconds and bytes. Redis' clock is the simulated one plus a phase drawn once per run; it can be set.
Source   Redis 7.0 (expire.c: an entry is gone when now > its instant; server.c: one command thread, processCommand;
         script.c: a script that writes fails where memory is short, one that only reads does not); Spring Data Redis
         (time-to-live none, time-to-idle off; RedisCacheConfiguration).
Omits    io-threads, replication, persistence; the keys of window limits take no memory and are never evicted.
Checked  experiments/validation/redis.py, tests/theory/test_ttl_cache.py, tests/properties/test_cache.py,
         tests/unit/test_cache_spec.py, tests/real/test_redis_cache_real.py
"""

from __future__ import annotations

from functools import partial
from typing import Any

from models.cache.books import Books
from models.cache.classes import Costs, DataClass
from models.cache.command_thread import CommandThread, Host
from models.cache.commands import DEL, GET, SCRIPT, SET
from models.cache.entries import Entry
from models.cache.expiry import ActiveExpiry
from models.cache.keyspace import Keyspace
from models.cache.lettuce import Client
from models.cache.local import LocalTier
from models.cache.spec import RedisSpec
from models.request import Request
from models.spec import Context
from sim.environment import Activity


class Redis(CommandThread):
    """What is held, by which clock, and the commands on it."""

    __slots__ = (
        "_classes", "_connect_limit_s", "_limiters", "_new_expiry", "_phase_s", "_script_cpu", "_script_round_trip",
        "clock_offset_s", "links", "locks_when_sync", "writer_locks_when_sync",
    )  # fmt: skip

    def __init__(self, context: Context, spec: RedisSpec, host: Host) -> None:
        super().__init__(context, host, spec.client.command_timeout)
        path, streams = context.path, context.streams
        # A script is not asked for by whom it serves, so its costs are Redis' own chance.
        self._script_cpu = streams.sequence(f"{path}.script.command_cpu", spec.command_cpu.distribution())
        self._script_round_trip = streams.sequence(f"{path}.script.round_trip", spec.round_trip.distribution())
        # A run that began on a whole second of Redis' clock would meet all that counts seconds at the same instants.
        self._phase_s = streams.sequence(f"{path}.clock_phase").next()
        self.clock_offset_s = 0.0
        """By how much the clock has been set forward, in all."""
        self.space = Keyspace(
            spec, context.probe.level(f"{path}.content_bytes"), host.use_memory, self.clock_s,
            streams.sequence(f"{path}.sampling").next,
        )  # fmt: skip
        at = context.at("classes")
        self._classes = {
            name: DataClass(at.at(name), cls, spec, self.space, number)
            for number, (name, cls) in enumerate(spec.classes.items())
        }
        self._expiry = None
        expiry = partial(ActiveExpiry, context, self, self.space, self._thread)
        self._new_expiry = expiry if spec.active_expiry else None
        if any(cls.ttl is not None for cls in spec.classes.values()):
            self._has_what_expires()
        self._limiters = 0
        self.locks_when_sync = spec.client.spring_data_redis == "2.7"
        """In each process."""
        self.writer_locks_when_sync = False
        """In Redis, for all processes."""
        self._connect_limit_s = spec.client.connect_timeout
        self.links: dict[str, Any] = {}
        """The network between whoever asks (by the path of its service) and Redis, where it is declared."""

    def _has_what_expires(self) -> None:
        if self._expiry is None and self._new_expiry is not None:
            self._expiry = self._new_expiry()

    # who asks

    def client(self, name: str, owner: Any = None) -> Client:
        """The connection of the process called `name`, which runs in the container `owner`."""
        client = self._clients.get(name)
        if client is None:
            link = self.links.get(owner.path.partition(".replica-")[0]) if self.links and owner is not None else None
            client = self._clients[name] = Client(
                self._env, f"{self.path}.{name}", owner, self._is_up, self._lost_at_s, link, self._connect_limit_s
            )
            client.is_deserted = self._is_deserted
        return client

    def data_class(self, name: str) -> DataClass:
        return self._classes[name]

    def tier(self, name: str) -> LocalTier | None:
        """The caches that stand before this one in every process, for one class of data."""
        part = self._classes[name]
        return None if part.local is None else LocalTier(self._env, name, part, part.local)

    # the clock

    def clock_s(self) -> float:
        """The time of day as Redis has it."""
        return self._env.now + self._phase_s + self.clock_offset_s

    def step_clock(self, delta_s: float) -> None:
        """Set the clock forward, or back where `delta_s` is negative. What expires, expires by it."""
        self.clock_offset_s += delta_s
        if delta_s < 0:
            self.space.clock_was_set_back()

    # commands

    def lookup(self, client: Client, request: Request, cls: str, lane: int) -> Activity:
        """GET: the entry of the request's key, or None. Notes hit or miss on the request: a miss if any."""
        part: DataClass = self._classes[cls]
        costs: Costs = part.lookup
        identity = request.identity
        return self._command(
            client, request, costs.round_trip.at(identity, lane), costs.cpu.at(identity, lane), False,
            GET, part, part.key_of(request),
        )  # fmt: skip

    def store(self, client: Client, request: Request, cls: str, lane: int, version: int = 0) -> Activity:
        """SET with the class's TTL. `version`: of the data when it was read."""
        part: DataClass = self._classes[cls]
        key = part.key_of(request)
        if not part.is_kept(key):
            return _nothing()
        costs: Costs = part.store
        identity = request.identity
        return self._command(
            client, request, costs.round_trip.at(identity, lane), costs.cpu.at(identity, lane), True,
            SET, part, key, version,
        )  # fmt: skip

    def evict(self, client: Client, request: Request, cls: str, lane: int) -> Activity:
        """DEL, as an update does."""
        part: DataClass = self._classes[cls]
        costs: Costs = part.evict
        identity = request.identity
        return self._command(
            client, request, costs.round_trip.at(identity, lane), costs.cpu.at(identity, lane), False,
            DEL, part, part.key_of(request),
        )  # fmt: skip

    def scripts(self, name: str, owner: Any = None) -> Scripts:
        """What the process called `name` runs its scripts on."""
        return Scripts(self, self.client(name, owner))

    def books(self, context: Context, ttl_s: float) -> Books:
        """Room for the buckets of a limiter, which live for so long."""
        self._has_what_expires()
        number = len(self._classes) + self._limiters
        self._limiters += 1
        count, path = context.probe.count, context.path
        shelf = self.space.shelf(ttl_s, number, count(f"{path}.expired"), count(f"{path}.evicted"))
        return Books(self._env, self, self.space, shelf)

    def run_script(self, client: Client, writes: bool) -> Activity:
        """One EVALSHA of somebody who keeps the books: its time is the caller's to note."""
        round_trip_s, cpu_s = self._script_round_trip.next(), self._script_cpu.next()
        return self._command(client, None, round_trip_s, cpu_s, writes, SCRIPT)

    def _carry_out(self, command: int, part: DataClass | None, key: int, version: int) -> Any:
        """What is cached. What a script does is the business of whoever sent it."""
        if part is None:
            return None
        now = self._env.now + self.clock_offset_s
        if command == GET:
            return self.space.find(part.shelf, key, now)
        if command == SET:
            self._set(part, key, version, now)
        elif command == DEL and self.space.delete(part.shelf, key, now):
            part.evictions.add()
        return None

    def _set(self, part: DataClass, key: int, version: int, now: float) -> None:
        entry, was_fresh = self.space.store(part.shelf, key, now, part.size_of(key))
        entry.version = version
        part.stores.total += 1
        if was_fresh:
            part.duplicate_loads.add()

    def _note_lookup(self, part: DataClass, key: int, request: Request, entry: Entry | None) -> None:
        if entry is None:
            part.misses.total += 1
            request.cache = "miss"
            return
        part.hits.total += 1
        if not request.cache:
            request.cache = "hit"
        if part.updates and entry.version != part.updates.get(key, 0):
            part.stale_hits.add()


class Scripts:
    """Redis as limiters see it, over the connection of the process that they are in."""

    __slots__ = ("_client", "_redis", "clock_s")

    def __init__(self, redis: Redis, client: Client) -> None:
        self._redis = redis
        self._client = client
        self.clock_s = redis.clock_s

    def books(self, context: Context, ttl_s: float) -> Books:
        return self._redis.books(context, ttl_s)

    def run_script(self, writes: bool = True) -> Activity:
        """Raises `CacheUnavailable` where no answer comes in time, `CacheFull` where it writes and may not."""
        return self._redis.run_script(self._client, writes)


def _nothing() -> Activity:
    """No command is sent."""
    return
    yield
