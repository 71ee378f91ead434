# cython: annotation_typing=True
"""Redis' one command thread, and the life of the process that it belongs to.

Models   A command goes there, waits for its turn, makes room where memory is over its limit, burns CPU, takes effect.
         When the container dies, commands under way are sent again once it is back, as long as their callers wait.
         One whose caller gives up while Redis has it is carried out for nobody.
Units    Seconds and bytes.
Source   Redis 7.0, src/server.c (one command thread; processCommand: eviction first, then whether the command may
         write), src/evict.c (evictionTimeProc: the rest of an eviction that was cut goes between commands).
Omits    The way back of a command's round trip is spent before the command; one that is carried out for nobody has its
         turn after those who wait by then, and burns anew what it had burned when its caller gave up.
Checked  experiments/validation/redis.py, experiments/validation/lettuce.py, tests/properties/test_cache.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from models.cache.classes import DataClass
from models.cache.commands import GET
from models.cache.entries import Entry
from models.cache.expiry import ActiveExpiry
from models.cache.keyspace import Keyspace
from models.cache.lettuce import Client, CommandTimedOut, Wait
from models.outcomes import CacheFull, CacheUnavailable, InstanceDied, Unreachable
from models.request import Request
from models.spec import Context
from sim.environment import ENDED, Activity
from sim.environment.scheduled import Light, Timer
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


class CommandThread:
    """Carries out commands. Each is a process that raises `CacheUnavailable` where no answer comes in time, or
    `CacheFull`."""

    __slots__ = (
        "_clients", "_env", "_evictions_cut", "_expiry", "_host", "_is_deserted", "_is_evicting", "_life", "_lost_at_s",
        "_oom_errors", "_patience", "_served", "_served_since_s", "_thread", "_timed_out", "_watch", "path", "space",
    )  # fmt: skip

    space: Keyspace
    _expiry: ActiveExpiry | None

    def __init__(self, context: Context, host: Host, command_limit_s: float) -> None:
        """Who inherits adds what is held (`space`), and what looks for expired entries (`_expiry`)."""
        path, count = context.path, context.probe.count
        self.path = path
        self._env = context.env
        self._host = host
        self._thread = Permits(context.env, 1, context.probe.station(f"{path}.command_thread", 1, "command thread"))
        self._is_deserted = self._is_evicting = False
        self._clients: dict[str, Client] = {}
        self._patience: Deadlines[Wait] = Deadlines(
            context.env, command_limit_s, lambda wait: wait.is_open, self._give_up
        )
        self._served: Light | None = None
        """Who is served by the command thread, since when, and who looks after them."""
        self._served_since_s = 0.0
        self._watch = Timer(context.env, self._look_after)
        self._life = 0
        """How often it has died."""
        self._lost_at_s = 0.0
        self._oom_errors = count(f"{path}.oom_errors")
        self._evictions_cut = count(f"{path}.eviction_cuts")
        self._timed_out = count(f"{path}.timed_out")

    @property
    def is_up(self) -> bool:
        return self._host.is_up

    def _is_up(self) -> bool:
        return self._host.is_up

    def _command(
        self, client: Client, request: Request | None, round_trip_s: float, cpu_s: float, writes: bool, command: int,
        part: DataClass | None = None, key: int = 0, version: int = 0,
    ) -> Activity:  # fmt: skip
        """The way, the wait for the thread, the work: where it is for a request, all of that is its cache time.
        `command`: which one (`models.cache.commands`), on which class of data, key and version."""
        env, host, thread, space = self._env, self._host, self._thread, self.space
        is_limited = space.is_limited
        began_at_s: float = env.now
        resident = wait = None
        is_sent = False
        if client.link is not None:
            client.meet()
        try:
            while True:
                if not client.is_connected:
                    is_sent = False
                    if client.has_watchdog:
                        wait = wait or self._wait_patiently()
                        client.queue()
                        yield
                    else:
                        yield from client.connect()
                life, link = self._life, client.link
                if link is not None:
                    wait = wait or self._wait_patiently()
                    yield from link.there()
                    client.heard()
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
                        demand_s: float = cpu_s
                        if is_limited and space.is_over:
                            fits, evict_s = self._make_room()
                            is_refused = writes and not fits
                            demand_s += evict_s
                        if demand_s:
                            self._served, self._served_since_s = env.active, env.now
                            if self._watch.ticket == ENDED:
                                self._watch.arm(env.now + self._patience.limit_s)
                            is_sent = True
                            try:
                                yield host.run(demand_s)
                            finally:
                                self._served = None
                    finally:
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
            result = self._carry_out(command, part, key, version)
            if link is not None:
                if resident is not None:  # what has been answered is on its way, whatever becomes of Redis
                    host.leave(resident)
                    resident = None
                is_sent = False
                yield from link.back()
            if command == GET and part is not None and request is not None:
                self._note_lookup(part, key, request, result)
            return result
        except Unreachable as lost:
            raise CacheUnavailable(self.path) from lost
        except CommandTimedOut as late:
            self._timed_out.add()
            if is_sent:
                env.start(self._carry_out_for_nobody(cpu_s, writes, command, part, key, version))
            raise CacheUnavailable(self.path) from late
        finally:
            if resident is not None:
                host.leave(resident)
            if wait is not None:
                wait.is_open = False
            if request is not None:
                request.cache_s += env.now - began_at_s

    def _carry_out(self, command: int, part: DataClass | None, key: int, version: int) -> Any:
        """A command takes effect. Who inherits knows the commands."""
        raise NotImplementedError

    def _note_lookup(self, part: DataClass, key: int, request: Request, entry: Entry | None) -> None:
        """What GET has found is known to who asked."""
        raise NotImplementedError

    def _carry_out_for_nobody(
        self, cpu_s: float, writes: bool, command: int, part: DataClass | None, key: int, version: int
    ) -> Activity:
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
                self._carry_out(command, part, key, version)
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

    def desert(self) -> None:
        """No more requests will come: clients reconnect no longer than somebody waits for it."""
        self._is_deserted = True
        for client in self._clients.values():
            client.is_deserted = True

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
