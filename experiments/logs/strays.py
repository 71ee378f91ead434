"""Lines whose stamps are far from all the others: a clock that began anew in 1970, or that nobody has set.

Models   Stamps that no gap of more than FAR parts belong together. Those of the first batch that most lines belong to
         are the log's time; it grows with what comes. A line that is farther from it than FAR is a bad one, as long as
         those are few in a batch: with more of them the log does have such gaps, and all of its lines stay.
Checked  tests/unit/test_log_strays.py
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from experiments.logs.batch import NS, Integers

FAR_NS: Final = 30 * 86_400 * NS
"""30 days. What is quieter than that for a while, a shop or a school, has lines at the end of a holiday (assumed)."""
_FEW: Final = 10


class Strays:
    """Tells what is far from all the others."""

    def __init__(self, batch_rows: int) -> None:
        self._rows = batch_rows
        self._seen = 0
        self._low_ns: int | None = None
        self._high_ns = 0

    def stay(self, at_ns: Integers) -> npt.NDArray[np.bool_] | None:
        """Which requests of a batch are of the log's time; None for all of them."""
        low, high = int(at_ns.min()), int(at_ns.max())
        many = len(at_ns) + min(self._seen, self._rows)
        self._seen += len(at_ns)
        if self._low_ns is None:
            near = (low, high) if high - low <= FAR_NS else _largest(at_ns)
        else:
            near = self._near(at_ns, low, high)
        if near != (low, high):
            inside = (at_ns >= near[0]) & (at_ns <= near[1])
            if len(at_ns) - int(inside.sum()) <= max(many // 100, min(many // 10, _FEW)):
                self._grow(*near)
                return inside
        self._grow(low, high)
        return None

    def _near(self, at_ns: Integers, low: int, high: int) -> tuple[int, int]:
        """From where to where stamps belong to the log's time, those of this batch among them."""
        assert self._low_ns is not None
        if low < self._low_ns - FAR_NS or high > self._high_ns + FAR_NS:
            known = np.array([self._low_ns, self._high_ns])
            begins, ends = _parts(np.concatenate([known, at_ns[(at_ns < known[0]) | (at_ns > known[1])]]), known)
            place = int(np.searchsorted(begins, known[0], "right")) - 1
            low, high = max(low, int(begins[place])), min(high, int(ends[place]))
        return low, high

    def _grow(self, low: int, high: int) -> None:
        self._low_ns, self._high_ns = (
            (low, high) if self._low_ns is None else (min(low, self._low_ns), max(high, self._high_ns))
        )  # fmt: skip


def _parts(at_ns: Integers, known: Integers) -> tuple[Integers, Integers]:
    """Begins and ends of the stamps that belong together; between those that are known there is no gap."""
    stamps = np.sort(at_ns)
    is_gap = np.diff(stamps) > FAR_NS
    is_gap &= ~((stamps[:-1] >= known[0]) & (stamps[1:] <= known[-1]))
    gaps = np.flatnonzero(is_gap)
    return stamps[np.concatenate([[0], gaps + 1])], stamps[np.concatenate([gaps, [len(stamps) - 1]])]


def _largest(at_ns: Integers) -> tuple[int, int]:
    """The stamps that belong together of which there are most."""
    stamps = np.sort(at_ns)
    bounds = np.concatenate([[0], np.flatnonzero(np.diff(stamps) > FAR_NS) + 1, [len(stamps)]])
    place = int(np.diff(bounds).argmax())
    return int(stamps[bounds[place]]), int(stamps[bounds[place + 1] - 1])
