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
Omits    io-threads, replication, persistence; the memory of limiters' keys, which are neither evicted; the way back of
         a command's round trip is spent before the command; a command whose caller has given up is still carried out,
         but after those that wait by then.
Checked  experiments/validation/redis.py, tests/theory/test_ttl_cache.py, tests/properties/test_cache.py,
         tests/unit/test_cache_spec.py, tests/real/test_redis_cache_real.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from models.cache.classes import DataClass
from models.cache.entries import Entry
from models.cache.expiry import ActiveExpiry
from models.cache.keyspace import Keyspace
from models.cache.lettuce import Client, CommandTimedOut, Wait
from models.cache.local import LocalTier
from models.cache.spec import RedisSpec
from models.outcomes import CacheFull, CacheUnavailable, InstanceDied, Unreachable
from models.request import Request
from models.spec import Context
from sim.environment import ENDED, Activity, Light, Timer
from sim.patience import Deadlines
from sim.resources import Permits


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


class Redis:
    """Carries out commands. Each is a process that raises `CacheUnavailable` where no answer comes in time, or
    `CacheFull`."""

    __slots__ = (
        "_classes", "_clients", "_env", "_evictions_cut", "_expiry", "_host", "_is_evicting", "_life", "_lost_at_s",
        "_oom_errors", "_patience", "_phase_s", "_script_cpu", "_script_round_trip", "_served", "_served_since_s",
        "_thread", "_timed_out", "_watch", "clock_offset_s", "links", "locks_when_sync", "path", "space",
    )  # fmt: skip

    def __init__(self, context: Context, spec: RedisSpec, host: Host) -> None:
        path, streams = context.path, context.streams
        self.path = path
        self._env = context.env
        self._host = host
        self._thread = Permits(context.env, 1, context.probe.station(f"{path}.command_thread", 1, "command thread"))
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
        expires = spec.active_expiry and any(cls.ttl is not None for cls in spec.classes.values())
        self._expiry = ActiveExpiry(context, self, self.space, self._thread) if expires else None
        self._is_evicting = False
        self._clients: dict[str, Client] = {}
        self._patience: Deadlines[Wait] = Deadlines(
            context.env, spec.client.command_timeout, lambda wait: wait.is_open, self._give_up
        )
        self.locks_when_sync = spec.client.spring_data_redis == "2.7"
        self._served: Light | None = None
        """Who is served by the command thread, since when, and who looks after them."""
        self._served_since_s = 0.0
        self._watch = Timer(context.env, self._look_after)
        self._life = 0
        """How often it has died."""
        self._lost_at_s = 0.0
        self._oom_errors = context.probe.count(f"{path}.oom_errors")
        self._evictions_cut = context.probe.count(f"{path}.eviction_cuts")
        self._timed_out = context.probe.count(f"{path}.timed_out")
        self.links: dict[str, Any] = {}
        """The network between whoever asks (by the path of its service) and Redis, where it is declared."""

    # who asks

    def client(self, name: str, owner: Any = None) -> Client:
        """The connection of the process called `name`, which runs in the container `owner`."""
        client = self._clients.get(name)
        if client is None:
            client = Client(self._env, f"{self.path}.{name}", owner, self._is_up, self._lost_at_s)
            if self.links and owner is not None:
                client.link = self.links.get(owner.path.partition(".replica-")[0])
            self._clients[name] = client
        return client

    @property
    def is_up(self) -> bool:
        return self._host.is_up

    def _is_up(self) -> bool:
        return self._host.is_up

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
        part = self._classes[cls]
        key, costs, identity = part.key_of(request), part.lookup, request.identity
        entry: Entry | None = yield from self._command(
            client, request, costs.round_trip.at(identity, lane), costs.cpu.at(identity, lane), False,
            self._get, part, key,
        )  # fmt: skip
        if entry is None:
            part.misses.add()
            request.cache = "miss"
            return None
        part.hits.add()
        request.cache = request.cache or "hit"
        if part.updates and entry.version != part.version(key):
            part.stale_hits.add()
        return entry

    def store(self, client: Client, request: Request, cls: str, lane: int, version: int = 0) -> Activity:
        """SET with the class's TTL. `version`: of the data when it was read."""
        part = self._classes[cls]
        key, costs, identity = part.key_of(request), part.store, request.identity
        if part.is_kept(key):
            yield from self._command(
                client, request, costs.round_trip.at(identity, lane), costs.cpu.at(identity, lane), True,
                self._set, part, key, version,
            )  # fmt: skip

    def evict(self, client: Client, request: Request, cls: str, lane: int) -> Activity:
        """DEL, as an update does."""
        part = self._classes[cls]
        key, costs, identity = part.key_of(request), part.evict, request.identity
        return self._command(
            client, request, costs.round_trip.at(identity, lane), costs.cpu.at(identity, lane), False,
            self._del, part, key,
        )  # fmt: skip

    def scripts(self, name: str, owner: Any = None) -> Scripts:
        """What the process called `name` runs its scripts on."""
        return Scripts(self, self.client(name, owner))

    def run_script(self, client: Client, writes: bool) -> Activity:
        """One EVALSHA of somebody who keeps the books: its time is the caller's to note."""
        round_trip_s, cpu_s = self._script_round_trip.next(), self._script_cpu.next()
        yield from self._command(client, None, round_trip_s, cpu_s, writes, _nothing)

    def _get(self, part: DataClass, key: int) -> Entry | None:
        return self.space.find(part.shelf, key, self._env.now + self.clock_offset_s)

    def _set(self, part: DataClass, key: int, version: int) -> None:
        now = self._env.now + self.clock_offset_s
        entry, was_fresh = self.space.store(part.shelf, key, now, part.size_of(key))
        entry.version = version
        part.stores.add()
        if was_fresh:
            part.duplicate_loads.add()

    def _del(self, part: DataClass, key: int) -> None:
        if self.space.delete(part.shelf, key, self._env.now + self.clock_offset_s):
            part.evictions.add()

    def _command(
        self, client: Client, request: Request | None, round_trip_s: float, cpu_s: float, writes: bool,
        action: Callable[..., Any], *what: Any,
    ) -> Activity:  # fmt: skip
        """The way, the wait for the thread, the work: where it is for a request, all of that is its cache time."""
        env, host, thread, space = self._env, self._host, self._thread, self.space
        is_limited = space.is_limited
        began_at_s = env.now
        resident = wait = None
        is_sent = False
        try:
            while True:
                if not client.is_connected and client.is_refused():
                    is_sent = False
                    wait = wait or self._wait_patiently()
                    client.queue()
                    yield
                life, link = self._life, client.link
                if link is not None:
                    wait = wait or self._wait_patiently()
                    yield from link.there()
                if round_trip_s:
                    yield round_trip_s
                if self._life != life or not client.is_connected:
                    continue  # the connection was lost on the way
                try:
                    if cpu_s or (is_limited and space.is_over) or not thread.try_acquire():
                        resident = host.enter()
                        if not thread.acquire():
                            is_sent = True
                            wait = wait or self._wait_patiently()
                            yield
                    is_refused = False
                    try:
                        demand_s = cpu_s
                        if is_limited and space.is_over:
                            fits, evict_s = self._make_room()
                            is_refused = writes and not fits
                            demand_s += evict_s
                        if demand_s:
                            self._served, self._served_since_s = env.active, env.now
                            if self._watch.ticket == ENDED:
                                self._watch.arm(env.now + self._patience.limit_s)
                            is_sent = True
                            yield host.run(demand_s)
                    finally:
                        self._served = None
                        thread.release()
                except InstanceDied as death:
                    if resident is None or death.path != host.path:  # it is the caller's own container that died
                        raise
                    host.leave(resident)
                    resident = None
                    continue
                break
            if is_refused:
                self._oom_errors.add()
                raise CacheFull(self.path)
            if self._expiry is not None:
                self._expiry.visited()
            result = action(*what)
            if link is not None:
                is_sent = False
                yield from link.back()
            return result
        except Unreachable as lost:
            raise CacheUnavailable(self.path) from lost
        except CommandTimedOut as late:
            self._timed_out.add()
            if is_sent:
                env.start(self._carry_out_for_nobody(cpu_s, writes, action, what))
            raise CacheUnavailable(self.path) from late
        finally:
            if resident is not None:
                host.leave(resident)
            if wait is not None:
                wait.is_open = False
            if request is not None:
                request.cache_s += env.now - began_at_s

    def _carry_out_for_nobody(self, cpu_s: float, writes: bool, action: Callable[..., Any], what: Any) -> Activity:
        """A command that Redis has, but whose caller has given up."""
        host, thread = self._host, self._thread
        if not host.is_up:
            return
        resident = host.enter()
        try:
            _ = thread.acquire() or (yield)
            try:
                fits, evict_s = self._make_room() if self.space.is_over else (True, 0.0)
                if cpu_s + evict_s:
                    yield host.run(cpu_s + evict_s)
            finally:
                thread.release()
            if fits or not writes:
                action(*what)
        except InstanceDied:
            pass
        finally:
            host.leave(resident)

    def _wait_patiently(self) -> Wait:
        """From now on the running process leaves its command at the command time limit."""
        light = self._env.active
        assert light is not None
        wait = Wait(light)
        self._patience.add(wait)
        return wait

    def _look_after(self) -> None:
        """The command that is carried out has no deadline of its own, as that would cost each command one: this looks
        after it now and then, and just when its time is up."""
        if self._served is None:
            return
        until_s = self._served_since_s + self._patience.limit_s
        if until_s > self._env.now:
            self._watch.arm(until_s)
        else:
            self._env.throw(self._served, CommandTimedOut(f"no answer within {self._patience.limit_s} s"))

    def _give_up(self, wait: Wait) -> None:
        wait.is_open = False
        self._env.throw(wait.light, CommandTimedOut(f"no answer within {self._patience.limit_s} s"))

    # memory

    def _make_room(self) -> tuple[bool, float]:
        """Before a command: whether what it writes may be written, and the CPU time that evicting took."""
        fits, is_cut, evict_s = self.space.make_room()
        if is_cut:
            self._evictions_cut.add()
            if not self._is_evicting:
                self._is_evicting = True
                self._env.start(self._evict_on())
        return fits, evict_s

    def _evict_on(self) -> Activity:
        """Between commands, 500 us at a time, until memory is within its limit or nothing is left to go."""
        try:
            is_cut = True
            while is_cut and self._host.is_up:
                _ = self._thread.acquire() or (yield)
                try:
                    _, is_cut, evict_s = self.space.make_room()
                    if is_cut:
                        self._evictions_cut.add()
                    if evict_s:
                        yield from self.burn(evict_s)
                finally:
                    self._thread.release()
        except InstanceDied:
            pass
        finally:
            self._is_evicting = False

    def burn(self, demand_s: float) -> Activity:
        """Burn CPU of the container for nobody's command."""
        resident = self._host.enter()
        try:
            yield self._host.run(demand_s)
        finally:
            self._host.leave(resident)

    # life and death

    def clear(self) -> None:
        """The container has been killed: its content is lost, with the memory that held it, and every connection."""
        self._life += 1
        self._lost_at_s = self._env.now
        self.space.clear()
        for client in self._clients.values():
            client.lost()

    def start(self) -> Activity:
        """The container is about to be up again."""
        for client in self._clients.values():
            client.can_retry()
        return
        yield


class Scripts:
    """Redis as limiters see it, over the connection of the process that they are in."""

    __slots__ = ("_client", "_redis", "clock_s")

    def __init__(self, redis: Redis, client: Client) -> None:
        self._redis = redis
        self._client = client
        self.clock_s = redis.clock_s

    def run_script(self, writes: bool = True) -> Activity:
        """Raises `CacheUnavailable` where no answer comes in time, `CacheFull` where it writes and may not."""
        return self._redis.run_script(self._client, writes)


def _nothing() -> None:
    """What a script does is the business of whoever sent it."""
