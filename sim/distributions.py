"""Distributions of durations: what a request demands, how long a user thinks, how far arrivals are apart.

Models   Distributions on [0, inf), each with its exact mean and variance and a vectorised inverse distribution function
         `ppf`: increasing, and for every u in [0, 1) neither negative nor infinite. One uniform makes one value, so
         changing a parameter keeps the draw.
Units    Seconds, where the values are durations.
Source   Textbook forms (Law, Simulation Modeling and Analysis, 5th ed., chapter 8); two-branch hyperexponential with
         balanced means (Tijms 2003, appendix B).
Omits    Correlation between draws; distributions that can be negative.
Checked  tests/unit/test_distributions.py, tests/theory/test_distributions.py

They use `sim.elementary`, so that a draw is the same to the last bit on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol, runtime_checkable

import numpy as np

from sim.elementary import Array, exp, exp_of, expm1, log, log_gamma, log_of, normal_quantile

LONGEST_S: Final = 2.0**40
"""Largest mean or bound: what is drawn stays finite, whatever the shape."""


@runtime_checkable
class Distribution(Protocol):
    """What every distribution offers."""

    @property
    def mean(self) -> float: ...

    @property
    def variance(self) -> float: ...

    def ppf(self, u: Array) -> Array:
        """The values below which shares `u` in [0, 1) lie."""
        ...

    def cdf(self, x: Array) -> Array:
        """The shares at or below the values `x`."""
        ...


def scv(distribution: Distribution) -> float:
    """Squared coefficient of variation: variance over squared mean; 1 for the exponential."""
    return distribution.variance / (distribution.mean * distribution.mean)


@dataclass(frozen=True)
class Constant:
    """Always `value`."""

    value: float

    def __post_init__(self) -> None:
        _require(0 <= self.value <= LONGEST_S, "value", "0 or more", self.value)

    @property
    def mean(self) -> float:
        return self.value

    @property
    def variance(self) -> float:
        return 0.0

    def ppf(self, u: Array) -> Array:
        return np.full_like(u, self.value)

    def cdf(self, x: Array) -> Array:
        return np.where(x >= self.value, 1.0, 0.0)


@dataclass(frozen=True)
class Uniform:
    """Equally likely anywhere from `low` to `high`."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _require(0 <= self.low < LONGEST_S, "low", "0 or more", self.low)
        _require(self.low < self.high <= LONGEST_S, "high", f"above low ({self.low:g})", self.high)

    @property
    def mean(self) -> float:
        return (self.low + self.high) / 2

    @property
    def variance(self) -> float:
        return (self.high - self.low) * (self.high - self.low) / 12

    def ppf(self, u: Array) -> Array:
        return self.low + (self.high - self.low) * u

    def cdf(self, x: Array) -> Array:
        return np.clip((x - self.low) / (self.high - self.low), 0.0, 1.0)


@dataclass(frozen=True)
class Exponential:
    """Memoryless, with the given `mean`."""

    mean: float

    def __post_init__(self) -> None:
        _require_mean(self.mean)

    @property
    def variance(self) -> float:
        return self.mean * self.mean

    def ppf(self, u: Array) -> Array:
        return -self.mean * log(1.0 - u) + 0.0

    def cdf(self, x: Array) -> Array:
        return 1.0 - exp(-np.maximum(x, 0.0) / self.mean)


@dataclass(frozen=True)
class Lognormal:
    """exp of a normal number. `sigma` is the standard deviation of the logarithm."""

    mean: float
    sigma: float

    def __post_init__(self) -> None:
        _require_mean(self.mean)
        _require(0 < self.sigma <= 6, "sigma", "above 0 and at most 6", self.sigma)

    @classmethod
    def from_mean_percentile(cls, mean: float, percentile: float, value: float) -> Lognormal:
        """The one with this mean and this percentile (99 for p99).

        With z the normal quantile, value / mean = exp(z sigma - sigma^2 / 2). Above the median two sigmas solve it
        where value > mean: the smaller is taken, the other one (above z) has its bulk far below its mean. A value
        above exp(z^2 / 2) times the mean has none. At the median and below, value < mean has exactly one.
        """
        _require_mean(mean)
        _require(0 < percentile < 100, "percentile", "between 0 and 100", percentile)
        z = float(normal_quantile(np.array([percentile / 100]))[0])
        name = f"p{percentile:g}"
        if percentile > 50:
            largest = mean * exp_of(z * z / 2)
            _require(mean < value <= largest, name, f"above the mean ({mean:g}) and at most {largest:.6g}", value)
            return cls(mean, z - math.sqrt(max(0.0, z * z - 2 * log_of(value / mean))))
        _require(0 < value < mean, name, f"above 0 and below the mean ({mean:g})", value)
        return cls(mean, z + math.sqrt(z * z - 2 * log_of(value / mean)))

    @property
    def variance(self) -> float:
        return self.mean * self.mean * expm1(self.sigma * self.sigma)

    @property
    def _mu(self) -> float:
        return log_of(self.mean) - self.sigma * self.sigma / 2

    def ppf(self, u: Array) -> Array:
        return exp(self._mu + self.sigma * normal_quantile(u))

    def cdf(self, x: Array) -> Array:
        from scipy.special import ndtr

        shares: Array = ndtr((log(np.maximum(x, 0.0)) - self._mu) / self.sigma)
        return shares


@dataclass(frozen=True)
class Weibull:
    """Rate of ending that falls (`shape` below 1) or rises (above 1) with time."""

    mean: float
    shape: float

    def __post_init__(self) -> None:
        _require_mean(self.mean)
        _require(0.1 <= self.shape <= 100, "shape", "from 0.1 to 100", self.shape)

    @property
    def _scale(self) -> float:
        return self.mean / exp_of(log_gamma(1 + 1 / self.shape))

    @property
    def variance(self) -> float:
        return self.mean * self.mean * expm1(log_gamma(1 + 2 / self.shape) - 2 * log_gamma(1 + 1 / self.shape))

    def ppf(self, u: Array) -> Array:
        return self._scale * exp(log(0.0 - log(1.0 - u)) / self.shape)

    def cdf(self, x: Array) -> Array:
        return 1.0 - exp(-exp(self.shape * log(np.maximum(x, 0.0) / self._scale)))


@dataclass(frozen=True)
class Gamma:
    """Sum of `shape` exponential phases, where shape need not be whole; less variable than exponential above 1."""

    mean: float
    shape: float

    def __post_init__(self) -> None:
        _require_mean(self.mean)
        _require(0.05 <= self.shape <= 1000, "shape", "from 0.05 to 1000", self.shape)

    @property
    def variance(self) -> float:
        return self.mean * self.mean / self.shape

    def ppf(self, u: Array) -> Array:
        from scipy.special import gammaincinv

        return np.asarray(gammaincinv(self.shape, u) * (self.mean / self.shape), np.float64)

    def cdf(self, x: Array) -> Array:
        from scipy.special import gammainc

        return np.asarray(gammainc(self.shape, np.maximum(x, 0.0) * (self.shape / self.mean)), np.float64)


@dataclass(frozen=True)
class Erlang:
    """Sum of `k` exponential stages."""

    mean: float
    k: int

    def __post_init__(self) -> None:
        _require_mean(self.mean)
        _require(self.k == int(self.k) and 1 <= self.k <= 1000, "k", "a whole number from 1 to 1000", self.k)

    @property
    def variance(self) -> float:
        return self.mean * self.mean / self.k

    def ppf(self, u: Array) -> Array:
        return Gamma(self.mean, self.k).ppf(u)

    def cdf(self, x: Array) -> Array:
        return Gamma(self.mean, self.k).cdf(x)


@dataclass(frozen=True)
class Hyperexponential:
    """One of several exponentials: more variable than one. Give `mean` and `scv`, or `branches`.

    `branches` are (probability, mean) pairs. From mean and scv: two branches that contribute equally to the mean.
    """

    mean: float = 0.0
    scv: float = 0.0
    branches: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if self.branches:
            self._take_branches()
            return
        _require_mean(self.mean)
        _require(1 < self.scv <= 1e6, "scv", "above 1 and at most 1e6", self.scv)
        often = (1 + math.sqrt((self.scv - 1) / (self.scv + 1))) / 2
        seldom = 1 / ((self.scv + 1) * 2 * often)
        pairs = ((often, self.mean / (2 * often)), (seldom, self.mean / (2 * seldom)))
        object.__setattr__(self, "branches", pairs)

    def _take_branches(self) -> None:
        total = first = second = 0.0
        for probability, branch_mean in self.branches:
            _require(0 < probability <= 1, "probability of a branch", "above 0 and at most 1", probability)
            _require_mean(branch_mean)
            total += probability
            first += probability * branch_mean
            second += 2 * probability * branch_mean * branch_mean
        _require(abs(total - 1) < 1e-9, "probabilities of the branches", "1 in total", total)
        object.__setattr__(self, "branches", tuple((p / total, m) for p, m in self.branches))
        object.__setattr__(self, "mean", first / total)
        object.__setattr__(self, "scv", second / total / (self.mean * self.mean) - 1)

    @property
    def variance(self) -> float:
        return self.mean * self.mean * self.scv

    def ppf(self, u: Array) -> Array:
        """Newton on the logarithm of the survival function, which is convex: from the left it climbs to the root
        without passing it. The start is the best of the bounds that one branch alone and Jensen's inequality give."""
        target = log(1.0 - u)
        rate = 0.0
        for probability, branch_mean in self.branches:
            rate += probability / branch_mean
        x = -target / rate
        for probability, branch_mean in self.branches:
            x = np.maximum(x, branch_mean * (log_of(probability) - target))
        for _ in range(64):
            survival, density = self._survival(x)
            step = (log(survival) - target) * survival / density
            rising = step > x * 2.0**-52
            if not rising.any():
                break
            x = np.where(rising, x + step, x)
        return x

    def _survival(self, x: Array) -> tuple[Array, Array]:
        survival, density = np.zeros_like(x), np.zeros_like(x)
        for probability, branch_mean in self.branches:
            part = probability * exp(-x / branch_mean)
            survival += part
            density += part / branch_mean
        return survival, density

    def cdf(self, x: Array) -> Array:
        return 1.0 - self._survival(np.maximum(x, 0.0))[0]


@dataclass(frozen=True)
class BoundedPareto:
    """Power law between `low` and `high`: most of the total in a few values. Smaller `shape`, heavier tail."""

    shape: float
    low: float
    high: float

    def __post_init__(self) -> None:
        _require(0.05 <= self.shape <= 100, "shape", "from 0.05 to 100", self.shape)
        _require(0 < self.low < LONGEST_S, "low", "above 0", self.low)
        _require(self.low < self.high <= LONGEST_S, "high", f"above low ({self.low:g})", self.high)

    @property
    def _spread(self) -> float:
        """Logarithm of high / low."""
        return log_of(self.high / self.low)

    @property
    def _norm(self) -> float:
        """1 - (low / high) ** shape."""
        return -expm1(-self.shape * self._spread)

    def _moment(self, order: int) -> float:
        """Mean of x ** order: integral of the density, with the removable singularity at shape = order removed."""
        excess = self.shape - order
        integral = self._spread if excess == 0 else -expm1(-excess * self._spread) / excess
        return self.shape / self._norm * self.low**order * integral

    @property
    def mean(self) -> float:
        return self._moment(1)

    @property
    def variance(self) -> float:
        return self._moment(2) - self.mean * self.mean

    def ppf(self, u: Array) -> Array:
        return np.clip(self.low * exp(-log(1.0 - u * self._norm) / self.shape), self.low, self.high)

    def cdf(self, x: Array) -> Array:
        inside = np.clip(x, self.low, self.high)
        shares = (1.0 - exp(-self.shape * log(inside / self.low))) / self._norm
        return np.where(x < self.low, 0.0, np.minimum(shares, 1.0))


@dataclass(frozen=True)
class Empirical:
    """One of the measured `values`, each as likely as its weight (equally, without weights). No interpolation."""

    values: tuple[float, ...]
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(float(value) for value in self.values))
        weights = tuple(float(weight) for weight in self.weights) or (1.0,) * len(self.values)
        object.__setattr__(self, "weights", weights)
        _require(len(self.values) > 0, "values", "at least one", "none")
        _require(len(weights) == len(self.values), "weights", f"as many as values ({len(self.values)})", len(weights))
        for value in self.values:
            _require(0 <= value <= LONGEST_S, "values", "0 or more", value)
        for weight in weights:
            _require(0 < weight <= 1e12, "weights", "above 0", weight)

    @cached_property
    def _table(self) -> tuple[Array, Array]:
        """Values in rising order and their cumulative weights."""
        values, weights = np.array(self.values), np.array(self.weights)
        order = np.argsort(values, kind="stable")
        return values[order], np.cumsum(weights[order])

    def _average(self, of: Callable[[float], float]) -> float:
        weighted = total = 0.0
        for value, weight in zip(self.values, self.weights, strict=True):
            weighted += weight * of(value)
            total += weight
        return weighted / total

    @property
    def mean(self) -> float:
        return self._average(lambda value: value)

    @property
    def variance(self) -> float:
        mean = self.mean
        return self._average(lambda value: (value - mean) * (value - mean))

    def ppf(self, u: Array) -> Array:
        values, limits = self._table
        places = np.searchsorted(limits, u * limits[-1], side="right")
        chosen: Array = values[np.minimum(places, len(values) - 1)]
        return chosen

    def cdf(self, x: Array) -> Array:
        values, limits = self._table
        places = np.searchsorted(values, x, side="right")
        shares: Array = np.concatenate(([0.0], limits))[places] / limits[-1]
        return shares


def _require(holds: bool, name: str, requirement: str, got: object) -> None:
    if not holds:
        shown = f"{got:g}" if isinstance(got, float) else got
        raise ValueError(f"{name} must be {requirement}, got {shown}")


def _require_mean(mean: float) -> None:
    _require(0 < mean <= LONGEST_S, "mean", "above 0 and at most 2**40 s", mean)
