"""A pool and its database keep their promises under any order of borrowing, leaving, dying and coming back.

Everything happens on a grid of milliseconds, so that ends, interrupts, grants and deaths often fall on one instant.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from models.connection_pool import Hikari, HikariSpec
from models.database import Postgres, PostgresSpec
from models.outcomes import CallFailure, ClientGone, InstanceDied, PoolTimeout
from models.request import Request
from models.spec import Context
from sim.environment import Environment, Light
from sim.probe import NullProbe, Station
from sim.streams import Streams

MS = 2.0**-10
"""The grid: a millisecond or so, exact in binary, so that what should coincide does."""
CONNECTION_BYTES = 5 << 20


class Stations(NullProbe):
    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.by_path: dict[str, Station] = {}

    def station(self, path: str, servers: float, kind: str) -> Station:
        self.by_path[path] = super().station(path, servers, kind)
        return self.by_path[path]


class Host:
    """A container that can die: whoever is served in it is told, and its memory is gone."""

    def __init__(self, env: Environment, path: str) -> None:
        self._env = env
        self.path = path
        self.is_up = True
        self.memory_bytes = 0
        self.residents: dict[Light, None] = {}

    def run(self, demand_s: float) -> None:
        self._env.wake(self._env.park(self), 0.0, demand_s)

    def withdraw(self, light: Light) -> None:
        """The heap entry is stale as soon as the process is woken otherwise."""

    def use_memory(self, delta_bytes: int) -> None:
        self.memory_bytes += delta_bytes
        assert self.memory_bytes >= 0

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


@dataclass
class Borrower:
    """One borrower: when it comes, how long its query takes, when it is interrupted, how it gives back."""

    at: int
    query: int
    interrupted_at: int | None
    breaks: bool
    hurries: bool
    gives_up: bool
    """Whether it is interrupted at the very instant of the pool's time limit, just after the pool has noticed."""


@dataclass
class World:
    """What hypothesis chooses."""

    maximum: int
    minimum_idle: int
    version: str
    timeout_ms: int
    idle_ms: int
    lifetime_ms: int
    connect_ms: int
    max_connections: int
    quiet: int
    """For how long nobody comes at first: beyond half a second, connections are validated."""
    borrowers: list[Borrower]
    database_deaths: list[tuple[int, int]] = field(default_factory=list)
    replica_deaths: list[tuple[int, int]] = field(default_factory=list)


borrowers = st.builds(
    Borrower,
    at=st.integers(0, 60),
    query=st.integers(0, 12) | st.just(300),
    interrupted_at=st.none() | st.integers(0, 70),
    breaks=st.sampled_from([False, False, False, True]),
    hurries=st.booleans(),
    gives_up=st.booleans(),
)
deaths = st.lists(st.tuples(st.integers(0, 70), st.integers(0, 20)), max_size=2)
worlds = st.builds(
    World,
    maximum=st.integers(1, 5),
    minimum_idle=st.integers(0, 5),
    version=st.sampled_from(["4.0.3", "5.0.1", "5.1.0"]),
    timeout_ms=st.sampled_from([256, 30_000]),
    idle_ms=st.sampled_from([0, 10_240]),
    lifetime_ms=st.sampled_from([0, 30_720]),
    connect_ms=st.integers(0, 4),
    max_connections=st.integers(2, 8),
    quiet=st.sampled_from([0, 600]),
    borrowers=st.lists(borrowers, max_size=14),
    database_deaths=deaths,
    replica_deaths=deaths,
)


class Bench:
    """A world at work, looked at after every step."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.env = env = Environment()
        self.probe = Stations(env)
        context = Context(env, Streams(1, 0), self.probe, "")
        self.host = Host(env, "database")
        cpu = f"{world.connect_ms / 2048}s"
        self.database: Postgres = PostgresSpec.model_validate({
            "max_connections": world.max_connections, "reserved_connections": 1,
            "connect_time": f"{world.connect_ms / 1024}s", "connect_cpu": cpu,
            "queries": {"any": {"cpu": "1ms", "io": "1ms"}},
        }).build(context.at("database"), self.host)  # fmt: skip
        self.pool: Hikari = HikariSpec.model_validate({
            "database": "database", "maximum_pool_size": world.maximum, "minimum_idle": world.minimum_idle,
            "connection_timeout": f"{world.timeout_ms / 1024}s", "idle_timeout": f"{world.idle_ms / 1024}s",
            "max_lifetime": f"{world.lifetime_ms / 1024}s", "validation": f"{1 / 1024}s", "version": world.version,
        }).build(context.at("pool"), self.database)  # fmt: skip
        self.lights: dict[int, Light] = {}
        self.holding: dict[int, Any] = {}
        self.ended: dict[int, str] = {}
        self.came: list[int] = []
        self.waited_then_served: list[int] = []
        self.replica_is_up = True
        self.is_starting = False
        self.pool.start_warm()
        env.run(until=(world.quiet + 1) * MS)
        for number, borrower in enumerate(world.borrowers):
            self._schedule(borrower.at, lambda number=number, borrower=borrower: self._come(number, borrower))
            if borrower.interrupted_at is not None:
                self._schedule(borrower.interrupted_at, lambda number=number: self._interrupt(number))
        for at, for_ms in world.database_deaths:
            self._schedule(at, self._kill_database)
            self._schedule(at + for_ms + 1, self._revive_database)
        for at, for_ms in world.replica_deaths:
            self._schedule(at, self._kill_replica)
            self._schedule(at + for_ms + 1, self._revive_replica)

    def _schedule(self, at: int, act: Any) -> None:
        def acting() -> Any:
            act()
            return
            yield

        self.env.start(acting(), delay=at * MS)

    def _come(self, number: int, borrower: Borrower) -> None:
        if self.replica_is_up:
            self.came.append(number)
            self.env.start_now(self._work(number, borrower), lambda _: self.lights.pop(number))
            if borrower.gives_up:
                self._schedule(self.world.timeout_ms, lambda: self._interrupt(number))

    def _work(self, number: int, borrower: Borrower) -> Any:
        assert self.env.active is not None
        self.lights[number] = self.env.active
        request = Request(number, number, 0, 0, 0, self.env.now)
        try:
            connection = self.pool.take_idle() if borrower.hurries else None
            if connection is None:
                connection = yield from self.pool.borrow(request)
        except CallFailure as failure:
            self.ended[number] = failure.reason
            return
        if request.wait_s or self.pool.waiting:
            self.waited_then_served.append(number)
        self.holding[number] = connection
        is_broken = borrower.breaks
        try:
            yield from self.database.execute(request, "any", 0, connection, borrower.query * MS)
            self.ended[number] = "served"
        except CallFailure as failure:
            self.ended[number] = failure.reason
        finally:
            del self.holding[number]
            self.pool.give_back(connection, is_broken)

    def _interrupt(self, number: int) -> None:
        if number in self.lights:
            self.env.throw(self.lights[number], ClientGone("client"))

    def _kill_database(self) -> None:
        self.host.die()
        self.database.reset()

    def _revive_database(self) -> None:
        self.host.is_up = True

    def _kill_replica(self) -> None:
        self.replica_is_up = False
        for light in list(self.lights.values()):
            self.env.throw(light, InstanceDied("replica"))
        self.pool.close()

    def _revive_replica(self) -> None:
        def starting() -> Any:
            try:
                yield from self.pool.start()
                self.replica_is_up = True
            except CallFailure:
                self.pool.close()
            self.is_starting = False

        if not self.replica_is_up and not self.is_starting:
            self.is_starting = True
            self.env.start_now(starting())

    def look(self) -> None:
        """What must hold after every step."""
        pool, database = self.pool, self.database
        assert pool.total <= self.world.maximum
        assert pool.in_use <= self.world.maximum or not self.replica_is_up
        assert not (pool.idle and pool.waiting), "a connection is idle while somebody waits"
        assert self.replica_is_up or self.is_starting or not pool.total, "a dead replica has connections"
        mine = [connection for connection in pool._connections if connection.epoch == database.epoch]
        assert len(mine) == database.open_connections <= self.world.max_connections - 1
        assert self.probe.by_path["database.connections"].busy == database.open_connections
        assert self.host.memory_bytes == CONNECTION_BYTES * database.open_connections
        lent = [connection for connection in self.holding.values() if connection.is_open]
        assert len(lent) <= pool.total - pool.idle <= pool.in_use

    def run(self) -> None:
        self.look()
        while self.env.agenda and self.env.peek() < (self.world.quiet + 700) * MS:
            self.env.step()
            self.look()

    def finish(self) -> None:
        """Nobody is left, nothing leaked, and every account balances."""
        self.env.run()  # which ends: nothing ticks for ever
        self.look()
        assert not self.lights and not self.holding
        assert sorted(self.ended) == sorted(self.came)
        assert self.pool.waiting == self.pool.in_use == 0
        assert self.pool.total == self.pool.idle
        for station in self.probe.by_path.values():
            assert min(station.busy_area, station.waiting_area) >= -1e-9
            assert station.arrivals == station.started + station.refused + station.expired


@settings(max_examples=250)
@given(worlds)
def test_nothing_leaks_and_nobody_waits_for_an_idle_connection(world: World) -> None:
    bench = Bench(world)
    bench.run()
    bench.finish()


@settings(max_examples=120)
@given(worlds)
def test_waiters_are_served_in_the_order_in_which_they_came(world: World) -> None:
    world.database_deaths, world.replica_deaths = [], []
    world.max_connections = 8
    for borrower in world.borrowers:
        borrower.hurries = False
    world.borrowers.sort(key=lambda borrower: borrower.at)
    bench = Bench(world)
    bench.run()
    bench.finish()
    assert bench.waited_then_served == sorted(bench.waited_then_served)
    for number in bench.came:
        borrower = world.borrowers[number]
        if borrower.interrupted_at is None and not borrower.gives_up:
            assert bench.ended[number] in ("served", PoolTimeout.reason)


@settings(max_examples=60)
@given(
    st.integers(1, 6), st.integers(0, 6), st.sampled_from([0, 600]), st.integers(1, 200),
    st.lists(st.integers(1, 7200), max_size=5),
)  # fmt: skip
def test_silence_costs_nothing_and_ages_the_pool(
    maximum: int, minimum_idle: int, idle_timeout_s: int, lifetime_tens_s: int, silences: list[int]
) -> None:
    """However long nobody comes: the schedule runs empty, and whoever comes then finds what he would have found."""
    env = Environment()
    context = Context(env, Streams(1, 0), Stations(env), "")
    database = PostgresSpec().build(context.at("database"), Host(env, "database"))
    lifetime_s = 10.0 * lifetime_tens_s + 30.0
    pool = HikariSpec.model_validate({
        "database": "database", "maximum_pool_size": maximum, "minimum_idle": minimum_idle,
        "idle_timeout": f"{idle_timeout_s}s", "max_lifetime": f"{lifetime_s}s",
    }).build(context.at("pool"), database)  # fmt: skip
    pool.start_warm()
    kept = min(maximum, minimum_idle)

    def visit() -> Any:
        connection = yield from pool.borrow(Request(0, 0, 0, 0, 0, env.now))
        assert connection.expires_at_s > env.now
        assert connection.expires_at_s <= env.now + lifetime_s
        yield 0.25
        pool.give_back(connection)

    for silence_s in silences:
        for _ in range(3):
            env.start(visit(), delay=float(silence_s))
        before_s = env.now
        env.run(until=before_s + silence_s + 1.0)
        assert pool.in_use == 0 and pool.waiting == 0
        assert kept <= pool.idle == pool.total == database.open_connections <= max(kept, min(maximum, 6))
        if not idle_timeout_s:
            continue
        while env.agenda:
            env.step()
        assert env.now <= before_s + silence_s + 1.0 + 600.0 + 60.0 + lifetime_s
        assert pool.idle == pool.total == database.open_connections == kept


VERSIONS = st.sampled_from(["2.7.9", "4.0.3", "5.0.1", "5.1.0"])


def burst(version: str, maximum: int, minimum_idle: int, number: int, keep: int) -> tuple[Bench, list[int], float]:
    """So many borrowers at one instant, each keeping its connection for `keep`: the totals after every step, and how
    long it took to serve them all."""
    crowd = [Borrower(0, keep, None, False, False, False) for _ in range(number)]
    bench = Bench(World(maximum, minimum_idle, version, 30_000, 0, 0, 2, 100, 0, crowd))
    began_at_s, took_s, totals = bench.env.now, 0.0, []
    while bench.env.agenda and bench.env.peek() < 60.0:
        bench.env.step()
        bench.look()
        totals.append(bench.pool.total)
        if len(bench.ended) == number and not took_s:
            took_s = bench.env.now - began_at_s
    bench.finish()
    return bench, totals, took_s


@settings(max_examples=60)
@given(VERSIONS, st.integers(1, 5), st.integers(0, 5), st.integers(1, 30), st.integers(1, 9))
def test_a_burst_never_opens_more_than_maximum_pool_size_connections(
    version: str, maximum: int, minimum_idle: int, number: int, keep: int
) -> None:
    bench, totals, _ = burst(version, maximum, minimum_idle, number, keep)
    assert max(totals) <= maximum, "not even for a moment"
    assert bench.probe.by_path["database.connections"].arrivals <= maximum, "nor was one tried"
    assert bench.ended == dict.fromkeys(range(number), "served")


@settings(max_examples=60)
@given(VERSIONS, st.integers(1, 4), st.integers(2, 20), st.integers(1, 9))
def test_a_handed_over_connection_never_idles_while_someone_waits(
    version: str, maximum: int, number: int, keep: int
) -> None:
    """Each return serves the next one at that very instant: a pool that is full works its queue off without a gap."""
    bench, _, took_s = burst(version, maximum, maximum, number, keep)
    assert bench.ended == dict.fromkeys(range(number), "served")
    assert took_s == -(-number // maximum) * keep * MS
