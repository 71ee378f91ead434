"""What happened when: ended requests by bin of time. Bins in which nothing happened do not exist."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from sim.recorder.record import Batch, Recorded, bin_of, count_distinct, split_cause
from sim.statistics import BINS, Floats, Integers, bin_edges, interpolated_quantile

MERGED: Final = 16
"""Latency bins made one in a series: about 5 % wide."""

MERGED_BINS: Final = -(-BINS // MERGED)
_MERGED_EDGES: Final = bin_edges(MERGED)


@dataclass(frozen=True)
class Series:
    """By bin of time, whole run; `bins[i]` covers the instants from bins[i] x bin_s to (bins[i] + 1) x bin_s.

    The ends_* columns are a table of counts by (row, endpoint, outcome, status, reason), ordered by row, as the
    latency_* columns are by (row, merged latency bin). Requests are counted in the bin in which they ended, arrivals
    in the one in which they arrived.
    """

    bin_s: float
    bins: Integers
    arrivals: Integers
    latency_sum_s: Floats
    ends_row: Integers
    ends_endpoint: Integers
    ends_outcome: Integers
    ends_status: Integers
    ends_reason: Integers
    """Index into `reasons`."""
    ends_count: Integers
    reasons: tuple[str, ...]
    latency_row: Integers
    latency_bin: Integers
    latency_count: Integers

    @property
    def start_s(self) -> Floats:
        return self.bins.astype(np.float64) * self.bin_s

    def ended(self, *, outcome: int | None = None, endpoint: int | None = None, least_status: int = 0) -> Integers:
        """Ended requests by bin: of one outcome, one endpoint, with at least this status (500: server errors)."""
        chosen = self.ends_status >= least_status
        if outcome is not None:
            chosen = chosen & (self.ends_outcome == outcome)
        if endpoint is not None:
            chosen = chosen & (self.ends_endpoint == endpoint)
        return _by_row(self.ends_row[chosen], self.ends_count[chosen], len(self.bins))

    def mean_latency_s(self) -> Floats:
        """NaN where nothing ended."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.latency_sum_s / self.ended()

    def latency_quantile_s(self, q: float) -> Floats:
        """The q-quantile of the latencies that ended in each bin, to about 2 %; NaN where nothing ended."""
        quantiles = np.full(len(self.bins), np.nan)
        edges_of_rows = np.searchsorted(self.latency_row, np.arange(len(self.bins) + 1))
        for row in np.unique(self.latency_row).tolist():
            part = slice(int(edges_of_rows[row]), int(edges_of_rows[row + 1]))
            counts = np.zeros(MERGED_BINS, dtype=np.int64)
            counts[self.latency_bin[part]] = self.latency_count[part]
            quantiles[row] = interpolated_quantile(counts, _MERGED_EDGES, q, 0.0, 2.0**20)
        return quantiles

    def ended_below(self, limit_s: float) -> Floats:
        """By bin, how many ended with a latency of at most `limit_s` (linear within the merged latency bin)."""
        low, high = _MERGED_EDGES[self.latency_bin], _MERGED_EDGES[self.latency_bin + 1]
        share = np.clip((limit_s - low) / (high - low), 0.0, 1.0)
        below: Floats = np.bincount(self.latency_row, self.latency_count * share, len(self.bins)).astype(np.float64)
        return below


def _by_row(rows: Integers, counts: Integers, size: int) -> Integers:
    totals = np.zeros(size, dtype=np.int64)
    np.add.at(totals, rows, counts)
    return totals


class _Table:
    """Counts by (bin, key) that arrive in the order of bins: only the last bin can still grow, and is kept apart."""

    def __init__(self) -> None:
        self._closed: list[Integers] = []
        self._open: Integers = np.empty((3, 0), dtype=np.int64)

    def add(self, bins: Integers, keys: Integers, counts: Integers) -> None:
        """Add counts; `bins` in order, (bin, key) pairs distinct."""
        entries = np.concatenate((self._open, np.stack((bins, keys, counts))), axis=1)
        if self._open.shape[1] and bins[0] == self._open[0, 0]:
            entries = _merge_first_bin(entries)
        split = int(np.searchsorted(entries[0], entries[0, -1]))
        self._open = entries[:, split:]
        if split:
            self._closed.append(entries[:, :split].copy())

    def columns(self) -> Integers:
        """Bins, keys and counts."""
        return np.concatenate((*self._closed, self._open), axis=1)


def _merge_first_bin(entries: Integers) -> Integers:
    """Add up the counts of the keys that stand twice in the first bin."""
    size = int(np.searchsorted(entries[0], entries[0, 0], side="right"))
    keys, place = np.unique(entries[1, :size], return_inverse=True)
    counts = _by_row(place, entries[2, :size], len(keys))
    merged = np.stack((np.full(len(keys), entries[0, 0]), keys, counts))
    return np.concatenate((merged, entries[:, size:]), axis=1)


class SeriesTotals:
    """Adds batches up by bin of time."""

    def __init__(self, bin_s: float) -> None:
        self._bin_s = bin_s
        self._arrivals: dict[int, int] = {}
        self._latency_sum_s: dict[int, float] = {}
        self._ends = _Table()
        self._latencies = _Table()

    def add(self, batch: Batch) -> None:
        """Count the batch by bin and cause, and by bin and latency."""
        # Those that arrived during the warm-up and after it stand side by side and are counted together here.
        is_first = np.ones(len(batch.ends_row), dtype=np.bool_)
        is_first[1:] = (np.diff(batch.ends_row) != 0) | (np.diff(batch.ends_cause) != 0)
        numbers = np.add.reduceat(batch.ends_count, np.flatnonzero(is_first))
        self._ends.add(batch.bins[batch.ends_row[is_first]], batch.ends_cause[is_first], numbers)
        key = batch.row * MERGED_BINS + batch.index // MERGED
        keys, numbers = count_distinct(key, len(batch.bins) * MERGED_BINS)
        self._latencies.add(batch.bins[keys // MERGED_BINS], keys % MERGED_BINS, numbers)
        sums = np.bincount(batch.row, batch.latency)
        for number, seconds in zip(batch.bins.tolist(), sums.tolist(), strict=True):
            self._latency_sum_s[number] = self._latency_sum_s.get(number, 0.0) + seconds
        self._add_arrivals(batch.arrived)

    def _add_arrivals(self, arrived: Floats) -> None:
        bins = bin_of(arrived, self._bin_s)
        first = int(bins.min())
        bins, numbers = count_distinct(bins - first, int(bins.max()) - first + 1)
        for number, count in zip((bins + first).tolist(), numbers.tolist(), strict=True):
            self._arrivals[number] = self._arrivals.get(number, 0) + count

    def series(self, reasons: list[str], in_flight: list[Recorded]) -> Series:
        """The series so far, with the arrivals of requests that have not ended."""
        if in_flight:
            self._add_arrivals(np.array([request.arrived_at_s for request in in_flight]))
        bins = np.array(sorted(self._arrivals.keys() | self._latency_sum_s.keys()), dtype=np.int64)
        end_bin, cause, count = self._ends.columns()
        latency_bin, merged, latency_count = self._latencies.columns()
        endpoint, outcome, status, reason = split_cause(cause)
        return Series(
            bin_s=self._bin_s,
            bins=bins,
            arrivals=np.array([self._arrivals.get(number, 0) for number in bins.tolist()], dtype=np.int64),
            latency_sum_s=np.array([self._latency_sum_s.get(number, 0.0) for number in bins.tolist()]),
            ends_row=np.searchsorted(bins, end_bin),
            ends_endpoint=endpoint,
            ends_outcome=outcome,
            ends_status=status,
            ends_reason=reason,
            ends_count=count,
            reasons=tuple(reasons),
            latency_row=np.searchsorted(bins, latency_bin),
            latency_bin=merged,
            latency_count=latency_count,
        )
