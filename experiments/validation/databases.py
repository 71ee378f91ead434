"""Stands on which pools and databases are tried: a container of cores, a pool on a database, and a small service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from experiments.trace import Trace
from models.assembly import System, assemble
from models.connection_pool import Hikari, HikariSpec
from models.database import Postgres, PostgresSpec
from models.outcomes import CallFailure, InstanceDied
from models.request import Request
from models.spec import Context
from models.system import SystemSpec
from sim.environment import Activity, Environment, Light
from sim.probe import Count, Level, NullProbe, Station, Tally
from sim.processor import Processor
from sim.recorder import Recorder
from sim.streams import Streams


class Instruments(NullProbe):
    """Keeps what components report."""

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.counts: dict[str, Count] = {}
        self.levels: dict[str, Level] = {}
        self.stations: dict[str, Station] = {}
        self.tallies: dict[str, Tally] = {}
        self.notes: list[str] = []

    def count(self, path: str) -> Count:
        return self.counts.setdefault(path, super().count(path))

    def level(self, path: str, value: float = 0.0) -> Level:
        return self.levels.setdefault(path, super().level(path, value))

    def station(self, path: str, servers: float, kind: str) -> Station:
        return self.stations.setdefault(path, super().station(path, servers, kind))

    def tally(self, path: str) -> Tally:
        return self.tallies.setdefault(path, super().tally(path))

    def note(self, path: str, text: str) -> None:
        self.notes.append(text)


class Host:
    """A container that can die, and hang."""

    def __init__(self, env: Environment, path: str, cores: float = 64.0) -> None:
        self._env = env
        self._cpu = Processor(env, cores).container(path, 1024.0)
        self.path = path
        self.is_up = True
        self.is_hanging = False
        self.memory_bytes = 0
        self.on_killed: Callable[[], None] = lambda: None
        self._residents: dict[Light, None] = {}

    @property
    def is_started(self) -> bool:
        return self.is_up

    def run(self, demand_s: float) -> Any:
        if self.is_hanging:
            self._env.park(self)
            return None
        return self._cpu.run(demand_s)

    def withdraw(self, light: Light) -> None:
        """Nothing keeps those who wait for a core of a container that hangs."""

    def use_memory(self, delta_bytes: int) -> None:
        self.memory_bytes += delta_bytes

    def enter(self) -> Light:
        assert self._env.active is not None
        self._residents[self._env.active] = None
        return self._env.active

    def leave(self, light: Light) -> None:
        self._residents.pop(light, None)

    def die(self) -> None:
        self.is_up = False
        residents, self._residents = self._residents, {}
        for light in residents:
            self._env.throw(light, InstanceDied(self.path))
        self.on_killed()


class Stand:
    """Databases called primary and, where asked for, standby, and pools on the primary."""

    def __init__(
        self, database: dict[str, Any] | None = None, standby: dict[str, Any] | None = None, seed: int = 1,
        cores: float = 64.0,
    ) -> None:  # fmt: skip
        self.env = Environment()
        self.probe = Instruments(self.env)
        self.context = Context(self.env, Streams(seed, 0), self.probe, "")
        spec = PostgresSpec.model_validate(
            {"connect_time": "20ms", "connect_cpu": "0s", "memory_per_connection": 0, **(database or {})}
        )
        self.host = Host(self.env, "databases.primary", cores)
        self.database: Postgres = spec.build(self.context.at("databases.primary"), self.host)
        self.host.on_killed = self.database.reset
        if standby is not None:
            self.standby_host = Host(self.env, "databases.standby")
            follows = PostgresSpec.model_validate({"standby_of": "primary", **standby})
            self.standby: Postgres = follows.build(
                self.context.at("databases.standby"), self.standby_host, self.database
            )
            self.standby_host.on_killed = self.standby.reset
        self.served: list[tuple[int, float]] = []
        self.failed: list[tuple[int, str, float]] = []
        """Number, reason and instant."""

    def pool(self, path: str = "pool", **settings: Any) -> Hikari:
        spec = HikariSpec.model_validate({"database": "primary", **settings})
        return spec.build(self.context.at(path), self.database)

    def start(self, pool: Hikari) -> None:
        def starting() -> Activity:
            try:
                yield from pool.start()
            except CallFailure as failure:
                self.failed.append((-1, failure.reason, self.env.now))

        self.env.start(starting())

    def borrow(self, pool: Hikari, number: int, at_s: float, keep_s: float = 1e6, query: str | None = None) -> Request:
        """Borrow at an instant, run a query, and keep the connection for a while."""
        request = Request(number, number, 0, 0, 0, at_s)

        def work() -> Activity:
            connection = None
            try:
                connection = yield from pool.borrow(request)
                if query is not None:
                    yield from connection.server.execute(request, query, 0, connection)
            except CallFailure as failure:
                self.failed.append((number, failure.reason, self.env.now))
            else:
                self.served.append((number, self.env.now))
                yield keep_s
            finally:
                if connection is not None:
                    pool.give_back(connection)

        self.env.start(work(), delay=at_s - self.env.now)
        return request

    def totals(self, pool: Hikari, until_s: float, step_s: float = 0.001) -> list[tuple[float, int]]:
        """When the number of connections changed, to within a step."""
        changes = [(self.env.now, pool.total)]
        while self.env.now < until_s:
            self.env.run(until=self.env.now + step_s)
            if pool.total != changes[-1][1]:
                changes.append((self.env.now, pool.total))
        return changes

    def total(self, path: str) -> int:
        return self.probe.counts[path].total


SERVICE: dict[str, Any] = {
    "machines": {"vm": {"cores": 64, "memory": "64G"}},
    "databases": {
        "primary": {
            "machine": "vm", "connect_cpu": "0s", "tables": {"rows": {}},
            "queries": {
                "find": {"cpu": "10ms", "table": "rows"},
                "save": {"cpu": "10ms", "table": "rows", "writes": True},
            },
        },
        "standby": {"machine": "vm", "connect_cpu": "0s", "standby_of": "primary"},
    },
    "services": {"api": {
        "machine": "vm",
        "pools": {"main": {"database": "primary"}, "copy": {"database": "standby"}},
        "data_sources": {
            "lazy": {"style": "lazy_proxy", "primary": "main", "replica": "copy"},
            "routing": {"style": "routing_data_source", "primary": "main", "replica": "copy"},
        },
    }},
    "routes": {"get": {"service": "api", "endpoint": "get"}},
}  # fmt: skip
"""One service with two pools, and both kinds of data sources over them."""


class Visits:
    """Requests of one user to `SERVICE`, whose endpoint takes `steps`, at given instants."""

    def __init__(self, steps: Sequence[dict[str, Any]], at_s: Sequence[float] = (1.0,), **service: Any) -> None:
        api = {**SERVICE["services"]["api"], **service, "endpoints": {"get": {"steps": list(steps)}}}
        self._begin({**SERVICE, "services": {"api": api}}, at_s)

    @classmethod
    def of(cls, document: dict[str, Any], at_s: Sequence[float]) -> Visits:
        """Requests to another system with a service called api."""
        visits = cls.__new__(cls)
        visits._begin(document, at_s)
        return visits

    def _begin(self, document: dict[str, Any], at_s: Sequence[float]) -> None:
        self.env = Environment()
        spec = SystemSpec.model_validate({**document, "traffic": {"mix": {"get": 1}, "trace": {"file": "none"}}})
        self._recorder = Recorder(self.env, list(spec.routes), 0.0, 1.0)
        trace = Trace(t_s=np.array(at_s, dtype=np.float64), user=np.zeros(len(at_s), dtype=np.int64))
        self.system: System = assemble(spec, self.env, Streams(1, 0), self._recorder, trace)
        self.system.start()

    def pool(self, name: str) -> Any:
        """A pool of the only replica."""
        return self.system.services["api"].replicas[0].pools[name]

    def in_use(self) -> tuple[int, int]:
        """Connections lent of the primary's pool and of the standby's."""
        return self.pool("main").in_use, self.pool("copy").in_use

    def queries(self, query: str) -> tuple[int, int]:
        """How often a query has run on the primary, and on the standby."""
        tallies = self._recorder.instruments.tallies
        return tuple(tallies[f"databases.{name}.queries.{query}.time_s"].count for name in ("primary", "standby"))  # type: ignore[return-value]

    def outcomes(self) -> dict[str, int]:
        """How many requests succeeded, and failed for what."""
        self.env.run()
        requests = self._recorder.result().requests
        return {"succeeded": requests.count(None, 0), **requests.by_reason(2)}
