"""Distributions: against scipy's, at the edges, and the same to the last bit on every machine."""

import inspect
import os
import pickle
import subprocess
import sys
from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sim.distributions import (
    BoundedPareto,
    Constant,
    Distribution,
    Empirical,
    Erlang,
    Exponential,
    Gamma,
    Hyperexponential,
    Lognormal,
    Uniform,
    Weibull,
    scv,
)
from sim.streams import Streams


def examples():
    return {
        "constant": Constant(0.004),
        "uniform": Uniform(0.001, 0.003),
        "exponential": Exponential(0.02),
        "lognormal": Lognormal.from_mean_percentile(0.010, 99, 0.050),
        "lognormal by its median": Lognormal.from_mean_percentile(0.010, 50, 0.006),
        "weibull, long tail": Weibull(0.010, 0.6),
        "weibull, narrow": Weibull(0.010, 4.0),
        "gamma, variable": Gamma(0.010, 0.4),
        "gamma, narrow": Gamma(0.010, 37.5),
        "erlang": Erlang(0.010, 3),
        "hyperexponential": Hyperexponential(0.010, 5.0),
        "hyperexponential, three branches": Hyperexponential(branches=((0.9, 0.001), (0.09, 0.1), (0.01, 2.0))),
        "pareto": BoundedPareto(1.2, 0.001, 10.0),
        "pareto, shape 1": BoundedPareto(1.0, 0.001, 10.0),
        "pareto, shape 2": BoundedPareto(2.0, 0.001, 10.0),
        "empirical": Empirical((0.003, 0.001, 0.010), (2.0, 1.0, 1.0)),
    }


EXAMPLES = examples()
CONTINUOUS = [name for name in EXAMPLES if name not in ("constant", "empirical")]
EXTREMES = [
    Exponential(2.0**40),
    Exponential(1e-12),
    Lognormal(1.0, 6.0),
    Lognormal(2.0**40, 6.0),
    Lognormal(1.0, 1e-6),
    Weibull(1.0, 0.1),
    Weibull(1.0, 100.0),
    Gamma(1.0, 0.1),
    Gamma(1.0, 1000.0),
    Erlang(1.0, 1000),
    Hyperexponential(1.0, 1e6),
    Hyperexponential(1.0, 1.0001),
    BoundedPareto(0.05, 1e-9, 2.0**40),
    BoundedPareto(100.0, 1e-9, 2.0**40),
    Uniform(0.0, 2.0**40),
]
UNIFORMS = np.concatenate([
    [0.0, 2.0**-53, 1e-300, 0.5, 1 - 2.0**-53],
    np.random.Generator(np.random.Philox(7)).random(4000),
])  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_they_are_distributions(name):
    assert isinstance(EXAMPLES[name], Distribution)


@pytest.mark.parametrize(
    ("ours", "scipys"),
    [
        (Uniform(1.0, 3.0), stats.uniform(1, 2)),
        (Exponential(0.02), stats.expon(scale=0.02)),
        (Lognormal(0.01, 0.8), stats.lognorm(0.8, scale=0.01 * np.exp(-0.32))),
        (Weibull(0.01, 0.6), stats.weibull_min(0.6, scale=0.01 / 1.5045754882515583)),
        (Gamma(0.01, 0.4), stats.gamma(0.4, scale=0.025)),
        (Gamma(1.0, 37.5), stats.gamma(37.5, scale=1 / 37.5)),
        (Erlang(0.03, 3), stats.erlang(3, scale=0.01)),
        (BoundedPareto(1.2, 0.001, 10.0), stats.truncpareto(1.2, 10_000, scale=0.001)),
        (BoundedPareto(1.0, 0.5, 2.0), stats.truncpareto(1.0, 4, scale=0.5)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Distribution) else "scipy",
)
def test_against_scipy(ours, scipys):
    u = UNIFORMS[(UNIFORMS > 0) & (UNIFORMS < 0.999)]
    assert ours.ppf(u).tolist() == pytest.approx(scipys.ppf(u).tolist(), rel=1e-11)
    x = np.concatenate([[0.0], scipys.ppf([0.01, 0.3, 0.9, 0.9999])])
    assert ours.cdf(x).tolist() == pytest.approx(scipys.cdf(x).tolist(), rel=1e-11)
    assert ours.mean == pytest.approx(scipys.mean(), rel=1e-10)
    assert ours.variance == pytest.approx(scipys.var(), rel=1e-8)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_the_inverse_inverts(name):
    u = UNIFORMS[UNIFORMS > 1e-200]
    assert np.abs(EXAMPLES[name].cdf(EXAMPLES[name].ppf(u)) - u).max() < 1e-12


@pytest.mark.parametrize("name", CONTINUOUS)
def test_mean_and_variance_are_the_integrals_of_the_distribution(name):
    """E[X] and E[X^2] from P(X > x), by Gauss's rule in 4,000 panels over all decades, so that no tail is missed."""
    distribution = EXAMPLES[name]
    edges = np.concatenate([[0.0], np.logspace(-10, 3, 4_000)])
    nodes, weights = np.polynomial.legendre.leggauss(6)
    half = np.diff(edges)[:, None] / 2
    x = edges[:-1, None] + half * (1 + nodes)
    above = (1 - distribution.cdf(x.ravel()).reshape(x.shape)) * half * weights
    mean = above.sum()
    assert distribution.mean == pytest.approx(mean, rel=1e-6)
    assert distribution.variance == pytest.approx((2 * x * above).sum() - mean * mean, rel=1e-5)


def test_empirical_values_come_as_often_as_they_were_measured():
    distribution = EXAMPLES["empirical"]
    assert distribution.mean == pytest.approx((2 * 0.003 + 0.001 + 0.010) / 4)
    assert distribution.variance == pytest.approx((2 * 0.003**2 + 0.001**2 + 0.010**2) / 4 - distribution.mean**2)
    assert distribution.ppf(np.array([0.0, 0.2499, 0.25, 0.7499, 0.75, 1 - 2**-53])).tolist() == [
        0.001, 0.001, 0.003, 0.003, 0.010, 0.010
    ]  # fmt: skip
    assert distribution.cdf(np.array([0.0009, 0.001, 0.005, 0.010])).tolist() == [0.0, 0.25, 0.75, 1.0]
    assert Empirical((2.0, 1.0)).ppf(np.array([0.4, 0.6])).tolist() == [1.0, 2.0]


def test_a_constant_is_constant():
    assert Constant(0.25).ppf(np.array([0.0, 0.9])).tolist() == [0.25, 0.25]
    assert (Constant(0.25).mean, Constant(0.25).variance) == (0.25, 0.0)
    assert Constant(0.25).cdf(np.array([0.24, 0.25])).tolist() == [0.0, 1.0]
    assert Constant(0).mean == 0


@pytest.mark.parametrize("distribution", [*EXAMPLES.values(), *EXTREMES], ids=repr)
def test_what_is_drawn_is_a_duration_and_rises_with_the_uniform(distribution):
    u = np.sort(UNIFORMS)
    x = distribution.ppf(u)
    assert np.isfinite(x * 2.0**30).all()
    assert (x >= 0).all()
    assert (np.diff(x) >= -1e-12 * x[1:]).all()
    assert distribution.ppf(u[::-1])[::-1].tolist() == x.tolist()


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.one_of(
        st.builds(Exponential, st.floats(1e-9, 1e9)),
        st.builds(Lognormal, st.floats(1e-9, 1e9), st.floats(1e-3, 6)),
        st.builds(Weibull, st.floats(1e-9, 1e9), st.floats(0.1, 100)),
        st.builds(Gamma, st.floats(1e-9, 1e9), st.sampled_from([0.1, 0.3, 1.0, 7.0, 200.0])),
        st.builds(Hyperexponential, st.floats(1e-9, 1e9), st.floats(1.001, 1e6)),
        st.builds(
            lambda a, b, c: BoundedPareto(a, b, b * c), st.floats(0.05, 100), st.floats(1e-9, 1e5), st.floats(1.1, 1e5)
        ),
    ),
    st.floats(0, 1, exclude_max=True),
)
def test_any_uniform_makes_a_duration(distribution, u):
    value = distribution.ppf(np.array([u]))[0]
    assert 0 <= value < np.inf
    assert 0 <= distribution.mean < np.inf
    assert distribution.variance >= 0


@pytest.mark.parametrize(
    ("percentile", "value"), [(99, 0.050), (95, 0.030), (90, 0.0101), (99, 0.0149e1), (60, 0.0102)]
)
def test_a_lognormal_has_the_percentile_that_was_asked_for(percentile, value):
    distribution = lognormal(percentile, value)
    assert distribution.mean == 0.010
    assert distribution.ppf(np.array([percentile / 100]))[0] == pytest.approx(value, rel=1e-9)
    assert distribution.sigma <= stats.norm.ppf(percentile / 100)


@pytest.mark.parametrize(("percentile", "value"), [(50, 0.006), (50, 0.0099), (10, 0.001)])
def test_a_lognormal_has_the_lower_percentile_that_was_asked_for(percentile, value):
    distribution = lognormal(percentile, value)
    assert distribution.ppf(np.array([percentile / 100]))[0] == pytest.approx(value, rel=1e-9)


def test_a_hyperexponential_has_the_variability_that_was_asked_for():
    distribution = Hyperexponential(0.010, 5.0)
    (often, short), (seldom, long) = distribution.branches
    assert often + seldom == pytest.approx(1, abs=1e-15)
    assert often * short == pytest.approx(seldom * long) == pytest.approx(0.005)
    assert 2 * (often * short**2 + seldom * long**2) == pytest.approx((5 + 1) * 0.010**2)
    assert scv(distribution) == pytest.approx(5.0)
    assert Hyperexponential(branches=distribution.branches).scv == pytest.approx(5.0)


def lognormal(percentile, value):
    return Lognormal.from_mean_percentile(0.010, percentile, value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Constant(-1), "value must be 0 s or more, got -1 s"),
        (lambda: Constant(float("nan")), "value must be 0 s or more, got nan s"),
        (lambda: Uniform(2, 1), r"high must be above low \(2 s\), got 1 s"),
        (lambda: Uniform(-1, 1), "low must be 0 s or more, got -1 s"),
        (lambda: Exponential(0), r"mean must be above 0 s and at most 2\*\*40 s, got 0 s"),
        (lambda: Exponential(float("inf")), "mean must be above 0 s"),
        (lambda: Exponential(float("nan")), "mean must be above 0 s"),
        (lambda: Lognormal(1, 0), "sigma must be above 0 and at most 6, got 0"),
        (lambda: lognormal(99, 0.005), r"p99 must be above the mean \(0.01 s\) and at most 0.14"),
        (lambda: lognormal(99, 0.2), r"p99 must be above the mean .* and at most 0.149\d+ s, got 0.2 s"),
        (lambda: lognormal(50, 0.02), r"p50 must be above 0 s and below the mean \(0.01 s\), got 0.02 s"),
        (lambda: lognormal(100, 0.02), "percentile must be between 0 and 100, got 100"),
        (lambda: Weibull(1, 0.05), "shape must be from 0.1 to 100, got 0.05"),
        (lambda: Gamma(1, 0), "shape must be from 0.1 to 1000, got 0"),
        (lambda: Erlang(1, 0), "k must be a whole number from 1 to 1000, got 0"),
        (lambda: Erlang(1, 1.5), "k must be a whole number from 1 to 1000, got 1.5"),
        (lambda: Hyperexponential(1, 1), "scv must be above 1 and at most 1e6, got 1"),
        (lambda: Hyperexponential(branches=((0.5, 1), (0.4, 1))), "probabilities of the branches must be 1 in"),
        (lambda: Hyperexponential(branches=((0.0, 1), (1.0, 1))), "probability of a branch must be above 0"),
        (lambda: Hyperexponential(), "mean must be above 0 s"),
        (lambda: BoundedPareto(0, 1, 2), "shape must be from 0.05 to 100, got 0"),
        (lambda: BoundedPareto(1, 2, 2), r"high must be above low \(2 s\), got 2 s"),
        (lambda: Empirical(()), "values must be at least one, got none"),
        (lambda: Empirical((1, 2), (1,)), r"weights must be as many as values \(2\), got 1"),
        (lambda: Empirical((1,), (0,)), "weights must be above 0, got 0"),
        (lambda: Empirical((-1,)), "values must be 0 s or more, got -1 s"),
    ],
)  # fmt: skip
def test_parameters_that_cannot_be_are_refused(make, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        make()


@pytest.mark.parametrize("name", EXAMPLES)
def test_they_compare_hash_and_travel(name):
    distribution = EXAMPLES[name]
    distribution.ppf(UNIFORMS)
    twin = pickle.loads(pickle.dumps(distribution))
    assert twin == distribution
    assert hash(twin) == hash(distribution)
    assert twin.ppf(UNIFORMS).tolist() == distribution.ppf(UNIFORMS).tolist()


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_value_does_not_depend_on_its_neighbours(name):
    whole = EXAMPLES[name].ppf(UNIFORMS[:504])
    parts = np.concatenate([EXAMPLES[name].ppf(UNIFORMS[first : first + 7]) for first in range(0, 504, 7)])
    assert whole.tolist() == parts.tolist()


def digests():
    """A digest of 100,000 values of each example, as the inverse makes them: no rounding hides a last bit."""
    u = Streams(1, 0).uniforms("digest")
    uniforms = np.array([u.at(identity) for identity in range(100_000)])
    return {name: blake2b(d.ppf(uniforms).tobytes(), digest_size=6).hexdigest() for name, d in examples().items()}


PINNED = {
    "constant": "f8666c9f1710",
    "uniform": "9f0c232341a4",
    "exponential": "12ddd953ebe4",
    "lognormal": "9fa81fda16e9",
    "lognormal by its median": "3f6f4741e556",
    "weibull, long tail": "da0fe79150d3",
    "weibull, narrow": "a0bab7bd801e",
    "gamma, variable": "213fac576ff4",
    "gamma, narrow": "60cf8b103ce3",
    "erlang": "d56ba69cee7b",
    "hyperexponential": "12c22259100c",
    "hyperexponential, three branches": "2593bad0156a",
    "pareto": "22f382331cec",
    "pareto, shape 1": "b96921fcec0b",
    "pareto, shape 2": "04463978321c",
    "empirical": "5358665c17ee",
}
"""Made on x86-64 with AVX-512; the same wherever arithmetic follows IEEE 754."""


def test_every_machine_draws_the_same():
    assert digests() == PINNED


def test_vector_units_make_no_difference():
    """In fresh interpreters, with and without this processor's widest vector instructions."""
    script = "\n".join([
        "import numpy as np",
        "from hashlib import blake2b",
        "from sim.distributions import *",
        "from sim.streams import Streams",
        inspect.getsource(examples),
        inspect.getsource(digests),
        "print(digests())",
    ])  # fmt: skip
    printed = []
    for disabled in ("", "X86_V4 AVX512_ICL AVX512_SPR"):
        environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": disabled, "PYTHONWARNINGS": "ignore"}
        done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
        if disabled and done.returncode and "NPY_DISABLE_CPU_FEATURES" in done.stderr:
            pytest.skip("this numpy does not know the names of the vector units to disable")
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    assert printed[0] == printed[1]
