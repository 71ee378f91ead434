"""Processor sharing against its theory: M/G/1-PS, whose mean response time knows nothing of the demands but their mean,
and M/M/2-PS, which has the mean of M/M/2.

Each law is tested over many seeds: the 95 % interval of a run (batch means) must cover the truth about as often as it
claims to, and the mean over all runs must agree with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from sim.environment import Environment
from sim.processor import Container, Processor

MEAN_S = 0.002
SEEDS = 32
WARM_UP, COUNTED, BATCHES = 400, 4000, 16

Draw = Callable[[np.random.Generator, int], np.ndarray]


def exponential(random: np.random.Generator, n: int) -> np.ndarray:
    return random.exponential(MEAN_S, n)


def constant(random: np.random.Generator, n: int) -> np.ndarray:
    return np.full(n, MEAN_S)


def hyperexponential(random: np.random.Generator, n: int) -> np.ndarray:
    """Squared coefficient of variation 4: nine in ten short, one in ten long."""
    return np.where(random.random(n) < 0.9, random.exponential(5 / 9 * MEAN_S, n), random.exponential(5 * MEAN_S, n))


def bimodal(random: np.random.Generator, n: int) -> np.ndarray:
    """Two lengths only: a fifth of the demands are eleven times as long as the others."""
    return np.where(random.random(n) < 0.8, MEAN_S / 3, 11 * MEAN_S / 3)


def response_times(seed: int, draw: Draw, cores: int, utilisation: float, containers: int = 1) -> np.ndarray:
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
    assert processor.cpu_s == pytest.approx(demands.sum(), rel=1e-9), "CPU time handed out is CPU time asked for"
    assert processor.load == 0
    return np.array(times[WARM_UP:])


def covered_and_pooled(
    truth_s: float, draw: Draw, cores: int, utilisation: float, containers: int = 1
) -> tuple[int, float]:
    """How many of the seeds' 95 % intervals hold the truth, and how many standard errors all seeds together are off."""
    means = np.empty(SEEDS)
    covered = 0
    reach = stats.t.ppf(0.975, BATCHES - 1)
    for seed in range(SEEDS):
        batches = response_times(seed, draw, cores, utilisation, containers).reshape(BATCHES, -1).mean(axis=1)
        means[seed] = batches.mean()
        covered += abs(means[seed] - truth_s) <= reach * batches.std(ddof=1) / np.sqrt(BATCHES)
    return covered, abs(means.mean() - truth_s) / (means.std(ddof=1) / np.sqrt(SEEDS))


@pytest.mark.parametrize("draw", [exponential, constant, hyperexponential, bimodal])
def test_m_g_1_ps_mean_depends_on_the_mean_demand_only(draw: Draw) -> None:
    utilisation = 0.6
    covered, off = covered_and_pooled(MEAN_S / (1 - utilisation), draw, 1, utilisation)
    assert covered >= 27, f"{covered} of {SEEDS} intervals; 27 or more with probability 0.99 at 95 %"
    assert off < 3.0, f"{off} standard errors from the truth"


@pytest.mark.parametrize("containers", [1, 5])
def test_m_m_2_ps_has_the_mean_of_m_m_2(containers: int) -> None:
    """However the threads are spread over containers of equal weight, both cores work while two threads are there. The
    number present is that of M/M/2, so the mean response time is, too."""
    utilisation = 0.7
    truth_s = MEAN_S / (1 - utilisation**2)
    covered, off = covered_and_pooled(truth_s, exponential, 2, utilisation, containers)
    assert covered >= 27, f"{covered} of {SEEDS} intervals"
    assert off < 3.0, f"{off} standard errors from the truth"


def test_the_number_present_agrees_with_littles_law_and_the_time_average() -> None:
    """Integral of the number present = sum of the times present, exactly, and its mean is that of M/M/1-PS."""
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
    assert container.present_area == pytest.approx(total[0], rel=1e-9)
    assert container.present_s == pytest.approx(total[0], rel=1e-9)
    assert container.present_area / env.now == pytest.approx(1.0, rel=0.05), "rho / (1 - rho) at rho = 1/2"


def test_a_slow_down_knows_no_favourites() -> None:
    """M/M/1-PS: the mean response time of a demand d is d / (1 - rho), short or long."""
    utilisation = 0.5
    slow_downs: dict[bool, list[float]] = {True: [], False: []}
    for seed in range(8):
        times = response_times(seed, bimodal, 1, utilisation)
        random = np.random.Generator(np.random.Philox(seed))
        random.exponential(1.0, WARM_UP + COUNTED)
        demands = bimodal(random, WARM_UP + COUNTED)[WARM_UP:]
        for is_long in (True, False):
            chosen = (demands > MEAN_S) == is_long
            slow_downs[is_long].append(float(times[chosen].mean() / demands[chosen].mean()))
    for slow_down in slow_downs.values():
        error = np.std(slow_down, ddof=1) / np.sqrt(len(slow_down))
        assert abs(np.mean(slow_down) - 1 / (1 - utilisation)) < 3.5 * error
