"""Fits of distributions over bins: as scipy fits the values themselves, and the kind that they were drawn from."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import TypeAdapter
from scipy import stats

from experiments.traffic.fitting import fit
from experiments.traffic.histogram import Histogram
from models.distribution import DistributionSpec


def histogram(values: np.ndarray) -> Histogram:
    found = Histogram()
    found.add(values)
    return found


DRAWN = {
    "exponential": stats.expon(scale=3.0),
    "gamma": stats.gamma(0.6, scale=2.0),
    "weibull": stats.weibull_min(1.7, scale=5.0),
    "lognormal": stats.lognorm(1.1, scale=2.0),
}


@pytest.mark.parametrize("kind", list(DRAWN))
def test_the_kind_and_its_parameters_are_found(kind: str) -> None:
    values = DRAWN[kind].rvs(20_000, random_state=7)
    found = fit(histogram(values), 1e-6)
    assert found is not None
    assert found.kind == kind
    assert found.verdict == "good"
    assert found.mean_s == pytest.approx(DRAWN[kind].mean(), rel=0.04)
    if kind == "gamma":
        shape, _, scale = stats.gamma.fit(values, floc=0)
        assert (found.shape, found.mean_s) == (pytest.approx(shape, rel=0.01), pytest.approx(shape * scale, rel=0.01))
    if kind == "weibull":
        assert found.shape == pytest.approx(stats.weibull_min.fit(values, floc=0)[0], rel=0.01)
    if kind == "lognormal":
        sigma, _, median = stats.lognorm.fit(values, floc=0)
        assert found.p50_s == pytest.approx(median, rel=0.01)
        assert found.mean_s == pytest.approx(median * np.exp(sigma**2 / 2), rel=0.01)
    spec = TypeAdapter(DistributionSpec).validate_python(found.spec())
    assert spec.mean_s == pytest.approx(found.mean_s, rel=1e-3)


def test_stamps_of_whole_seconds_are_intervals() -> None:
    """Differences of whole seconds of an exponential of mean 4 s: the mean is found though a fifth are 0 or 1."""
    rng = np.random.default_rng(4)
    begins = rng.uniform(0, 1, 30_000)
    values = np.floor(begins + rng.exponential(4.0, 30_000)) - np.floor(begins)
    found = fit(histogram(values), 1.0)
    assert found is not None
    assert found.mean_s == pytest.approx(4.0, rel=0.03)
    assert found.distance < 0.06


def test_too_few_or_equal_durations_say_nothing() -> None:
    assert fit(histogram(np.arange(1.0, 20.0)), 1e-6) is None
    assert fit(histogram(np.full(1000, 3.0)), 1e-6) is None
    assert fit(histogram(np.zeros(1000)), 1.0) is None


def test_what_follows_no_distribution_is_called_poor() -> None:
    values = np.concatenate([np.full(5000, 0.1), np.full(5000, 600.0), np.full(3000, 1.0)])
    found = fit(histogram(values), 1e-6)
    assert found is not None
    assert found.verdict == "poor"
