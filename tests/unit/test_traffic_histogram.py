"""Durations in bins: quantiles near the exact ones, mean and variance exact."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.traffic.histogram import Histogram


def histogram(values: np.ndarray) -> Histogram:
    found = Histogram()
    for part in np.array_split(values, 3):
        found.add(part)
    return found


def test_quantiles_are_within_a_percent_of_the_exact_ones() -> None:
    values = np.random.default_rng(2).lognormal(-3, 2, 50_000)
    found = histogram(values)
    ranked = np.sort(values)
    for q in (0.001, 0.1, 0.5, 0.9, 0.99, 0.9999):
        exact = ranked[int(np.ceil(q * len(values))) - 1]
        assert found.quantile(q) == pytest.approx(exact, rel=0.01)
    assert found.quantile(1.0) == values.max()
    assert found.mean == pytest.approx(values.mean())
    assert found.scv == pytest.approx(values.var() / values.mean() ** 2)


def test_whole_seconds_are_told_exactly_and_zeros_are_counted() -> None:
    found = histogram(np.array([0, 0, 0, 1, 1, 2, 7, 1800, 1800, 1800], float))
    assert [found.quantile(q) for q in (0.3, 0.31, 0.5, 0.6, 0.7, 0.9)] == [0, 1, 1, 2, 7, 1800]
    assert found.zeros == 3
    assert found.curve() == [[0, 0.3], [1, 0.5], [2, 0.6], [7, 0.7], [1800, 1.0]]


def test_nothing_has_no_figures_and_what_is_no_duration_is_passed_over() -> None:
    found = histogram(np.array([np.nan, -1.0]))
    assert (found.count, found.mean, found.scv, found.quantile(0.5), found.curve()) == (0, None, None, None, [])
    found.add(np.array([np.nan, 1e-12, 1e12]))
    assert (found.count, found.least, found.greatest) == (2, 1e-12, 1e12)
