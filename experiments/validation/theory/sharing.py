"""Processor sharing: M/G/1-PS, whose mean response time knows nothing of the demands but their mean; M/M/2-PS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

from experiments.validation.check import Component, Disagreement, expect_near
from sim.environment import Environment
from sim.processor import Container, Processor

SHARING = Component(
    "Processor sharing",
    version="closed forms",
    source="Kleinrock, Queueing Systems II, 1976; Sakata, Noguchi, Oizumi 1971",
)

MEAN_S = 0.002
SEEDS = 32
WARM_UP, COUNTED, BATCHES = 400, 4000, 16
LEAST_COVERED = 27
"""Of 32 intervals at 95 %: as many or more with probability 0.99."""
AGREEMENT = "95 % intervals cover it at least 27 times in 32"

Draw = Callable[[np.random.Generator, int], Any]


def exponential(random: np.random.Generator, n: int) -> Any:
    return random.exponential(MEAN_S, n)


def constant(_: np.random.Generator, n: int) -> Any:
    return np.full(n, MEAN_S)


def hyperexponential(random: np.random.Generator, n: int) -> Any:
    """Squared coefficient of variation 4: nine in ten short, one in ten long."""
    return np.where(random.random(n) < 0.9, random.exponential(5 / 9 * MEAN_S, n), random.exponential(5 * MEAN_S, n))


def bimodal(random: np.random.Generator, n: int) -> Any:
    """Two lengths only: a fifth of the demands are eleven times as long as the others."""
    return np.where(random.random(n) < 0.8, MEAN_S / 3, 11 * MEAN_S / 3)


def response_times(seed: int, draw: Draw, cores: int, utilisation: float, containers: int = 1) -> Any:
    """Response times in order of arrival, of Poisson arrivals at containers of equal weight, after the warm-up."""
    random = np.random.Generator(np.random.Philox(seed))
    n = WARM_UP + COUNTED
    gaps = random.exponential(MEAN_S / (cores * utilisation), n).tolist()
    demands = draw(random, n)
    where = random.integers(containers, size=n).tolist()
    env = Environment()
    processor = Processor(env, cores)
    boxes = [processor.container(str(i), 1.0) for i in range(containers)]
    times = [0.0] * n

    def visit(number: int, container: Container, demand_s: float) -> Any:
        arrived_at = env.now
        yield container.run(demand_s)
        times[number] = env.now - arrived_at

    def arrivals() -> Any:
        for number, demand_s in enumerate(demands.tolist()):
            yield gaps[number]
            env.start_now(visit(number, boxes[where[number]], demand_s))

    env.start(arrivals())
    env.run()
    asked_s = float(demands.sum())
    expect_near(processor.cpu_s, asked_s, 1e-9 * asked_s, "CPU time handed out is CPU time asked for")
    return np.array(times[WARM_UP:])


def compare(truth_s: float, draw: Draw, cores: int, utilisation: float, containers: int = 1) -> None:
    """The interval of each seed (batch means) must hold the truth as often as it claims, and all seeds together."""
    means = np.empty(SEEDS)
    covered = 0
    reach = stats.t.ppf(0.975, BATCHES - 1)
    for seed in range(SEEDS):
        batches = response_times(seed, draw, cores, utilisation, containers).reshape(BATCHES, -1).mean(axis=1)
        means[seed] = batches.mean()
        covered += int(abs(means[seed] - truth_s) <= reach * batches.std(ddof=1) / np.sqrt(BATCHES))
    if covered < LEAST_COVERED:
        raise Disagreement(f"{covered} of {SEEDS} intervals hold {truth_s:.6g} s")
    error_s = float(means.std(ddof=1) / np.sqrt(SEEDS))
    expect_near(float(means.mean()), truth_s, 3 * error_s, "mean response time over all seeds")


def insensitive(draw: Draw) -> None:
    compare(MEAN_S / (1 - 0.6), draw, 1, 0.6)


@SHARING.check("M/M/1-PS at 60 %", "mean response time 1 / (mu - lambda)", AGREEMENT)
def mm1() -> None:
    insensitive(exponential)


@SHARING.check("M/D/1-PS at 60 %", "the same, whatever the demands", AGREEMENT)
def md1() -> None:
    insensitive(constant)


@SHARING.check("M/H2/1-PS at 60 %", "the same, whatever the demands", AGREEMENT)
def mh1() -> None:
    insensitive(hyperexponential)


@SHARING.check("M/G/1-PS at 60 %, two lengths", "the same, whatever the demands", AGREEMENT)
def mg1() -> None:
    insensitive(bimodal)


@SHARING.check("M/M/2-PS at 70 %, one container", "both cores work for two threads: M/M/2's mean", AGREEMENT)
def one_container() -> None:
    compare(MEAN_S / (1 - 0.7**2), exponential, 2, 0.7)


@SHARING.check("M/M/2-PS at 70 %, five containers", "the same, spread over containers of equal weight", AGREEMENT)
def five_containers() -> None:
    compare(MEAN_S / (1 - 0.7**2), exponential, 2, 0.7, 5)


@SHARING.check("Little's law", "integral of the number present = sum of the times present", "within 1e-9")
def little() -> None:
    env = Environment()
    container = Processor(env, 1).container("a", 1.0)
    random = np.random.Generator(np.random.Philox(7))
    total = [0.0]

    def visit(demand_s: float) -> Any:
        arrived_at = env.now
        yield container.run(demand_s)
        total[0] += env.now - arrived_at

    def arrivals() -> Any:
        gaps_s, demands_s = random.exponential(2 * MEAN_S, 40_000), random.exponential(MEAN_S, 40_000)
        for gap_s, demand_s in zip(gaps_s.tolist(), demands_s.tolist(), strict=True):
            yield gap_s
            env.start_now(visit(demand_s))

    env.start(arrivals())
    env.run()
    expect_near(container.present_area, total[0], 1e-9 * total[0], "area")
    expect_near(container.present_s, total[0], 1e-9 * total[0], "sum of times")
    expect_near(container.present_area / env.now, 1.0, 0.05, "number present, rho / (1 - rho) at 50 %")


@SHARING.check("slow-down at 50 %", "a demand d takes d / (1 - rho), short or long", "within 3.5 standard errors")
def slow_down() -> None:
    slow_downs: dict[bool, list[float]] = {True: [], False: []}
    for seed in range(8):
        times = response_times(seed, bimodal, 1, 0.5)
        random = np.random.Generator(np.random.Philox(seed))
        random.exponential(1.0, WARM_UP + COUNTED)
        demands = bimodal(random, WARM_UP + COUNTED)[WARM_UP:]
        for is_long in (True, False):
            chosen = (demands > MEAN_S) == is_long
            slow_downs[is_long].append(float(times[chosen].mean() / demands[chosen].mean()))
    for is_long, seen in slow_downs.items():
        error = float(np.std(seen, ddof=1) / np.sqrt(len(seen)))
        expect_near(float(np.mean(seen)), 2.0, 3.5 * error, "long ones" if is_long else "short ones")
