"""How bursty arrivals are: the index of dispersion for counts, and what a two-phase MMPP makes of it.

Models   I(w) = variance / mean of the counts in windows of length w. Poisson arrivals have 1 at every w, regular ones
         less, bursty ones more, and more so in longer windows up to the length of their bursts. An MMPP(2) has
         I(w) = 1 + (I(inf) - 1) (1 - (1 - exp(-s w)) / (s w)), where 1 / s is how long a change of phase is remembered.
Source   Fischer and Meier-Hellstern 1993, doi:10.1016/0166-5316(93)90035-S; Heffes and Lucantoni 1986,
         doi:10.1109/JSAC.1986.1146393 (fitting by the index and the third moment of counts).
Checked  tests/unit/test_traffic_dispersion.py, tests/theory/test_bursty_fit.py
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from experiments.traffic.counts import SECOND_NS, Counts, Integers

WINDOWS_S: Final = (0.001, 0.01, 0.1, 1, 10, 60, 600, 3600, 86_400)
"""Windows that people think in; each is a multiple of all before it."""
LEAST_WINDOWS: Final = 20
"""Fewer windows say too little about a variance: its standard error would be a third."""


@dataclass(frozen=True)
class Dispersion:
    """Counts in windows of one length."""

    window_s: float
    windows: int
    mean: float
    variance: float
    third: float
    """Third central moment."""
    most: int

    @property
    def index(self) -> float:
        return self.variance / self.mean

    @property
    def error(self) -> float:
        """Standard error of the index if arrivals were Poisson: sqrt(2 / (windows - 1))."""
        return math.sqrt(2 / (self.windows - 1))


def whole_windows(counts: Counts, width_ns: int) -> Integers:
    """Counts of the windows that lie wholly between the first request and the last one, as far as bins can tell."""
    found, _ = counts.per(width_ns)
    if width_ns == counts.width_ns:
        return found
    return found[1:-1]


def dispersion(counts: Counts, window_s: float) -> Dispersion | None:
    """Of one length of windows; None where the bins are wider, or fewer than LEAST_WINDOWS windows say something."""
    width_ns = round(window_s * SECOND_NS)
    if width_ns % counts.width_ns:
        return None
    found = whole_windows(counts, width_ns)
    if len(found) < LEAST_WINDOWS or not found.any():
        return None
    mean = float(found.mean())
    away = found - mean
    variance = float((away * away).sum() / (len(found) - 1))
    third = float((away * away * away).mean())
    return Dispersion(window_s, len(found), mean, variance, third, int(found.max()))


def dispersions(counts: Counts, windows_s: Sequence[float] = WINDOWS_S) -> list[Dispersion]:
    """Of all lengths of windows for which it can be told."""
    return [each for each in (dispersion(counts, window_s) for window_s in windows_s) if each is not None]


@dataclass(frozen=True)
class Mmpp:
    """Arrivals whose rate jumps between two levels; both last for exponential times."""

    calm_per_s: float
    burst_per_s: float
    calm_s: float
    """Mean time between bursts."""
    burst_s: float
    """Mean length of a burst."""

    @property
    def share(self) -> float:
        """Of time in bursts."""
        return self.burst_s / (self.calm_s + self.burst_s)

    @property
    def mean_per_s(self) -> float:
        return self.calm_per_s + self.share * (self.burst_per_s - self.calm_per_s)

    @property
    def forgetting_per_s(self) -> float:
        """How fast a phase is forgotten: the sum of both rates of change."""
        return 1 / self.calm_s + 1 / self.burst_s

    def index(self, window_s: float) -> float:
        """Index of dispersion of counts in windows of that length."""
        p, apart = self.share, self.burst_per_s - self.calm_per_s
        limit = 2 * p * (1 - p) * apart * apart / (self.mean_per_s * self.forgetting_per_s)
        return 1 + limit * growth(self.forgetting_per_s * window_s)


def growth(x: float) -> float:
    """1 - (1 - exp(-x)) / x: how much of the limit of the index a window of `x` memories shows."""
    return x / 2 - x * x / 6 if x < 1e-4 else 1 + math.expm1(-x) / x


def fit_mmpp(found: Sequence[Dispersion], mean_per_s: float) -> Mmpp:
    """The MMPP(2) with this mean rate whose index is closest, and whose counts are as skewed as the given ones.

    `found`: for windows of several lengths. Raises ValueError where counts are no more scattered than Poisson's.
    """
    beyond = [each for each in found if each.index > 1 + 3 * each.error]
    if not beyond or len(found) < 2:
        raise ValueError("the counts are no more scattered than those of Poisson arrivals at any length of windows")
    speed, limit = _fit_index(found)
    # Var[rate] = M2: limit of the index - 1 is 2 M2 / (mean s)
    second = limit * mean_per_s * speed / 2
    skew = _skew(beyond, speed, second)
    share = (1 - skew / math.sqrt(4 + skew * skew)) / 2
    most = mean_per_s * mean_per_s / (mean_per_s * mean_per_s + second)  # more, and calm times had a rate below 0
    share = min(share, 0.99 * most)
    apart = math.sqrt(second / (share * (1 - share)))
    calm = mean_per_s - share * apart
    return Mmpp(calm, calm + apart, 1 / (share * speed), 1 / ((1 - share) * speed))


def _fit_index(found: Sequence[Dispersion]) -> tuple[float, float]:
    """s and I(inf) - 1 by least squares on the logarithms of I(w), each weighed by how well it is known."""
    from scipy.optimize import minimize_scalar

    windows = np.array([each.window_s for each in found])
    said = np.array([each.index for each in found])
    wanted = np.log(np.maximum(said, 1e-9))
    weights = 1 / np.array([each.error for each in found])

    def misfit(limit: float, grown: np.ndarray) -> float:
        return float((weights * (np.log1p(limit * grown) - wanted) ** 2).sum())

    best = (math.inf, 0.0, 0.0)
    for speed in np.geomspace(0.02 / windows.max(), 20 / windows.min(), 160).tolist():
        grown = np.array([growth(speed * window) for window in windows.tolist()])
        limits = (said - 1) / grown  # what each window by itself would say
        low, high = max(limits[limits > 0].min() / 2, 1e-9), 2 * limits.max()
        found_at = minimize_scalar(
            lambda at, grown=grown: misfit(math.exp(at), grown),
            bounds=(math.log(low), math.log(high)),
            method="bounded",
        )
        best = min(best, (float(found_at.fun), speed, math.exp(float(found_at.x))))
    return best[1], best[2]


def _skew(found: Sequence[Dispersion], speed: float, second: float) -> float:
    """M3 / M2^1.5 of the rate, from the third cumulant of counts in the window where bursts show best.

    The rate of a two-level process has E[x(t1) x(t2) x(t3)] = M3 exp(-s (t3 - t1)) about its mean, so that the third
    cumulant of its integral over a window is M3 x 6 x the integral of (w - u) u exp(-s u) over u from 0 to w.
    """
    each = min(found, key=lambda one: abs(math.log(one.window_s * speed)))
    x = speed * each.window_s
    e = math.exp(-x)
    shape = each.window_s**3 if x < 1e-3 else 6 * (x + x * e - 2 + 2 * e) / speed**3
    cumulant = each.third - 3 * each.variance + 2 * each.mean  # of the integrated rate: factorial cumulant of counts
    return float(cumulant / shape / second**1.5)
