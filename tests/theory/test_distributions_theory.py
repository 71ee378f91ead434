"""What streams draw follows the distribution that was asked for, in the middle and in the tail."""

import numpy as np
import pytest
from scipy import stats

from sim.distributions import (
    BoundedPareto,
    Erlang,
    Exponential,
    Gamma,
    Hyperexponential,
    Lognormal,
    Uniform,
    Weibull,
)
from sim.streams import Streams

DRAWN = 50_000
EXAMPLES = [
    Uniform(0.001, 0.003),
    Exponential(0.02),
    Lognormal.from_mean_percentile(0.010, 99, 0.050),
    Weibull(0.010, 0.6),
    Gamma(0.010, 0.4),
    Erlang(0.010, 3),
    Hyperexponential(0.010, 5.0),
    BoundedPareto(1.5, 0.001, 10.0),
]


def drawn(distribution, lane=0):
    draws = Streams(11, 0).draws(f"theory.{type(distribution).__name__}", distribution)
    return np.array([draws.at(identity, lane) for identity in range(DRAWN)])


@pytest.mark.parametrize("distribution", EXAMPLES, ids=lambda distribution: type(distribution).__name__)
@pytest.mark.parametrize("lane", [0, 1])
def test_draws_follow_their_distribution(distribution, lane):
    values = drawn(distribution, lane)
    assert stats.kstest(values, distribution.cdf).pvalue > 1e-3
    error = (distribution.variance / DRAWN) ** 0.5
    assert abs(values.mean() - distribution.mean) < 4 * error
    for share in (0.9, 0.99, 0.999):
        beyond = int((values > distribution.ppf(np.array([share]))[0]).sum())
        expected = DRAWN * (1 - share)
        assert abs(beyond - expected) < 4 * expected**0.5


@pytest.mark.parametrize("distribution", [Exponential(0.02), Erlang(0.010, 3), Uniform(0.0, 1.0)], ids=repr)
def test_the_sample_variance_is_the_variance(distribution):
    """For distributions whose fourth moment is tame enough for a narrow bound."""
    values = drawn(distribution)
    spread = np.var((values - distribution.mean) ** 2) / DRAWN
    assert abs(values.var() - distribution.variance) < 4 * spread**0.5
