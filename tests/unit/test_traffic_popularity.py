"""Zipf's law by maximum likelihood: as scipy's own distribution says, with intervals that cover the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize_scalar

from experiments.traffic.popularity import _likeliest, fit_zipf


def drawn(exponent: float, things: int, requests: int, seed: int) -> np.ndarray:
    weights = np.arange(1, things + 1) ** -exponent
    return np.random.default_rng(seed).multinomial(requests, weights / weights.sum())


def test_the_likeliest_exponent_is_that_of_scipys_law() -> None:
    counts = drawn(1.2, 50, 5000, 1)
    ranked = np.sort(counts[counts > 0])[::-1]
    ranks = np.arange(1, len(ranked) + 1)
    best = minimize_scalar(
        lambda s: -(ranked * stats.zipfian.logpmf(ranks, s, len(ranked))).sum(), bounds=(0.1, 4), method="bounded"
    )
    assert _likeliest(ranked.astype(np.float64)) == pytest.approx(best.x, abs=1e-4)
    found = fit_zipf(counts)
    assert found is not None
    assert (found.things, found.requests) == (len(ranked), 5000)


@pytest.mark.parametrize(
    ("exponent", "things", "requests"),
    [
        (0.9, 20, 20_000),  # so many that chance changes few ranks
        (0.6, 400, 8_000),  # ranks are partly chance
        (1.3, 1000, 20_000),  # a sixth of them is never asked for
    ],
)
def test_the_interval_covers_the_truth_about_as_often_as_it_says(exponent: float, things: int, requests: int) -> None:
    covered = 0
    for seed in range(60):
        found = fit_zipf(drawn(exponent, things, requests, seed))
        assert found is not None
        covered += found.low <= exponent <= found.high
    assert 51 <= covered <= 60


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
