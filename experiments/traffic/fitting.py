"""Which distribution durations follow: by maximum likelihood over the bins they were counted in.

Models   Exponential, gamma, Weibull and lognormal are fitted; the one with the least Bayesian information criterion is
         taken. The likelihood is that of grouped data, which is exact for what was counted in bins. Stamps of whole
         seconds are grouped, too: a difference of n seconds stands for n - 1/2 to n + 1/2, one of 0 for less than 1/2.
         How well it fits is told by the largest distance between the two distribution functions, and by the means.
Units    Seconds.
Source   Grouped likelihood: McLachlan and Jones 1988, doi:10.2307/2531869.
Omits    Mixtures; tails beyond what was seen.
Checked  tests/unit/test_traffic_fitting.py (against scipy's own fits)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from experiments.traffic.histogram import Histogram

GOOD: Final = 0.05
"""A distance up to this is called good, up to twice this fair (assumed): at the least, quantiles then look alike."""
MEAN_GOOD: Final = 0.1
"""Nor is a fit good whose mean is off by more than this, nor fair with 2.5 times as much (assumed)."""
LEAST: Final = 30
"""Fewer durations fit nearly everything."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """A distribution with its parameters, as a scenario writes it."""

    kind: str
    mean_s: float
    shape: float | None
    """Of gamma and Weibull."""
    p50_s: float | None
    """Of lognormal."""
    distance: float
    """Largest distance between distribution functions (Kolmogorov, Smirnov)."""
    mean_off: float
    """By which share the mean is off that of the durations: tails that were never seen can move it far."""
    count: int

    @property
    def verdict(self) -> str:
        if self.distance <= GOOD and self.mean_off <= MEAN_GOOD:
            return "good"
        return "fair" if self.distance <= 2 * GOOD and self.mean_off <= 2.5 * MEAN_GOOD else "poor"

    def spec(self) -> dict[str, Any]:
        """The value of a field of a scenario that is a distribution."""
        more: dict[str, Any] = {}
        if self.shape is not None:
            more["shape"] = float(f"{self.shape:.4g}")
        if self.p50_s is not None:
            more["p50"] = f"{self.p50_s:.6g}s"
        return {"kind": self.kind, "mean": f"{self.mean_s:.6g}s", **more}


def fit(found: Histogram, resolution_s: float) -> Fit | None:
    """The distribution that is closest; None where too few durations say anything, or all are the same."""
    low, high, counts = _groups(found, resolution_s)
    if counts.sum() < LEAST or len(counts) < 3:
        return None
    observed = found.mean or 0.0
    candidates = [_fitted(kind, start, low, high, counts, observed) for kind, start in _starts(found, resolution_s)]
    fitted = [each for each in candidates if each is not None]
    return min(fitted, key=lambda each: each[0])[1] if fitted else None


def _groups(found: Histogram, resolution_s: float) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """Where each group begins and ends, and how many durations are in it."""
    low, high, counts = found.grouped()
    half = resolution_s / 2
    if low.size and high[0] < 40 * resolution_s:  # whole steps of the clock stand in bins of their own
        steps = np.maximum(np.rint(np.sqrt(low * high) / resolution_s), 1) * resolution_s
        is_step = low < 40 * resolution_s
        low, high = np.where(is_step, steps - half, low), np.where(is_step, steps + half, high)
    low[1:] = np.maximum(low[1:], high[:-1])
    low, high, counts = low[high > low], high[high > low], counts[high > low]
    if found.zeros:
        first = half if resolution_s >= 0.001 else 1e-6
        low = np.concatenate([[0.0], np.maximum(low, first)])
        high = np.concatenate([[first], high])
        counts = np.concatenate([[found.zeros], counts])
    return low, high, counts


def _starts(found: Histogram, resolution_s: float) -> list[tuple[str, list[float]]]:
    mean = max(found.mean or 0.0, resolution_s / 10, 1e-6)
    scv = min(max(found.scv or 1.0, 0.05), 50.0)
    spread = math.sqrt(math.log1p(scv))
    return [
        ("exponential", [math.log(mean)]),
        ("gamma", [math.log(mean), -math.log(scv)]),
        ("weibull", [math.log(mean), -0.5 * math.log(scv)]),
        ("lognormal", [math.log(mean) - spread * spread / 2, math.log(spread)]),
    ]


@dataclass(frozen=True)
class _Candidate:
    """A distribution with parameters."""

    cdf: Callable[[Floats], npt.NDArray[Any]]
    mean: float
    shape: float | None = None
    median: float | None = None


def _candidate(kind: str, at: Floats) -> _Candidate:
    """The distribution at a place of the search, whose coordinates are logarithms."""
    from scipy import special

    scale = math.exp(float(np.clip(at[0], -40, 40)))
    second = math.exp(float(np.clip(at[1], -4, 6))) if len(at) > 1 else 1.0
    if kind == "exponential":
        return _Candidate(lambda x: -np.expm1(-x / scale), scale)
    if kind == "gamma":
        return _Candidate(lambda x: special.gammainc(second, x * (second / scale)), scale, shape=second)
    if kind == "weibull":
        unit = scale / math.gamma(1 + 1 / second)
        return _Candidate(lambda x: -np.expm1(-((x / unit) ** second)), scale, shape=second)
    mean = scale * math.exp(min(second * second / 2, 300.0))
    return _Candidate(lambda x: special.ndtr(np.log(x / scale) / second), mean, median=scale)


def _fitted(
    kind: str, start: list[float], low: Floats, high: Floats, counts: npt.NDArray[np.int64], observed: float
) -> tuple[float, Fit] | None:
    from scipy.optimize import minimize

    def loss(at: Floats) -> float:
        mass = _shares(_candidate(kind, at), high) - _shares(_candidate(kind, at), low)
        return -float((counts * np.log(np.maximum(mass, 1e-300))).sum())

    result = minimize(loss, np.array(start), method="Nelder-Mead", options={"xatol": 1e-5, "fatol": 1e-4})
    if not math.isfinite(result.fun):
        return None
    best = _candidate(kind, result.x)
    total = int(counts.sum())
    distance = float(np.abs(np.cumsum(counts) / total - _shares(best, high)).max())
    criterion = 2 * float(result.fun) + len(start) * math.log(total)
    if not 0 < best.mean < 1e9 or (best.median is not None and not 0 < best.median < best.mean):
        return None
    off = abs(best.mean / observed - 1)
    return criterion, Fit(kind, best.mean, best.shape, best.median, distance, off, total)


def _shares(candidate: _Candidate, at: Floats) -> Floats:
    with np.errstate(divide="ignore", over="ignore"):  # the logarithm of 0 is where nothing has come yet
        return np.asarray(candidate.cdf(at), np.float64)
