"""Distributions between two bounds: constant, uniform, and what was measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.distributions.base import LONGEST_S, in_s, require
from sim.elementary import Array


@dataclass(frozen=True)
class Constant:
    """Always `value`."""

    value: float

    def __post_init__(self) -> None:
        require(0 <= self.value <= LONGEST_S, "value", "0 s or more", in_s(self.value))

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
        require(0 <= self.low < LONGEST_S, "low", "0 s or more", in_s(self.low))
        require(self.low < self.high <= LONGEST_S, "high", f"above low ({in_s(self.low)})", in_s(self.high))

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
class Empirical:
    """One of the measured `values`, each as likely as its weight (equally, without weights). No interpolation."""

    values: tuple[float, ...]
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(float(value) for value in self.values))
        weights = tuple(float(weight) for weight in self.weights) or (1.0,) * len(self.values)
        object.__setattr__(self, "weights", weights)
        require(len(self.values) > 0, "values", "at least one", "none")
        require(len(weights) == len(self.values), "weights", f"as many as values ({len(self.values)})", len(weights))
        for value in self.values:
            require(0 <= value <= LONGEST_S, "values", "0 s or more", in_s(value))
        for weight in weights:
            require(0 < weight <= 1e12, "weights", "above 0", weight)

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
