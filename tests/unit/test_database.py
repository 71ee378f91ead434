"""The database server by itself: its connection limit, the time to connect, what a query costs, and its death."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from models.connection_pool import HikariSpec
from models.database import Postgres, PostgresSpec
from models.outcomes import ConnectionLost, ConnectionRefused, DatabaseRefused, InstanceDied
from models.request import Request
from models.spec import Context
from sim.environment import Environment, Light
from sim.probe import Level, NullProbe, Station, Tally
from sim.processor import Processor
from sim.streams import Streams

NEAR_S = 1e-8


class Instruments(NullProbe):
    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.stations: dict[str, Station] = {}
        self.levels: dict[str, Level] = {}
        self.tallies: dict[str, Tally] = {}

    def station(self, path: str, servers: float, kind: str) -> Station:
        return self.stations.setdefault(path, super().station(path, servers, kind))

    def level(self, path: str, value: float = 0.0) -> Level:
        return self.levels.setdefault(path, super().level(path, value))

    def tally(self, path: str) -> Tally:
        return self.tallies.setdefault(path, super().tally(path))


class Host:
    """A container on two cores that can die."""

    path = "databases.primary"

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._cpu = Processor(env, 2.0).container(self.path, 1024.0)
        self.run = self._cpu.run
        self.is_up = True
        self.memory_bytes = 0
        self.memory_limit_bytes = 1 << 40
        self.on_killed: Callable[[], None] = lambda: None
        self.residents: dict[Light, None] = {}

    def use_memory(self, delta_bytes: int) -> None:
        self.memory_bytes += delta_bytes
        if self.memory_bytes > self.memory_limit_bytes:
            self.die()

    def enter(self) -> Light:
        light = self._env.active
        assert light is not None
        self.residents[light] = None
        return light

    def leave(self, light: Light) -> None:
        self.residents.pop(light, None)

    def die(self) -> None:
        self.is_up = False
        self.memory_bytes = 0
        residents, self.residents = self.residents, {}
        for light in residents:
            self._env.throw(light, InstanceDied(self.path))
        self.on_killed()


class Held:
    """A connection as its holder keeps it."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.is_broken = False
        self.transaction = None
        self.uses: dict[str, int] = {}
        self.planned_uses = 10.0


class Bench:
    def __init__(self, **settings: Any) -> None:
        self.env = Environment()
        self.probe = Instruments(self.env)
        self.context = Context(self.env, Streams(1, 0), self.probe, "")
        self.host = Host(self.env)
        self.database: Postgres = PostgresSpec.model_validate(settings).build(
            self.context.at("databases.primary"), self.host
        )
        self.host.on_killed = self.database.reset
        self.log: list[tuple[str, float]] = []

    @property
    def station(self) -> Station:
        return self.probe.stations["databases.primary.connections"]

    def connect(self, at_s: float = 0.0) -> None:
        def work() -> Any:
            try:
                yield from self.database.connect()
            except (DatabaseRefused, ConnectionRefused) as refusal:
                self.log.append((refusal.reason, self.env.now))
            else:
                self.log.append(("connected", self.env.now))

        self.env.start(work(), delay=at_s)

    def query(self, name: str, at_s: float = 0.0, given_s: float | None = None) -> tuple[Request, Held]:
        request, held = Request(0, 0, 0, 0, 0, at_s), Held(self.database.epoch)

        def work() -> Any:
            try:
                yield from self.database.execute(request, name, 0, held, given_s)
            except ConnectionLost as failure:
                self.log.append((failure.reason, self.env.now))
            else:
                self.log.append(("done", self.env.now))

        self.env.start(work(), delay=at_s)
        return request, held


def test_97_for_the_application() -> None:
    """max_connections 100, 3 reserved: 97, then FATAL `remaining connection slots are reserved`."""
    bench = Bench()
    for number in range(100):
        bench.connect(at_s=number * 1.0)
    bench.env.run()
    assert [what for what, _ in bench.log] == ["connected"] * 97 + ["database_refused"] * 3
    assert bench.database.open_connections == bench.station.busy == bench.station.servers == 97
    assert bench.station.refused == 3
    assert bench.probe.levels["databases.primary.open_connections"].value == 97
    assert bench.log[0][1] == pytest.approx(0.00265, abs=NEAR_S), "the default"
    assert bench.log[97][1] == pytest.approx(97.00265, abs=NEAR_S), "refused as late as connected"
    assert bench.host.memory_bytes == 97 * (5 << 20)
    assert (DatabaseRefused.status, DatabaseRefused.reason) == (500, "database_refused")


def test_the_limit_is_per_server_over_all_pools() -> None:
    """Per server, over all pools. A connection that ends makes room for another pool's."""
    bench = Bench(max_connections=8)
    pools = []
    for name in ("first", "second"):
        spec = HikariSpec(database="primary", maximum_pool_size=4)
        pools.append(spec.build(bench.context.at(name), bench.database))
        pools[-1].start_warm()
    assert [pool.total for pool in pools] == [4, 1]
    pools[0].close()
    assert bench.database.open_connections == 1

    def visit() -> Any:
        connection = yield from pools[1].borrow(Request(0, 0, 0, 0, 0, 0.0))
        pools[1].give_back(connection)

    bench.env.start(visit(), delay=60.0)
    bench.env.run(until=120.0)
    assert [pool.total for pool in pools] == [0, 4]


def test_connecting_shares_the_cores() -> None:
    """The CPU part of connecting is burned where queries are: four at once on two cores take twice as long."""
    bench = Bench(connect_time="3ms", connect_cpu="2ms")
    for _ in range(4):
        bench.connect()
    bench.env.run()
    assert [at_s for _, at_s in bench.log] == pytest.approx([0.005] * 4, abs=NEAR_S)


def test_a_query_burns_cpu_and_then_waits() -> None:
    bench = Bench(queries={"find": {"cpu": "10ms", "io": "5ms"}, "key": {"cpu": "1ms"}})
    requests = [bench.query("find")[0] for _ in range(4)]
    bench.env.run()
    assert [at_s for _, at_s in bench.log] == pytest.approx([0.025] * 4, abs=NEAR_S), "4 bursts on 2 cores, then 5 ms"
    assert [request.db_s for request in requests] == pytest.approx([0.025] * 4, abs=NEAR_S)
    tally = bench.probe.tallies["databases.primary.queries.find.time_s"]
    assert (tally.count, tally.total) == (4, pytest.approx(0.1, abs=NEAR_S))
    assert bench.probe.tallies["databases.primary.queries.key.time_s"].count == 0


def test_a_given_demand_replaces_the_drawn_one() -> None:
    """It is the sum of CPU and waiting, shared out as the class's means are."""
    bench = Bench(queries={"find": {"cpu": "10ms", "io": "30ms"}, "key": {"cpu": "1ms"}})
    for _ in range(4):
        bench.query("find", given_s=0.08)
    bench.query("key", at_s=1.0, given_s=0.007)
    bench.env.run()
    assert [at_s for _, at_s in bench.log] == pytest.approx([0.1] * 4 + [1.007], abs=NEAR_S), "4 x 20 ms on 2 cores"


def test_draws_belong_to_the_request() -> None:
    """The same request meets the same demand, whatever was asked before; another lane is another demand."""
    spec = {"find": {"cpu": {"kind": "exponential", "mean": "10ms"}, "io": {"kind": "exponential", "mean": "10ms"}}}

    def time_s(identity: int, lane: int, before: int) -> float:
        bench = Bench(queries=spec)
        for number in range(before):
            bench.query("find", at_s=number * 1.0)
        request = Request(0, identity, 0, 0, 0, 0.0)

        def work() -> Any:
            yield from bench.database.execute(request, "find", lane, Held(0))

        bench.env.start(work(), delay=100.0)
        bench.env.run()
        return request.db_s

    assert time_s(7, 0, 0) == pytest.approx(time_s(7, 0, 5), abs=NEAR_S)
    assert len({round(time_s(identity, lane, 0), 6) for identity in (7, 8) for lane in (0, 1)}) == 4


class TestDeath:
    """A server that dies takes its connections with it; who has one finds out by using it."""

    def test_queries_under_way_fail_at_that_instant(self) -> None:
        bench = Bench(queries={"find": {"cpu": "10ms", "io": "50ms"}})
        _, burning = bench.query("find", at_s=0.015)
        _, waiting = bench.query("find")
        bench.env.run(until=0.02)
        bench.host.die()
        bench.env.run()
        assert bench.log == [("connection_lost", 0.02)] * 2
        assert burning.is_broken and waiting.is_broken
        assert bench.probe.tallies["databases.primary.queries.find.time_s"].count == 2

    def test_later_queries_fail_at_once(self) -> None:
        bench = Bench(queries={"find": {"cpu": "10ms"}})
        bench.connect()
        bench.env.run(until=1.0)
        _, held = bench.query("find", at_s=1.0)
        bench.host.die()
        assert bench.database.open_connections == bench.station.busy == 0
        bench.host.is_up = True
        bench.env.run()
        assert bench.log[1:] == [("connection_lost", 2.0)]
        assert held.is_broken
        bench.database.disconnect(held.epoch)
        assert bench.database.open_connections == 0, "it was closed by the death"

    def test_connecting_fails(self) -> None:
        bench = Bench(connect_time="10ms", connect_cpu="5ms")
        bench.connect()
        bench.connect(at_s=0.004)
        bench.env.run(until=0.007)
        bench.host.die()
        bench.connect(at_s=0.001)
        bench.env.run()
        assert bench.log == [("connection_refused", 0.007)] * 2 + [("connection_refused", 0.008)]
        assert bench.station.busy == bench.station.refused == 0

    def test_a_connection_may_be_the_last_straw(self) -> None:
        """Connections hold memory: the one for which there is none takes the server down."""
        bench = Bench(memory_per_connection="10M")
        bench.host.memory_limit_bytes = 25 << 20
        for number in range(4):
            bench.connect(at_s=float(number))
        bench.env.run()
        assert [what for what, _ in bench.log] == ["connected"] * 2 + ["connection_refused"] * 2
        assert bench.database.open_connections == bench.station.busy == bench.host.memory_bytes == 0

    def test_somebody_elses_death_is_not_the_databases(self) -> None:
        bench = Bench(queries={"find": {"cpu": "10ms"}})
        caught: list[str] = []

        def work() -> Any:
            try:
                yield from bench.database.execute(Request(0, 0, 0, 0, 0, 0.0), "find", 0, Held(0))
            except InstanceDied as death:
                caught.append(death.path)

        light = bench.env.start(work())
        bench.env.run(until=0.005)
        bench.env.throw(light, InstanceDied("services.place-service.replica-1"))
        bench.env.run()
        assert caught == ["services.place-service.replica-1"]
        assert not bench.host.residents


def test_a_pool_finds_dead_connections() -> None:
    """Idle for more than half a second they are validated and replaced; before, the borrower's query fails."""
    bench = Bench(queries={"find": {"cpu": "1ms"}})
    pool = HikariSpec(database="primary", maximum_pool_size=2).build(bench.context.at("pool"), bench.database)
    pool.start_warm()
    failures: list[tuple[str, float]] = []

    def visit() -> Any:
        request = Request(0, 0, 0, 0, 0, bench.env.now)
        connection = yield from pool.borrow(request)
        try:
            yield from bench.database.execute(request, "find", 0, connection)
        except ConnectionLost as failure:
            failures.append((failure.reason, bench.env.now))
        finally:
            pool.give_back(connection)

    bench.env.start(visit(), delay=9.9)
    bench.env.run(until=10.0)
    bench.host.die()
    bench.host.is_up = True
    bench.env.start(visit(), delay=0.1)
    bench.env.run(until=15.0)
    assert (pool.total, bench.database.open_connections) == (2, 1), "nobody has looked at the other one"
    for _ in range(2):
        bench.env.start(visit(), delay=0.1)
    bench.env.run(until=20.0)
    assert failures == [("connection_lost", 10.1)], "the one used 0.2 s before; the other was validated"
    assert (pool.total, bench.database.open_connections) == (2, 2)
