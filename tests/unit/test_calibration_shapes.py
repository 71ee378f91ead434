"""Distributions as a mean and a spread, and back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.calibration.findings import Interval
from experiments.calibration.shapes import digits_for, distribution_of, family_of, rounded, spread_of, written
from experiments.calibration.writing import duration_range, number_range


@pytest.mark.parametrize("family", ["gamma", "lognormal", "weibull"])
@pytest.mark.parametrize("spread", [0.1, 0.5, 1.0, 1.7, 2.8])
def test_what_is_written_has_the_mean_and_the_spread(family: str, spread: float) -> None:
    _, distribution = distribution_of(written(family, 0.0123, spread, None, digits=9))
    assert distribution.mean == pytest.approx(0.0123, rel=1e-6)
    assert spread_of(distribution) == pytest.approx(spread, rel=2e-3)


def test_a_hyperexponential_stays_one_where_it_can_be() -> None:
    assert written("hyperexponential", 0.01, 2.0, None)["kind"] == "hyperexponential"
    assert written("hyperexponential", 0.01, 0.7, None)["kind"] == "gamma"


def test_hardly_any_spread_is_written_as_constant() -> None:
    assert written("gamma", 0.005, 0.01, None) == "5ms"
    assert written("gamma", 0.005, 1.0, None) == {"kind": "exponential", "mean": "5ms"}


def test_of_measured_values_only_the_scale_changes() -> None:
    before = {"kind": "empirical", "values": ["1ms", "3ms"]}
    assert written("empirical", 0.004, 0.5, before) == {"kind": "empirical", "values": ["2ms", "6ms"]}
    before = {"kind": "pareto", "shape": 1.5, "low": "1ms", "high": "100ms"}
    mean = distribution_of(before)[1].mean
    assert distribution_of(written("pareto", 2 * mean, 0.5, before, 9))[1].mean == pytest.approx(2 * mean, rel=1e-6)


def test_families() -> None:
    assert [family_of(kind) for kind in ("constant", "erlang", "exponential", "weibull", "pareto")] == [
        "gamma", "gamma", "gamma", "weibull", "pareto",
    ]  # fmt: skip


def test_printed_digits_follow_the_interval() -> None:
    assert digits_for(8.236, 0.21) == 3
    assert digits_for(8.236, 2.1) == 2
    assert rounded(8.236, 3) == 8.24
    assert duration_range(Interval(0.0082361, 0.0080333, 0.0084432)) == "8.24ms [8.03ms, 8.44ms]"
    assert duration_range(Interval(0.0082361, 0.005, 0.012)) == "8.2ms [5ms, 12ms]"
    assert number_range(Interval(0.91234, 0.8, 1.02)) == "0.91 [0.8, 1.02]"


@given(st.floats(1e-6, 1e3), st.floats(1e-3, 0.9))
def test_rounding_stays_well_inside_the_interval(value: float, share: float) -> None:
    half = value * share
    assert math.isclose(rounded(value, digits_for(value, half)), value, abs_tol=0.06 * half)
