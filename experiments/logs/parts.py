"""The files of a reading: each in its own format, all of them read as one log in the order of their stamps.

Models   A file is in a format that was met before where most of its lines are, else its own is told. Files are read by
         turns, piece by piece, the one next that has come least far: files that follow each other one after the other,
         files of several machines at once side by side. A file is opened when its turn comes. Lines are numbered as
         they are read.
Omits    Files side by side are in order to within PIECE lines of each; what asks for more puts them in order itself.
Checked  tests/unit/test_log_reading.py, tests/unit/test_log_mixed.py
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from experiments.errors import InputError, shown
from experiments.logs.batch import Batch
from experiments.logs.combined import Combined
from experiments.logs.counts import Counts
from experiments.logs.detection import SAID, detected, first_lines, stated
from experiments.logs.lines import LineFormat
from experiments.logs.locust import LocustHistory
from experiments.logs.names import Names
from experiments.logs.notes import Format, Notes
from experiments.logs.parquet import Parquet
from experiments.logs.source import Source
from experiments.logs.stamps import NO_INSTANT
from experiments.logs.table import CsvTable, header_of

PIECE: Final = 1 << 13
"""Requests of one file before others have their turn."""
_LATELY: Final = 99
"""Stamps whose median says how far a file has come: one odd stamp says nothing."""

Fields = Mapping[str, str]


class Part:
    """One file of a reading."""

    def __init__(self, source: Source, kind: Format, notes: Notes) -> None:
        self.source = source
        self.kind = kind
        self.notes = notes
        self.bytes_read = 0
        """Of the file, as packed as it is."""
        self._batches: Iterator[Batch] | None = None
        self._rest: Batch | None = None

    def begins_ns(self) -> int | None:
        """About when its first requests came; None where that is not told."""
        if isinstance(self.kind, LineFormat):
            begins = self.kind.begin_of(first_lines(self.source.head()))
            if self.source.can_be_reopened:
                self.source.close()
            return begins
        if isinstance(self.kind, Counts):
            return None
        self._rest = self._next()
        return None if self._rest is None or not len(self._rest) else _reached(self._rest)

    def next(self, most: int | None = None) -> Batch | None:
        """The next requests, if any, and at most so many; None at the end of the file."""
        batch, self._rest = self._next() if self._rest is None else self._rest, None
        if batch is not None and most is not None and len(batch) > most:
            batch, self._rest = batch.part(slice(most)), batch.part(slice(most, None))
        return batch

    def _next(self) -> Batch | None:
        if self._batches is None:
            self.source.open()
            self._batches = self.kind.read(self.source, self.notes)
        batch = next(self._batches, None)
        self.bytes_read = self.source.consumed
        if batch is None:
            self.source.close()
            return None
        batch.resolution_ns = self.kind.resolution_ns
        return batch


def parts_of(
    sources: Sequence[Source], format_name: str | None, fields: Fields, at_end: bool | None, names: Names
) -> tuple[list[Part], dict[Format, str]]:
    """The files with their formats, and how these were told. Raises InputError."""
    kinds: dict[Format, str] = {}
    found: dict[int, Format] = {}
    for number, source in enumerate(sources):
        if not source.head() and (len(sources) > 1 or format_name is None):
            continue  # it was just begun, and tells nothing
        again = next((kind for kind in kinds if _goes_on(kind, source, format_name is not None)), None)
        if again is None:
            told, why = _told(source, format_name, fields, at_end, len(sources) == 1)
            again = next((kind for kind in kinds if _is_same(kind, told)), told)
            kinds.setdefault(again, why)
        found[number] = again
        if len(sources) > 1 and isinstance(again, LineFormat) and source.can_be_reopened:
            source.close()
    if not kinds:
        kinds = dict([_told(sources[0], format_name, fields, at_end, True)])
    if format_name is not None and SAID not in kinds.values():
        stated(format_name, sources[0], fields, at_end)  # says why, where it is a format that nobody knows
        raise InputError(f"--format: must fit one of the logs, got {shown(format_name)}. Each is something else.")
    _refuse_dates_and_none(sources, found)
    shown_bad: list[str] = []  # the first of all files
    first = next(iter(kinds))
    return [
        Part(source, found.get(number, first), Notes(names, bad_shown=shown_bad))
        for number, source in enumerate(sources)
    ], kinds


def _told(
    source: Source, format_name: str | None, fields: Fields, at_end: bool | None, is_alone: bool
) -> tuple[Format, str]:
    """The format of a file: the one that is stated, where there is one that fits, or where nothing else does."""
    if format_name is None:
        return detected(source, fields, at_end)
    if is_alone:
        return stated(format_name, source, fields, at_end)
    try:
        found = stated(format_name, source, fields, at_end)
    except InputError as error:
        with suppress(InputError):
            return detected(source, fields, at_end)
        raise error from None
    if isinstance(found[0], LineFormat) and not _fitting(found[0], source):
        with suppress(InputError):
            return detected(source, fields, at_end)
    return found


def _fitting(kind: LineFormat, source: Source) -> int:
    return sum(map(kind.fits, first_lines(source.head())))


def _goes_on(kind: Format, source: Source, is_stated: bool) -> bool:
    """Whether a file is more of the same, which costs less to tell than a format does."""
    if isinstance(kind, CsvTable):
        return is_stated and header_of(first_lines(source.head())) is None
    if isinstance(kind, LocustHistory | Parquet) or not isinstance(kind, LineFormat):
        return False
    if is_stated:
        return _fitting(kind, source) > 0
    return isinstance(kind, Combined) and 2 * _fitting(kind, source) > len(first_lines(source.head()))


def _is_same(one: Format, other: Format) -> bool:
    """Whether two formats read the same in the same way, so that what one has learnt need not be learnt again."""
    if type(one) is not type(other) or isinstance(one, LocustHistory):
        return False
    is_alike = one.describe() == other.describe() and one.resolution_ns == other.resolution_ns
    return is_alike and getattr(one, "header", None) == getattr(other, "header", None)


def _refuse_dates_and_none(sources: Sequence[Source], found: Mapping[int, Format]) -> None:
    dated = {kind.is_dated: sources[number].named for number, kind in found.items()}
    if len(dated) > 1:
        raise InputError(
            f"logs: must all have dates, got none in {shown(dated[False])} and some in {shown(dated[True])}. "
            "Name them in runs of their own."
        )


def interleaved(parts: Sequence[Part]) -> Iterator[tuple[Part, Batch | None]]:
    """Which file the next requests are from, and these; None where it has come to its end."""
    turns: list[tuple[int, int]] = []
    before = NO_INSTANT
    for number, part in enumerate(parts):
        begins = part.begins_ns() if len(parts) > 1 else None
        before = before if begins is None else begins  # what does not tell comes after what it is named after
        turns.append((before, number))
    heapq.heapify(turns)
    while turns:
        reached, number = turns[0]
        batch = parts[number].next(PIECE if len(turns) > 1 else None)
        yield parts[number], batch
        if batch is None:
            heapq.heappop(turns)
        else:
            heapq.heapreplace(turns, (_reached(batch) if len(batch) else reached, number))


def _reached(batch: Batch) -> int:
    """About how far a file has come."""
    lately: list[int] = sorted(batch.at_ns[-_LATELY:].tolist())
    return lately[len(lately) // 2]
