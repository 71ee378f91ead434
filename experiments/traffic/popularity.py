"""How popular what is asked for is: Zipf's law, by maximum likelihood.

Models   The thing of rank r among N is asked for in proportion to r ** -s; 0 means all alike. Ranks are those of the
         counts themselves, so that chance alone puts some things first, and things that nobody asked for have none:
         the s of the greatest likelihood, with as many ranks as were seen, is off by both. So it is made of drawn
         requests as well, and s is the one whose draws come out like the log, with as many things as leave so many
         unseen (indirect inference). The 95 % interval is from the scatter of the draws. How well the law holds is told
         by the largest distance between its distribution over ranks and the counted one.
Source   Clauset, Shalizi and Newman 2009, doi:10.1137/070710111, for the likelihood of discrete power laws; Gourieroux,
         Monfort and Renault 1993, doi:10.1002/jae.3950080507, for indirect inference.
Omits    With less than THIN requests a thing nothing tells how many there are: `is_thin` says so.
Checked  tests/unit/test_traffic_popularity.py (against scipy's zipfian; how often the interval covers the truth)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

GOOD: Final = 0.03
MOST: Final = 10.0
"""Exponents above this are not looked for: the first of two would get 99.9 %."""
LEAST: Final = 10
"""Of fewer things nobody can tell a law (assumed)."""
THIN: Final = 5.0
"""Requests a thing, on average, below which ranks are mostly chance (assumed)."""
STEPS: Final = 4
DRAWS: Final = 40
MOST_DRAWN: Final = 5_000_000
"""Things drawn in all, so that a fit takes seconds at most."""
MOST_UNSEEN: Final = 8
"""At most so many times as many things as were seen."""


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
    total = float(ranked.sum())
    exponent, error, _ = _indirect(ranked, total)
    seen = _weights(np.log(np.arange(1, len(ranked) + 1)), _likeliest(ranked))
    distance = float(np.abs(np.cumsum(ranked) / total - np.cumsum(seen)).max())
    return Popularity(
        exponent, max(0.0, exponent - error), exponent + error, distance, len(ranked), round(total)
    )  # fmt: skip


def _indirect(ranked: Floats, total: float) -> tuple[float, float, int]:
    """The exponent whose draws come out like what was counted, half the width of its interval, and of how many things.

    The same uniform numbers are behind all draws, so that these move with the exponent only.
    """
    observed, things = _likeliest(ranked), len(ranked)
    exponent = observed
    draws = int(np.clip(MOST_DRAWN // (3 * things), 4, DRAWS))
    for _ in range(STEPS):
        things = _things(exponent, total, len(ranked))
        drawn = _drawn(exponent, total, things, max(3, draws // 4))
        exponent = min(max(exponent + observed - float(np.mean(drawn)), 0.0), MOST)
    drawn = _drawn(exponent, total, things, draws)
    exponent = min(max(exponent + observed - float(np.mean(drawn)), 0.0), MOST)
    spread = float(np.std(drawn, ddof=1)) * math.sqrt(1 + 1 / draws)
    return exponent, _student(draws - 1) * spread, things


def _things(exponent: float, total: float, seen: int) -> int:
    """How many things there are, that so many of them are seen."""
    low, high = seen, MOST_UNSEEN * seen
    if _expected(exponent, total, high) <= seen:
        return high
    while high - low > max(1, seen // 1000):
        middle = (low + high) // 2
        low, high = (middle, high) if _expected(exponent, total, middle) < seen else (low, middle)
    return high if _expected(exponent, total, low) < seen - 0.5 else low


def _expected(exponent: float, total: float, things: int) -> float:
    """How many of these are asked for at all."""
    weights = _weights(np.log(np.arange(1, things + 1)), exponent)
    return float(-np.expm1(-total * weights).sum())


def _drawn(exponent: float, total: float, things: int, draws: int) -> list[float]:
    """The likeliest exponents of drawn requests."""
    means = total * _weights(np.log(np.arange(1, things + 1)), exponent)
    found = []
    for number in range(draws):
        counts = np.random.Generator(np.random.Philox(key=[number, things])).poisson(means)
        found.append(_likeliest(np.sort(counts[counts > 0])[::-1].astype(np.float64)))
    return found


def _student(freedom: int) -> float:
    from scipy.stats import t

    return float(t.ppf(0.975, freedom))


def _likeliest(ranked: Floats) -> float:
    """The exponent of the greatest likelihood, with the ranks that were seen."""
    if len(ranked) < 2:
        return MOST
    logs = np.log(np.arange(1, len(ranked) + 1))
    return _solve(logs, float((ranked * logs).sum()) / float(ranked.sum()))


def _weights(logs: Floats, exponent: float) -> Floats:
    weights: Floats = np.exp(-exponent * logs)
    weights /= weights.sum()
    return weights


def _solve(logs: Floats, wanted: float) -> float:
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
