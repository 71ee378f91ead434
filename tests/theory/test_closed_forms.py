"""The closed forms that models are compared with agree with each other, and the bounds are the ones claimed."""

from __future__ import annotations

import pytest
from scipy.stats import binom

from experiments.validation.theory.coverage import EXPERIMENTS, LEAST_COVERED, erlang_b, erlang_c
from experiments.validation.theory.networks import finite_source, mean_value_analysis
from experiments.validation.theory.queues import mmck, pollaczek_khinchine
from experiments.validation.theory.sharing import LEAST_COVERED as LEAST_OF_SEEDS
from experiments.validation.theory.sharing import SEEDS
from experiments.validation.theory.systems import mean_values
from sim.distributions import Exponential


def test_the_bounds_are_the_ones_claimed() -> None:
    assert binom.cdf(LEAST_COVERED - 1, EXPERIMENTS, 0.95) == pytest.approx(1 / 390, rel=0.01)
    assert binom.sf(LEAST_OF_SEEDS - 1, SEEDS, 0.95) == pytest.approx(0.99, abs=0.008)


def test_queues() -> None:
    assert erlang_b(1, 0.5) == pytest.approx(0.5 / 1.5)
    assert erlang_c(1, 0.6) == pytest.approx(0.6)
    assert mmck(4, 4, 3.0)[-1] == pytest.approx(erlang_b(4, 3.0))
    assert 1 - sum(mmck(3, 400, 2.0)[:3]) == pytest.approx(erlang_c(3, 2.0))
    assert pollaczek_khinchine(6.0, Exponential(0.1)) == pytest.approx(0.6 / (10 - 6))


def test_networks() -> None:
    throughput, response_s, present = mean_value_analysis(7, 1.0, [0.2])
    assert finite_source(7, 1, 1.0, 0.2) == pytest.approx((throughput, response_s, present[0]))
    throughput, response_s, present = mean_value_analysis(1, 2.0, [0.3, 0.1])
    assert (throughput, response_s, *present) == pytest.approx((1 / 2.4, 0.4, 0.3 / 2.4, 0.1 / 2.4))


def repairman(users: int, think_s: float, demand_s: float) -> float:
    """Throughput of the machine-repairman model, in closed form."""
    ratio = demand_s / think_s
    weight = total = 1.0
    for number in range(1, users + 1):
        weight *= (users - number + 1) * ratio
        total += weight
    return (1.0 - 1.0 / total) / demand_s


@pytest.mark.parametrize("users", [1, 5, 20])
def test_the_recursion_agrees_with_the_closed_form(users: int) -> None:
    assert mean_values(users, 0.5, 0.05, 0.0).throughput_per_s == pytest.approx(repairman(users, 0.5, 0.05))
