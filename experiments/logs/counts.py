"""How many requests came in each second: whole numbers with spaces or line ends between them.

Models   Number n is the count of second n from the begin of the first file, which is taken as 1970. Each request is a
         row, at its second; its line is the number of the request. A number that is none, or above MOST, is bad, and a
         second without requests all the same.
Omits    Who asked, and for what.
Checked  tests/unit/test_log_formats.py, tests/properties/test_logs.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import numpy as np

from experiments.logs.batch import NS, Batch, Integers, batch_of
from experiments.logs.notes import Notes, printable
from experiments.logs.source import Source
from experiments.logs.spans import ROOM, Spans, whole_numbers

NAME: Final = "counts"
MOST: Final = 1_000_000
"""Requests of one second."""

_LONGEST: Final = 64
_PIECE: Final = 1 << 16
_ONLY_DIGITS: Final = re.compile(rb"[0-9\s]*+")
_ONLY_COUNTS: Final = re.compile(rb"\s*(?:[0-9]{1,7}\s+)+")


class Counts:
    """Reads numbers of requests by the second."""

    name = NAME
    resolution_ns = NS
    is_dated = False
    leaves_open: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self._second = 0

    def describe(self) -> str:
        return "requests per second: the number of each second, one after the other"

    def fits(self, line: bytes) -> bool:
        return _ONLY_COUNTS.fullmatch(line + b"\n") is not None

    def read(self, source: Source, notes: Notes) -> Iterator[Batch]:
        for data in _pieces(source):
            counts = self._counts(data, notes)
            seconds = np.arange(self._second, self._second + len(counts))
            self._second += len(counts)
            yield from spread(seconds * NS, counts, None, notes)

    def _counts(self, data: bytes, notes: Notes) -> Integers:
        if _ONLY_DIGITS.fullmatch(data):
            counts, good = whole_numbers(_texts_of(data), 6)
            if good.all():
                return counts
        told = []
        for number, text in enumerate(data.split(), 1):
            count = int(text) if text.isdigit() and len(text) <= 7 else MOST + 1
            if count > MOST:
                notes.reject_for(self._second + number, f"not a count: {printable(text)}")
                count = 0
            told.append(count)
        return np.array(told, np.int64)


def _texts_of(data: bytes) -> Spans:
    """Where digits stand side by side."""
    is_digit = np.frombuffer(data + bytes(ROOM), np.uint8) >= ord("0")
    edges = np.flatnonzero(np.diff(is_digit, prepend=False))
    return Spans(data + bytes(ROOM), edges[::2], edges[1::2])


def spread(at_ns: Integers, counts: Integers, targets: Integers | None, notes: Notes) -> Iterator[Batch]:
    """One row a request, in batches of bounded size."""
    above = np.cumsum(counts)
    first = 0
    while first < len(counts):
        before = above[first - 1] if first else 0
        end = max(first + 1, int(np.searchsorted(above, before + _PIECE, "right")))
        part = slice(first, end)
        stamps = np.repeat(at_ns[part], counts[part])
        line = notes.taken + 1 + np.arange(len(stamps))
        notes.stamped(stamps)
        if targets is None:
            yield batch_of(line, stamps)
        else:
            yield batch_of(line, stamps, target=np.repeat(targets[part], counts[part]))
        first = end


def _pieces(source: Source) -> Iterator[bytes]:
    """The file cut at spaces. What is too long to be a number is cut, too."""
    carried = b""
    for whole in source.stream():
        for begin in range(0, len(whole), _PIECE):
            data = carried + whole[begin : begin + _PIECE]
            cut = _cut(data)
            carried = data[cut:][:_LONGEST]
            if cut:
                yield data[:cut]
    if carried:
        yield carried


def _cut(data: bytes) -> int:
    """Behind the last space."""
    return max(data.rfind(space) for space in (b" ", b"\n", b"\t", b"\r", b"\v", b"\f")) + 1
