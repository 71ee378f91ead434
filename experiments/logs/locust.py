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
from experiments.logs.batch import NS, Batch
from experiments.logs.counts import MOST, spread
from experiments.logs.lines import LineFormat
from experiments.logs.notes import Notes
from experiments.logs.source import Block
from experiments.logs.stamps import NO_INSTANT
from experiments.logs.table import Row, header_of, row_of

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

    def _target(self, kind: str, name: str, notes: Notes) -> int:
        target = notes.names.target(kind.encode(), name.encode())
        return notes.names.named(name) if target < 0 else target


def _spread(ended: list[tuple[int, int, int]], notes: Notes) -> Iterator[Batch]:
    at_s, counts, targets = np.array(ended, np.int64).reshape(-1, 3).T
    yield from spread(at_s * NS, counts, targets, notes)
