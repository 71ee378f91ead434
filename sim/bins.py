"""Durations counted in a few bins, where a quantile within a tenth will do: far less than a histogram's memory."""

from __future__ import annotations

from collections.abc import Sequence

BINS = 120
"""Of a quarter octave each, from a microsecond to a quarter of an hour."""
_EDGES = [1e-6]
for _ in range(BINS):
    _EDGES.append(_EDGES[-1] * 1.189207115002721)


def bin_of(duration_s: float) -> int:
    """The bin of the largest edge at or below the duration."""
    low, high = 0, BINS - 1
    while low < high:
        middle = (low + high + 1) // 2
        if _EDGES[middle] <= duration_s:
            low = middle
        else:
            high = middle - 1
    return low


def quantile_s(bins: Sequence[int], q: float) -> float | None:
    """A quantile, to within a tenth, from the number of durations in each bin."""
    total = 0
    for count in bins:
        total += count
    left = q * total
    for number, count in enumerate(bins):
        if count and left <= count:
            return _EDGES[number] + (_EDGES[number + 1] - _EDGES[number]) * left / count
        left -= count
    return None
