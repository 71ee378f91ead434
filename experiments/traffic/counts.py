"""How many requests came when: counts in equal bins, exact, in bounded memory.

Models   Bins as fine as the resolution of the stamps, as long as the span has room for; then ten times as wide (of a
         minute and an hour: six times), and so on. Every width is a whole number of every finer one, and bins begin at
         whole multiples of their width since 1970 (UTC), so nothing is ever split: the counts of the wider bins are
         exactly those that would have been counted had one begun with them. Order does not matter.
Units    Nanoseconds since 1970.
Checked  tests/unit/test_traffic_counts.py, tests/properties/test_traffic.py
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

SECOND_NS: Final = 1_000_000_000
MOST_BINS: Final = 6_000_000
"""48 MB. Two months of single seconds fit in."""
DAY_NS: Final = 86_400 * SECOND_NS
WIDTHS_NS: Final = (
    1_000_000, 10_000_000, 100_000_000, SECOND_NS, 10 * SECOND_NS, 60 * SECOND_NS, 600 * SECOND_NS, 3600 * SECOND_NS,
    DAY_NS,
)  # fmt: skip


class Counts:
    """Requests per bin between the first and the last one."""

    def __init__(self, resolution_ns: int, most_bins: int = MOST_BINS) -> None:
        self.width_ns = next((width for width in WIDTHS_NS if width >= resolution_ns), DAY_NS)
        self.first_ns: int | None = None
        self.last_ns: int | None = None
        self._most = most_bins
        self._bins: Integers = np.zeros(0, np.int64)
        self._low = 0
        """Number of the first bin that has room, counted since 1970."""

    def add(self, at_ns: Integers) -> None:
        """Requests that came at these instants."""
        if not len(at_ns):
            return
        first, last = int(at_ns.min()), int(at_ns.max())
        self.first_ns = first if self.first_ns is None else min(self.first_ns, first)
        self.last_ns = last if self.last_ns is None else max(self.last_ns, last)
        while self.last_ns // self.width_ns - self.first_ns // self.width_ns >= self._most:
            self._widen()
        self._make_room(self.first_ns // self.width_ns, self.last_ns // self.width_ns)
        numbers = at_ns // self.width_ns
        low = int(numbers.min())
        found = np.bincount(numbers - low) if int(numbers.max()) - low < 4 * len(at_ns) + 1024 else None
        if found is not None:
            self._bins[low - self._low : low - self._low + len(found)] += found
        else:
            np.add.at(self._bins, numbers - self._low, 1)

    def _make_room(self, low: int, high: int) -> None:
        """Room for the bins from `low` to `high`, and for some more, so that growing costs little."""
        if len(self._bins) and self._low <= low and high < self._low + len(self._bins):
            return
        if len(self._bins):
            low, high = min(low, self._low), max(high, self._low + len(self._bins) - 1)
        spare = min(high - low + 1, max(0, self._most - (high - low + 1)))
        grown = np.zeros(high - low + 1 + spare, np.int64)
        if len(self._bins):
            grown[self._low - low : self._low - low + len(self._bins)] = self._bins
        self._bins, self._low = grown, low

    def _widen(self) -> None:
        """The next wider bins."""
        wider = next(width for width in WIDTHS_NS if width > self.width_ns)
        if len(self._bins):
            self._bins, self._low = regrouped(self._bins, self._low, wider // self.width_ns)
        self.width_ns = wider

    def per(self, width_ns: int) -> tuple[Integers, int]:
        """Counts in bins of `width_ns`, a multiple of the width kept, from the first request's bin to the last one's;
        and when the first bin begins."""
        if self.first_ns is None or self.last_ns is None:
            return np.zeros(0, np.int64), 0
        if width_ns % self.width_ns:
            raise ValueError(f"bins must be multiples of {self.width_ns} ns, got {width_ns}")
        low, high = self.first_ns // self.width_ns, self.last_ns // self.width_ns
        counts, first = regrouped(self._bins[low - self._low : high - self._low + 1], low, width_ns // self.width_ns)
        return counts, first * width_ns

    @property
    def total(self) -> int:
        return int(self._bins.sum())

    @property
    def span_s(self) -> float:
        """From the first request to the last one; one bin where they stand in one."""
        if self.first_ns is None or self.last_ns is None:
            return 0.0
        return max(self.last_ns - self.first_ns, self.width_ns) / SECOND_NS


def regrouped(counts: Integers, first: int, by: int) -> tuple[Integers, int]:
    """Counts of bins `by` times as wide, and the number of the first. `first`: number of the first one given."""
    if by == 1:
        return counts, first
    before = first % by
    whole = -(-(before + len(counts)) // by) * by
    padded = np.zeros(whole, np.int64)
    padded[before : before + len(counts)] = counts
    return padded.reshape(-1, by).sum(axis=1), first // by
