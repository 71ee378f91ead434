"""The adder thread: a pool grows one connection after the other."""

from __future__ import annotations

from typing import Protocol

from models.connection_pool.connection import Database
from models.connection_pool.driver import Login
from models.connection_pool.growth import GrowthRule
from models.outcomes import CallFailure
from sim.environment import Activity, Environment, Light


class Pool(Protocol):
    """What the adder sees of its pool."""

    @property
    def total(self) -> int: ...
    @property
    def idle(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def in_use(self) -> int: ...
    def join(self, epoch: int) -> None: ...


class Adder:
    """Does the additions it is asked for. It comes and goes as a process; one at most is at work."""

    __slots__ = ("_asked", "_database", "_env", "_growth", "_login", "_pool", "_resting", "is_adding", "life")

    def __init__(self, env: Environment, growth: GrowthRule, database: Database, login: Login, pool: Pool) -> None:
        self._env = env
        self._growth = growth
        self._database = database
        self._login = login
        self._pool = pool
        self.life = 0
        """How often the adder was stopped: a process of an earlier life has nothing to say."""
        self._asked = 0
        self.is_adding = False
        self._resting: tuple[Light, float] | None = None

    @property
    def pause_s(self) -> float:
        return self._growth.pause_s

    @property
    def is_resting(self) -> bool:
        return self._resting is not None

    def stop(self) -> None:
        self.life += 1
        self._asked = 0
        self.is_adding = False
        self._resting = None

    def ask_for_waiters(self) -> None:
        """Somebody has begun to wait, or a connection has ended while somebody waits."""
        if self._growth.is_wanted(self._pool.waiting, self._counted()):
            self._ask(1)

    def fill(self) -> None:
        """Fewer may be idle than wanted."""
        pool = self._pool
        number = self._growth.to_fill(pool.total, pool.idle, pool.waiting, self._counted())
        if number:
            self._ask(number)

    def _counted(self) -> int:
        return self._asked + (self.is_adding and self._growth.counts_running)

    def _ask(self, number: int) -> None:
        """The adder remembers no more than the pool can hold."""
        self._asked = min(self._asked + number, self._growth.maximum)
        if not self.is_adding:
            self.is_adding = True
            self._env.start_now(self._work())

    def _work(self) -> Activity:
        growth, pool, life = self._growth, self._pool, self.life
        while self._asked:
            self._asked -= 1
            retry_s = growth.first_retry_s()
            while growth.is_needed(pool.total, pool.idle, pool.waiting):
                epoch = yield from self._connect()
                if life != self.life:
                    if epoch is not None:
                        self._database.disconnect(epoch)
                    return
                if epoch is None:
                    yield from self._rest(retry_s)
                    retry_s = growth.next_retry_s(retry_s)
                else:
                    pool.join(epoch)
                    retry_s = growth.first_retry_s()
                    if growth.pause_s:
                        yield growth.pause_s
                if life != self.life:
                    return
                if epoch is not None and not growth.goes_on:
                    break
        self.is_adding = False

    def _connect(self) -> Activity:
        try:
            return (yield from self._login.connect())
        except CallFailure:
            return None

    def _rest(self, retry_s: float) -> Activity:
        """Wait before the next attempt; while nobody has or awaits a connection, until somebody comes as well."""
        if self._pool.waiting or self._pool.in_use:
            yield retry_s
            return
        light = self._env.active
        assert light is not None
        self._resting = (light, self._env.now + retry_s)
        yield

    def go_on(self) -> None:
        """Somebody has come: the next attempt is made when it is due, or now."""
        if self._resting is not None:
            light, due_s = self._resting
            self._resting = None
            self._env.wake(light, None, max(0.0, due_s - self._env.now))
