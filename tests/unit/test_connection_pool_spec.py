"""HikariCP's settings, the rules of growth of its releases, and a pool that is left alone."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from models.connection_pool import Connection, Hikari, HikariSpec, Settings, growth_rule
from models.outcomes import CallFailure, ClientGone, ConnectionRefused, InstanceDied
from models.request import Request
from models.spec import Context
from sim.environment import Environment
from sim.probe import Count, Level, NullProbe, Station
from sim.streams import Streams

CONNECT_S = 2.0**-8


def settings(**given: Any) -> Settings:
    return Settings.of(HikariSpec.model_validate({"database": "primary", **given}))


class TestSettings:
    def test_round_trip(self) -> None:
        spec = HikariSpec.model_validate({"database": "primary", "minimum_idle": 5, "idle_timeout": "5m"})
        assert spec.idle_timeout == 300.0
        assert HikariSpec.model_validate(spec.model_dump(mode="json")) == spec

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"connection_timeout": "100ms"}, "must be 0 or at least 250ms, got 100ms. HikariCP refuses less"),
            ({"maximum_pool_size": 0}, "greater than 0"),
            ({"minimum_idle": -1}, "greater than or equal to 0"),
            ({"idle_timeout": "-1s"}, "idle_timeout"),
            ({"version": "2.6.3"}, "must be 2.7 or later, got 2.6.3"),
            ({"version": "latest"}, "should match pattern"),
            ({"max_pool_size": 5}, "Extra inputs are not permitted"),
        ],
    )
    def test_what_is_refused(self, given: dict[str, Any], message: str) -> None:
        with pytest.raises(ValidationError, match=message):
            HikariSpec.model_validate({"database": "primary", **given})

    def test_a_pool_needs_a_database(self) -> None:
        with pytest.raises(ValidationError, match="database\n  Field required"):
            HikariSpec.model_validate({})

    def test_what_is_replaced_is_said(self) -> None:
        assert settings().remarks == ()
        assert settings(max_lifetime="30s", idle_timeout="10s", minimum_idle=1).remarks == ()
        replaced = settings(max_lifetime="1s", idle_timeout="1s", minimum_idle=1)
        assert (replaced.max_lifetime_s, replaced.idle_timeout_s) == (1800.0, 600.0)
        assert len(replaced.remarks) == 2
        assert settings(max_lifetime=0, idle_timeout=0, minimum_idle=1).remarks == ()
        disabled = settings(idle_timeout="30m", minimum_idle=1)
        assert disabled.idle_timeout_s == 0
        assert "it has no effect" in disabled.remarks[0]

    def test_every_field_says_what_it_is(self) -> None:
        for name, field in HikariSpec.model_fields.items():
            assert field.description, name
            assert field.is_required() or "efault" in field.description, f"{name}: where does the default come from?"


class TestGrowthRules:
    """Facts of HikariPool: addBagItem, fillPool, PoolEntryCreator."""

    def test_releases(self) -> None:
        releases = [(2, 7), (4, 0, 3), (5, 0, 1), (5, 1, 0), (6, 2)]
        names = [type(growth_rule(release, 10, 5, 30.0)).__name__ for release in releases]
        assert names == ["GrowthRule", "GrowthRule", "GrowthRule50", "GrowthRule51", "GrowthRule51"]
        pauses = [growth_rule(release, 10, 5, 30.0).pause_s for release in releases]
        assert pauses == [0.0, 0.0, 0.01, 0.03, 0.03]

    def test_who_waits_asks_for_no_more_than_are_wanted(self) -> None:
        old, new = growth_rule((4, 0, 3), 10, 5, 30.0), growth_rule((5, 1, 0), 10, 5, 30.0)
        assert [old.is_wanted(2, asked) for asked in (1, 2, 3)] == [True, True, False], "one too many, as in the source"
        assert [new.is_wanted(2, asked) for asked in (1, 2, 3)] == [True, False, False]

    @pytest.mark.parametrize(
        ("release", "total", "idle", "asked", "number"),
        [
            ((4, 0, 3), 1, 1, 0, 4), ((4, 0, 3), 1, 1, 3, 1), ((4, 0, 3), 8, 1, 0, 2), ((4, 0, 3), 10, 0, 0, 0),
            ((4, 0, 3), 7, 6, 0, 0), ((5, 0, 1), 1, 1, 0, 1), ((5, 0, 1), 10, 1, 0, 0), ((5, 1, 0), 1, 1, 3, 4),
            ((5, 1, 0), 8, 1, 0, 4), ((5, 1, 0), 10, 0, 0, 0), ((5, 1, 0), 7, 6, 0, 0),
        ],
    )  # fmt: skip
    def test_filling(self, release: tuple[int, ...], total: int, idle: int, asked: int, number: int) -> None:
        assert growth_rule(release, 10, 5, 30.0).to_fill(total, idle, 0, asked) == number

    def test_the_need_may_have_gone(self) -> None:
        for release in [(4, 0, 3), (5, 0, 1), (5, 1, 0)]:
            rule = growth_rule(release, 10, 5, 30.0)
            assert rule.is_needed(4, 4, 0)
            assert not rule.is_needed(5, 5, 0)
            assert rule.is_needed(5, 0, 1)
            assert not rule.is_needed(10, 0, 1)

    def test_retries_are_bounded(self) -> None:
        for release, longest_s in [((4, 0, 3), 10.0), ((5, 0, 1), 5.0), ((5, 1, 0), 5.0)]:
            rule = growth_rule(release, 10, 5, 30.0)
            retry_s = rule.first_retry_s()
            for _ in range(20):
                assert retry_s <= rule.next_retry_s(retry_s) or retry_s == longest_s
                retry_s = rule.next_retry_s(retry_s)
            assert retry_s == longest_s
        assert growth_rule((4, 0, 3), 10, 5, 0.3).next_retry_s(0.25) == 0.3, "no longer than connectionTimeout"


class Endless:
    """A database that connects in a fixed time, and counts."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self.epoch = 0
        self.died_at_s = 0.0
        self.open = 0
        self.is_up = True

    def connect(self) -> Any:
        if not self.is_up:
            raise ConnectionRefused("database")
        yield CONNECT_S
        self.open += 1
        return self.epoch

    def opened_since(self, begun_at_s: float) -> tuple[float, int] | None:
        ready_at_s = begun_at_s + CONNECT_S
        if not self.is_up or ready_at_s > self._env.now:
            return None
        self.open += 1
        return ready_at_s, self.epoch

    def disconnect(self, epoch: int) -> None:
        self.open -= 1

    def ping(self, connection: Any, demand_s: float) -> Any:
        yield demand_s
        return connection.epoch == self.epoch


class Instruments(NullProbe):
    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.counts: dict[str, Count] = {}
        self.levels: dict[str, Level] = {}
        self.stations: dict[str, Station] = {}

    def count(self, path: str) -> Count:
        return self.counts.setdefault(path, super().count(path))

    def level(self, path: str, value: float = 0.0) -> Level:
        return self.levels.setdefault(path, super().level(path, value))

    def station(self, path: str, servers: float, kind: str) -> Station:
        return self.stations.setdefault(path, super().station(path, servers, kind))


class Bench:
    def __init__(self, seed: int = 1, **given: Any) -> None:
        self.env = Environment()
        self.probe = Instruments(self.env)
        self.database = Endless(self.env)
        spec = HikariSpec.model_validate({"database": "primary", **given})
        self.pool: Hikari = spec.build(Context(self.env, Streams(seed, 0), self.probe, "pool"), self.database)

    def visit(self, at_s: float, keep_s: float = 0.0) -> Request:
        request = Request(0, 0, 0, 0, 0, at_s)

        def work() -> Any:
            connection = yield from self.pool.borrow(request)
            yield keep_s
            self.pool.give_back(connection)

        self.env.start(work(), delay=at_s - self.env.now)
        return request

    def steps(self, until_s: float) -> int:
        """How many steps the simulation takes until then."""
        number = 0
        while self.env.agenda and self.env.peek() < until_s:
            self.env.step()
            number += 1
        self.env.run(until=until_s)
        return number


class TestLeftAlone:
    def test_silence_takes_no_steps(self) -> None:
        """A quarter of a year without a request: nothing happens, in a pool of every kind."""
        for given in ({}, {"minimum_idle": 5}, {"minimum_idle": 0}, {"minimum_idle": 5, "idle_timeout": 0}):
            bench = Bench(**given)
            bench.pool.start_warm()
            bench.visit(1.0)
            bench.env.run(until=3600.0 * 5)
            assert bench.steps(until_s=86_400.0 * 90) == 0

    def test_silence_takes_no_steps_where_the_database_is_down(self) -> None:
        """The adder rests until somebody comes; then it goes on where it was."""
        bench = Bench(maximum_pool_size=2)
        bench.database.is_up = False
        bench.pool.start_warm()
        assert bench.pool.total == 0
        assert bench.steps(until_s=86_400.0) == 0
        bench.database.is_up = True
        request = bench.visit(86_400.0)
        bench.visit(86_400.0 + CONNECT_S / 2)
        bench.env.run(until=86_401.0)
        assert request.wait_s == CONNECT_S
        assert bench.pool.total == bench.database.open == 2

    @pytest.mark.parametrize("maximum", [1, 4])
    def test_lives_go_on_as_if_watched(self, maximum: int) -> None:
        """A pool looked at every 10 s for ten hours, and one looked at after them: the same connections have come and
        gone, and those that are there end at the same instants."""
        hours_s = 36_000.0
        retired, ends = [], []
        for is_watched in (True, False):
            bench = Bench(maximum_pool_size=maximum, max_lifetime="20m")
            bench.pool.start_warm()
            for second in range(0, int(hours_s) if is_watched else 0, 10):
                bench.visit(float(second))
            bench.visit(hours_s)
            bench.env.run(until=hours_s + 1.0)
            assert bench.pool.total == bench.pool.idle == bench.database.open == maximum
            retired.append(bench.probe.counts["pool.retired"].total)
            ends.append(sorted(connection.expires_at_s for connection in bench.pool._connections))
        assert retired[0] == retired[1]
        assert abs(retired[0] - maximum * hours_s / (1200.0 * 0.9875)) <= maximum
        assert ends[0] == pytest.approx(ends[1], abs=1e-6)
        assert hours_s < ends[0][0] and ends[0][-1] <= hours_s + 1.0 + 1200.0

    def test_a_replacement_under_way_is_waited_for(self) -> None:
        """Somebody comes just after the end of the only connection: the new one is begun then at the latest."""
        bench = Bench(maximum_pool_size=1, max_lifetime="30s")
        bench.pool.start_warm()
        (connection,) = bench.pool._connections
        request = bench.visit(connection.expires_at_s + CONNECT_S / 2)
        late = bench.visit(connection.expires_at_s + CONNECT_S)
        bench.env.run(until=60.0)
        assert CONNECT_S / 2 <= request.wait_s <= CONNECT_S
        assert late.wait_s <= CONNECT_S / 2

    def test_a_replacement_in_time_is_not_waited_for(self) -> None:
        bench = Bench(maximum_pool_size=1, max_lifetime="30s")
        bench.pool.start_warm()
        (connection,) = bench.pool._connections
        request = bench.visit(connection.expires_at_s + CONNECT_S)
        bench.env.run(until=60.0)
        assert request.wait_s == 0.0
        assert bench.probe.counts["pool.created"].total == 2

    def test_replacements_are_made_one_by_one(self) -> None:
        """Three lives end at one instant: of their successors one stands when somebody comes a little later."""
        bench = Bench(maximum_pool_size=3, version="5.1.0")
        bench.pool.start_warm()
        for connection in bench.pool._connections:
            bench.pool._end_at(connection, 100.0)
        seen: list[int] = []

        def work() -> Any:
            connection = yield from bench.pool.borrow(Request(0, 0, 0, 0, 0, bench.env.now))
            seen.append(bench.pool.total)
            bench.pool.give_back(connection)

        bench.env.start(work(), delay=100.0 + 3 * CONNECT_S)
        bench.env.run(until=110.0)
        assert seen == [1]
        assert bench.pool.total == 3

    def test_a_pool_that_was_full_is_filled_again(self) -> None:
        """Grown to 10, shrunk to 5 as lives ended: with 3 in use, the housekeeper makes it 8."""
        bench = Bench(minimum_idle=5, idle_timeout=0, max_lifetime="1000s")
        bench.pool.start_warm()
        for at_s in (10.0, 60.0):
            for _ in range(10):
                bench.visit(at_s, keep_s=1.0)
            bench.env.run(until=at_s + 2.0)
            assert bench.pool.total == 10
        bench.env.run(until=1150.0)
        assert bench.pool.total == bench.database.open == 5
        for _ in range(3):
            bench.visit(1200.0, keep_s=50.0)
        bench.env.run(until=1232.0)
        assert bench.pool.total == bench.database.open == 8

    def test_a_warm_pool_has_connections_of_all_ages(self) -> None:
        ends = []
        for seed in range(40):
            bench = Bench(seed, maximum_pool_size=5)
            bench.pool.start_warm()
            ends += [connection.expires_at_s for connection in bench.pool._connections]
        quarters = [sum(1 for end in ends if quarter * 450.0 <= end < (quarter + 1) * 450.0) for quarter in range(4)]
        assert len(ends) == 200 and min(quarters) >= 33, quarters


class TestInterrupts:
    """Who is interrupted leaves nothing behind."""

    @staticmethod
    def interrupted(bench: Bench, at_s: float) -> list[str]:
        """Borrow now, be interrupted then: what became of it."""
        ends: list[str] = []

        def work() -> Any:
            try:
                connection = yield from bench.pool.borrow(Request(0, 0, 0, 0, 0, bench.env.now))
            except CallFailure as failure:
                ends.append(failure.reason)
                return
            bench.pool.give_back(connection)
            ends.append("served")

        def interrupting() -> Any:
            bench.env.throw(light, ClientGone("client"))
            return
            yield

        light = bench.env.start_now(work())
        bench.env.start(interrupting(), delay=at_s - bench.env.now)
        return ends

    def test_while_its_connection_is_validated(self) -> None:
        bench = Bench(maximum_pool_size=1, validation="2s")
        bench.pool.start_warm()
        bench.env.run(until=1.0)
        ends = self.interrupted(bench, at_s=2.0)
        bench.env.run(until=2.5)
        assert ends == ["client_gone"]
        assert (bench.pool.in_use, bench.pool.idle) == (0, 1)

    def test_at_the_instant_of_its_time_limit(self) -> None:
        """The pool has noticed, the borrower has not: it leaves once, and the next one is served."""
        bench = Bench(maximum_pool_size=1, connection_timeout="250ms")
        bench.pool.start_warm()
        bench.visit(0.0, keep_s=1.0)
        bench.env.run(until=0.125)
        ends = self.interrupted(bench, at_s=0.125 + 0.25)
        bench.env.run(until=0.875)
        assert ends == ["client_gone"]
        assert (bench.pool.waiting, bench.probe.stations["pool"].expired) == (0, 1)
        request = bench.visit(0.875)
        bench.env.run(until=3.0)
        assert request.wait_s == 0.125
        assert bench.pool.in_use == 0

    def test_at_the_instant_of_its_grant(self) -> None:
        """The connection goes on to the next in the queue."""
        bench = Bench(maximum_pool_size=1)
        bench.pool.start_warm()
        bench.visit(0.0, keep_s=1.0)
        bench.env.run(until=0.5)
        ends = self.interrupted(bench, at_s=1.0)
        request = bench.visit(0.75)
        bench.env.run(until=3.0)
        assert ends == ["client_gone"]
        assert request.wait_s == 0.25
        assert (bench.pool.in_use, bench.pool.idle) == (0, 1)


class TestClosing:
    def test_who_has_a_connection_gives_it_back_to_nobody(self) -> None:
        bench = Bench(maximum_pool_size=2)
        bench.pool.start_warm()
        bench.visit(1.0, keep_s=1.0)
        bench.env.run(until=1.5)
        bench.pool.close()
        assert bench.database.open == bench.pool.total == bench.pool.idle == 0
        assert bench.pool.in_use == 1
        bench.env.run(until=3.0)
        assert bench.pool.in_use == bench.pool.total == bench.database.open == 0

    def test_an_adder_at_work_is_forgotten(self) -> None:
        bench = Bench(maximum_pool_size=3, minimum_idle=0)
        bench.pool.start_warm()
        for _ in range(2):
            bench.visit(1.0, keep_s=5.0)
        bench.env.run(until=1.0 + CONNECT_S * 1.5)
        assert bench.database.open == 1
        bench.pool.close()
        bench.env.run(until=2.0)
        assert bench.database.open == bench.pool.total == 0, "it found the pool closed"
        bench.env.start(bench.pool.start())
        bench.env.run(until=4.0)
        assert bench.database.open == bench.pool.total

    def test_a_start_that_is_interrupted_has_no_connection(self) -> None:
        bench = Bench(maximum_pool_size=3)
        failures: list[str] = []

        def starting() -> Any:
            try:
                yield from bench.pool.start()
            except InstanceDied as failure:
                failures.append(failure.path)

        bench.env.start(starting())
        bench.env.run(until=CONNECT_S / 2)
        bench.pool.close()
        bench.env.run(until=1.0)
        assert failures == ["pool"]
        assert bench.database.open == bench.pool.total == 0

    def test_an_adder_at_rest_is_forgotten(self) -> None:
        bench = Bench(maximum_pool_size=2)
        bench.database.is_up = False
        bench.pool.start_warm()
        bench.pool.close()
        bench.database.is_up = True
        bench.pool.start_warm()
        assert bench.pool.total == 2
        for at_s in (1.0, 2.0):
            bench.visit(at_s)
        assert bench.steps(until_s=5.0) == 6, "two borrowers, each validates and gives back, and nobody else"

    def test_a_closed_pool_lends_nothing(self) -> None:
        bench = Bench()
        borrowing = bench.pool.borrow(Request(0, 0, 0, 0, 0, 0.0))
        with pytest.raises(InstanceDied, match="pool"):
            next(borrowing)


def test_what_is_reported() -> None:
    bench = Bench(maximum_pool_size=1, connection_timeout="1s", minimum_idle=0)
    bench.pool.start_warm()
    assert bench.pool.take_idle() is None
    bench.visit(1.0, keep_s=2.0)
    failures = []

    def too_late() -> Any:
        try:
            yield from bench.pool.borrow(Request(0, 0, 0, 0, 0, 1.5))
        except Exception as failure:
            failures.append(failure)

    bench.env.start(too_late(), delay=1.5)
    bench.env.run(until=10.0)
    assert len(failures) == 1
    station = bench.probe.stations["pool"]
    assert (station.kind, station.servers, station.arrivals, station.expired) == ("lease", 1, 2, 1)
    assert {name: count.total for name, count in bench.probe.counts.items()} == {
        "pool.created": 1, "pool.retired": 0, "pool.timeouts": 1, "pool.socket_timeouts": 0,
    }  # fmt: skip
    assert bench.probe.levels["pool.connections"].value == 1


def test_waiting_for_ever_keeps_no_memory_of_who_waited() -> None:
    """With a time limit of 24.8 days, the deadlines of those who were served must not pile up."""
    bench = Bench(maximum_pool_size=1, connection_timeout=0)
    bench.pool.start_warm()
    for _ in range(300):
        bench.visit(bench.env.now, keep_s=0.1)
        bench.visit(bench.env.now, keep_s=0.1)
        bench.env.run(until=bench.env.now + 1.0)
    assert bench.probe.stations["pool"].waiting_area > 29.0
    deadlines = bench.pool._leases._deadlines
    assert deadlines is not None and len(deadlines._entries) <= 1


def test_an_idle_connection_is_lent_without_a_generator() -> None:
    """`take_idle` is `borrow` where nothing has to be waited for or looked at."""
    bench = Bench(maximum_pool_size=2, max_lifetime="30s")
    bench.pool.start_warm()
    connection = bench.pool.take_idle()
    assert isinstance(connection, Connection)
    bench.pool.give_back(connection)
    bench.env.run(until=0.5)
    first, second = bench.pool.take_idle(), bench.pool.take_idle()
    assert first is connection and second is not None and second is not first
    assert bench.pool.take_idle() is None, "both are lent"
    bench.pool.give_back(first)
    bench.pool.give_back(second)
    bench.env.run(until=1.001)
    assert bench.pool.take_idle() is None, "they have been idle for more than half a second"
