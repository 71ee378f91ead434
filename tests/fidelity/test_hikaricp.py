"""HikariCP: growth, waiting, validation and the ends of connections, as measured and as read in its source."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from pydantic import ValidationError

from models.connection_pool import Hikari, HikariSpec
from models.database import Postgres, PostgresSpec
from models.outcomes import ConnectionRefused, DatabaseRefused, PoolTimeout
from models.request import Request
from models.spec import Context
from sim.environment import Environment, Light
from sim.probe import NullProbe
from sim.streams import Streams

FIDELITY = "4"

LEFT_OUT = {
    "own thread's recent connections first": "connections are equal: which idle one is lent changes no time",
    "newcomers may barge": "the window is the few microseconds between a return and its hand-off",
    "validationTimeout 5 s": "a validation takes as long as it is said to; a database that hangs is not modelled",
    "keepalive": "off by default in the releases modelled",
    "leakDetection": "writes a log line and changes nothing else",
    "spring.jpa.open-in-view": "when a request borrows is said by the order of its steps",
}
"""What FIDELITY section 4 says beside this and the model leaves out, with the reason."""

CONNECT_S = 0.02
NEAR_S = 1e-7
"""Every drawn duration is a multiple of a nanosecond or so."""
OLD, NEW = "2.7.9", "6.0.1"
OVERHEAD_S = 0.0011
"""What the real pool and its clock add to a connection: the measured figures exceed the model's by up to this."""


class Host:
    """A container with as many cores as there are threads."""

    path = "databases.primary"

    def __init__(self, env: Environment) -> None:
        self._env = env
        self.is_up = True

    def run(self, demand_s: float) -> None:
        self._env.wake(self._env.park(self), 0.0, demand_s)

    def withdraw(self, light: Light) -> None:
        """The heap entry is stale as soon as the process is woken otherwise."""

    def use_memory(self, delta_bytes: int) -> None:
        """There is enough."""

    def enter(self) -> Light:
        assert self._env.active is not None
        return self._env.active

    def leave(self, light: Light) -> None:
        """Nobody is told when this container dies."""


class Notes(NullProbe):
    """Keeps what is noted."""

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.texts: list[str] = []

    def note(self, path: str, text: str) -> None:
        self.texts.append(text)


class Bench:
    """A database and a pool, and borrowers with a log of what became of them."""

    def __init__(self, database: dict[str, Any] | None = None, **settings: Any) -> None:
        self.env = Environment()
        self.probe = Notes(self.env)
        context = Context(self.env, Streams(1, 0), self.probe, "")
        self.host = Host(self.env)
        spec = PostgresSpec.model_validate({"connect_time": "20ms", "connect_cpu": "0s", **(database or {})})
        self.database: Postgres = spec.build(context.at("databases.primary"), self.host)
        self.pool: Hikari = HikariSpec.model_validate({"database": "primary", **settings}).build(
            context.at("pool"), self.database
        )
        self.served: list[tuple[int, float]] = []
        self.refused: list[tuple[int, float]] = []
        self.requests: dict[int, Request] = {}
        self.failure: Exception | None = None

    def start(self) -> None:
        """Start the pool and forget how long that took: the clock goes on from there."""

        def starting() -> Any:
            try:
                yield from self.pool.start()
            except (ConnectionRefused, DatabaseRefused) as failure:
                self.failure = failure

        self.env.start(starting())

    def borrow(self, name: int, at_s: float, keep_s: float = 1e6) -> None:
        request = self.requests[name] = Request(name, name, 0, 0, 0, at_s)

        def work() -> Any:
            try:
                connection = yield from self.pool.borrow(request)
            except PoolTimeout as failure:
                self.refused.append((name, self.env.now))
                self.failure = failure
                return
            self.served.append((name, self.env.now))
            yield keep_s
            self.pool.give_back(connection)

        self.env.start(work(), delay=at_s - self.env.now)

    def totals(self, until_s: float, step_s: float = 0.001) -> list[tuple[float, int]]:
        """When the number of connections changed, to within a step."""
        changes = [(self.env.now, self.pool.total)]
        while self.env.now < until_s:
            self.env.run(until=self.env.now + step_s)
            if self.pool.total != changes[-1][1]:
                changes.append((self.env.now, self.pool.total))
        return changes


@pytest.mark.parametrize(("version", "modelled_s", "measured_s"), [(OLD, 0.02, 0.0205), (NEW, 0.05, 0.051)])
def test_growth_to_ten_is_serial(version: str, modelled_s: float, measured_s: float) -> None:
    """FIDELITY 4: from the first connection in the background to a pool of 10: one after the other."""
    bench = Bench(version=version)
    bench.start()
    changes = bench.totals(1.0)
    assert [total for _, total in changes] == list(range(11))
    gaps = [later - sooner for (sooner, _), (later, _) in pairwise(changes[2:])]
    assert gaps == pytest.approx([modelled_s] * 8, abs=0.0011)
    assert changes[1][0] == pytest.approx(CONNECT_S, abs=0.0011), "one synchronously"
    assert changes[2][0] == pytest.approx(CONNECT_S + 0.1 + CONNECT_S, abs=0.0011), "the housekeeper fills at 100 ms"
    assert modelled_s <= measured_s <= modelled_s + OVERHEAD_S


@pytest.mark.parametrize(("version", "modelled_s", "measured_s"), [(OLD, 0.38, 0.395), (NEW, 0.92, 0.940)])
def test_a_burst_of_20(version: str, modelled_s: float, measured_s: float) -> None:
    """FIDELITY 4: minIdle 1, max 20, burst 20: when the last borrower is served."""
    bench = Bench(version=version, minimum_idle=1, maximum_pool_size=20)
    bench.start()
    bench.env.run(until=10.0)
    assert bench.pool.total == 1
    for name in range(20):
        bench.borrow(name, 10.0)
    bench.env.run(until=12.0)
    assert [name for name, _ in bench.served] == list(range(20))
    last_s = bench.served[-1][1] - 10.0
    assert last_s == pytest.approx(modelled_s, abs=NEAR_S)
    assert last_s <= measured_s <= last_s + 19 * OVERHEAD_S
    assert bench.pool.total == bench.database.open_connections == 20


@pytest.mark.parametrize("version", [OLD, NEW])
def test_a_borrower_leaves_after_connection_timeout(version: str) -> None:
    """FIDELITY 4: max 1, timeout 250 ms: an exception at 251 ms."""
    bench = Bench(version=version, maximum_pool_size=1, connection_timeout="250ms")
    bench.start()
    bench.borrow(0, 5.0)
    bench.borrow(1, 6.0)
    bench.env.run(until=10.0)
    assert [name for name, _ in bench.served] == [0]
    assert bench.refused == [(1, pytest.approx(6.25, abs=NEAR_S))]
    assert isinstance(bench.failure, PoolTimeout)
    assert (bench.failure.status, bench.failure.reason, bench.failure.path) == (500, "pool_timeout", "pool")
    assert bench.requests[1].wait_s == pytest.approx(0.25, abs=NEAR_S)
    assert bench.pool.waiting == 0 and bench.pool.in_use == 1


@pytest.mark.parametrize("version", [OLD, "5.0.1", NEW])
def test_waiters_are_served_first_come_first_served(version: str) -> None:
    """FIDELITY 4: 20 waiters: strict FIFO."""
    bench = Bench(version=version, maximum_pool_size=1)
    bench.start()
    for name in range(21):
        bench.borrow(name, 0.1 + name * 1e-4, keep_s=0.01)
    bench.env.run(until=5.0)
    assert [name for name, _ in bench.served] == list(range(21))
    assert bench.requests[20].wait_s == pytest.approx(20 * 0.01 - 20 * 1e-4, abs=NEAR_S)


@pytest.mark.parametrize("version", [OLD, NEW])
@pytest.mark.parametrize(("idle_s", "validations"), [(0.4, 0), (0.6, 1)])
def test_validation_after_half_a_second(version: str, idle_s: float, validations: int) -> None:
    """FIDELITY 4: idle 400 / 600 ms before borrow: validations 0 / 1."""
    bench = Bench(version=version, maximum_pool_size=1, validation="3ms")
    bench.start()
    bench.borrow(0, 10.0, keep_s=0.1)
    bench.borrow(1, 10.1 + 0.003 + idle_s)
    bench.env.run(until=20.0)
    waited_s = [served_s - bench.requests[name].arrived_at_s for name, served_s in bench.served]
    assert waited_s == pytest.approx([0.003, validations * 0.003], abs=NEAR_S)
    assert bench.requests[1].db_s == pytest.approx(validations * 0.003, abs=NEAR_S)


def test_defaults() -> None:
    """FIDELITY 4: Defaults, and Spring Boot 2.7's release."""
    spec = HikariSpec(database="primary")
    assert (spec.maximum_pool_size, spec.minimum_idle, spec.version) == (10, None, "4.0.3")
    assert (spec.connection_timeout, spec.idle_timeout, spec.max_lifetime) == (30.0, 600.0, 1800.0)
    bench = Bench()
    bench.start()
    bench.env.run(until=5.0)
    assert bench.pool.idle == 10, "minimumIdle = maximumPoolSize"


def test_what_the_setter_refuses() -> None:
    """FIDELITY 4: connectionTimeout min 250 ms; 0 is about 24.8 days."""
    with pytest.raises(ValidationError, match="must be 0 or at least 250ms, got 249ms"):
        HikariSpec.model_validate({"database": "primary", "connection_timeout": "249ms"})
    bench = Bench(maximum_pool_size=1, connection_timeout=0, max_lifetime=0)
    bench.start()
    bench.borrow(0, 1.0, keep_s=1e9)
    bench.borrow(1, 2.0)
    bench.env.run(until=3e6)
    assert bench.refused == [(1, 2.0 + 2147483.647)]


def test_a_start_without_a_database_fails() -> None:
    """FIDELITY 4: Start: one connection synchronously, failure aborts (after a second's sleep)."""
    bench = Bench()
    bench.host.is_up = False
    bench.start()
    bench.env.run(until=0.999)
    assert bench.failure is None
    bench.env.run(until=5.0)
    assert isinstance(bench.failure, ConnectionRefused)
    assert bench.pool.total == 0


def test_a_start_without_a_free_connection_fails() -> None:
    bench = Bench(database={"max_connections": 4, "reserved_connections": 3})
    other = HikariSpec(database="primary", maximum_pool_size=1)
    taken = other.build(Context(bench.env, Streams(1, 0), bench.probe, "other"), bench.database)
    taken.start_warm()
    bench.start()
    bench.env.run(until=5.0)
    assert isinstance(bench.failure, DatabaseRefused)


class TestMaxLifetime:
    """FIDELITY 4: maxLifetime minus random 0-2.5 %; in-use connections retire on return."""

    def test_the_variance(self) -> None:
        bench = Bench(maximum_pool_size=200, minimum_idle=200, max_lifetime="1000s", database={"max_connections": 300})
        ends = []
        for _ in range(200):
            connection = bench.pool._admit(0, 0.0)
            ends.append(connection.expires_at_s)
        assert 975.0 < min(ends) < 976.0
        assert 999.0 < max(ends) <= 1000.0
        mean_s = 0.0
        for end in ends:
            mean_s += end / 200
        assert mean_s == pytest.approx(987.5, abs=3 * 25 / 12**0.5 / 200**0.5)

    def test_in_use_it_ends_on_return(self) -> None:
        bench = Bench(maximum_pool_size=1, max_lifetime="30s")
        bench.start()
        bench.borrow(0, 10.0, keep_s=50.0)
        bench.borrow(1, 40.0)
        bench.env.run(until=60.0)
        assert bench.pool.total == 1 and bench.pool.waiting == 1
        bench.env.run(until=70.0)
        (_, _), (name, served_s) = bench.served
        assert name == 1
        assert served_s == pytest.approx(60.0 + 51e-6 + CONNECT_S, abs=NEAR_S), "a new connection had to be made"

    def test_too_short_a_life_is_replaced_by_the_default(self) -> None:
        """maxLifetime < 30 s is replaced by the default (a log warning only)."""
        bench = Bench(maximum_pool_size=1, max_lifetime="29s")
        assert bench.probe.texts == ["max_lifetime 29s is less than 30s: the default of 30m is used"]
        assert 1755.0 <= bench.pool._admit(0, 0.0).expires_at_s <= 1800.0


class TestIdleTimeout:
    """FIDELITY 4: idleTimeout acts only if minimumIdle < max, only in the 30 s housekeeper."""

    @staticmethod
    def grown(**settings: Any) -> Bench:
        """A pool that 5 borrowers have made grow at 10 s and given back at 11 s."""
        bench = Bench(maximum_pool_size=8, **settings)
        bench.start()
        for name in range(5):
            bench.borrow(name, 10.0, keep_s=1.0)
        bench.env.run(until=20.0)
        return bench

    def test_surplus_ends_on_the_grid(self) -> None:
        bench = self.grown(minimum_idle=2, idle_timeout="1m")
        assert bench.pool.total >= 5
        changes = bench.totals(200.0, step_s=0.01)
        assert [total for _, total in changes[1:]] == [2], "all at one instant"
        instant_s = CONNECT_S + 0.1 + 90.0
        assert changes[1][0] == pytest.approx(instant_s, abs=0.011), "unused since 11 s: first instant after 71 s"

    def test_a_fixed_pool_ignores_it(self) -> None:
        bench = self.grown(idle_timeout="1m", max_lifetime=0)
        bench.env.run(until=3000.0)
        assert bench.pool.total == 8

    def test_too_short_is_replaced_by_the_default(self) -> None:
        bench = self.grown(minimum_idle=2, idle_timeout="9s")
        assert bench.probe.texts == ["idle_timeout 9s is less than 10s: the default of 10m is used"]
        bench.env.run(until=600.0)
        assert bench.pool.total >= 5
        bench.env.run(until=650.0)
        assert bench.pool.total == 2

    def test_zero_keeps_them_until_their_lives_end(self) -> None:
        bench = self.grown(minimum_idle=2, idle_timeout=0, max_lifetime="1000s")
        bench.env.run(until=900.0)
        assert bench.pool.total >= 5
        bench.env.run(until=1100.0)
        assert bench.pool.total == bench.database.open_connections == 2

    def test_close_to_max_lifetime_it_has_no_effect(self) -> None:
        """HikariConfig.validateNumerics: disabled when idleTimeout + 1 s > maxLifetime."""
        bench = self.grown(minimum_idle=2, idle_timeout="100s", max_lifetime="100s")
        assert bench.probe.texts == ["idle_timeout 100s is close to max_lifetime or more: it has no effect"]


def test_the_housekeeper_keeps_minimum_idle() -> None:
    """FIDELITY 4, of the guide's pool (5 to 10): with 3 in use, the next instant of the grid makes 3 more."""
    bench = Bench(minimum_idle=5, maximum_pool_size=10)
    bench.start()
    for name in range(3):
        bench.borrow(name, 10.0)
    bench.env.run(until=CONNECT_S + 0.1 + 30.0)
    assert (bench.pool.total, bench.pool.idle) == (5, 2)
    bench.env.run(until=35.0)
    assert (bench.pool.total, bench.pool.idle) == (8, 5)


def test_minimum_idle_above_the_maximum_is_the_maximum() -> None:
    """HikariConfig.validateNumerics."""
    bench = Bench(minimum_idle=9, maximum_pool_size=3)
    assert bench.probe.texts == ["minimum_idle 9 is more than maximum_pool_size: 3 is used"]
    bench.pool.start_warm()
    assert bench.pool.total == 3


def test_pools_of_all_replicas_must_fit_the_database() -> None:
    """FIDELITY 4: Pool size is per replica: replicas x max must fit. The tenth pool of 10 gets 7 of 97."""
    bench = Bench()
    pools = []
    for number in range(10):
        context = Context(bench.env, Streams(1, 0), bench.probe, f"pool-{number}")
        pools.append(HikariSpec(database="primary").build(context, bench.database))
        pools[-1].start_warm()
    assert [pool.total for pool in pools] == [10] * 9 + [7]
    assert bench.database.open_connections == 97


@pytest.mark.parametrize("version", [OLD, "4.0.3"])
def test_retries_before_5(version: str) -> None:
    """HikariPool 2.7.9 and 4.0.3: 250 ms, then half as long again, up to 10 s or connectionTimeout."""
    assert retries(version, until_s=5.0) == pytest.approx([0.25, 0.375, 0.562, 0.843, 1.264], abs=NEAR_S)


def test_retries_from_5_1() -> None:
    """HikariPool 5.1.0: 10 ms, doubling to 5 s."""
    assert retries("5.1.0", until_s=0.4) == pytest.approx([0.01, 0.02, 0.04, 0.08, 0.16], abs=NEAR_S)


def retries(version: str, until_s: float) -> list[float]:
    """Pauses between an adder's attempts while the database is down and a borrower waits."""
    bench = Bench(version=version, maximum_pool_size=1, minimum_idle=0)
    attempts: list[float] = []
    connect = bench.database.connect

    class Refusing:
        epoch = 0

        def connect(self) -> Any:
            attempts.append(bench.env.now)
            return connect()

        def opened_since(self, begun_at_s: float) -> None:
            return None

        def disconnect(self, epoch: int) -> None:
            """There is none."""

    context = Context(bench.env, Streams(1, 0), bench.probe, "other")
    pool = HikariSpec(database="primary", version=version, maximum_pool_size=1).build(context, Refusing())
    bench.host.is_up = False
    pool.start_warm()
    assert len(attempts) == 1
    bench.pool = pool
    bench.borrow(0, 0.0)
    bench.env.run(until=until_s)
    return [later - sooner for sooner, later in pairwise(attempts)]


def test_5_0_goes_on_until_the_need_has_gone() -> None:
    """HikariPool 5.0.1: one addition makes connections until nobody needs more, 10 ms after each."""
    bench = Bench(version="5.0.1", minimum_idle=1, maximum_pool_size=20)
    bench.start()
    bench.env.run(until=10.0)
    for name in range(20):
        bench.borrow(name, 10.0)
    bench.env.run(until=12.0)
    assert bench.served[-1][1] - 10.0 == pytest.approx(19 * CONNECT_S + 18 * 0.01, abs=NEAR_S)
