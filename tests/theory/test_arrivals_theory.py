"""Arrivals against theory: Poisson counts, gaps and independence; what a profile and bursts do to them."""

from itertools import islice

import numpy as np
import pytest
from scipy import stats

from sim.arrivals import Constant, Modulated, Poisson, Profile
from sim.distributions import Exponential
from sim.quantities import parse_rate
from sim.streams import Streams


def first(count, process, seed=1):
    return np.array(list(islice(process.instants(Streams(seed, 0), "open"), count)))


def counts(times, window_s):
    windows = int(times[-1] / window_s)
    return np.bincount((times / window_s).astype(int), minlength=windows)[:windows]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_poisson_arrivals_are_poisson(seed):
    times = first(40_000, Poisson(parse_rate("700/s")), seed)
    gaps = np.diff(times, prepend=0.0)
    assert stats.kstest(gaps, stats.expon(scale=1 / 700).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 4 / 200
    for window_s in (0.01, 0.1):
        counted = counts(times, window_s)
        assert counted.mean() == pytest.approx(700 * window_s, rel=0.02)
        dispersion = counted.var() / counted.mean()
        assert abs(dispersion - 1) < 4 * (2 / len(counted)) ** 0.5
    # Given their number, the instants are uniform.
    assert stats.kstest(times[:-1] / times[-1], "uniform").pvalue > 1e-3


def test_constant_arrivals_do_not_vary():
    counted = counts(first(7_000, Constant(parse_rate("700/s"))), 0.125)
    assert counted.max() - counted.min() <= 1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_counts_of_a_profile_are_poisson_with_its_means(seed):
    profile = Profile(((0.0, 0.0), (60.0, 300.0), (90.0, 300.0), (90.0, 900.0), (95.0, 900.0), (95.0, 100.0)))
    edges = np.array([0.0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 91, 92, 93, 94, 95, 100, 110, 120])
    times = first(40_000, profile, seed)
    counted = np.histogram(times, edges)[0]
    expected = np.diff([profile.expected(edge_s) for edge_s in edges])
    assert expected.sum() == pytest.approx(9_000 + 9_000 + 4_500 + 2_500)
    assert stats.chi2.sf(((counted - expected) ** 2 / expected).sum(), len(expected)) > 1e-3
    # Time measured in expected arrivals makes it a Poisson process of rate 1.
    rescaled = np.array([profile.expected(at_s) for at_s in times[:5_000]])
    assert stats.kstest(np.diff(rescaled, prepend=0.0), "expon").pvalue > 1e-3


def test_bursts_have_the_mean_and_the_dispersion_of_an_mmpp():
    """Two exponential phases: for long windows the index of dispersion tends to
    1 + 2 (r0 - r1)^2 s0 s1 / ((s0 + s1)^2 (r0 s1 + r1 s0)), s being the rates of leaving (Heffes, Lucantoni 1986)."""
    r0, r1, s0, s1 = 200.0, 20.0, 2.0, 0.5
    bursts = Modulated(((r0, Exponential(1 / s0)), (r1, Exponential(1 / s1))))
    mean = (r0 * s1 + r1 * s0) / (s0 + s1)
    limit = 1 + 2 * (r0 - r1) ** 2 * s0 * s1 / ((s0 + s1) ** 2 * (r0 * s1 + r1 * s0))
    window_s = 20.0
    spread = (1 - np.exp(-(s0 + s1) * window_s)) / ((s0 + s1) * window_s)
    counted = counts(first(250_000, bursts), window_s)
    assert counted.mean() == pytest.approx(mean * window_s, rel=0.08)
    assert counted.var() / counted.mean() == pytest.approx(1 + (limit - 1) * (1 - spread), rel=0.35)
    assert limit > 40
