"""A replica is stopped, with or without grace; those of a service one after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Protocol

from models.health.spec import ShutdownSpec
from sim.environment import Activity, Environment, Light

ASKS_EVERY_S: Final = 0.05
"""Tomcat is asked whether requests are in progress this often (TomcatGracefulShutdown.java)."""


class Host(Protocol):
    is_leaving: bool
    is_listed: bool
    is_started: bool
    deaths: Any
    on_up: Callable[[], None]

    def close(self) -> None: ...
    def open(self) -> None: ...
    def kill(self, reason: str, down_for_s: float | None = None) -> None: ...


class Replica(Protocol):
    name: str
    host: Any
    in_progress: int


def stop(env: Environment, replica: Replica, spec: ShutdownSpec, reason: str) -> Activity:
    """Stop a replica; it is started again at once. Returns whether it was this that stopped it: somebody else may have
    been faster."""
    host: Host = replica.host
    lives = host.deaths.total
    if spec.deregistration:
        host.is_leaving, host.is_listed = True, False
        yield spec.deregistration
    if spec.graceful and host.deaths.total == lives:
        host.close()
        kill_at_s = env.now + min(spec.timeout, spec.stop_grace_period)
        while replica.in_progress and env.now < kill_at_s and host.deaths.total == lives:
            yield min(ASKS_EVERY_S, kill_at_s - env.now)
        host.open()
    if host.deaths.total != lives:
        return False
    host.kill(reason, 0.0)
    return True


class RollingRestart:
    """The effect of a rolling restart: one replica after the other, each when the one before is up again."""

    __slots__ = ("_env", "_process", "_replicas", "_spec", "_target", "_waiting")

    def __init__(self, env: Environment, target: str, replicas: Sequence[Replica], spec: ShutdownSpec) -> None:
        self._env = env
        self._target = target
        self._replicas = replicas
        self._spec = spec
        self._process: Light | None = None
        self._waiting: Replica | None = None
        for replica in replicas:
            replica.host.on_up = _both(replica.host.on_up, partial(self.is_ready, replica))

    def begin(self, lasts_s: float | None, over: Callable[[], None]) -> str:
        self._process = self._env.start_now(self._restart_all(), lambda _: over())
        return f"{self._target} restarts, one replica after another"

    def end(self) -> None:
        self._process = None

    def _restart_all(self) -> Activity:
        yield 0.0  # what begins has to be said before it can end
        for replica in self._replicas:
            if replica.host.is_started:
                was_stopped = yield from stop(self._env, replica, self._spec, "stopped to be restarted")
                if was_stopped or not replica.host.is_started:
                    self._waiting = replica
                    self._env.park(self)
                    yield

    def is_ready(self, replica: Replica) -> None:
        """A replica is up, or has passed its readiness probe: told of both, since it may have none."""
        if self._waiting is replica and self._process is not None and replica.host.is_listed:
            self._waiting = None
            self._env.wake(self._process)

    def withdraw(self, light: Light) -> None:
        self._waiting = None


def _both(first: Callable[[], None], then: Callable[[], None]) -> Callable[[], None]:
    def call() -> None:
        first()
        then()

    return call
