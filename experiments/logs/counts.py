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

NAME: Final = "counts"
MOST: Final = 1_000_000
"""Requests of one second."""

_LONGEST: Final = 64
_PIECE: Final = 1 << 16
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
        for texts in _texts(source):
            counts = self._counts(texts, notes)
            seconds = np.arange(self._second, self._second + len(counts))
            self._second += len(counts)
            yield from spread(seconds * NS, counts, None, notes)

    def _counts(self, texts: list[bytes], notes: Notes) -> Integers:
        counts = []
        for number, text in enumerate(texts, 1):
            count = int(text) if text.isdigit() and len(text) <= 7 else MOST + 1
            if count > MOST:
                notes.reject_for(self._second + number, f"not a count: {printable(text)}")
                count = 0
            counts.append(count)
        return np.array(counts, np.int64)


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


def _texts(source: Source) -> Iterator[list[bytes]]:
    """What stands between spaces, by the piece. What is too long to be a number is cut."""
    carried = b""
    for piece in source.stream():
        texts = (carried + piece).split()
        is_whole = piece[-1:].isspace()
        carried = b"" if is_whole or not texts else texts.pop()[:_LONGEST]
        for begin in range(0, len(texts), _PIECE):
            yield texts[begin : begin + _PIECE]
    if carried:
        yield [carried]
