"""A full, warm pool is M/M/c where borrowers come as a Poisson process and keep connections for exponential times."""

from __future__ import annotations

from math import sqrt
from typing import Any

import pytest
from scipy import stats

from models.connection_pool import HikariSpec
from models.database import PostgresSpec
from models.request import Request
from models.spec import Context
from sim.distributions import Exponential
from sim.environment import Environment, Light
from sim.probe import NullProbe
from sim.streams import Streams

HOLDING_S = 0.02
WARM_UP = 200
"""Borrowers left out at the start of a run."""


class Host:
    """A container of which only validations are asked: these borrowers just keep their connections."""

    path = "databases.primary"
    is_up = True

    def __init__(self, env: Environment) -> None:
        self._env = env

    def run(self, demand_s: float) -> None:
        """Validations, of connections that were idle for long."""
        self._env.wake(self._env.park(self), 0.0, demand_s)

    def withdraw(self, light: Light) -> None:
        """Nobody is interrupted."""

    def use_memory(self, delta_bytes: int) -> None:
        """There is enough."""

    def enter(self) -> Light:
        assert self._env.active is not None
        return self._env.active

    def leave(self, light: Light) -> None:
        """Nobody is told when this container dies."""


def erlang_c(servers: int, load: float) -> float:
    """The probability of waiting in M/M/c, through Erlang B's recursion."""
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = load * blocked / (number + load * blocked)
    return blocked / (1.0 - load / servers * (1.0 - blocked))


def waits_s(connections: int, utilisation: float, seed: int, borrowers: int = 6000) -> list[float]:
    """Waiting times of the borrowers of one run, the first ones left out."""
    env, streams = Environment(), Streams(seed, 0)
    context = Context(env, streams, NullProbe(env), "")
    database = PostgresSpec().build(context.at("databases.primary"), Host(env))
    spec = HikariSpec(database="primary", maximum_pool_size=connections, max_lifetime=0.0, connection_timeout=0.0)
    pool = spec.build(context.at("pool"), database)
    pool.start_warm()
    gaps = streams.sequence("gaps", Exponential(HOLDING_S / (connections * utilisation)))
    holding = streams.draws("holding", Exponential(HOLDING_S))
    waits: list[float] = []

    def borrower(number: int) -> Any:
        request = Request(number, number, 0, 0, 0, env.now)
        connection = pool.take_idle() or (yield from pool.borrow(request))
        waits.append(request.wait_s)
        yield holding.at(number)
        pool.give_back(connection)

    def arrivals() -> Any:
        for number in range(borrowers):
            yield gaps.next()
            env.start_now(borrower(number))

    env.start(arrivals())
    env.run()
    assert len(waits) == borrowers and pool.idle == pool.total == connections
    return waits[WARM_UP:]


@pytest.mark.parametrize(("connections", "utilisation"), [(1, 0.5), (5, 0.7), (10, 0.75)])
def test_waiting_is_erlang_c(connections: int, utilisation: float) -> None:
    """Mean wait and share of those who wait lie in the 99 % interval over 16 seeds."""
    chance = erlang_c(connections, connections * utilisation)
    mean_s = chance * HOLDING_S / (connections * (1.0 - utilisation))
    runs = [waits_s(connections, utilisation, seed) for seed in range(16)]
    means = [float(sum(run)) / len(run) for run in runs]
    shares = [sum(1 for wait in run if wait > 0) / len(run) for run in runs]
    for estimates, truth in ((means, mean_s), (shares, chance)):
        mean, half_width = estimate(estimates)
        assert abs(mean - truth) <= half_width
        assert half_width < 0.3 * truth, "the interval is narrow enough to mean something"


def test_intervals_cover_the_truth_as_often_as_they_claim() -> None:
    """16 disjoint groups of 4 seeds: of their 90 % intervals, 11 or more of 16 hold the truth (99.7 % likely)."""
    utilisation = 0.4
    truth_s = utilisation * HOLDING_S / (1.0 - utilisation)
    runs = [waits_s(1, utilisation, 1000 + seed, borrowers=2000) for seed in range(64)]
    means = [float(sum(run)) / len(run) for run in runs]
    held = 0
    for group in range(16):
        mean, half_width = estimate(means[4 * group : 4 * group + 4], confidence=0.90)
        held += abs(mean - truth_s) <= half_width
    assert 11 <= held <= 16


def estimate(values: list[float], confidence: float = 0.99) -> tuple[float, float]:
    """Mean, and half the width of Student's interval."""
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, float(stats.t.ppf(0.5 + confidence / 2, len(values) - 1)) * sqrt(variance / len(values))
