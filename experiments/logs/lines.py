"""Formats with one request a line."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

import numpy as np

from experiments.logs.batch import NS, Batch, Integers
from experiments.logs.fields import Fields, Values, resolution_of
from experiments.logs.notes import Notes
from experiments.logs.source import Block, Source
from experiments.logs.stamps import NO_INSTANT

_FIRST: Final = 9


class LineFormat(ABC):
    """Reads lines, block by block."""

    name: str
    resolution_ns: int
    is_dated: bool = True
    leaves_open: frozenset[str] = frozenset()

    @abstractmethod
    def describe(self) -> str:
        """In words: the format, and what of it is used."""

    @abstractmethod
    def instant(self, line: bytes) -> int:
        """The stamp of a line without its end; NO_INSTANT where it is not in this format."""

    def fits(self, line: bytes) -> bool:
        """Whether a line is in this format."""
        return self.instant(line) != NO_INSTANT

    def why_not(self, line: bytes) -> str:
        """Why a line does not fit, in words, where that says more than the line."""
        return ""

    @abstractmethod
    def parse(self, block: Block, notes: Notes) -> Iterator[Batch]:
        """The requests of a block. Every line is noted."""

    def look(self, lines: Sequence[bytes]) -> None:
        """Learn from the first lines how exact stamps are."""
        stamps = np.array([self.instant(line) for line in lines], np.int64)
        self.resolution_ns = min(NS, resolution_of(stamps))

    def begin_of(self, lines: Sequence[bytes]) -> int | None:
        """About the first instant in the first lines of a file: the middle one of a few, of which one may be odd."""
        told = (at_ns for line in lines if (at_ns := self.instant(line)) != NO_INSTANT)
        first = sorted(islice(told, _FIRST))
        return first[(len(first) - 1) // 2] if first else None

    def read(self, source: Source, notes: Notes) -> Iterator[Batch]:
        """The requests of a file."""
        for block in source.blocks(notes.taken + 1):
            yield from self.parse(block, notes)


def batch_of_rows(
    block: Block, notes: Notes, fields: Fields, numbers: Sequence[int] | Integers, columns: Sequence[Values],
    bad: Sequence[int],
) -> Batch:  # fmt: skip
    """The batch of lines `numbers` of a block, and a note of those that are bad: `bad`, and what `fields` finds so."""
    lines = np.asarray(numbers, np.int64)
    batch, wrong = fields.batch(notes, lines + block.first, columns)
    if len(wrong) or len(bad):
        notes.reject_lines(block, sorted([*bad, *lines[wrong].tolist()]))
    return batch
