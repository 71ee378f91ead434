"""Figures of the requests that arrived after the warm-up: counts by cause, latencies, what they are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from sim.recorder.record import ABANDONED, MEASURED_PARTS, PARTS, Batch, Recorded, split_cause
from sim.statistics import BINS, Floats, Integers, LogHistogram, bin_edges

COARSE: Final = 8
"""Latency bins made one where sums of parts are kept: about 2.5 % wide."""

COARSE_BINS: Final = -(-BINS // COARSE)
_COARSE_EDGES: Final = bin_edges(COARSE)


class End(NamedTuple):
    """A way in which requests ended; `endpoint` and `outcome` are numbers."""

    endpoint: int
    outcome: int
    status: int
    reason: str


@dataclass(frozen=True)
class TimeSplit:
    """What the latency of some requests is made of: the mean of each of `PARTS`, in seconds."""

    count: int
    mean_s: float
    parts_s: dict[str, float]


@dataclass(frozen=True)
class RequestFigures:
    """Requests that arrived in the measured span. Methods take an endpoint's number, or None for all together;
    `succeeded` restricts them to requests that succeeded, else every ended request counts."""

    ends: dict[End, int]
    in_flight: Integers
    """By endpoint: arrived after the warm-up and not ended when the run did."""
    attempts: Integers
    """By endpoint: attempts of the requests that ended."""
    histograms: tuple[tuple[LogHistogram, LogHistogram], ...]
    """By endpoint: of those that did not succeed, of those that did."""
    first_bin: int
    part_sums_s: Floats
    """Shape (parts, endpoints, did it succeed, coarse bins from `first_bin`)."""

    def count(
        self, endpoint: int | None = None, outcome: int | None = None, reason: str | None = None, least_status: int = 0
    ) -> int:
        """Ended requests of one endpoint, outcome, reason and with at least this status."""
        return sum(
            number
            for end, number in self.ends.items()
            if endpoint in (None, end.endpoint)
            and outcome in (None, end.outcome)
            and reason in (None, end.reason)
            and end.status >= least_status
        )

    def by_reason(self, outcome: int, endpoint: int | None = None) -> dict[str, int]:
        """How many ended so, by reason, in alphabetical order."""
        reasons = sorted({end.reason for end in self.ends if end.outcome == outcome})
        numbers = {reason: self.count(endpoint, outcome, reason) for reason in reasons}
        return {reason: number for reason, number in numbers.items() if number}

    def arrived(self, endpoint: int | None = None) -> int:
        in_flight = self.in_flight if endpoint is None else self.in_flight[endpoint]
        return self.count(endpoint) + int(np.sum(in_flight))

    def latency(self, endpoint: int | None = None, *, succeeded: bool = False) -> LogHistogram:
        """Latencies, in seconds."""
        merged = LogHistogram()
        for number, (others, successes) in enumerate(self.histograms):
            if endpoint in (None, number):
                merged.merge(successes)
                if not succeeded:
                    merged.merge(others)
        return merged

    def split(
        self, low_q: float = 0.0, high_q: float = 1.0, endpoint: int | None = None, *, succeeded: bool = False
    ) -> TimeSplit | None:
        """What the latencies between two quantiles are made of: (0.985, 0.995) explains the p99.

        Whole coarse bins are taken, at least the one that holds the quantile. None without any request.
        """
        histogram = self.latency(endpoint, succeeded=succeeded)
        if not histogram.count:
            return None
        counts = np.add.reduceat(histogram.counts, np.arange(0, BINS, COARSE))
        limits = [histogram.quantile(q, at_any_count=True) or 0.0 for q in (low_q, high_q)]
        low, high = (int(place) - 1 for place in np.searchsorted(_COARSE_EDGES, limits, side="right"))
        while not counts[low : high + 1].any():  # a quantile on an edge: the bin below holds it
            low -= 1
        chosen = slice(None) if endpoint is None else slice(endpoint, endpoint + 1)
        classes = slice(1 if succeeded else 0, 2)
        start, stop = max(0, low - self.first_bin), max(0, high + 1 - self.first_bin)
        sums = self.part_sums_s[:, chosen, classes, start:stop]
        count = int(counts[low : high + 1].sum())
        means = [float(part) / count for part in sums.sum(axis=(1, 2, 3))]
        return TimeSplit(count, float(np.cumsum(means)[-1]), dict(zip(PARTS, means, strict=True)))


class RequestTotals:
    """Adds batches up."""

    def __init__(self, endpoints: int) -> None:
        rows = 2 * endpoints
        self._endpoints = endpoints
        self._causes: dict[int, int] = {}
        self._attempts: Integers = np.zeros(endpoints, dtype=np.int64)
        self._counts: Integers = np.zeros((rows, BINS), dtype=np.int64)
        self._total_s: Floats = np.zeros(rows)
        self._smallest_s: Floats = np.full(rows, np.inf)
        self._largest_s: Floats = np.zeros(rows)
        self._part_sums_s: Floats = np.zeros((len(PARTS), rows, COARSE_BINS))

    def add(self, batch: Batch) -> None:
        """Add those that arrived after the warm-up."""
        causes, numbers = batch.ends_cause[batch.ends_is_measured], batch.ends_count[batch.ends_is_measured]
        for cause, number in zip(causes.tolist(), numbers.tolist(), strict=True):
            self._causes[cause] = self._causes.get(cause, 0) + number
        records, latency, index = batch.records, batch.latency, batch.index
        if not batch.is_measured.all():
            if not batch.is_measured.any():
                return
            chosen = batch.is_measured
            records, latency, index = records[chosen], latency[chosen], index[chosen]
        endpoint = records["endpoint"].astype(np.int64)
        row = endpoint * 2 + (records["outcome"] == 0)
        rows = 2 * self._endpoints
        self._attempts += np.bincount(endpoint, records["attempts"], self._endpoints).astype(np.int64)
        self._total_s += np.bincount(row, latency, rows)
        np.minimum.at(self._smallest_s, row, latency)
        np.maximum.at(self._largest_s, row, latency)
        self._add_counts(row, index)
        self._add_parts(records, latency, row * COARSE_BINS + index // COARSE)

    def _add_counts(self, row: Integers, index: Integers) -> None:
        low, high = int(index.min()), int(index.max()) + 1
        width, rows = high - low, len(self._counts)
        counted = np.bincount(row * width + (index - low), minlength=rows * width)
        self._counts[:, low:high] += counted.reshape(rows, width)

    def _add_parts(self, records: npt.NDArray[np.void], latency: Floats, place: Integers) -> None:
        other = latency.copy()
        size = self._part_sums_s[0].size
        for part, name in enumerate(MEASURED_PARTS):
            seconds = np.ascontiguousarray(records[f"{name}_s"])
            if seconds.any():
                other -= seconds
                self._part_sums_s[part] += np.bincount(place, seconds, size).reshape(self._part_sums_s[part].shape)
        is_left = (records["attempts"] > 1) | (records["outcome"] == ABANDONED)
        for rest, chosen in (("left", is_left), ("other", ~is_left)):
            if chosen.any():
                sums = self._part_sums_s[PARTS.index(rest)]
                sums += np.bincount(place[chosen], other[chosen], size).reshape(sums.shape)

    def figures(self, reasons: list[str], in_flight: list[Recorded], warm_up_s: float) -> RequestFigures:
        """What has been added up, with the requests that have not ended."""
        missing = np.zeros(self._endpoints, dtype=np.int64)
        for request in in_flight:
            if request.arrived_at_s >= warm_up_s:
                missing[request.endpoint] += 1
        ordered = np.array(sorted(self._causes), dtype=np.int64)
        columns = (column.tolist() for column in split_cause(ordered))
        ends = {
            End(endpoint, outcome, status, reasons[reason]): self._causes[cause]
            for cause, endpoint, outcome, status, reason in zip(ordered.tolist(), *columns, strict=True)
        }
        used = np.flatnonzero(self._part_sums_s.any(axis=(0, 1)))
        first, last = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 0)
        shape = (len(PARTS), self._endpoints, 2, last - first)
        return RequestFigures(
            ends=ends,
            in_flight=missing,
            attempts=self._attempts.copy(),
            histograms=tuple((self._histogram(2 * e), self._histogram(2 * e + 1)) for e in range(self._endpoints)),
            first_bin=first,
            part_sums_s=self._part_sums_s[:, :, first:last].reshape(shape).copy(),
        )

    def _histogram(self, row: int) -> LogHistogram:
        histogram = LogHistogram()
        histogram.counts = self._counts[row].copy()
        histogram.count = int(histogram.counts.sum())
        histogram.total = float(self._total_s[row])
        histogram.smallest = float(self._smallest_s[row])
        histogram.largest = float(self._largest_s[row])
        return histogram
