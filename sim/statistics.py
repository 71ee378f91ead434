"""What may be concluded from samples: intervals, paired differences, warm-up, quantiles.

Models   `t_interval`: mean with its Student-t interval over replications. `estimates`: the same for many figures at
         once. `compare_paired`: is the variant better, worse or not distinguishable, and about how many more
         replications would tell. `replications_needed`: how many until an interval is narrow enough.
         `mser5`: where the warm-up ends. `LogHistogram`: latencies in flat memory, with quantiles, exact count,
         mean, smallest and largest. `is_enough_for_quantile`: the least number of samples behind a quantile.
         `flatten`: a nested document as a flat {JSON pointer: number}.
Units    Seconds in `LogHistogram`; elsewhere whatever the samples are in.
Source   Student-t and paired intervals: Law, Simulation Modeling and Analysis, 5th ed., sections 9.4 and 10.2.
         MSER-5: White, Cobb and Spratt, WSC 2000, doi:10.1109/WSC.2000.899777. The bins (exponent and leading
         mantissa bits) are those of HdrHistogram.
Omits    Batch means: within one replication no interval is given.
Checked  tests/unit/test_statistics.py, tests/theory/test_coverage.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import fsum, isfinite, sqrt
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

Verdict = Literal["better", "worse", "not distinguishable"]

TAIL_SAMPLES: Final = 20
"""A quantile is reported when at least so many samples are expected beyond it."""

MOST_REPLICATIONS: Final = 100_000
"""A difference that needs more than this is not worth looking for."""


# --- intervals -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Estimate:
    """A mean over `count` replications and its interval; one replication has no interval."""

    mean: float
    low: float | None
    high: float | None
    count: int


@lru_cache(maxsize=1024)
def t_quantile(probability: float, degrees: int) -> float:
    """The quantile of Student's t. scipy is imported at the first use: it costs more than the rest of a start."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))


def _mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation (n - 1), exactly rounded sums."""
    mean = fsum(values) / len(values)
    if len(values) == 1:
        return mean, 0.0
    return mean, sqrt(fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def t_interval(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Mean of independent values with its two-sided Student-t interval. ValueError when there is none."""
    if not values:
        raise ValueError("an interval needs at least one value")
    mean, deviation = _mean_and_deviation(values)
    if len(values) == 1:
        return Estimate(mean, None, None, 1)
    half = t_quantile(0.5 + confidence / 2, len(values) - 1) * deviation / sqrt(len(values))
    return Estimate(mean, mean - half, mean + half, len(values))


def replications_needed(values: Sequence[float], half_width: float, confidence: float = 0.95) -> int | None:
    """About how many replications in all bring the interval's half width down to `half_width`.

    Takes the deviation seen so far for the true one. None: one value tells nothing about the deviation, or more
    than `MOST_REPLICATIONS` would be needed.
    """
    if len(values) < 2:
        return None
    _, deviation = _mean_and_deviation(values)
    low, high = 2, MOST_REPLICATIONS
    if not _is_narrow(high, deviation, half_width, confidence):
        return None
    while low < high:
        middle = (low + high) // 2
        if _is_narrow(middle, deviation, half_width, confidence):
            high = middle
        else:
            low = middle + 1
    return low


def _is_narrow(count: int, deviation: float, half_width: float, confidence: float) -> bool:
    return t_quantile(0.5 + confidence / 2, count - 1) * deviation <= half_width * sqrt(count)


@dataclass(frozen=True)
class PairedDifference:
    """Variant minus baseline over pairs of replications that share their random numbers."""

    mean: float
    low: float | None
    high: float | None
    pairs: int
    verdict: Verdict
    more_replications: int | None
    """About how many more would tell the two apart if the difference is what it seems; 0 where they are told
    apart; None where nobody can say (a single pair, no difference at all, or far too many)."""


def compare_paired(
    baseline: Sequence[float], variant: Sequence[float], *, lower_is_better: bool = True, confidence: float = 0.95
) -> PairedDifference:
    """Judge `variant` against `baseline`; the i-th values of both come from the same seed and replication."""
    if len(baseline) != len(variant):
        raise ValueError(f"pairs needed: {len(baseline)} values of the baseline, {len(variant)} of the variant")
    differences = [after - before for before, after in zip(baseline, variant, strict=True)]
    estimate = t_interval(differences, confidence)
    low, high = estimate.low, estimate.high
    if low is None or high is None or low <= 0.0 <= high:
        needed = replications_needed(differences, abs(estimate.mean), confidence) if estimate.mean else None
        more = None if needed is None else max(1, needed - len(differences))
        return PairedDifference(estimate.mean, low, high, len(differences), "not distinguishable", more)
    is_better = (estimate.mean < 0.0) == lower_is_better
    return PairedDifference(estimate.mean, low, high, len(differences), "better" if is_better else "worse", 0)


def flatten(document: Any, pointer: str = "") -> dict[str, float | None]:
    """Numbers and nulls of a nested document by JSON pointer (RFC 6901); texts and booleans are left out."""
    if document is None or (isinstance(document, (int, float)) and not isinstance(document, bool)):
        return {pointer: None if document is None else float(document)}
    items: Iterator[tuple[Any, Any]] = iter(())
    if isinstance(document, Mapping):
        items = iter(document.items())
    elif isinstance(document, (list, tuple)):
        items = iter(enumerate(document))
    flat: dict[str, float | None] = {}
    for key, value in items:
        flat.update(flatten(value, f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"))
    return flat


def estimates(
    replications: Sequence[Mapping[str, float | None]], confidence: float = 0.95
) -> dict[str, Estimate | None]:
    """Mean and interval of every figure. A figure that is null (or not finite) in any replication is None; one
    that a replication does not mention happened zero times there (a reason for which nothing was refused)."""
    pointers = dict.fromkeys(pointer for figures in replications for pointer in figures)
    merged: dict[str, Estimate | None] = {}
    for pointer in pointers:
        values = [value for figures in replications if (value := figures.get(pointer, 0.0)) is not None]
        is_whole = len(values) == len(replications) and all(isfinite(value) for value in values)
        merged[pointer] = t_interval(values, confidence) if is_whole else None
    return merged


# --- warm-up ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Truncation:
    """How many leading observations belong to the warm-up, and whether the run was long enough to say so."""

    deleted: int
    is_settled: bool


def mser5(observations: Sequence[float] | Floats, batch: int = 5) -> Truncation:
    """MSER-5: delete the leading batches whose deletion gives the mean the smallest standard error.

    Not settled when the best place lies in the second half, or with fewer than ten batches.
    """
    values = np.asarray(observations, dtype=np.float64)
    count = len(values) // batch
    if count < 10:
        return Truncation(0, False)
    means = values[: count * batch].reshape(count, batch).mean(axis=1)
    centred = means - means.mean()
    left = np.arange(count, 0, -1, dtype=np.float64)
    tail_sum = np.cumsum(centred[::-1])[::-1]
    tail_squares = np.cumsum((centred * centred)[::-1])[::-1]
    # Rounding may leave a hair below zero where a tail is constant; the last batches alone say nothing.
    error = np.maximum(tail_squares - tail_sum * tail_sum / left, 0.0) / (left * left)
    best = int(np.argmin(error[: count - 4]))
    return Truncation(best * batch, best <= count // 2)


# --- quantiles -------------------------------------------------------------------------------------------------------


def is_enough_for_quantile(q: float, count: int) -> bool:
    """At least 20 / (1 - q) samples: 40 for the median, 2,000 for p99."""
    return count * (1.0 - q) >= TAIL_SAMPLES - 1e-9


_SUBDIVISION_BITS: Final = 8
_SHIFT: Final = 52 - _SUBDIVISION_BITS
_OCTAVES: Final = 40
_FIRST: Final = int(np.float64(2.0**-20).view(np.int64)) >> _SHIFT
BINS: Final = _OCTAVES * (1 << _SUBDIVISION_BITS) + 2
"""256 bins an octave from 2**-20 s (0.95 us) to 2**20 s (12 days), one below for what is shorter, one above."""


def bin_index(values: Floats) -> Integers:
    """The bin of each value: exponent and leading mantissa bits, so that no logarithm's last bit can move one."""
    index = np.ascontiguousarray(values, dtype=np.float64).view(np.int64) >> _SHIFT
    index -= _FIRST - 1
    return np.clip(index, 0, BINS - 1, out=index)


def bin_edges(merged: int = 1) -> Floats:
    """The lower edges of all bins and a last upper one (infinity), `merged` (a power of two) bins made one.

    Merged bin m holds the bins i with i // merged == m.
    """
    lower = np.arange(_FIRST - 1, _FIRST - 1 + BINS, dtype=np.int64)[::merged] << _SHIFT
    edges = np.append(lower.view(np.float64), np.inf)
    edges[0] = 0.0
    return edges


_EDGES: Final = bin_edges()


def interpolated_quantile(counts: npt.NDArray[Any], edges: Floats, q: float, smallest: float, largest: float) -> float:
    """The q-quantile of binned values, linear within its bin and never outside what was seen."""
    running = np.cumsum(counts)
    target = q * float(running[-1])
    place = int(np.searchsorted(running, target, side="left")) if target > 0.0 else int(np.argmax(counts > 0))
    if place == 0:
        return smallest
    before = float(running[place - 1])
    low, high = max(float(edges[place]), smallest), min(float(edges[place + 1]), largest)
    return min(max(low + (high - low) * (target - before) / float(counts[place]), smallest), largest)


class LogHistogram:
    """Durations in bins between 0.2 and 0.4 % wide. Count, mean, smallest and largest are exact."""

    __slots__ = ("count", "counts", "largest", "smallest", "total")

    def __init__(self) -> None:
        self.counts: Integers = np.zeros(BINS, dtype=np.int64)
        self.count = 0
        self.total = 0.0
        self.smallest = float("inf")
        self.largest = 0.0

    def add(self, values: Floats) -> None:
        """Add durations. ValueError for a negative or undefined one."""
        if not len(values):
            return
        if not float(values.min()) >= 0.0:
            raise ValueError(f"a duration of {float(values.min())!r} s")
        self.counts += np.bincount(bin_index(values), minlength=BINS)
        self.count += len(values)
        self.total += float(np.cumsum(values)[-1])
        self.smallest = min(self.smallest, float(values.min()))
        self.largest = max(self.largest, float(values.max()))

    def merge(self, other: LogHistogram) -> None:
        """Add everything that `other` has seen."""
        self.counts = self.counts + other.counts
        self.count += other.count
        self.total += other.total
        self.smallest = min(self.smallest, other.smallest)
        self.largest = max(self.largest, other.largest)

    @property
    def mean(self) -> float | None:
        return self.total / self.count if self.count else None

    @property
    def max(self) -> float | None:
        return self.largest if self.count else None

    def quantile(self, q: float, *, at_any_count: bool = False) -> float | None:
        """The q-quantile, or None where too few samples stand behind it (see `is_enough_for_quantile`)."""
        if not 0.0 <= q <= 1.0:
            raise ValueError(f"a quantile lies between 0 and 1, got {q}")
        if not self.count or not (at_any_count or is_enough_for_quantile(q, self.count)):
            return None
        return interpolated_quantile(self.counts, _EDGES, q, self.smallest, self.largest)

    def count_below(self, limit_s: float) -> float:
        """How many values are at most `limit_s`: exact at bin edges, linear in the bin that it cuts."""
        if limit_s >= self.largest:
            return float(self.count)
        if limit_s < self.smallest:
            return 0.0
        place = int(bin_index(np.array([limit_s]))[0])
        if place == 0:
            return float(self.counts[0])
        low, high = max(float(_EDGES[place]), self.smallest), min(float(_EDGES[place + 1]), self.largest)
        share = (limit_s - low) / (high - low) if high > low else 1.0
        return float(self.counts[:place].sum()) + share * float(self.counts[place])

    def __getstate__(self) -> tuple[int, Integers, int, float, float, float]:
        """Only the bins between the first and last used travel between processes."""
        used = np.flatnonzero(self.counts)
        first, last = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 0)
        return first, self.counts[first:last].copy(), self.count, self.total, self.smallest, self.largest

    def __setstate__(self, state: tuple[int, Integers, int, float, float, float]) -> None:
        first, counts, self.count, self.total, self.smallest, self.largest = state
        self.counts = np.zeros(BINS, dtype=np.int64)
        self.counts[first : first + len(counts)] = counts
