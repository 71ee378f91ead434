"""What a log tells by itself, without a simulation: think times, the network's share, cache hits.

Models   Think times are pauses within visits, from the end of an answer to the visitor's next request. The network's
         share is what a front proxy took beyond the servers behind it (request time less upstream time); connecting is
         what it says of that. Distributions are those of greatest likelihood; how well they fit is told by the
         distance of Kolmogorov and Smirnov and by how often samples of the fitted distribution itself, fitted again,
         lie farther away (parametric bootstrap): a share below 5 % rejects the fit.
         Where the log does not say what hit a cache, two separate modes of an endpoint's response times do.
Source   Stute, Gonzalez Manteiga and Presedo Quindimil 1993, doi:10.1007/BF02613687, for the parametric bootstrap;
         Ashman, Bird and Zepf 1994, doi:10.1086/117248, for when two modes are separate (D above 2; here 3).
Checked  tests/unit/test_calibration_direct.py
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from experiments.calibration.shapes import distribution_of
from experiments.logs.batch import batch_of
from experiments.scoring.observed import Floats, Observed
from experiments.traffic.fitting import Fit, fit
from experiments.traffic.histogram import Histogram
from experiments.traffic.sessions import Sessions

LEAST: Final = 50
BOOTSTRAPS: Final = 39
"""Samples of the fitted distribution: the share that lies farther away is then told to 2.5 %."""
MOST_DRAWN: Final = 20_000
APART: Final = 3.0
SMALLEST_MODE: Final = 0.02


@dataclass(frozen=True)
class Measured:
    """A distribution that was measured and fitted."""

    what: str
    count: int
    mean_s: float
    low_s: float
    high_s: float
    """95 % interval of the mean."""
    fitted: Fit | None
    """None: too few, or all the same."""
    farther: float | None
    """Share of samples of the fitted distribution that lie farther from their own fit."""

    @property
    def spec(self) -> Any:
        return None if self.fitted is None else self.fitted.spec()

    def as_dict(self) -> dict[str, Any]:
        return {
            "count": self.count, "mean_s": self.mean_s, "interval_s": [self.low_s, self.high_s], "value": self.spec,
            "distance": None if self.fitted is None else self.fitted.distance, "p": self.farther,
        }  # fmt: skip


def measured(what: str, values: Floats, resolution_s: float) -> Measured | None:
    """Fit durations. None where there are too few."""
    if len(values) < LEAST:
        return None
    found = Histogram()
    found.add(values)
    half = 1.96 * float(values.std()) / math.sqrt(len(values))
    mean = float(values.mean())
    fitted = fit(found, resolution_s)
    farther = None if fitted is None else _farther(fitted, len(values), resolution_s)
    return Measured(what, len(values), mean, mean - half, mean + half, fitted, farther)


def _farther(fitted: Fit, count: int, resolution_s: float) -> float:
    """The parametric bootstrap. Of very many values as many as MOST_DRAWN stand for all: the distance shrinks alike."""
    _, distribution = distribution_of(fitted.spec())
    drawn = min(count, MOST_DRAWN)
    chance = np.random.Generator(np.random.Philox(key=[count, 3]))
    farther = 0
    scale = math.sqrt(count / drawn)
    for _ in range(BOOTSTRAPS):
        values = distribution.ppf(chance.random(drawn))
        if resolution_s:
            values = np.rint(values / resolution_s) * resolution_s
        again = Histogram()
        again.add(values)
        refitted = fit(again, resolution_s)
        farther += refitted is not None and refitted.distance >= fitted.distance * scale
    return (farther + 1) / (BOOTSTRAPS + 1)


def think_times(observed: Observed, gap_s: float, resolution_s: float) -> tuple[Measured | None, dict[str, Any]]:
    """Pauses within visits, and how long visits are."""
    at_ns = (observed.t_s * 1e9).astype(np.int64)
    rows = batch_of(np.arange(len(at_ns)), at_ns, user=observed.user, response_s=observed.response_s)
    sessions = Sessions(gap_s)
    sessions.add(rows)
    sessions.end()
    pauses = _pauses(observed, gap_s)
    return measured("think time", pauses, resolution_s), {
        "visitors": sessions.visitors, "sessions": sessions.lengths.count,
        "requests_per_session": sessions.lengths.mean,
    }  # fmt: skip


def _pauses(observed: Observed, gap_s: float) -> Floats:
    """From the end of a visitor's answer to its next request; not those that end a visit."""
    order = np.lexsort((observed.t_s, observed.user))
    user, at = observed.user[order], observed.t_s[order]
    ends = at + np.nan_to_num(observed.response_s[order], nan=0.0)
    is_next = user[1:] == user[:-1]
    pauses = np.maximum(at[1:] - ends[:-1], 0.0)[is_next]
    return np.asarray(pauses[pauses <= gap_s])


def network_share(observed: Observed) -> Measured | None:
    """What the front proxy took beyond the servers behind it."""
    known = np.isfinite(observed.response_s) & np.isfinite(observed.upstream_s) & (observed.upstream_s >= 0)
    share = np.maximum(observed.response_s[known] - observed.upstream_s[known], 0.0)
    return measured("network share", share, observed.unit_s)


def connecting(observed: Observed) -> Measured | None:
    """What connecting to the servers behind the front proxy took."""
    known = np.isfinite(observed.connect_s) & (observed.connect_s >= 0)
    return measured("connecting", observed.connect_s[known], observed.unit_s)


@dataclass(frozen=True)
class Modes:
    """Two modes of an endpoint's response times."""

    threshold_s: float
    apart: float
    """Ashman's D."""
    low_share: float


def two_modes(values: Floats) -> Modes | None:
    """The two modes of response times, where they are separate: a mixture of two lognormals, by maximum likelihood."""
    logs = np.log(np.maximum(values, 1e-6))
    if len(logs) < 10 * LEAST or float(logs.std()) == 0.0:
        return None
    low, high = np.quantile(logs, [0.2, 0.9])
    means, spreads, share = np.array([low, high]), np.full(2, float(logs.std()) / 2), 0.5
    for _ in range(200):
        density = np.stack([_density(logs, means[k], spreads[k]) for k in (0, 1)]) * np.array([[share], [1 - share]])
        belongs = density / np.maximum(density.sum(axis=0), 1e-300)
        weight = belongs.sum(axis=1)
        if weight.min() < SMALLEST_MODE * len(logs):
            return None
        before = means
        means = (belongs @ logs) / weight
        spreads = np.sqrt(np.maximum((belongs * (logs - means[:, None]) ** 2).sum(axis=1) / weight, 1e-8))
        share = float(weight[0] / len(logs))
        if float(np.abs(means - before).max()) < 1e-6:
            break
    apart = float(math.sqrt(2) * abs(means[1] - means[0]) / math.sqrt(float(spreads[0] ** 2 + spreads[1] ** 2)))
    if apart < APART or means[1] <= means[0]:
        return None
    return Modes(_between(means, spreads, share), apart, share)


def _density(logs: Floats, mean: float, spread: float) -> Floats:
    return np.asarray(np.exp(-((logs - mean) ** 2) / (2 * spread * spread)) / spread)


def _between(means: Floats, spreads: Floats, share: float) -> float:
    """Where both modes are equally likely."""
    grid = np.linspace(float(means[0]), float(means[1]), 400)
    first = share * _density(grid, float(means[0]), float(spreads[0]))
    second = (1 - share) * _density(grid, float(means[1]), float(spreads[1]))
    return float(np.exp(grid[int(np.argmin(np.abs(first - second)))]))


def told_by_modes(values: Floats, threshold_s: float) -> npt.NDArray[np.int8]:
    """Hits are what is shorter than the threshold."""
    return np.where(values < threshold_s, 1, 0).astype(np.int8)
