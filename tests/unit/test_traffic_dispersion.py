"""The index of dispersion, by hand and against Poisson and regular arrivals; the formulas of the MMPP."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad

from experiments.traffic.counts import SECOND_NS, Counts
from experiments.traffic.dispersion import Mmpp, dispersion, dispersions, fit_mmpp, growth


def counts_of(seconds: np.ndarray, resolution_s: float = 1.0) -> Counts:
    counts = Counts(round(resolution_s * SECOND_NS))
    counts.add((seconds * SECOND_NS).astype(np.int64))
    return counts


def test_the_index_is_variance_over_mean_of_the_counts_in_windows() -> None:
    per_second = np.array([2, 0, 1, 5] * 10)
    counts = counts_of(np.repeat(np.arange(40), per_second) + 0.5)
    found = dispersion(counts, 1)
    assert found is not None
    assert found.windows == 40
    assert found.mean == pytest.approx(per_second.mean())
    assert found.index == pytest.approx(per_second.var(ddof=1) / per_second.mean())
    assert found.most == 5


def test_only_windows_that_are_wholly_in_the_log_count() -> None:
    counts = counts_of(np.arange(5, 305, dtype=float))  # one a second, from 5 s to 304 s
    found = dispersion(counts, 10)
    assert found is not None
    assert (found.windows, found.mean, found.variance) == (29, 10, 0)


def test_too_few_windows_and_too_wide_bins_tell_nothing() -> None:
    counts = counts_of(np.arange(100, dtype=float))
    assert dispersion(counts, 60) is None
    assert dispersion(counts, 0.1) is None
    assert [each.window_s for each in dispersions(counts)] == [1]


def test_arrivals_at_random_have_index_one_and_even_ones_less() -> None:
    rng = np.random.default_rng(3)
    poisson = np.sort(rng.uniform(0, 20_000, 100_000))
    for each in dispersions(counts_of(poisson, 0.001)):
        assert abs(each.index - 1) < 4 * each.error
    even = np.arange(0, 1000, 0.3)
    assert all(each.index < 0.5 for each in dispersions(counts_of(even)))


def test_the_index_of_an_mmpp_is_the_integral_of_its_covariance() -> None:
    """Var N(w) = mean w + 2 x the integral of (w - u) p (1 - p) d^2 exp(-s u)."""
    process = Mmpp(calm_per_s=3, burst_per_s=40, calm_s=7, burst_s=2)
    p, d, s = process.share, 37, process.forgetting_per_s
    assert process.mean_per_s == pytest.approx((3 * 7 + 40 * 2) / 9)
    for window in (0.01, 1, 30, 5000):
        area, _ = quad(lambda u, w=window: (w - u) * math.exp(-s * u), 0, window, points=(1 / s,), limit=200)
        variance = process.mean_per_s * window + 2 * p * (1 - p) * d * d * area
        assert process.index(window) == pytest.approx(variance / (process.mean_per_s * window), rel=1e-6)
    assert growth(1e-5) == pytest.approx(0.5e-5, rel=1e-4)


def test_what_is_no_more_scattered_than_chance_has_no_bursts_to_fit() -> None:
    poisson = np.random.default_rng(5).uniform(0, 5000, 30_000)
    with pytest.raises(ValueError, match="no more scattered"):
        fit_mmpp(dispersions(counts_of(poisson)), 6.0)
