# cython: annotation_typing=True
"""Connections to the server: establishing them, their number, their end."""

from __future__ import annotations

from typing import Any, Protocol

from models.database.spec import PostgresSpec
from models.outcomes import ConnectionRefused, DatabaseRefused, InstanceDied
from models.spec import Context
from sim.environment import Activity, Light

CLOSED = -1
"""The epoch of a connection that the server has closed, or of which its client will not hear again."""


class Host(Protocol):
    """The container the server runs in. When it dies, whoever has entered gets `InstanceDied` with its path."""

    @property
    def is_up(self) -> bool: ...
    @property
    def is_started(self) -> bool: ...
    @property
    def path(self) -> str: ...
    def run(self, demand_s: float, /) -> Any: ...
    def use_memory(self, delta_bytes: int, /) -> None: ...
    def enter(self) -> Light: ...
    def leave(self, light: Light, /) -> None: ...


class ConnectionLimit:
    """The rule of admission: reserved connections are not for the application."""

    __slots__ = ("open", "open_at_most")

    def __init__(self, max_connections: int, reserved_connections: int) -> None:
        self.open_at_most = max_connections - reserved_connections
        self.open = 0

    def admit(self) -> bool:
        if self.open >= self.open_at_most:
            return False
        self.open += 1
        return True


class Connections:
    """Pools `connect` and `disconnect`."""

    __slots__ = (
        "_connect_cpu", "_connect_time", "_env", "_level", "_limit", "_memory_bytes", "_path", "_station", "died_at_s",
        "epoch", "host",
    )  # fmt: skip

    def __init__(self, context: Context, spec: PostgresSpec, host: Host) -> None:
        path, streams, probe = context.path, context.streams, context.probe
        self._env = context.env
        self._path = path
        self.host = host
        self.epoch = 0
        """How often the server has died: connections of an earlier epoch are gone."""
        self.died_at_s = context.env.now
        """When it died last."""
        self._limit = ConnectionLimit(spec.max_connections, spec.reserved_connections)
        self._station = probe.station(f"{path}.connections", self._limit.open_at_most, "connection")
        self._level = probe.level(f"{path}.open_connections")
        self._memory_bytes = spec.memory_per_connection
        self._connect_time = streams.sequence(f"{path}.connect_time", spec.connect_time.distribution())
        self._connect_cpu = streams.sequence(f"{path}.connect_cpu", spec.connect_cpu.distribution())

    @property
    def open_connections(self) -> int:
        return self._limit.open

    def connect(self) -> Activity:
        """Establish a connection and return its epoch. Raises `ConnectionRefused`, `DatabaseRefused`."""
        host, epoch = self.host, self.epoch
        if not host.is_up:
            raise ConnectionRefused(self._path)
        whole_s, cpu_s = self._connect_time.next(), self._connect_cpu.next()
        resident = host.enter()
        try:
            if cpu_s:
                yield host.run(cpu_s)
            if whole_s > cpu_s:
                yield whole_s - cpu_s
        except InstanceDied as death:
            if death.path != host.path:
                raise
            raise ConnectionRefused(self._path) from death
        finally:
            host.leave(resident)
        if not self._limit.admit():
            self._station.refuse()
            raise DatabaseRefused(self._path)
        self._account_for_one()
        if epoch != self.epoch:  # its memory was the last straw
            raise ConnectionRefused(self._path)
        return epoch

    def opened_since(self, begun_at_s: float) -> tuple[float, int] | None:
        """The same, begun in the past while nobody watched: since when it stands, and its epoch. None: not yet."""
        ready_at_s = begun_at_s + self._connect_time.next()
        if ready_at_s > self._env.now or not self.host.is_up or not self._limit.admit():
            return None
        epoch = self.epoch
        self._account_for_one()
        return (ready_at_s, epoch) if epoch == self.epoch else None

    def _account_for_one(self) -> None:
        self._station.start()
        self._level.set(self._limit.open)
        if self._memory_bytes:
            self.host.use_memory(self._memory_bytes)

    def disconnect(self, epoch: int) -> None:
        """Close a connection; those of an earlier epoch are closed already."""
        if epoch == self.epoch:
            self._limit.open -= 1
            self._station.end()
            self._level.set(self._limit.open)
            if self._memory_bytes:
                self.host.use_memory(-self._memory_bytes)

    def reset(self) -> None:
        """The container has been killed: every connection is gone, and its memory with the container's."""
        self.epoch += 1
        self.died_at_s = self._env.now
        for _ in range(self._limit.open):
            self._station.end()
        self._limit.open = 0
        self._level.set(0)
