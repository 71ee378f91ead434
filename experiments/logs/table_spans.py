"""Rows of tables, taken apart by the block: where separators and quotes stand says where the values of all rows are.

Models   A row is taken only where it has as many values as the table has columns, every value with a quote begins and
         ends with one and has no other, and no control character stands in it. All other rows are left to the csv
         module, so that what is read does not depend on the way it is read.
Omits    Blocks in which a text in quotes goes on in the next line, or that are no UTF-8.
Checked  tests/properties/test_logs_by_block.py holds both ways against each other; tests/benchmarks/logs.py
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from experiments.logs.batch import Integers
from experiments.logs.recent import Recent
from experiments.logs.spans import Bytes, Mask, Spans, lines_of

_QUOTE: Final = 34
_CONTROLS: Final = 32
_LONGEST: Final = 32

Wanted = Mapping[int, Callable[[str], bool]]
"""By the number of a column: whether a row with that value is a request at all."""


class TableSplitter:
    """Takes blocks apart."""

    def __init__(self, width: int, separator: str, places: Sequence[int], wanted: Wanted, first: str) -> None:
        """`first`: the name of the first column; a row that begins with it may be the header again."""
        self._separator = ord(separator)
        self._width = width
        self._places = places
        self._wanted = wanted
        self._first = first.encode()
        self._recent = {place: Recent(_LONGEST // 8, 12) for place in wanted}

    def split(self, data: bytes, ends: Integers) -> tuple[Integers, list[Spans], Mask] | None:
        """Which rows are requests, their values, and which rows were looked at; None where rows are no lines."""
        octets = np.frombuffer(data, np.uint8)
        lines = lines_of(data, ends)
        separators = np.flatnonzero(octets == self._separator)
        good = _without_controls(octets, lines)
        is_quoted = None
        if b'"' in data:
            quotes = np.flatnonzero(octets == _QUOTE)
            counts = np.diff(np.searchsorted(quotes, lines.starts), append=len(quotes))
            if (counts & 1).any():
                return None
            separators = separators[(np.searchsorted(quotes, separators) & 1) == 0]
            is_quoted = counts > 0
        first = np.searchsorted(separators, lines.starts)
        good &= np.diff(first, append=len(separators)) == self._width - 1
        columns = _Columns(lines, separators, first, self._width, is_quoted)
        if is_quoted is not None:
            good &= columns.are_simple(good, counts)
        taken = np.flatnonzero(good)
        again = columns.of(0, taken).is_text(self._first)
        if again.any():
            good[taken[again]] = False
            taken = taken[~again]
        for place, is_wanted in self._wanted.items():
            taken = taken[self._asked(place, columns.of(place, taken), is_wanted)]
        return taken, [columns.of(place, taken) for place in self._places], good

    def _asked(self, place: int, texts: Spans, is_wanted: Callable[[str], bool]) -> Mask:
        if texts.are_one():
            return np.full(len(texts), is_wanted(_text(texts.text(0))))
        is_empty = texts.widths == 0
        asked = np.full(len(texts), bool(is_empty.any()) and is_wanted(""))
        there = np.flatnonzero(~is_empty)
        part = texts.part(there)
        numbers = self._recent[place].numbers(part.data, part.starts, part.ends, lambda raw: is_wanted(_text(raw)))
        asked[there] = numbers != 0
        return asked


class _Columns:
    """The values of rows."""

    def __init__(self, lines: Spans, separators: Integers, first: Integers, width: int, is_quoted: Mask | None) -> None:
        self._lines = lines
        self._separators = np.append(separators, len(lines.data) - 1)
        self._first = first
        self._width = width
        self._is_quoted = is_quoted

    def of(self, place: int, rows: Integers) -> Spans:
        """The values of a column, without the quotes around them."""
        starts, ends = self._bounds(place, rows)
        if self._is_quoted is not None:
            octets = self._lines.octets
            quoted = self._is_quoted[rows] & (octets[starts] == _QUOTE) & (ends > starts)
            starts, ends = starts + quoted, ends - quoted
        return Spans(self._lines.data, starts, ends)

    def _bounds(self, place: int, rows: Integers) -> tuple[Integers, Integers]:
        first = self._first[rows] + place
        starts = self._separators[first - 1] + 1 if place else self._lines.starts[rows]
        return starts, self._separators[first] if place < self._width - 1 else self._lines.ends[rows]

    def are_simple(self, good: Mask, counts: Integers) -> Mask:
        """Of rows with as many values as they should have, whether their quotes stand only around values."""
        rows = np.flatnonzero(good & (counts > 0))
        left = counts[rows].copy()
        octets = self._lines.octets
        for place in range(self._width):
            starts, ends = self._bounds(place, rows)
            left -= 2 * ((ends - starts >= 2) & (octets[starts] == _QUOTE) & (octets[ends - 1] == _QUOTE))
        simple = np.ones(len(good), bool)
        simple[rows] = left == 0
        return simple


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _without_controls(octets: Bytes, lines: Spans) -> Mask:
    """Which lines are without control characters, tabs apart, and not empty."""
    good = lines.widths > 0
    is_control = (octets < _CONTROLS) & (octets != 9)
    is_control[-64:] = False
    if np.count_nonzero(is_control) != len(lines):
        controls = np.flatnonzero(is_control)
        good &= np.searchsorted(controls, lines.starts) == np.searchsorted(controls, lines.ends)
    return good
