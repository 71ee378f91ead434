"""A full, warm pool is M/M/c where borrowers come as a Poisson process and keep connections for exponential times."""

from __future__ import annotations

from math import fsum, sqrt
from typing import Any

from scipy import stats

from experiments.validation.check import Component, Disagreement, expect, expect_near
from experiments.validation.theory.coverage import erlang_c
from models.connection_pool import HikariSpec
from models.database import PostgresSpec
from models.request import Request
from models.spec import Context
from sim.distributions import Exponential
from sim.environment import Environment, Light
from sim.probe import NullProbe
from sim.streams import Streams

POOL = Component("Connection pool as a queue", version="closed forms", source="Erlang C: M/M/c")

HOLDING_S = 0.02
WARM_UP = 200
"""Borrowers left out at the start of a run."""
RUNS = 16


class Host:
    """A container of which only validations are asked: these borrowers just keep their connections."""

    path = "databases.primary"
    is_up = True
    is_started = True

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
    expect((len(waits), pool.idle, pool.total), (borrowers, connections, connections), "everything came back")
    return waits[WARM_UP:]


def compare(connections: int, utilisation: float) -> None:
    """Mean wait and share of those who wait lie in the 99 % interval over 16 seeds."""
    chance = erlang_c(connections, connections * utilisation)
    mean_s = chance * HOLDING_S / (connections * (1.0 - utilisation))
    runs = [waits_s(connections, utilisation, seed) for seed in range(RUNS)]
    means = [fsum(run) / len(run) for run in runs]
    shares = [sum(wait > 0 for wait in run) / len(run) for run in runs]
    for what, values, truth in (("mean wait", means, mean_s), ("share that waits", shares, chance)):
        mean = fsum(values) / RUNS
        error = sqrt(fsum((value - mean) ** 2 for value in values) / (RUNS - 1) / RUNS)
        reach = float(stats.t.ppf(0.995, RUNS - 1)) * error
        expect_near(mean, truth, reach, what)
        if reach >= 0.3 * truth:
            raise Disagreement(f"{what}: {mean:.6g} +- {reach:.6g} is too wide to say anything")


AGREEMENT = "the 99 % interval over 16 seeds holds it"


@POOL.check("1 connection at 50 %", "wait and share that waits are Erlang C's", AGREEMENT)
def one() -> None:
    compare(1, 0.5)


@POOL.check("5 connections at 70 %", "wait and share that waits are Erlang C's", AGREEMENT)
def five() -> None:
    compare(5, 0.7)


@POOL.check("10 connections at 75 %", "wait and share that waits are Erlang C's", AGREEMENT)
def ten() -> None:
    compare(10, 0.75)
