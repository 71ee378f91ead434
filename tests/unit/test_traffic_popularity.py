"""Zipf's law by maximum likelihood: as scipy's own distribution says, with intervals that cover the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize_scalar

from experiments.traffic.popularity import fit_zipf


def drawn(exponent: float, things: int, requests: int, seed: int) -> np.ndarray:
    weights = np.arange(1, things + 1) ** -exponent
    return np.random.default_rng(seed).multinomial(requests, weights / weights.sum())


def test_the_exponent_is_that_of_the_greatest_likelihood() -> None:
    counts = drawn(1.2, 50, 5000, 1)
    found = fit_zipf(counts)
    assert found is not None
    ranked = np.sort(counts[counts > 0])[::-1]
    ranks = np.arange(1, len(ranked) + 1)
    best = minimize_scalar(
        lambda s: -(ranked * stats.zipfian.logpmf(ranks, s, len(ranked))).sum(), bounds=(0.1, 4), method="bounded"
    )
    assert found.exponent == pytest.approx(best.x, abs=1e-4)
    assert (found.things, found.requests) == (len(ranked), 5000)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(200):
        found = fit_zipf(drawn(0.9, 20, 20_000, seed))  # so many that chance changes few ranks
        assert found is not None
        covered += found.low <= 0.9 <= found.high
    assert 180 <= covered <= 199


def test_equal_popularity_has_exponent_zero_nearly_and_a_good_fit() -> None:
    found = fit_zipf(np.full(40, 1000))
    assert found is not None
    assert found.exponent == pytest.approx(0, abs=1e-9)
    assert (found.low, found.verdict) == (0, "good")


def test_what_is_no_zipf_is_called_poor_and_few_requests_thin() -> None:
    steps = fit_zipf(np.array([1000] * 3 + [1] * 30))
    assert steps is not None
    assert steps.verdict == "poor"
    thin = fit_zipf(np.ones(100, int))
    assert thin is not None
    assert thin.is_thin


def test_of_a_few_things_nobody_can_tell() -> None:
    assert fit_zipf(np.array([5, 3, 2])) is None
    assert fit_zipf(np.zeros(0, int)) is None
