"""PostgreSQL: a limited number of connections, and queries that share its container's cores.

Models   Establishing a connection takes time and burns CPU where the server runs; when the connections open to the
         application are taken, the attempt is refused, after that time. A query burns CPU on the shared cores, then
         may wait for something outside (disk, lock). Every connection holds memory. When the server dies its
         connections are gone: a query on a connection from before fails, whoever has one finds out by using it.
Units    Seconds of simulated time.
Source   PostgreSQL 15 (max_connections 100, superuser_reserved_connections 3: 97 for the application, over all
         pools; then FATAL "remaining connection slots are reserved"); connect 2.65 ms and key lookup 0.051 ms, measured
         on loopback without TLS.
Omits    Locks between queries, shared buffers and disk as a queue, statement and lock timeouts (0 by default),
         server-side prepare, read replicas and their lag. The slot a refused attempt holds while it is being refused.
         Where a connection is replaced while nobody watches (`opened_since`), the CPU of connecting is not charged.
Checked  tests/fidelity/test_postgresql.py, tests/real/test_postgres_limit.py, tests/unit/test_database_spec.py,
         tests/properties/test_connection_pool.py
"""

from __future__ import annotations

from typing import Any, NoReturn, Protocol

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from models.distribution import ConstantSpec, DistributionSpec
from models.outcomes import ConnectionLost, ConnectionRefused, DatabaseRefused, InstanceDied
from models.request import Request
from models.spec import Context, NonNegativeSize, Spec
from sim.environment import Activity, Light
from sim.streams import Draws


class QuerySpec(Spec):
    """One class of queries."""

    cpu: DistributionSpec = Field(description="CPU time that it burns on the database's cores.")
    io: DistributionSpec = Field(
        default=ConstantSpec.model_validate({"value": 0}),
        description="What it then waits for beside the CPU (disk, lock). Default 0: the data is in memory (assumed).",
    )


class PostgresSpec(Spec):
    """A PostgreSQL server."""

    max_connections: PositiveInt = Field(
        default=100, description="Connections at most. PostgreSQL's default: 100 (max_connections)."
    )
    reserved_connections: NonNegativeInt = Field(
        default=3,
        description="Of these, kept from the application. PostgreSQL's default: 3 (superuser_reserved_connections).",
    )
    connect_time: DistributionSpec = Field(
        default=ConstantSpec.model_validate({"value": "2.65ms"}),
        description="Time to establish a connection. Default 2.65ms: measured, PostgreSQL 15 on loopback without TLS.",
    )
    connect_cpu: DistributionSpec = Field(
        default=ConstantSpec.model_validate({"value": "1ms"}),
        description="The part of connect_time that burns the database's CPU. Default 1ms (assumed).",
    )
    memory_per_connection: NonNegativeSize = Field(
        default=5 << 20, description="Memory that an open connection holds. Default 5M (assumed)."
    )
    queries: dict[str, QuerySpec] = Field(default_factory=dict, description="Query classes by name.")

    @model_validator(mode="after")
    def _leaves_some(self) -> PostgresSpec:
        if self.reserved_connections >= self.max_connections:
            raise ValueError(
                f"reserved_connections: must be less than max_connections ({self.max_connections}), got "
                f"{self.reserved_connections}. PostgreSQL would not start. Reserve fewer, or allow more connections."
            )
        return self

    def build(self, context: Context, host: Host) -> Postgres:
        return Postgres(context, self, host)


class Host(Protocol):
    """The container the server runs in. When it dies, whoever has entered gets `InstanceDied` with its path."""

    @property
    def is_up(self) -> bool: ...
    @property
    def path(self) -> str: ...
    def run(self, demand_s: float, /) -> Any: ...
    def use_memory(self, delta_bytes: int, /) -> None: ...
    def enter(self) -> Light: ...
    def leave(self, light: Light, /) -> None: ...


class Connection(Protocol):
    """What its holder keeps of a connection."""

    epoch: int
    """The life of the server to which it belongs."""
    is_broken: bool
    """Set when a query found the connection gone: whoever pools it throws it away."""


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


class _Query:
    """One query class, ready to be drawn and reported."""

    __slots__ = ("_cpu", "_cpu_share", "_io", "time_s")

    def __init__(self, context: Context, spec: QuerySpec) -> None:
        streams, path = context.streams, context.path
        cpu, io = spec.cpu.distribution(), spec.io.distribution()
        self._cpu: Draws = streams.draws(f"{path}.cpu", cpu)
        self._io: Draws | None = streams.draws(f"{path}.io", io) if io.mean else None
        self._cpu_share = cpu.mean / (cpu.mean + io.mean) if io.mean else 1.0
        self.time_s = context.probe.tally(f"{path}.time_s")

    def demand_s(self, identity: int, lane: int, given_s: float | None) -> tuple[float, float]:
        """CPU time and outside wait. A given demand is the sum of the two, split as the class's means are."""
        if given_s is not None:
            cpu_s = given_s * self._cpu_share
            return cpu_s, given_s - cpu_s
        cpu_s = self._cpu.at(identity, lane)
        return cpu_s, 0.0 if self._io is None else self._io.at(identity, lane)


class Postgres:
    """The server. Pools `connect` and `disconnect`; whoever has a connection may `execute`."""

    __slots__ = (
        "_connect_cpu", "_connect_time", "_env", "_level", "_limit", "_memory_bytes", "_path", "_queries", "_station",
        "epoch", "host",
    )  # fmt: skip

    def __init__(self, context: Context, spec: PostgresSpec, host: Host) -> None:
        path, streams = context.path, context.streams
        self._env = context.env
        self._path = path
        self.host = host
        self.epoch = 0
        """How often the server has died: connections of an earlier epoch are gone."""
        self._limit = ConnectionLimit(spec.max_connections, spec.reserved_connections)
        self._station = context.probe.station(f"{path}.connections", self._limit.open_at_most, "connection")
        self._level = context.probe.level(f"{path}.open_connections")
        self._memory_bytes = spec.memory_per_connection
        self._connect_time = streams.sequence(f"{path}.connect_time", spec.connect_time.distribution())
        self._connect_cpu = streams.sequence(f"{path}.connect_cpu", spec.connect_cpu.distribution())
        self._queries = {
            name: _Query(context.at("queries").at(name), query) for name, query in spec.queries.items()
        }

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
        for _ in range(self._limit.open):
            self._station.end()
        self._limit.open = 0
        self._level.set(0)

    def execute(
        self, request: Request, query: str, lane: int, connection: Connection, given_s: float | None = None
    ) -> Activity:
        """Run a query of class `query`. `given_s` replaces its drawn demand. Raises `ConnectionLost`, and marks the
        connection as broken, when the server has died since the connection was made."""
        if connection.epoch != self.epoch:
            self._lose(connection)
        env, host, kind = self._env, self.host, self._queries[query]
        cpu_s, io_s = kind.demand_s(request.identity, lane, given_s)
        began_at_s = env.now
        resident = host.enter()
        try:
            if cpu_s:
                yield host.run(cpu_s)
            if io_s:
                yield io_s
        except InstanceDied as death:
            if death.path != host.path:
                raise
            self._lose(connection)
        finally:
            host.leave(resident)
            spent_s = env.now - began_at_s
            request.db_s += spent_s
            kind.time_s.observe(spent_s)

    def _lose(self, connection: Connection) -> NoReturn:
        connection.is_broken = True
        raise ConnectionLost(self._path)
