"""Distributions with a tail of their own: lognormal, Weibull, and a power law between bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.distributions.base import LONGEST_S, in_s, require, require_mean
from sim.elementary import Array, exp, exp_of, expm1, log, log_gamma, log_of, normal_quantile, normal_shares


@dataclass(frozen=True)
class Lognormal:
    """exp of a normal number. `sigma` is the standard deviation of the logarithm."""

    mean: float
    sigma: float

    def __post_init__(self) -> None:
        require_mean(self.mean)
        require(0 < self.sigma <= 6, "sigma", "above 0 and at most 6", self.sigma)

    @classmethod
    def from_mean_percentile(cls, mean: float, percentile: float, value: float) -> Lognormal:
        """The one with this mean and this percentile (99 for p99).

        With z the normal quantile, value / mean = exp(z sigma - sigma^2 / 2). Above the median two sigmas solve it
        where value > mean: the smaller is taken, the other one (above z) has its bulk far below its mean. A value
        above exp(z^2 / 2) times the mean has none. At the median and below, value < mean has exactly one.
        """
        require_mean(mean)
        require(0 < percentile < 100, "percentile", "between 0 and 100", percentile)
        z = float(normal_quantile(np.array([percentile / 100]))[0])
        name = f"p{percentile:g}"
        if percentile > 50:
            largest = mean * exp_of(z * z / 2)
            require(
                mean < value <= largest, name, f"above the mean ({in_s(mean)}) and at most {in_s(largest)}", in_s(value)
            )
            return cls(mean, z - math.sqrt(max(0.0, z * z - 2 * log_of(value / mean))))
        require(0 < value < mean, name, f"above 0 s and below the mean ({in_s(mean)})", in_s(value))
        return cls(mean, z + math.sqrt(z * z - 2 * log_of(value / mean)))

    @property
    def variance(self) -> float:
        return self.mean * self.mean * expm1(self.sigma * self.sigma)

    @cached_property
    def _mu(self) -> float:
        return log_of(self.mean) - self.sigma * self.sigma / 2

    def ppf(self, u: Array) -> Array:
        return exp(self._mu + self.sigma * normal_quantile(u))

    def cdf(self, x: Array) -> Array:
        return normal_shares((log(np.maximum(x, 0.0)) - self._mu) / self.sigma)[0]


@dataclass(frozen=True)
class Weibull:
    """Rate of ending that falls (`shape` below 1) or rises (above 1) with time."""

    mean: float
    shape: float

    def __post_init__(self) -> None:
        require_mean(self.mean)
        require(0.1 <= self.shape <= 100, "shape", "from 0.1 to 100", self.shape)

    @cached_property
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
class BoundedPareto:
    """Power law between `low` and `high`: most of the total in a few values. Smaller `shape`, heavier tail."""

    shape: float
    low: float
    high: float

    def __post_init__(self) -> None:
        require(0.05 <= self.shape <= 100, "shape", "from 0.05 to 100", self.shape)
        require(0 < self.low < LONGEST_S, "low", "above 0 s", in_s(self.low))
        require(self.low < self.high <= LONGEST_S, "high", f"above low ({in_s(self.low)})", in_s(self.high))

    @cached_property
    def _spread(self) -> float:
        """Logarithm of high / low."""
        return log_of(self.high / self.low)

    @cached_property
    def _norm(self) -> float:
        """1 - (low / high) ** shape."""
        return -expm1(-self.shape * self._spread)

    def _moment(self, order: int) -> float:
        """Mean of x ** order: integral of the density, with the removable singularity at shape = order removed."""
        excess = self.shape - order
        integral = self._spread if excess == 0 else -expm1(-excess * self._spread) / excess
        power = self.low if order == 1 else self.low * self.low
        return self.shape / self._norm * power * integral

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
