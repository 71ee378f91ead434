"""pgjdbc's time limits: a client that gives up, and a server that does not notice."""

from __future__ import annotations

import pytest

from experiments.validation.databases import Stand
from experiments.validation.sql_client import ROWS, Client
from models.connection_pool import HikariSpec
from models.link import Link, LinkedDatabase, LinkSpec
from models.outcomes import CallFailure, ClientGone, SocketTimeout
from models.request import Request
from sim.environment import Activity


def stand(**settings: object) -> Stand:
    return Stand({**ROWS, "max_connections": 5, "reserved_connections": 3, "connect_cpu": "1ms", **settings})


def test_the_server_keeps_the_connection_until_it_is_through() -> None:
    bench = stand()
    pool = bench.pool(maximum_pool_size=1, socket_timeout="1s")
    pool.start_warm()
    request = bench.borrow(pool, 0, 0.1, keep_s=0.0, query="slow")  # takes 5.01 s
    bench.env.run(until=1.2)
    assert bench.failed == [(0, "socket_timeout", 1.1)]
    assert request.db_s == pytest.approx(1.0)
    assert (pool.total, pool.in_use, bench.database.open_connections) == (1, 0, 2), "the old one and its successor"
    bench.env.run(until=6.0)
    assert (pool.total, bench.database.open_connections) == (1, 1)
    assert request.db_s == pytest.approx(1.0), "what went on was nobody's waiting"


def test_a_transaction_that_was_left_keeps_its_locks_until_the_statement_ends() -> None:
    bench = stand()
    pool = bench.pool(maximum_pool_size=2, socket_timeout="1s", connection_timeout="10s")
    pool.start_warm()
    log: list[tuple[str, float]] = []

    def leaving() -> Activity:
        request = Request(0, 0, 0, 0, 0, 0.0)
        connection = yield from pool.borrow(request)
        connection.server.begin(connection, False)
        try:
            yield from connection.server.execute(request, "save", 0, connection)
            yield from connection.server.execute(request, "slow", 0, connection)
        except SocketTimeout:
            log.append(("left", bench.env.now))
        finally:
            connection.server.roll_back(connection)
            pool.give_back(connection)

    def waiting() -> Activity:
        request = Request(1, 1, 0, 0, 0, 0.0)  # the same user, so the same row
        connection = yield from pool.borrow(request)
        try:
            yield from bench.database.execute(request, "save", 0, connection)
            log.append(("saved", bench.env.now))
        finally:
            pool.give_back(connection)

    bench.env.start(leaving(), delay=0.1)
    bench.env.start(waiting(), delay=0.2)
    bench.env.run(until=20.0)
    assert [what for what, _ in log] == ["left", "saved"]
    assert log[0][1] == pytest.approx(1.1001, abs=1e-6)
    assert log[1][1] == pytest.approx(0.1 + 0.0001 + 5.01 + 0.0001, abs=1e-6)
    assert bench.database.open_connections == pool.total == 2


@pytest.mark.parametrize("keeps_waiting", ["a row", "a standby"])
def test_what_the_server_waits_for_after_its_client_has_left_is_nobodys_time(keeps_waiting: str) -> None:
    standby = {"synchronous_standby": "standby"} if keeps_waiting == "a standby" else {}
    bench = Stand({**ROWS, **standby}, {"replication_delay": "5s" if standby else "1ms"})
    pool = bench.pool(maximum_pool_size=1, socket_timeout="1s", max_lifetime=0)
    pool.start_warm()
    if not standby:
        Client(bench, bench.database).send(0.1, "save", 5.0, in_transaction=True)
    request = bench.borrow(pool, 0, 0.2, keep_s=0.0, query="save")
    bench.env.run(until=20.0)
    assert bench.failed == [(0, "socket_timeout", 1.2)]
    assert (request.wait_s, request.db_s < 1.0 + 2e-4) == (0.0, True)


def test_an_interrupted_client_leaves_its_statement_behind() -> None:
    bench = stand()
    pool = bench.pool(maximum_pool_size=1, socket_timeout="10s")
    pool.start_warm()
    ends: list[str] = []

    def work() -> Activity:
        request = Request(0, 0, 0, 0, 0, 0.0)
        connection = yield from pool.borrow(request)
        try:
            yield from connection.server.execute(request, "slow", 0, connection)
        except CallFailure as failure:
            ends.append(failure.reason)
        finally:
            pool.give_back(connection)

    light = bench.env.start_now(work())
    bench.env.run(until=1.0)
    bench.env.throw(light, ClientGone("client"))
    bench.env.run(until=2.0)
    assert ends == ["client_gone"]
    assert (pool.total, bench.database.open_connections) == (1, 2)
    bench.env.run(until=10.0)
    assert (pool.total, bench.database.open_connections) == (1, 1)


def test_a_commit_still_on_its_way_when_the_client_gives_up_comes_to_nothing() -> None:
    bench = stand()
    spec = LinkSpec.model_validate({"between": ["services.shop", "databases.main"], "delay": "300ms"})
    far = LinkedDatabase(Link(bench.context.at("wire"), spec), "services.shop", bench.database)
    settings = HikariSpec.model_validate({"database": "main", "maximum_pool_size": 1, "socket_timeout": "200ms"})
    pool = settings.build(bench.context.at("far"), far)
    pool.start_warm()
    ends: list[tuple[str, float]] = []

    def work() -> Activity:
        request = Request(0, 0, 0, 0, 0, 0.0)
        connection = yield from pool.borrow(request)
        connection.server.begin(connection, False)
        try:
            yield from connection.server.commit(request, connection)
        except SocketTimeout as failure:
            ends.append((failure.reason, bench.env.now))
        finally:
            connection.server.roll_back(connection)
            pool.give_back(connection)

    bench.env.start(work())
    bench.env.run(until=5.0)
    assert ends == [("socket_timeout", 0.2)]
    assert bench.database.open_connections == pool.total == 1


def test_a_statement_left_by_a_pool_that_dies_takes_no_connection_from_others() -> None:
    bench = stand()
    pool = bench.pool(maximum_pool_size=1, socket_timeout="1s")
    other = bench.pool("other", maximum_pool_size=1)
    for each in (pool, other):
        each.start_warm()

    def work() -> Activity:
        request = Request(0, 0, 0, 0, 0, 0.0)
        connection = yield from pool.borrow(request)
        try:
            yield from connection.server.execute(request, "slow", 0, connection)
        except ClientGone:
            pool.give_back(connection)

    light = bench.env.start_now(work())
    bench.env.run(until=0.5)
    pool.close()
    bench.env.throw(light, ClientGone("client"))
    bench.env.run(until=10.0)
    assert bench.database.open_connections == other.total == 1


def test_logging_in_to_a_database_that_hangs_is_given_up() -> None:
    """After the pool's connection_timeout; then the adder tries again."""
    bench = stand()
    bench.host.is_hanging = True
    pool = bench.pool(maximum_pool_size=1, minimum_idle=0, connection_timeout="3s")
    pool.start_warm()
    bench.borrow(pool, 0, 1.0)
    bench.env.run(until=3.9)
    assert bench.failed == []
    bench.env.run(until=4.1)
    assert bench.failed == [(0, "pool_timeout", 4.0)]
    bench.host.is_hanging = False
    bench.borrow(pool, 1, 5.0, keep_s=0.0)
    bench.env.run(until=10.0)
    assert [number for number, _ in bench.served] == [1]


def test_without_socket_timeout_nothing_stands_between() -> None:
    bench = stand()
    pool = bench.pool(maximum_pool_size=1)
    pool.start_warm()
    connection = pool.take_idle()
    assert connection is not None
    assert connection.server is bench.database
