"""Durations counted in bins of 1 %: flat memory, quantiles within a percent, mean and variance exact.

Models   A quantile is the mean of the bin it lies in, so that it is exact where a bin holds equal values. Zeros are
         counted apart, for stamps of whole seconds have many. Below a microsecond counts as one, above ten million
         seconds as that.
Units    Seconds.
Checked  tests/unit/test_traffic_histogram.py, tests/properties/test_traffic.py
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

LEAST_S: Final = 1e-6
STEP: Final = math.log(1.01)
BINS: Final = math.ceil(math.log(1e7 / LEAST_S) / STEP)

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Histogram:
    """Durations, as they come."""

    __slots__ = ("bins", "count", "greatest", "least", "squares", "sums", "total", "zeros")

    def __init__(self) -> None:
        self.bins = np.zeros(BINS, np.int64)
        self.sums = np.zeros(BINS)
        """What the durations in each bin add up to."""
        self.zeros = 0
        self.count = 0
        self.total = 0.0
        self.squares = 0.0
        self.least = math.inf
        self.greatest = -math.inf

    def add(self, values: Floats) -> None:
        """Durations of 0 or more; NaN is passed over."""
        values = values[values >= 0]
        if not len(values):
            return
        self.count += len(values)
        self.total += float(values.sum())
        self.squares += float((values * values).sum())
        self.least = min(self.least, float(values.min()))
        self.greatest = max(self.greatest, float(values.max()))
        above = values[values > 0]
        self.zeros += len(values) - len(above)
        numbers = np.clip(np.log(above / LEAST_S) / STEP, 0, BINS - 1).astype(np.int64)
        self.bins += np.bincount(numbers, minlength=BINS)
        self.sums += np.bincount(numbers, weights=above, minlength=BINS)

    def take_in(self, other: Histogram) -> None:
        """All that another one has counted."""
        self.bins += other.bins
        self.sums += other.sums
        self.zeros += other.zeros
        self.count += other.count
        self.total += other.total
        self.squares += other.squares
        self.least = min(self.least, other.least)
        self.greatest = max(self.greatest, other.greatest)

    @property
    def mean(self) -> float | None:
        return self.total / self.count if self.count else None

    @property
    def scv(self) -> float | None:
        """Squared coefficient of variation."""
        if self.count < 2 or not self.total:
            return None
        mean = self.total / self.count
        return max(0.0, self.squares / self.count / mean / mean - 1)

    def quantile(self, q: float) -> float | None:
        """The value that a share `q` does not exceed, within a percent; the ends exactly."""
        if not self.count:
            return None
        wanted = max(1, math.ceil(q * self.count))
        if wanted <= self.zeros:
            return 0.0
        if wanted >= self.count:
            return self.greatest
        number = int(np.searchsorted(np.cumsum(self.bins), wanted - self.zeros))
        return min(max(float(self.sums[number] / self.bins[number]), self.least), self.greatest)

    def grouped(self) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
        """Bins that hold something: where each begins, where it ends, how many are in it. Zeros are not among them."""
        (used,) = np.nonzero(self.bins)
        return LEAST_S * np.exp(used * STEP), LEAST_S * np.exp((used + 1) * STEP), self.bins[used]

    def curve(self, most: int = 200) -> list[list[float]]:
        """Points of the distribution function: a duration, and the share that does not exceed it."""
        (used,) = np.nonzero(self.bins)
        shares = (self.zeros + np.cumsum(self.bins[used])) / self.count if self.count else np.zeros(0)
        places = np.unique(np.linspace(0, len(used) - 1, min(most, len(used))).round().astype(np.int64))
        points = [[float(self.sums[used[at]] / self.bins[used[at]]), float(shares[at])] for at in places]
        return [[0.0, self.zeros / self.count], *points] if self.zeros else points

    def as_dict(self, quantiles: tuple[float, ...] = (0.5, 0.9, 0.95, 0.99)) -> dict[str, Any]:
        """Figures for the result, in seconds."""
        return {
            "count": self.count,
            "mean_s": self.mean,
            **{f"p{100 * q:g}_s": self.quantile(q) for q in quantiles},
            "max_s": self.greatest if self.count else None,
        }
