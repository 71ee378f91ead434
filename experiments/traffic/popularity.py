"""How popular what is asked for is: Zipf's law, by maximum likelihood.

Models   The thing of rank r among N is asked for in proportion to r ** -s. s is that of the greatest likelihood, its
         95 % interval that of the likelihood's curvature (Fisher information); 0 means all alike. How well the law
         holds is told by the largest distance between its distribution over ranks and the counted one.
Source   Clauset, Shalizi and Newman 2009, doi:10.1137/070710111, for the likelihood of discrete power laws; here with
         as many ranks as were seen.
Omits    That ranks are those of the counts themselves: with few requests a thing, chance alone puts some of them
         first, and s comes out too large. `is_thin` says where that matters.
Checked  tests/unit/test_traffic_popularity.py (against scipy's zipfian)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

GOOD: Final = 0.03
MOST: Final = 10.0
"""Exponents above this are not looked for: the first of two would get 99.9 %."""
LEAST: Final = 10
"""Of fewer things nobody can tell a law (assumed)."""
THIN: Final = 5.0
"""Requests a thing, on average, below which ranks are mostly chance (assumed)."""


@dataclass(frozen=True)
class Popularity:
    """Zipf's law for some things."""

    exponent: float
    low: float
    high: float
    distance: float
    things: int
    requests: int

    @property
    def is_thin(self) -> bool:
        return self.requests < THIN * self.things

    @property
    def verdict(self) -> str:
        return "good" if self.distance <= GOOD else "fair" if self.distance <= 2 * GOOD else "poor"

    def as_dict(self) -> dict[str, Any]:
        return {
            "exponent": self.exponent, "interval": [self.low, self.high], "distance": self.distance,
            "fit": self.verdict, "is_thin": self.is_thin, "things": self.things, "requests": self.requests,
        }  # fmt: skip


def fit_zipf(counts: npt.NDArray[np.int64]) -> Popularity | None:
    """Fit to how often each thing was asked for. None where there are fewer than LEAST of them."""
    ranked = np.sort(counts[counts > 0])[::-1].astype(np.float64)
    if len(ranked) < LEAST:
        return None
    logs = np.log(np.arange(1, len(ranked) + 1))
    total = float(ranked.sum())
    wanted = float((ranked * logs).sum()) / total
    exponent = _solve(logs, wanted)
    weights = _weights(logs, exponent)
    mean = float((weights * logs).sum())
    variance = float((weights * (logs - mean) ** 2).sum())
    error = 1 / math.sqrt(total * variance) if variance > 0 else math.inf
    distance = float(np.abs(np.cumsum(ranked) / total - np.cumsum(weights)).max())
    return Popularity(
        exponent, max(0.0, exponent - 1.96 * error), exponent + 1.96 * error, distance, len(ranked), round(total)
    )


def _weights(logs: npt.NDArray[np.float64], exponent: float) -> npt.NDArray[np.float64]:
    weights: npt.NDArray[np.float64] = np.exp(-exponent * logs)
    weights /= weights.sum()
    return weights


def _solve(logs: npt.NDArray[np.float64], wanted: float) -> float:
    """Where the expected logarithm of the rank is the observed one: the likelihood's only maximum."""
    low, high = 0.0, MOST
    if float((_weights(logs, 0.0) * logs).sum()) <= wanted:
        return 0.0
    for _ in range(60):
        middle = (low + high) / 2
        if float((_weights(logs, middle) * logs).sum()) > wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2
