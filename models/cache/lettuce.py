"""The client library of those who ask Redis: one connection in each process, and what becomes of commands without it.

Models   A connection that is lost is tried again after 1 ms, 2 ms, 4 ms and so on, at most 30 s apart, for as long as
         it takes. Commands that were under way, and all that come meanwhile, are queued and sent in their order once
         it is back; each caller gives up after the command time limit. A process that has never been connected (it
         was started while Redis was down) has its first connection refused, and so every command, at once.
Units    Seconds.
Source   Lettuce 6, src/main/java/io/lettuce/core: RedisURI (60 s), protocol/ConnectionWatchdog (attempts start over
         with each connection), resource/Delay and ExponentialDelay (powers of 2 ms up to 30 s),
         protocol/DefaultEndpoint (at least once: what was written is written again), ClientOptions
         (autoReconnect true, disconnectedBehavior DEFAULT, requestQueueSize unlimited).
Omits    spring.data.redis.connect-timeout: a Redis that is down refuses at once, and one that only is slow accepts; the
         time of connecting; pools of connections; in a process restarted since, the first connection costs nothing.
Checked  experiments/validation/lettuce.py, tests/unit/test_cache_parts.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from models.cache.local import LocalCache
from models.outcomes import CacheUnavailable
from sim.environment import Environment, Light, Timer
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
    is_up: bool
    deaths: Any

    def use_memory(self, delta_bytes: int) -> None: ...


class Client:
    """One process' view of Redis: its connection, its local caches, its locks."""

    __slots__ = (
        "_env", "_is_up", "_lives", "_locals", "_locks", "_lost_at_s", "_path", "_timer", "_waiting", "is_connected",
        "link", "owner",
    )  # fmt: skip

    def __init__(
        self, env: Environment, path: str, owner: Owner | None, is_up: Callable[[], bool], lost_at_s: float
    ) -> None:
        self._env = env
        self._path = path
        self.owner = owner
        self.link: Any = None
        """The network between it and Redis, where that is modelled."""
        self._is_up = is_up
        self._timer = Timer(env, self._attempt)
        self._waiting: dict[Light, None] = {}
        self._lost_at_s = lost_at_s
        self.is_connected = is_up()
        self._lives = 0 if owner is None or not owner.deaths.total else -1
        self._locals: dict[str, tuple[int, LocalCache]] = {}
        self._locks: dict[str, Permits] = {}

    # the connection

    def lost(self) -> None:
        """Redis has died."""
        self._timer.disarm()
        if self.is_connected:
            self.is_connected = False
            self._lost_at_s = self._env.now
            owner = self.owner
            self._lives = 0 if owner is None else owner.deaths.total if owner.is_up else -1

    def can_retry(self) -> None:
        """Redis is about to be up again: the next attempt to connect will succeed."""
        if not self.is_connected:
            self._timer.arm(self.next_attempt_s(self._env.now))

    def next_attempt_s(self, now: float) -> float:
        """The first instant from `now` on at which the watchdog tries to connect."""
        pause_s = RECONNECT_FIRST_S
        when = self._lost_at_s + pause_s
        while when < now:
            pause_s = min(2 * pause_s, RECONNECT_LONGEST_S)
            when += pause_s
        return when

    def _attempt(self) -> None:
        if self._is_up():
            self.is_connected = True
            waiting, self._waiting = self._waiting, {}
            for light in waiting:
                self._env.wake(light)

    def is_refused(self) -> bool:
        """Connect where that is possible at once. Raises `CacheUnavailable` in a process that never was connected."""
        owner = self.owner
        if owner is None or owner.deaths.total == self._lives:
            return True
        if not self._is_up():
            raise CacheUnavailable(self._path)
        self.is_connected = True
        return False

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
