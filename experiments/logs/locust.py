"""Results of Locust: the `_stats_history.csv` of `--csv` (and `--csv-full-history`).

Models   How many requests have ended up to each instant, for all endpoints or for each: the difference to the row
         before is spread evenly over the seconds between. Each request is a row, its line is the number of the request,
         and the rows of the file count with the headers.
Source   Locust's stats.py (StatsCSVFileWriter), releases 1 and 2.
Omits    What the file does not hold: response times, statuses, users and begins of single requests. The other files of
         `--csv` hold sums over the whole run, and are refused by name. A log of single requests, written by a listener
         of one's own, is read as CSV.
Checked  tests/unit/test_log_formats.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from experiments.errors import InputError
from experiments.logs.batch import NS, Batch, Integers
from experiments.logs.counts import MOST, spread
from experiments.logs.lines import LineFormat
from experiments.logs.notes import Notes
from experiments.logs.recent import Recent
from experiments.logs.source import Block
from experiments.logs.span_values import numbers_of
from experiments.logs.spans import ROOM, is_utf8, whole_numbers
from experiments.logs.stamps import NO_INSTANT
from experiments.logs.table import Row, header_of, row_of
from experiments.logs.table_spans import TableSplitter

NAME: Final = "locust"
_NEEDED: Final = ("Timestamp", "Type", "Name", "Total Request Count")
_SUMS: Final = {
    ("Type", "Name", "Request Count"): "sums over the whole run",
    ("Method", "Name", "Error", "Occurrences"): "sums of failures",
    ("Count", "Message", "Traceback", "Nodes"): "exceptions",
}
_LONGEST_GAP_S: Final = 86_400
_MANY: Final = 1 << 16


def from_lines(lines: Sequence[bytes]) -> LocustHistory | None:
    """The history that begins with these lines. Raises InputError for the files of Locust that hold only sums."""
    found = header_of(lines)
    if found is None:
        return None
    header, separator = found
    for names, what in _SUMS.items():
        if tuple(header[: len(names)]) == names:
            raise InputError(
                f"Locust: must be the _stats_history.csv, got {what}, in which no request has a time. "
                "Give that file, or log single requests with a listener."
            )
    return LocustHistory(header, separator) if set(_NEEDED) <= set(header) else None


class LocustHistory(LineFormat):
    """Reads how many requests had ended at each instant."""

    name = NAME
    resolution_ns = NS

    def __init__(self, header: Row, separator: str) -> None:
        self._header = header
        self._separator = separator
        self._places = [header.index(name) for name in _NEEDED]
        self._is_full = False
        self._before: dict[tuple[str, str], tuple[int, int]] = {}
        self._splitter = TableSplitter(len(header), separator, self._places, {}, header[0])
        self._kinds, self._names = Recent(2, 8), Recent(4, 12)
        self._numbers: dict[bytes, int] = {}

    def describe(self) -> str:
        which = "of each endpoint" if self._is_full else "of all endpoints together"
        return f"Locust's stats history: requests ended per second {which}; it holds no response times or statuses"

    def look(self, lines: Sequence[bytes]) -> None:
        super().look(lines)
        rows = [self._row(line) for line in lines]
        self._is_full = any(row is not None and row[2] != "Aggregated" for row in rows)

    def instant(self, line: bytes) -> int:
        row = self._row(line)
        return NO_INSTANT if row is None else row[0] * NS

    def _row(self, line: bytes) -> tuple[int, str, str, int] | None:
        row = row_of(line, self._separator)
        if row is None or len(row) != len(self._header):
            return None
        stamp, kind, name, total = (row[place] for place in self._places)
        if not (stamp.isascii() and stamp.isdigit() and total.isascii() and total.isdigit()):
            return None
        return (int(stamp), kind, name, int(total)) if len(stamp) <= 10 and len(total) <= 12 else None

    def parse(self, block: Block, notes: Notes) -> Iterator[Batch]:
        ended_by_row = self._by_block(block, notes)
        if ended_by_row is not None:
            yield from spread(*ended_by_row, notes)
            return
        bad = []
        ended: list[tuple[int, int, int]] = []
        for number, line in enumerate(block.lines()):
            row = self._row(line)
            if row is None:
                is_header = row_of(line, self._separator) == self._header
                notes.headers += is_header
                if not is_header:
                    bad.append(number)
            else:
                notes.headers += 1
                if (row[2] != "Aggregated") == self._is_full:
                    ended.extend(self._ended(row, notes))
            if len(ended) >= _MANY:
                yield from _spread(ended, notes)
                ended = []
        yield from _spread(ended, notes)
        notes.reject_lines(block, bad)

    def _ended(self, row: tuple[int, str, str, int], notes: Notes) -> list[tuple[int, int, int]]:
        """The requests that ended since the row before: seconds, how many in each, and their target."""
        stamp, kind, name, total = row
        if len(self._before) > 100_000:
            self._before.clear()
        since, count = self._before.get((kind, name), (stamp - 1, 0))
        self._before[kind, name] = (stamp, total)
        ended = total - count if total >= count else total  # a run that began anew counts from 0
        seconds = min(max(1, stamp - since), _LONGEST_GAP_S)
        ended = min(ended, seconds * MOST)
        if not ended:
            return []
        target = self._target(kind, name, notes) if self._is_full else -1
        begin = stamp - seconds
        if seconds == 1:
            return [(begin, ended, target)]
        bounds = [second * ended // seconds for second in range(seconds + 1)]
        return [(begin + second, bounds[second + 1] - bounds[second], target) for second in range(seconds)]

    def _by_block(self, block: Block, notes: Notes) -> tuple[Integers, Integers, Integers] | None:
        """Instants, how many ended in the second after each, and their targets; None where rows are not all plain."""
        data = block.data + bytes(ROOM)
        split = self._splitter.split(data, block.ends) if is_utf8(block.data) else None
        if split is None or max(len(self._before), len(self._numbers)) > _MANY:
            return None
        _, (stamps, kinds, names, totals), is_seen = split
        others = [block.line(number) for number in np.flatnonzero(~is_seen).tolist()]
        stamp, is_stamp = whole_numbers(stamps, 10)
        total, is_total = whole_numbers(totals, 12)
        if not (is_stamp & is_total).all() or any(row_of(line, self._separator) != self._header for line in others):
            return None
        rows = np.flatnonzero(names.is_text(b"Aggregated") != self._is_full)
        kinds, names, stamp, total = kinds.part(rows), names.part(rows), stamp[rows], total[rows]
        kind, name = numbers_of(self._kinds, kinds, self._number), numbers_of(self._names, names, self._number)
        order = np.lexsort((name, kind))
        is_first = np.diff(kind[order], prepend=-1) != 0
        is_first |= np.diff(name[order], prepend=-1) != 0
        since, count = np.roll(stamp[order], 1), np.roll(total[order], 1)
        firsts = np.flatnonzero(is_first)
        keys = [(_text(kinds.text(row)), _text(names.text(row))) for row in order[firsts].tolist()]
        known = [
            self._before.get(key, (at - 1, 0)) for key, at in zip(keys, stamp[order[firsts]].tolist(), strict=True)
        ]
        since[firsts], count[firsts] = np.array(known, np.int64).reshape(-1, 2).T
        stamp, total = stamp[order], total[order]
        ended = np.where(total >= count, total - count, total)  # a run that began anew counts from 0
        seconds = np.clip(stamp - since, 1, _LONGEST_GAP_S)
        ended = np.minimum(ended, seconds * MOST)
        if seconds[ended > 0].sum() > 16 * _MANY:
            return None  # row by row that takes no memory
        lasts = np.append(firsts[1:], len(order)) - 1
        for key, at, all_of in zip(keys, stamp[lasts].tolist(), total[lasts].tolist(), strict=True):
            self._before[key] = (at, all_of)
        targets = np.array([self._target(*key, notes) if self._is_full else -1 for key in keys], np.int64)
        target = np.repeat(targets, np.diff(firsts, append=len(order)))
        notes.headers += len(block)
        back = np.argsort(order)[ended[np.argsort(order)] > 0]
        return _spread_evenly(stamp[back], seconds[back], ended[back], target[back])

    def _number(self, text: bytes) -> int:
        return self._numbers.setdefault(text, len(self._numbers))

    def _target(self, kind: str, name: str, notes: Notes) -> int:
        target = notes.names.target(kind.encode(), name.encode())
        return notes.names.named(name) if target < 0 else target


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _spread_evenly(
    stamp: Integers, seconds: Integers, ended: Integers, target: Integers
) -> tuple[Integers, Integers, Integers]:  # fmt: skip
    """A row for each second before a stamp; the parts of what ended differ by one at most."""
    begins = np.cumsum(seconds) - seconds
    row = np.repeat(np.arange(len(stamp)), seconds)
    second = np.arange(len(row)) - begins[row]
    counts = (second + 1) * ended[row] // seconds[row] - second * ended[row] // seconds[row]
    return (stamp[row] - seconds[row] + second) * NS, counts, target[row]


def _spread(ended: list[tuple[int, int, int]], notes: Notes) -> Iterator[Batch]:
    at_s, counts, targets = np.array(ended, np.int64).reshape(-1, 3).T
    yield from spread(at_s * NS, counts, targets, notes)
