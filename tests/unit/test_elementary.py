"""The portable functions against the C library's and scipy's, and their behaviour at the edges."""

import math

import numpy as np
import pytest
from scipy import special

from sim import elementary

CHANCE = np.random.Generator(np.random.Philox(1))
UNIFORMS = np.concatenate([
    CHANCE.random(20_000),
    np.exp(CHANCE.uniform(-600, 0, 2_000)),
    1 - np.arange(1, 500) * 2.0**-53,
])  # fmt: skip


def furthest(found, expected):
    """Largest relative distance."""
    return float(np.max(np.abs(found - expected) / np.maximum(np.abs(expected), 1e-300)))


def test_log_is_within_one_unit_in_the_last_place():
    x = np.concatenate([UNIFORMS, np.exp(CHANCE.uniform(-700, 700, 20_000)), [1.0, 2.0, 0.5, 1 + 2**-52]])
    assert np.all(np.abs(elementary.log(x) - np.log(x)) <= 1.01 * np.spacing(np.abs(np.log(x))))
    assert elementary.log(np.array([0.0]))[0] == -np.inf
    assert elementary.log(np.array([1.0]))[0] == 0.0


def test_exp_is_within_one_unit_in_the_last_place():
    x = CHANCE.uniform(-700, 708, 20_000)
    assert np.all(np.abs(elementary.exp(x) - np.exp(x)) <= 1.01 * np.spacing(np.exp(x)))
    edges = elementary.exp(np.array([0.0, -np.inf, -1e6, 1e6]))
    assert edges[:3].tolist() == [1.0, 0.0, 0.0]
    assert 8e307 < edges[3] < math.inf


@pytest.mark.parametrize("x", [1e-20, 1e-9, -1e-9, 1e-3, -0.5, 3.0, -50.0, 36.0])
def test_expm1(x):
    assert elementary.expm1(x) == pytest.approx(math.expm1(x), rel=4e-16)


def test_normal_quantile():
    assert furthest(elementary.normal_quantile(UNIFORMS), special.ndtri(UNIFORMS)) < 1e-14
    assert elementary.normal_quantile(np.array([0.0, 0.5])).tolist() == [-np.inf, 0.0]


def test_normal_shares():
    z = np.linspace(-8.5, 8.5, 2_001)
    below, above = elementary.normal_shares(z)
    assert furthest(below, special.ndtr(z)) < 2e-13  # ndtr itself is good to 1e-13 there
    assert below[::-1].tolist() == pytest.approx(above.tolist(), rel=1e-15)


@pytest.mark.parametrize("x", [0.01, 0.5, 1.0, 2.0, 3.7, 11.99, 12.0, 100.0, 1e6])
def test_log_gamma(x):
    assert elementary.log_gamma(x) == pytest.approx(math.lgamma(x), rel=2e-15, abs=1e-14)


@pytest.mark.parametrize("shape", [0.1, 0.5, 1.0, 2.5, 30.0, 1000.0])
def test_incomplete_gamma_and_its_inverse(shape):
    below, above = UNIFORMS[:3_000], 1.0 - UNIFORMS[:3_000]
    x = elementary.gamma_quantile(shape, below, above)
    exact = np.where(below < 0.5, special.gammaincinv(shape, below), special.gammainccinv(shape, above))
    assert furthest(x, exact) < 1e-12
    found_below, found_above = elementary.incomplete_gamma(shape, exact)
    assert np.max(np.abs(found_below - below)) < 1e-12
    assert np.max(np.abs(found_above - above)) < 1e-12


def test_the_gamma_quantile_of_nothing_is_nothing():
    x = elementary.gamma_quantile(0.5, np.array([0.0, 1e-300, 0.5]), np.array([1.0, 1.0, 0.5]))
    assert x[:2].tolist() == [0.0, 0.0]
    assert x[2] == pytest.approx(special.gammaincinv(0.5, 0.5))


@pytest.mark.parametrize("function", [elementary.log, elementary.exp, elementary.normal_quantile])
def test_a_value_does_not_depend_on_its_neighbours(function):
    whole = function(UNIFORMS[:1000])
    parts = np.concatenate([function(UNIFORMS[first : first + 7]) for first in range(0, 1000, 7)])
    assert whole.tolist() == parts[:1000].tolist()
