"""Distributions made of exponential phases: one, one after the other, one of several."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial

import numpy as np

from sim.distributions.base import require, require_mean
from sim.distributions.table import QuantileTable
from sim.elementary import Array, exp, gamma_quantile, incomplete_gamma, log, log_of


@dataclass(frozen=True)
class Exponential:
    """Memoryless, with the given `mean`."""

    mean: float

    def __post_init__(self) -> None:
        require_mean(self.mean)

    @property
    def variance(self) -> float:
        return self.mean * self.mean

    def ppf(self, u: Array) -> Array:
        return -self.mean * log(1.0 - u) + 0.0

    def cdf(self, x: Array) -> Array:
        return 1.0 - exp(-np.maximum(x, 0.0) / self.mean)


@lru_cache(maxsize=256)
def _gamma_quantiles(shape: float) -> QuantileTable:
    """Of scale 1. It takes milliseconds to make, and every replication asks for the same ones."""
    return QuantileTable(partial(gamma_quantile, shape))


@dataclass(frozen=True)
class Gamma:
    """Sum of `shape` exponential phases, where shape need not be whole; less variable than exponential above 1."""

    mean: float
    shape: float

    def __post_init__(self) -> None:
        require_mean(self.mean)
        require(0.1 <= self.shape <= 1000, "shape", "from 0.1 to 1000", self.shape)

    @property
    def variance(self) -> float:
        return self.mean * self.mean / self.shape

    def ppf(self, u: Array) -> Array:
        return _gamma_quantiles(self.shape).ppf(u) * (self.mean / self.shape)

    def cdf(self, x: Array) -> Array:
        return incomplete_gamma(self.shape, np.maximum(x, 0.0) * (self.shape / self.mean))[0]


@dataclass(frozen=True)
class Erlang:
    """Sum of `k` exponential stages."""

    mean: float
    k: int

    def __post_init__(self) -> None:
        require_mean(self.mean)
        require(self.k == int(self.k) and 1 <= self.k <= 1000, "k", "a whole number from 1 to 1000", self.k)

    @property
    def variance(self) -> float:
        return self.mean * self.mean / self.k

    @cached_property
    def _gamma(self) -> Gamma:
        return Gamma(self.mean, self.k)

    def ppf(self, u: Array) -> Array:
        return self._gamma.ppf(u)

    def cdf(self, x: Array) -> Array:
        return self._gamma.cdf(x)


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
        require_mean(self.mean)
        require(1 < self.scv <= 1e6, "scv", "above 1 and at most 1e6", self.scv)
        often = (1 + math.sqrt((self.scv - 1) / (self.scv + 1))) / 2
        seldom = 1 / ((self.scv + 1) * 2 * often)
        pairs = ((often, self.mean / (2 * often)), (seldom, self.mean / (2 * seldom)))
        object.__setattr__(self, "branches", pairs)

    def _take_branches(self) -> None:
        total = first = second = 0.0
        for probability, branch_mean in self.branches:
            require(0 < probability <= 1, "probability of a branch", "above 0 and at most 1", probability)
            require_mean(branch_mean)
            total += probability
            first += probability * branch_mean
            second += 2 * probability * branch_mean * branch_mean
        require(abs(total - 1) < 1e-9, "probabilities of the branches", "1 in total", total)
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
