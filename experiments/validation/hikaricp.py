"""HikariCP: growth, waiting, validation and the ends of connections, as measured and as read in its source."""

from __future__ import annotations

from itertools import pairwise
from math import sqrt
from typing import Any

from pydantic import ValidationError

from experiments.validation.check import Component, expect, expect_failure, expect_near
from experiments.validation.databases import Stand, Visits
from models.connection_pool import Connection, Hikari, HikariSpec
from sim.environment import Activity

HIKARICP = Component(
    "HikariCP",
    version="2.7.9 and 6.0.1-SNAPSHOT, connecting in 20 ms",
    source="HikariCP: HikariConfig, pool/HikariPool, pool/PoolBase, util/ConcurrentBag; CHANGES",
    section="4",
)

CONNECT_S = 0.02
NEAR_S = 2e-8
"""Twenty waits in a row, each drawn to the nearest 2**-30 s."""
OLD, NEW = "2.7.9", "6.0.1"
OVERHEAD_S = 0.0011
"""What the real pool and its clock add to a connection: the measured figures exceed the model's by up to this."""


@HIKARICP.check(
    "first connection after the synchronous one → pool of 10 full", "one after the other, with 30 ms between from 5.1",
    "within 1.1 ms a connection",
)  # fmt: skip
def growth_to_ten_is_serial() -> None:
    for version, modelled_s, measured_s in ((OLD, 0.02, 0.0205), (NEW, 0.05, 0.051)):
        stand = Stand()
        pool = stand.pool(version=version)
        stand.start(pool)
        changes = stand.totals(pool, 1.0)
        expect([total for _, total in changes], list(range(11)), version)
        for (sooner_s, _), (later_s, _) in pairwise(changes[2:]):
            expect_near(later_s - sooner_s, modelled_s, OVERHEAD_S, version)
        expect(modelled_s <= measured_s <= modelled_s + OVERHEAD_S, True, "as measured")


@HIKARICP.check("minIdle 1, max 20, burst 20: last borrower served", "395 ms and 940 ms", "within 1.1 ms a connection")
def a_burst_of_20() -> None:
    for version, modelled_s, measured_s in ((OLD, 0.38, 0.395), (NEW, 0.92, 0.940)):
        stand = Stand()
        pool = stand.pool(version=version, minimum_idle=1, maximum_pool_size=20)
        stand.start(pool)
        stand.env.run(until=10.0)
        expect(pool.total, 1)
        for number in range(20):
            stand.borrow(pool, number, 10.0)
        stand.env.run(until=12.0)
        expect([number for number, _ in stand.served], list(range(20)), version)
        last_s = stand.served[-1][1] - 10.0
        expect_near(last_s, modelled_s, NEAR_S, version)
        expect(last_s <= measured_s <= last_s + 19 * OVERHEAD_S, True, "as measured")
        expect((pool.total, stand.database.open_connections), (20, 20))


@HIKARICP.check("max 1, timeout 250 ms", "the second borrower fails after its time", "within 1 ms")
def a_borrower_leaves_after_connection_timeout() -> None:
    for version in (OLD, NEW):
        stand = Stand()
        pool = stand.pool(version=version, maximum_pool_size=1, connection_timeout="250ms")
        stand.start(pool)
        stand.borrow(pool, 0, 5.0)
        late = stand.borrow(pool, 1, 6.0)
        stand.env.run(until=10.0)
        expect([number for number, _ in stand.served], [0])
        expect([(number, reason) for number, reason, _ in stand.failed], [(1, "pool_timeout")])
        expect_near(stand.failed[0][2] - 6.0, 0.251, 0.0011, version)
        expect_near(late.wait_s, 0.25, NEAR_S)


@HIKARICP.check("20 waiters", "first come first served")
def waiters_are_served_first_come_first_served() -> None:
    for version in (OLD, "5.0.1", NEW):
        stand = Stand()
        pool = stand.pool(version=version, maximum_pool_size=1)
        stand.start(pool)
        for number in range(21):
            stand.borrow(pool, number, 0.1 + number * 1e-4, keep_s=0.01)
        stand.env.run(until=5.0)
        expect([number for number, _ in stand.served], list(range(21)), version)


@HIKARICP.check("idle 400 / 600 ms before borrow: validations", "none up to half a second of idleness, then one")
def validation_after_half_a_second() -> None:
    for version in (OLD, NEW):
        for idle_s, validations in ((0.4, 0), (0.6, 1)):
            stand = Stand()
            pool = stand.pool(version=version, maximum_pool_size=1, validation="3ms")
            stand.start(pool)
            stand.borrow(pool, 0, 10.0, keep_s=0.1)
            request = stand.borrow(pool, 1, 10.1 + 0.003 + idle_s)
            stand.env.run(until=20.0)
            expect(len(stand.served), 2)
            expect_near(request.db_s, validations * 0.003, NEAR_S)


@HIKARICP.check("maximumPoolSize 10, minimumIdle = max, idleTimeout 10 min, maxLifetime 30 min", "the defaults")
def defaults() -> None:
    spec = HikariSpec(database="primary")
    expect((spec.maximum_pool_size, spec.minimum_idle), (10, None))
    expect((spec.connection_timeout, spec.idle_timeout, spec.max_lifetime), (30.0, 600.0, 1800.0))
    expect((spec.validation_timeout, spec.initialization_fail_timeout), (5.0, 0.001))
    stand = Stand()
    pool = stand.pool()
    stand.start(pool)
    stand.env.run(until=5.0)
    expect(pool.idle, 10, "minimumIdle = maximumPoolSize")


@HIKARICP.check("connectionTimeout 30 s (min 250 ms; 0 = ~24.8 days)", "249 ms is refused, 0 is the largest integer")
def what_the_setter_refuses() -> None:
    def too_short() -> None:
        HikariSpec.model_validate({"database": "primary", "connection_timeout": "249ms"})

    expect_failure(ValidationError, too_short)
    stand = Stand()
    pool = stand.pool(maximum_pool_size=1, connection_timeout=0, max_lifetime=0)
    stand.start(pool)
    stand.borrow(pool, 0, 1.0, keep_s=1e9)
    stand.borrow(pool, 1, 2.0)
    stand.env.run(until=3e6)
    expect(stand.failed, [(1, "pool_timeout", 2.0 + 2147483.647)])


@HIKARICP.check(
    "Start: one connection synchronously (failure aborts), the rest in the background", "after one attempt",
    "within 1.1 ms",
)  # fmt: skip
def a_start_makes_one_connection() -> None:
    stand = Stand()
    pool = stand.pool()
    stand.start(pool)
    changes = stand.totals(pool, 0.2)
    expect_near(changes[1][0], CONNECT_S, OVERHEAD_S, "one synchronously")
    expect_near(changes[2][0], CONNECT_S + 0.1 + CONNECT_S, OVERHEAD_S, "the housekeeper fills at 100 ms")
    stand = Stand()
    stand.host.is_up = False
    pool = stand.pool()
    stand.start(pool)
    stand.env.run(until=0.999)
    expect(stand.failed, [], "it sleeps for a second before it fails")
    stand.env.run(until=5.0)
    expect(stand.failed, [(-1, "connection_refused", 1.0)])
    expect(pool.total, 0)


@HIKARICP.check(
    "initializationFailTimeout 1 ms", "longer: it tries again; 0: once, and goes on; below 0: it does not try"
)
def initialization() -> None:
    outcomes = []
    for setting in ("3s", 0, None):
        stand = Stand()
        stand.host.is_up = False
        pool = stand.pool(initialization_fail_timeout=setting, maximum_pool_size=2)
        stand.start(pool)
        stand.env.run(until=1.5)
        stand.host.is_up = True
        stand.borrow(pool, 0, 3.5)
        stand.env.run(until=40.0)
        outcomes.append((stand.failed, [number for number, _ in stand.served], pool.total))
    expect(outcomes, [([], [0], 2)] * 3)
    stand = Stand()
    stand.host.is_up = False
    stand.start(stand.pool(initialization_fail_timeout="3s"))
    stand.env.run(until=10.0)
    expect(stand.failed, [(-1, "connection_refused", 3.0)])


@HIKARICP.check("maxLifetime minus random 0–2.5% (if > 10 s)", "up to 25 % from 6.1", "200 lives within their bounds")
def lives_vary() -> None:
    for version, least_s in ((OLD, 975.0), (NEW, 975.0), ("6.1.0", 750.0)):
        stand = Stand({"max_connections": 300})
        pool = stand.pool(maximum_pool_size=200, max_lifetime="1000s", version=version)
        ends = [pool._admit(0, 0.0).expires_at_s for _ in range(200)]
        width_s = 1000.0 - least_s
        expect(least_s <= min(ends) < least_s + width_s / 25 and 1000.0 - width_s / 25 < max(ends) <= 1000.0, True)
        mean_s = 0.0
        for end_s in ends:
            mean_s += end_s / 200
        expect_near(mean_s, least_s + width_s / 2, 3 * width_s / sqrt(12.0 * 200), version)


@HIKARICP.check("in-use connections retire on return", "and who waits has a new one made")
def in_use_it_ends_on_return() -> None:
    stand = Stand()
    pool = stand.pool(maximum_pool_size=1, max_lifetime="30s")
    stand.start(pool)
    stand.borrow(pool, 0, 10.0, keep_s=50.0)
    stand.borrow(pool, 1, 40.0)
    stand.env.run(until=60.0)
    expect((pool.total, pool.waiting), (1, 1))
    stand.env.run(until=70.0)
    expect_near(stand.served[1][1], 60.0 + 51e-6 + CONNECT_S, NEAR_S)


@HIKARICP.check("maxLifetime < 30 s or idleTimeout < 10 s are replaced by the default", "with a warning in the log")
def what_is_replaced() -> None:
    stand = Stand()
    pool = stand.pool(maximum_pool_size=1, max_lifetime="29s")
    expect(stand.probe.notes, ["max_lifetime 29s is less than 30s: the default of 30m is used"])
    expect(1755.0 <= pool._admit(0, 0.0).expires_at_s <= 1800.0, True)
    stand = Stand()
    pool = grown(stand, minimum_idle=2, idle_timeout="9s")
    expect(stand.probe.notes, ["idle_timeout 9s is less than 10s: the default of 10m is used"])
    stand.env.run(until=600.0)
    expect(pool.total >= 5, True)
    stand.env.run(until=650.0)
    expect(pool.total, 2)


def grown(stand: Stand, **settings: Any) -> Hikari:
    """A pool that 5 borrowers have made grow at 10 s and given back at 11 s."""
    pool = stand.pool(maximum_pool_size=8, **settings)
    stand.start(pool)
    for number in range(5):
        stand.borrow(pool, number, 10.0, keep_s=1.0)
    stand.env.run(until=20.0)
    return pool


@HIKARICP.check(
    "idleTimeout acts only if minimumIdle < max, only in the 30 s housekeeper",
    "all surplus at one instant of its grid",
    "within 10 ms",
)
def surplus_ends_on_the_grid() -> None:
    stand = Stand()
    pool = grown(stand, minimum_idle=2, idle_timeout="1m")
    changes = stand.totals(pool, 200.0, step_s=0.01)
    expect([total for _, total in changes[1:]], [2], "all at one instant")
    expect_near(changes[1][0], CONNECT_S + 0.1 + 90.0, 0.011, "unused since 11 s: the first instant after 71 s")
    stand = Stand()
    fixed = grown(stand, idle_timeout="1m", max_lifetime=0)
    stand.env.run(until=3000.0)
    expect(fixed.total, 8)


@HIKARICP.check("idleTimeout close to maxLifetime", "has no effect (HikariConfig.validateNumerics)")
def close_to_max_lifetime() -> None:
    stand = Stand()
    grown(stand, minimum_idle=2, idle_timeout="100s", max_lifetime="100s")
    expect(stand.probe.notes, ["idle_timeout 100s is close to max_lifetime or more: it has no effect"])


@HIKARICP.check("housekeeping 30 s", "it fills a pool of 5 to 10 of which 3 are in use")
def the_housekeeper_keeps_minimum_idle() -> None:
    stand = Stand()
    pool = stand.pool(minimum_idle=5, maximum_pool_size=10)
    stand.start(pool)
    for number in range(3):
        stand.borrow(pool, number, 10.0)
    stand.env.run(until=CONNECT_S + 0.1 + 30.0)
    expect((pool.total, pool.idle), (5, 2))
    stand.env.run(until=35.0)
    expect((pool.total, pool.idle), (8, 5))


@HIKARICP.check("Pool size is per replica: replicas × max must fit the database", "the tenth pool of 10 gets 7 of 97")
def pools_must_fit() -> None:
    stand = Stand()
    pools = [stand.pool(f"pool-{number}") for number in range(10)]
    for pool in pools:
        pool.start_warm()
    expect([pool.total for pool in pools], [10] * 9 + [7])


class Watched:
    """A database that notes when somebody tries to connect."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        self.epoch = 0
        self.died_at_s = 0.0
        self.attempts: list[float] = []

    def connect(self) -> Activity:
        self.attempts.append(self._stand.env.now)
        return self._stand.database.connect()

    def opened_since(self, begun_at_s: float) -> None:
        return None

    def disconnect(self, epoch: int) -> None:
        """There is none."""

    def ping(self, connection: Connection, demand_s: float) -> Activity:
        return self._stand.database.ping(connection, demand_s)


@HIKARICP.check("a database that refuses: pauses between the adder's attempts", "by release", "within 0.1 us")
def retries() -> None:
    for version, pauses_s in (
        (OLD, [0.25, 0.375, 0.562, 0.843, 1.264]),
        ("4.0.3", [0.25, 0.375, 0.562, 0.843, 1.264]),
        ("5.1.0", [0.01, 0.02, 0.04, 0.08, 0.16]),
    ):
        stand = Stand()
        stand.host.is_up = False
        watched = Watched(stand)
        spec = HikariSpec(database="primary", version=version, maximum_pool_size=1)
        pool = spec.build(stand.context.at("other"), watched)
        pool.start_warm()
        stand.borrow(pool, 0, 0.0)
        stand.env.run(until=5.0)
        for (sooner_s, later_s), pause_s in zip(pairwise(watched.attempts), pauses_s, strict=False):
            expect_near(later_s - sooner_s, pause_s, NEAR_S, version)


@HIKARICP.check("5.0.x: burst 20 of minIdle 1", "one addition goes on until the need has gone, 10 ms after each")
def growth_of_5_0() -> None:
    stand = Stand()
    pool = stand.pool(version="5.0.1", minimum_idle=1, maximum_pool_size=20)
    stand.start(pool)
    stand.env.run(until=10.0)
    for number in range(20):
        stand.borrow(pool, number, 10.0)
    stand.env.run(until=12.0)
    expect_near(stand.served[-1][1] - 10.0, 19 * CONNECT_S + 18 * 0.01, NEAR_S)


@HIKARICP.check("validationTimeout 5 s", "a database that hangs costs 5 s a connection, within the borrower's 30 s")
def validation_of_a_database_that_hangs() -> None:
    stand = Stand({"connect_cpu": "1ms"})
    pool = stand.pool(maximum_pool_size=10)
    pool.start_warm()
    stand.env.run(until=1.0)
    stand.host.is_hanging = True
    stand.borrow(pool, 0, 2.0)
    stand.env.run(until=100.0)
    expect(stand.failed, [(0, "pool_timeout", 32.0)])
    expect(pool.idle, 4, "6 of 10 were validated, 5 s each")
    stand = Stand({"connect_cpu": "1ms"})
    pool = stand.pool(maximum_pool_size=1, connection_timeout="8s")
    pool.start_warm()
    stand.env.run(until=1.0)
    stand.host.is_hanging = True
    stand.borrow(pool, 0, 2.0)
    stand.env.run(until=100.0)
    expect(stand.failed, [(0, "pool_timeout", 10.0)], "5 s of validation and what is left of 8 s")


@HIKARICP.check("keepalive 0 (2 min in later releases)", "it finds dead connections before a borrower does")
def keepalive() -> None:
    for settings, wait_s in (
        ({}, CONNECT_S),
        ({"keepalive_time": "60s"}, 0.0),
        ({"version": "6.2.1"}, 0.0),
        ({"version": "6.2.0"}, CONNECT_S),
    ):
        stand = Stand()
        pool = stand.pool(maximum_pool_size=1, **settings)
        pool.start_warm()
        stand.env.run(until=10.0)
        stand.host.die()
        stand.host.is_up = True
        request = stand.borrow(pool, 0, 300.0, keep_s=0.0)
        stand.env.run(until=301.0)
        expect_near(request.wait_s, wait_s, NEAR_S, str(settings))
    stand = Stand()
    stand.pool(keepalive_time="29s")
    expect(stand.probe.notes, ["keepalive_time 29s is less than 30s: it has no effect"])


@HIKARICP.check("spring.jpa.open-in-view", "a connection once used is kept until the request ends")
def open_in_view() -> None:
    steps = [{"kind": "db", "pool": "main", "query": "find"}, {"kind": "delay", "duration": "1s"}]
    held = []
    for setting in (False, True):
        visits = Visits(steps, open_in_view=setting)
        visits.env.run(until=1.5)
        held.append(visits.in_use()[0])
        expect(visits.outcomes(), {"succeeded": 1})
        expect(visits.in_use(), (0, 0))
    expect(held, [0, 1])


HIKARICP.leaves_out(
    "Borrow: own thread's recent connections", "connections are equal: which idle one is lent changes no time"
)
HIKARICP.leaves_out(
    "newcomers may barge", "the window is the few microseconds between a return and its hand-over to a waiter"
)
HIKARICP.leaves_out("leakDetection 0 (min 2 s, log only)", "writes a log line and changes nothing else")
