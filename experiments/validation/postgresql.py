"""PostgreSQL and its driver: connections, time limits, locks, prepared statements."""

from __future__ import annotations

from typing import Any

from experiments.validation.check import Component, expect, expect_near
from experiments.validation.databases import Stand
from experiments.validation.sql_client import ROWS, Client
from models.connection_pool import HikariSpec
from models.database import PostgresSpec
from models.link import Link, LinkedDatabase, LinkSpec, Trouble
from models.outcomes import CallFailure, ConnectionRefused
from models.request import Request
from sim.environment import Activity

POSTGRESQL = Component(
    "PostgreSQL",
    version="PostgreSQL 15.20, pgjdbc 3a699d5",
    source="PostgreSQL postgresql.conf, utils/cache/plancache.c; pgjdbc PGProperty.java",
    section="6",
)

NEAR_S = 2e-9
"""Waits are drawn to the nearest 2**-30 s."""


@POSTGRESQL.check("97 for the application", "then refused: remaining connection slots are reserved; over all pools")
def connections() -> None:
    stand = Stand({"connect_time": "2.65ms"})
    spec = HikariSpec(database="primary", maximum_pool_size=60)
    first, second = (spec.build(stand.context.at(name), stand.database) for name in ("first", "second"))
    first.start_warm()
    second.start_warm()
    expect((first.total, second.total, stand.database.open_connections), (60, 37, 97))
    station = stand.probe.stations["databases.primary.connections"]
    expect((station.busy, station.servers, station.refused), (97, 97, 0))

    refused: list[tuple[str, float]] = []

    def connect() -> Activity:
        try:
            yield from stand.database.connect()
        except CallFailure as failure:
            refused.append((failure.reason, stand.env.now))

    stand.env.start(connect(), delay=1.0)
    stand.env.run(until=2.0)
    expect(refused[0][0], "database_refused")
    expect_near(refused[0][1], 1.00265, NEAR_S, "refused as late as it would have been connected")
    first.close()
    expect(stand.database.open_connections, 37)


@POSTGRESQL.check("connect (trust, no TLS) 2.65 ms p50 against 0.051 ms for a key lookup", "as measured", "within 1 us")
def connecting_takes_long() -> None:
    stand = Stand({"connect_time": "2.65ms", "connect_cpu": "1ms", **ROWS})
    spec = PostgresSpec()
    expect_near(spec.connect_time.mean_s, 0.00265, 1e-9, "the default")
    ready: list[float] = []

    def connect() -> Activity:
        yield from stand.database.connect()
        ready.append(stand.env.now)

    stand.env.start(connect())
    client = Client(stand, stand.database)
    client.send(1.0, "find")
    stand.env.run()
    expect_near(ready[0], 0.00265, 1e-9)
    expect_near(client.log[0][1] - 1.0, 51e-6, 1e-9)


@POSTGRESQL.check("statement, lock and idle-in-transaction timeouts 0", "off by default, each ends what it is for")
def time_limits() -> None:
    spec = PostgresSpec()
    expect((spec.statement_timeout, spec.lock_timeout, spec.idle_in_transaction_session_timeout), (0.0, 0.0, 0.0))
    stand = Stand(ROWS)
    first, second, third = (Client(stand, stand.database) for _ in range(3))
    first.send(1.0, "save", 100.0, in_transaction=True)
    second.send(2.0, "save")
    third.send(2.0, "slow")
    stand.env.run()
    expect([client.log[0][0] for client in (first, second, third)], ["done"] * 3, "none of them is on")
    expect_near(second.log[0][1], 101.0002, 1e-9, "the row is free when the first transaction ends")

    stand = Stand({**ROWS, "statement_timeout": "2s"})
    client = Client(stand, stand.database)
    client.send(1.0, "slow")
    client.send(10.0, "find")
    stand.env.run()
    expect([(what, round(at_s, 9)) for what, at_s in client.log], [("statement_timeout", 3.0), ("done", 10.000051)])
    expect(client.connection.is_broken, False, "the connection survives")

    stand = Stand({**ROWS, "lock_timeout": "500ms"})
    first, second = Client(stand, stand.database), Client(stand, stand.database)
    first.send(1.0, "save", 5.0, in_transaction=True)
    second.send(2.0, "save")
    stand.env.run()
    expect((second.log, first.log[0][0]), ([("lock_timeout", 2.5)], "done"))

    stand = Stand({**ROWS, "idle_in_transaction_session_timeout": "1s"})
    first, second = Client(stand, stand.database), Client(stand, stand.database)
    first.send(1.0, "save", 0.5, "find", 5.0, "find", in_transaction=True)
    second.send(1.5, "save")
    stand.env.run()
    expect(first.log[0][0], "connection_lost", "found out with the next statement")
    expect(first.connection.is_broken, True)
    expect_near(second.log[0][1], 2.5 + 151e-6 + 100e-6, 1e-9, "its row is free as soon as it is thrown out")


@POSTGRESQL.check("deadlock check 1 s", "the first to have waited so long gives way, the other goes on")
def deadlock() -> None:
    stand = Stand(ROWS)
    a, b = Client(stand, stand.database, user=1), Client(stand, stand.database, user=2)

    def crosswise(client: Client, mine: int, other: int, at_s: float) -> None:
        def work() -> Activity:
            stand.database.begin(client.connection, False)
            try:
                for user, pause_s in ((mine, 0.2), (other, 0.0)):
                    yield from stand.database.execute(Request(0, user, 0, user, 0, 0.0), "save", 0, client.connection)
                    yield pause_s
                yield from stand.database.commit(client.request, client.connection)
                client.log.append(("done", stand.env.now))
            except CallFailure as failure:
                client.log.append((failure.reason, stand.env.now))
                stand.database.roll_back(client.connection)

        stand.env.start(work(), delay=at_s)

    crosswise(a, 1, 2, 1.0)
    crosswise(b, 2, 1, 1.1)
    stand.env.run()
    expect(a.log[0][0], "deadlock")
    expect_near(a.log[0][1], 1.0 + 100e-6 + 0.2 + 1.0, 1e-9)
    expect(b.log[0][0], "done")


@POSTGRESQL.check("pgjdbc: connect 10 s, socketTimeout 0", "waits for ever for a database that hangs, unless it is set")
def a_database_that_hangs() -> None:
    expect(HikariSpec(database="primary").socket_timeout, 0.0)
    outcomes = []
    for setting in (0, "3s"):
        stand = Stand(ROWS)
        pool = stand.pool(maximum_pool_size=1, socket_timeout=setting)
        pool.start_warm()
        stand.borrow(pool, 0, 0.2, keep_s=0.0, query="find")
        stand.env.run(until=0.3)
        stand.host.is_hanging = True
        stand.borrow(pool, 1, 0.4, keep_s=0.0, query="find")
        stand.env.run(until=1000.0)
        outcomes.append((stand.failed, pool.in_use))
    expect(outcomes, [([], 1), ([(1, "socket_timeout", 3.4)], 0)])


@POSTGRESQL.check("server-side prepare on the 5th use", "five custom plans follow, then a generic one: ten are made")
def server_side_prepare() -> None:
    plans = []
    for threshold in (5, 1, 0):
        stand = Stand({"queries": {"find": {"cpu": "1ms", "plan_cpu": "10ms"}}})
        pool = stand.pool(maximum_pool_size=1, prepare_threshold=threshold)
        pool.start_warm()
        times: list[float] = []

        def work(stand: Stand = stand, pool: Any = pool, times: list[float] = times) -> Activity:
            connection = yield from pool.borrow(Request(0, 0, 0, 0, 0, 0.0))
            for _ in range(20):
                began_at_s = stand.env.now
                yield from connection.server.execute(Request(0, 0, 0, 0, 0, 0.0), "find", 0, connection)
                times.append(stand.env.now - began_at_s)
            pool.give_back(connection)

        stand.env.start(work())
        stand.env.run(until=10.0)
        plans.append([round(time_s / 0.001) for time_s in times])
    expect(plans, [[11] * 10 + [1] * 10, [11] * 6 + [1] * 14, [11] * 20])


@POSTGRESQL.check("pgjdbc connect 10 s", "where nothing gets through, the driver gives up by itself")
def driver_gives_up() -> None:
    stand = Stand()
    wire = Link(stand.context.at("links.wire"), LinkSpec(between=["services.api", "databases.primary"]))
    wire.suffer(Trouble(is_cut=True))
    linked = LinkedDatabase(wire, "services.api", stand.database)
    failed_at_s: list[float] = []

    def connect() -> Activity:
        try:
            yield from linked.connect()
        except ConnectionRefused:
            failed_at_s.append(stand.env.now)

    stand.env.start(connect())
    stand.env.run()
    expect(failed_at_s, [10.0])
