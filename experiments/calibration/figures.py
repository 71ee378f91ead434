"""The figures that simulation and log are compared by, and how exactly the log tells them.

Models   Requests are sorted into cells: endpoint, cache hit or miss where the log tells, level of load. Of each cell
         the logarithms of the mean and of twelve quantiles are figures, and how times grow with what else is under way
         where stamps are fine enough (crowding.py); of each endpoint with a cache the log odds of a hit.
         How exactly the log tells them, and which of them go together, comes from resampling stretches of it (a block
         bootstrap). All figures of a level go together: what shares a processor is slow at the same time. There are
         many more stretches than figures, for errors that are estimated from few look smaller than they are; each
         is still long beside the response times. Correlations are shrunk a little.
         Quantiles below three units of the log's clock are left out; the mean is not biased by the unit.
Checked  tests/unit/test_calibration_figures.py, tests/unit/test_calibration_recovery.py
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np
import numpy.typing as npt

from experiments.calibration.crowding import growth, kinds_of, resampled_growth, told_apart, under_way
from experiments.replay import uniform
from experiments.scoring.errors import blocks_of
from experiments.scoring.observed import Floats, Integers, Observed
from experiments.scoring.simulated import Simulated, as_logged
from sim.statistics import is_enough_for_quantile

QUANTILES: Final = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98, 0.99)
"""The low ones tell most of what a step adds to another one: seven from 0.1 on leave twice the error."""
LEAST: Final = 200
"""Requests a cell must have for its figures to be compared."""
BLOCKS: Final = 240
"""Stretches that levels of load are told by."""
MOST_PARTS: Final = 12
"""Of each of them, to resample, ..."""
LEAST_IN_PART: Final = 40
"""... with at least so many requests on average, ..."""
LONG: Final = 20.0
"""... and at least this many times a mean response time long."""
RESAMPLES: Final = 1000
SHRINKAGE: Final = 0.03
"""Of correlations. More of it hides what neighbouring quantiles tell by their difference: the shape."""
LEVELS: Final = 3
VARIES: Final = 1.35
"""The busiest level's rate over the quietest one's from which they are told apart."""
DISPERSED: Final = 2.0
"""Variance over mean of the stretches' requests up to which they differ by chance: 1 for arrivals at random."""
BINS: Final = 600
LEAST_ERROR: Final = 0.001
"""No figure is taken to be known better than this: the model is not."""


@dataclass(frozen=True)
class Level:
    """Stretches of the log with about the same load."""

    rate_per_s: float
    blocks: tuple[int, ...]


@dataclass(frozen=True)
class Cell:
    """Requests that are compared with one another."""

    route: int
    cache: int
    """1 hit, 0 miss, -1 both."""
    level: int
    quantiles: tuple[float, ...]
    kinds: tuple[int, ...]
    """What under way its times are regressed on."""

    @property
    def count(self) -> int:
        return 1 + len(self.quantiles) + len(self.kinds)


@dataclass(frozen=True)
class Odds:
    """A hit ratio that is compared."""

    route: int
    level: int


class Figures:
    """What is compared, made once from a log: the observed figures with their errors, and how to get simulated ones."""

    def __init__(self, observed: Observed, rows: npt.NDArray[np.bool_], cached: frozenset[int]) -> None:
        """`rows`: what is compared. `cached`: routes whose hits and misses the log tells and the scenario has."""
        self._observed = observed
        self._block = blocks_of(observed.t_s, BLOCKS)
        self._part = blocks_of(observed.t_s, BLOCKS * _parts(observed))
        self.levels = levels_of(self._block[rows], observed.span_s)
        self._level = np.full(BLOCKS, -1)
        for number, level in enumerate(self.levels):
            self._level[list(level.blocks)] = number
        at_level = self._level[self._block]
        self._rows = rows & (at_level >= 0)
        self._at_level = at_level
        self._dither = uniform(np.arange(len(observed)), "dither") - 0.5
        timed = self._rows & observed.is_good & np.isfinite(observed.response_s)
        self._seen = self._dithered(observed.response_s)
        self._kinds = kinds_of(observed)
        self.tells_under_way = bool((self._kinds >= 0).any())
        self.cells = self._cells(timed, cached)
        self.odds = [
            Odds(route, level) for route in sorted(cached) for level in range(len(self.levels))
            if int((timed & (observed.route == route) & (at_level == level) & (observed.cache >= 0)).sum()) >= LEAST
        ]  # fmt: skip
        self.cells.sort(key=lambda cell: cell.level)
        self.count = sum(cell.count for cell in self.cells) + len(self.odds)
        self.observed, covariances = self._observe(timed, self._seen, observed.cache)
        self.roots = [_root(each) for each in covariances]
        """Of figures that go together, the matrices that make their errors independent and 1."""

    def _dithered(self, values: Floats) -> Floats:
        """Rounded values spread over their unit, so that quantiles do not jump from unit to unit."""
        return values + self._dither * self._observed.unit_s if self._observed.unit_s else values

    def _cells(self, timed: npt.NDArray[np.bool_], cached: frozenset[int]) -> list[Cell]:
        seen = self._observed
        others = under_way(seen.t_s, self._seen, self._kinds)
        cells = []
        for route in range(len(seen.routes)):
            for level in range(len(self.levels)):
                for cache in (1, 0) if route in cached else (-1,):
                    here = timed & self._here(route, cache, level, seen.cache)
                    if int(here.sum()) >= LEAST:
                        kinds = told_apart(others[here])
                        cells.append(Cell(route, cache, level, self._quantiles(self._seen[here]), kinds))
        return cells

    def _here(self, route: int, cache: int, level: int, caches: npt.NDArray[np.int8]) -> npt.NDArray[np.bool_]:
        here = (self._observed.route == route) & (self._at_level == level)
        return np.asarray(here if cache < 0 else here & (caches == cache))

    def _quantiles(self, values: Floats) -> tuple[float, ...]:
        least = 3 * self._observed.unit_s
        return tuple(
            q for q in QUANTILES
            if is_enough_for_quantile(q, len(values)) and float(np.quantile(values, q)) > max(least, 1e-6)
        )  # fmt: skip

    def _observe(
        self, timed: npt.NDArray[np.bool_], took_s: Floats, cache: npt.NDArray[np.int8]
    ) -> tuple[Floats, list[Floats]]:
        """The figures of a log or of a simulation of all of it, and the covariances of those that go together."""
        values: list[float] = []
        covariances: list[Floats] = []
        others = under_way(self._observed.t_s, took_s, self._kinds)
        for _, level in groupby(self.cells, lambda cell: cell.level):
            cells = list(level)
            samples = []
            chance = np.random.Generator(np.random.Philox(key=[len(took_s), 1 + cells[0].level]))
            stretches = np.unique(self._part[timed & (self._at_level == cells[0].level)])
            counts = chance.multinomial(len(stretches), np.full(len(stretches), 1 / len(stretches)), RESAMPLES)
            weights = counts.astype(np.float64)
            for cell in cells:
                here = timed & self._here(cell.route, cell.cache, cell.level, cache)
                values += _figures(took_s[here], others[here], cell)
                stretch = np.searchsorted(stretches, self._part[here])
                samples.append(_resampled(took_s[here], stretch, weights, cell.quantiles))
                if cell.kinds:
                    samples.append(resampled_growth(took_s[here], others[here][:, cell.kinds], stretch, weights))
            covariances.append(np.atleast_2d(np.cov(np.concatenate(samples, axis=1), rowvar=False)))
        for odds in self.odds:
            here = timed & self._here(odds.route, -1, odds.level, cache) & (cache >= 0)
            values.append(_log_odds(cache[here]))
            covariances.append(_odds_spread(cache[here], self._block[here]))
        return np.array(values), covariances

    def weigh_by(self, runs: Iterable[Simulated]) -> None:
        """Take the errors from simulations of all of the log instead of the log.

        The chance of a log is in its figures and in their errors alike. Weighted by their own errors, figures count
        more where chance makes the errors look small, and what is found is off to their side (Altonji and Segal 1996,
        Journal of Business and Economic Statistics 14, 353). Other chance has no side.
        """
        total: list[Floats] | None = None
        many = 0
        for run in runs:
            good = self._rows & run.is_good
            if not all(int((good & self._here(*_place(each), run.cache)).sum()) >= LEAST // 2 for each in self.cells):
                continue
            _, found = self._observe(good, self._as_seen(run.latency_s, 0), run.cache)
            total = found if total is None else [before + each for before, each in zip(total, found, strict=True)]
            many += 1
        if total is not None:
            self.roots = [_root(each / many) for each in total]

    def _as_seen(self, latency_s: Floats, first: int) -> Floats:
        """Simulated response times as the log's clock would have seen them, from this request on."""
        these = slice(first, first + len(latency_s))
        unit_s = self._observed.unit_s
        seen_s = as_logged(latency_s, self._observed.t_s[these], unit_s)
        return seen_s + self._dither[these] * unit_s if unit_s else seen_s

    def simulated(self, run: Simulated, first: int = 0) -> Floats:
        """The same figures of a simulation; where it has no such request, they are far away. `first`: the request that
        a simulation of a part began with."""
        these = slice(first, first + len(run.latency_s))
        latency_s = self._as_seen(run.latency_s, first)
        good = self._rows[these] & run.is_good
        route, level = self._observed.route[these], self._at_level[these]
        others = under_way(self._observed.t_s[these], latency_s, self._kinds[these])
        values: list[float] = []
        for cell in self.cells:
            here = good & (route == cell.route) & (level == cell.level)
            here = here if cell.cache < 0 else here & (run.cache == cell.cache)
            values += _figures(latency_s[here], others[here], cell) if here.any() else [20.0] * cell.count
        for odds in self.odds:
            here = good & (route == odds.route) & (level == odds.level) & (run.cache >= 0)
            values.append(_log_odds(run.cache[here]))
        return np.array(values)

    def has_all(self, begin: int, end: int) -> bool:
        """Whether these requests have some for every figure."""
        route, level = self._observed.route[begin:end], self._at_level[begin:end]
        cache, rows = self._observed.cache[begin:end], self._rows[begin:end]
        for cell in self.cells:
            here = rows & (route == cell.route) & (level == cell.level) & ((cell.cache < 0) | (cache == cell.cache))
            if int(here.sum()) < LEAST:
                return False
        return True

    def whitened(self, figures: Floats) -> Floats:
        """Figures (or columns of a Jacobian) in units of their errors."""
        parts, begin = [], 0
        for root in self.roots:
            parts.append(root @ figures[begin : begin + len(root)])
            begin += len(root)
        return np.concatenate(parts)


def _place(cell: Cell) -> tuple[int, int, int]:
    return cell.route, cell.cache, cell.level


def levels_of(block: Integers, span_s: float) -> list[Level]:
    """Up to LEVELS levels of load: stretches sorted by how many requests came in them."""
    counts = np.bincount(block, minlength=BLOCKS).astype(np.float64)
    present = np.flatnonzero(counts > 0)
    width_s = span_s / BLOCKS
    low, high = np.quantile(counts[present], [0.05, 0.95])
    bounds = low + (high - low) * np.arange(1, LEVELS) / LEVELS
    parts = np.split(present[np.argsort(counts[present], kind="stable")], _places(counts[present], bounds))
    found = [
        Level(float(counts[blocks].mean() / width_s), tuple(sorted(blocks.tolist()))) for blocks in parts
        if len(blocks) >= 5 and counts[blocks].sum() >= 2 * LEAST
    ]  # fmt: skip
    is_chance = float(counts[present].var()) < DISPERSED * float(counts[present].mean())
    if is_chance or len(found) < 2 or found[-1].rate_per_s < VARIES * found[0].rate_per_s:
        return [Level(float(counts[present].mean() / width_s), tuple(present.tolist()))]
    return found


def _places(counts: Floats, bounds: Floats) -> list[int]:
    return [int(place) for place in np.searchsorted(np.sort(counts), bounds)]


def _figures(values: Floats, others: Floats, cell: Cell) -> list[float]:
    least = 1e-9
    found = [float(np.log(max(float(values.mean()), least)))]
    if cell.quantiles:
        found += np.log(np.maximum(np.quantile(values, cell.quantiles), least)).tolist()
    return found + growth(values, others[:, cell.kinds])


def _parts(observed: Observed) -> int:
    """How many parts stretches are cut into to be resampled."""
    took_s = observed.response_s[observed.is_timed]
    longest = observed.span_s / BLOCKS / (LONG * max(float(took_s.mean()), 1e-6)) if len(took_s) else 1.0
    return int(np.clip(min(len(took_s) / BLOCKS / LEAST_IN_PART, longest), 1, MOST_PARTS))


def _resampled(values: Floats, stretch: Integers, weights: Floats, quantiles: tuple[float, ...]) -> Floats:
    """A cell's figures, over resampled stretches: `weights` says how often each is in each sample."""
    many = weights.shape[1]
    low, high = np.log(np.maximum(np.quantile(values, [0.002, 1.0]), 1e-7))
    edges = np.linspace(low, high + 1e-9, BINS + 1)
    logs = np.clip(np.log(np.maximum(values, 1e-7)), low, high)
    place = np.minimum(((logs - low) / (edges[-1] - low) * BINS).astype(np.int64), BINS - 1)
    counts = weights @ np.bincount(stretch * BINS + place, minlength=many * BINS).reshape(many, BINS)
    totals = weights @ np.bincount(stretch, weights=values, minlength=many)
    running = np.maximum(np.cumsum(counts, axis=1), 1e-9)
    figures = np.empty((len(weights), 1 + len(quantiles)))
    figures[:, 0] = np.log(np.maximum(totals / running[:, -1], 1e-9))
    for row in range(len(weights)):
        figures[row, 1:] = np.interp(np.array(quantiles) * running[row, -1], running[row], edges[1:])
    return figures


def _odds_spread(cache: npt.NDArray[np.int8], block: Integers) -> Floats:
    chance = np.random.Generator(np.random.Philox(key=[len(cache), 2]))
    _, stretch = np.unique(block, return_inverse=True)
    many = int(stretch.max()) + 1
    weights = chance.multinomial(many, np.full(many, 1 / many), RESAMPLES)
    hits = weights @ np.bincount(stretch, weights=cache == 1, minlength=many)
    total = weights @ np.bincount(stretch, minlength=many)
    odds = np.log((hits + 0.5) / (total - hits + 0.5))
    return np.array([[float(odds.var())]])


def _log_odds(cache: npt.NDArray[np.int8]) -> float:
    hits = int((cache == 1).sum())
    return float(np.log((hits + 0.5) / (len(cache) - hits + 0.5)))


def _root(covariance: Floats) -> Floats:
    """What turns errors with this covariance into independent ones of size 1. Correlations are shrunk."""
    shrunk = covariance * (1 - SHRINKAGE) + np.diag(np.diag(covariance)) * SHRINKAGE
    shrunk += np.eye(len(shrunk)) * LEAST_ERROR**2
    return np.asarray(np.linalg.inv(np.linalg.cholesky(shrunk)))
