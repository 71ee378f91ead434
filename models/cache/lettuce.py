"""The client library of those who ask Redis: one connection in each process, and what becomes of commands without it.

Models   A connection that is lost is tried again after 1 ms, 2 ms, 4 ms and so on, at most 30 s apart, for as long as
         it takes. Commands that were under way, and all that come meanwhile, are queued and sent in their order once
         it is back; each caller gives up after the command time limit. A process that has never been connected (it
         was started while Redis was down) has its first connection refused, and so every command, at once. Across a
         link each attempt is a handshake: where nothing gets through it takes the connect time limit, and in a process
         that never was connected its callers wait for it one after the other. That Redis has died behind a link that is
         cut is heard of with the first command that gets through.
Units    Seconds.
Source   Lettuce 6, src/main/java/io/lettuce/core: RedisURI (60 s), protocol/ConnectionWatchdog (attempts start over
         with each connection), resource/Delay and ExponentialDelay (powers of 2 ms up to 30 s),
         protocol/DefaultEndpoint (at least once: what was written is written again), ClientOptions
         (autoReconnect true, disconnectedBehavior DEFAULT, requestQueueSize unlimited), SocketOptions (connect time
         limit 10 s); Spring Data Redis 2.7, connection/lettuce/LettuceConnectionFactory.java (SharedConnection: the
         first connection is made by one caller at a time).
Omits    Where no link is declared, the time of connecting; HELLO and PING after the handshake; pools of connections;
         a gateway's event loop that is held up by its first connection; attempts to connect across a link after the
         last request has ended.
Checked  experiments/validation/lettuce.py, tests/unit/test_cache_parts.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from models.cache.local import LocalCache
from models.outcomes import CacheUnavailable, Unreachable
from sim.environment import Activity, Environment
from sim.environment.scheduled import Light, Timer
from sim.errors import Failure
from sim.probe import Station
from sim.resources import Permits

RECONNECT_FIRST_S: Final = 0.001
RECONNECT_LONGEST_S: Final = 30.0


class CommandTimedOut(Failure):
    """Thrown into a caller that has waited for its command as long as it would."""


class Wait:
    """A command that has not gone straight through, and the process that waits for it."""

    __slots__ = ("is_open", "light")

    def __init__(self, light: Light) -> None:
        self.light = light
        self.is_open = True


class Owner(Protocol):
    """The container of the process that asks."""

    path: str
    is_started: bool
    deaths: Any

    def use_memory(self, delta_bytes: int) -> None: ...


class Link(Protocol):
    """The network between a process and Redis."""

    @property
    def is_cut(self) -> bool: ...
    def connect(self, limit_s: float) -> Activity: ...
    def there(self) -> Activity: ...
    def back(self) -> Activity: ...


class Client:
    """One process' view of Redis: its connection, its local caches, its locks."""

    __slots__ = (
        "_connect_limit_s", "_connecting", "_env", "_has_missed_it", "_is_up", "_lives", "_locals", "_locks", "_losses",
        "_lost_at_s", "_path", "_timer", "_waiting", "is_connected", "is_deserted", "link", "owner",
    )  # fmt: skip

    def __init__(
        self, env: Environment, path: str, owner: Owner | None, is_up: Callable[[], bool], lost_at_s: float,
        link: Link | None = None, connect_limit_s: float = 10.0,
    ) -> None:  # fmt: skip
        self._env = env
        self._path = path
        self.owner = owner
        self.link = link
        """The network between it and Redis, where that is modelled."""
        self._connect_limit_s = connect_limit_s
        self._connecting: Permits | None = None
        """Whose turn it is to make the first connection, where that takes time."""
        self._has_missed_it = False
        """Redis has died, and nothing got through to say so."""
        self._losses = 0
        self._is_up = is_up
        self._timer = Timer(env, self._attempt)
        self._waiting: dict[Light, None] = {}
        self._lost_at_s = lost_at_s
        self._lives = 0 if owner is None or not owner.deaths.total else -1
        """The life of the process that is connected, or was when Redis died; -1 where none was."""
        self.is_connected = is_up() and (link is None or self.has_watchdog)
        self.is_deserted = False
        """Nobody will ask any more: the watchdog gives up once no command waits for it."""
        self._locals: dict[str, tuple[int, LocalCache]] = {}
        self._locks: dict[str, Permits] = {}

        if link is not None and not self.is_connected and not self._lives:
            env.start(self._reconnect(link, 0))

    # the connection

    def lost(self) -> None:
        """Redis has died."""
        self._timer.disarm()
        if self.is_connected:
            if self.link is not None and self.link.is_cut:
                self._has_missed_it = True
            else:
                self._lose()

    def heard(self) -> None:
        """A command got through, if only to find that nobody knows of its connection any more."""
        if self._has_missed_it:
            self._lose()

    def _lose(self) -> None:
        self.is_connected = self._has_missed_it = False
        self._lost_at_s = self._env.now
        self._losses += 1
        owner = self.owner
        if self.link is not None:
            self._env.start(self._reconnect(self.link, self._losses))
        elif owner is not None:  # where connecting takes no time, a process is connected as soon as it is there
            self._lives = owner.deaths.total if owner.is_started else -1

    def meet(self) -> None:
        """A command comes, across a link: a process that has been started since has no connection yet."""
        if self.is_connected and not self.has_watchdog:
            self.is_connected = self._has_missed_it = False

    def can_retry(self) -> None:
        """Redis is about to be up again: the next attempt to connect will succeed."""
        if not self.is_connected and self.link is None:
            self._timer.arm(self.next_attempt_s(self._env.now))

    def next_attempt_s(self, now: float) -> float:
        """The first instant from `now` on at which the watchdog tries to connect, where all before were refused."""
        return self._next_attempt(now)[0]

    def _next_attempt(self, now: float) -> tuple[float, float]:
        pause_s = RECONNECT_FIRST_S
        when = self._lost_at_s + pause_s
        while when < now:
            pause_s = min(2 * pause_s, RECONNECT_LONGEST_S)
            when += pause_s
        return when, pause_s

    def _attempt(self) -> None:
        if self._is_up():
            self._connected()

    def _connected(self) -> None:
        self.is_connected = True
        waiting, self._waiting = self._waiting, {}
        for light in waiting:
            self._env.wake(light)

    def _reconnect(self, link: Link, loss: int) -> Activity:
        """The watchdog across a link: how long an attempt takes depends on what happens there meanwhile."""
        env = self._env
        when, pause_s = self._next_attempt(env.now)
        yield when - env.now
        while self._is_after(loss) and (self._waiting or not self.is_deserted):
            if (yield from self._is_reached(link)):
                if self._is_after(loss):
                    self._connected()
                return
            pause_s = min(2 * pause_s, RECONNECT_LONGEST_S)
            yield pause_s

    def _is_after(self, loss: int) -> bool:
        """The watchdog is after the connection that was lost then: its process lives, and has no other by now."""
        return loss == self._losses and not self.is_connected and self.has_watchdog

    def _is_reached(self, link: Link) -> Activity:
        """One attempt to connect across a link."""
        try:
            yield from link.connect(self._connect_limit_s)
        except Unreachable:
            return False
        return self._is_up()

    @property
    def has_watchdog(self) -> bool:
        """The process has been connected: somebody is at it, and commands wait for that."""
        owner = self.owner
        return owner is None or owner.deaths.total == self._lives

    def connect(self) -> Activity:
        """The first connection of a process, by its first command. Raises `CacheUnavailable`."""
        link = self.link
        if link is None:
            if not self._is_up():
                raise CacheUnavailable(self._path)
            self.is_connected = True
            return
        if self._connecting is None:
            self._connecting = Permits(self._env, 1, Station(self._env, f"{self._path}.connecting", 1, "lock"))
        turn = self._connecting
        _ = turn.acquire() or (yield)
        try:
            if not self.is_connected:
                if not (yield from self._is_reached(link)):
                    raise CacheUnavailable(self._path)
                self.is_connected = True
                self._lives = 0 if self.owner is None else self.owner.deaths.total
        finally:
            turn.release()

    def queue(self) -> Light:
        """The running process waits for the connection: it must `yield`."""
        light = self._env.park(self)
        self._waiting[light] = None
        return light

    def withdraw(self, light: Light) -> None:
        self._waiting.pop(light, None)

    @property
    def queued(self) -> int:
        """Commands that wait for the connection."""
        return len(self._waiting)

    # what else a process has of its own

    def local(self, name: str, make: Callable[[], LocalCache]) -> LocalCache:
        """This process' own cache of a class; a restarted one begins with an empty one."""
        lives = 0 if self.owner is None else self.owner.deaths.total
        known = self._locals.get(name)
        if known is None or known[0] != lives:
            known = self._locals[name] = (lives, make())
        return known[1]

    def lock(self, name: str) -> Permits:
        """This process' lock on a class (RedisCache before Spring Data Redis 3.4: one for all its keys)."""
        known = self._locks.get(name)
        if known is None:
            known = self._locks[name] = Permits(self._env, 1, Station(self._env, f"{self._path}.{name}", 1, "lock"))
        return known
