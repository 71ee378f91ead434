"""Tables in text: CSV with a header, separated by commas, semicolons, tabs or bars.

Models   Columns are told by their names and values, or said. A text in quotes may go on in the next lines; those count
         as headers, for they are lines that begin no row. A quote that never ends makes its line bad, not the rest.
Source   RFC 4180.
Checked  tests/unit/test_log_formats.py, tests/properties/test_logs.py
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from experiments.errors import InputError
from experiments.logs.batch import NS, Batch, Integers
from experiments.logs.fields import Fields, Use, instant_of
from experiments.logs.guessing import OPEN, Guess, guessed
from experiments.logs.lines import LineFormat, batch_of_rows
from experiments.logs.notes import Notes, listed
from experiments.logs.source import Block
from experiments.logs.spans import ROOM, Spans, is_utf8, merged
from experiments.logs.stamps import NO_INSTANT
from experiments.logs.table_spans import TableSplitter, Wanted

NAME: Final = "csv"
_SEPARATORS: Final = b",;\t|"
_LONGEST_ROW: Final = 64
"""Lines of one row."""

Row = list[str]


class CsvTable(LineFormat):
    """Reads rows below a header."""

    name = NAME

    def __init__(
        self, title: str, header: Row, separator: str, guess: Guess, wanted: Wanted | None = None
    ) -> None:  # fmt: skip
        """`wanted`: which rows are requests at all; the others are counted with the headers."""
        self._title = title
        self.header = header
        self._separator = separator
        self._guess = guess
        self._wanted = wanted or {}
        self._fields = Fields(list(guess.uses.values()), guess.at_end)
        self._places = [header.index(name) for name in guess.uses]
        time, self._unit = next((name, use.unit) for name, use in guess.uses.items() if use.role == "time")
        self._time = header.index(time)
        self._splitter = TableSplitter(len(header), separator, self._places, self._wanted, header[0])
        self.resolution_ns = NS

    def describe(self) -> str:
        return f"{self._title}: {self._guess.describe()}"

    def instant(self, line: bytes) -> int:
        row = row_of(line, self._separator)
        if row is None or len(row) != len(self.header):
            return NO_INSTANT
        return instant_of(row[self._time], self._unit)

    def fits(self, line: bytes) -> bool:
        return self.instant(line) != NO_INSTANT or row_of(line, self._separator) == self.header

    def parse(self, block: Block, notes: Notes) -> Iterator[Batch]:
        data = block.data + bytes(ROOM)
        split = self._splitter.split(data, block.ends) if is_utf8(block.data) else None
        taken: Integers = np.empty(0, np.int64)
        columns: list[Spans] = []
        rows = self._rows(block, notes)
        if split is not None:
            taken, columns, is_seen = split
            notes.headers += int(is_seen.sum()) - len(taken)
            left = np.flatnonzero(~is_seen).tolist()
            rows = ((number, row_of(block.line(number), self._separator)) for number in left)
        numbers, texts, bad = self._strictly(rows, notes)
        if numbers or not columns:
            whole = np.concatenate((taken, np.array(numbers, np.int64)))
            order = np.argsort(whole, kind="stable")
            taken, columns = whole[order], merged(data, columns, texts, order)
        yield batch_of_rows(block, notes, self._fields, taken, columns, bad)

    def _strictly(
        self, rows: Iterable[tuple[int, Row | None]], notes: Notes
    ) -> tuple[list[int], list[list[bytes]], list[int]]:  # fmt: skip
        """Rows one by one: which of them are requests, their values, and which are bad."""
        numbers, bad = [], []
        columns: list[list[bytes]] = [[] for _ in self._places]
        wide = len(self.header)
        for number, row in rows:
            if row is None or len(row) != wide:
                bad.append(number)
            elif row == self.header or not all(is_wanted(row[place]) for place, is_wanted in self._wanted.items()):
                notes.headers += 1
            else:
                numbers.append(number)
                for column, place in zip(columns, self._places, strict=True):
                    column.append(row[place].encode("utf-8", "backslashreplace"))
        return numbers, columns, bad

    def _rows(self, block: Block, notes: Notes) -> Iterator[tuple[int, Row | None]]:
        lines = block.lines()
        if (simple := self._simple(block, lines)) is not None:
            yield from enumerate(simple)
            return
        number = 0
        while number < len(lines):
            line = lines[number]
            taken = 1
            if b'"' in line and line.count(b'"') % 2:
                taken = _closed(lines, number)
                line = b"\n".join(lines[number : number + taken])
            yield number, row_of(line, self._separator)
            notes.headers += taken - 1
            number += taken

    def _simple(self, block: Block, lines: list[bytes]) -> list[Row | None] | None:
        """All rows at once, where every line is a row; None where some might not be."""
        if b"\r" in block.data and any(b"\r" in line for line in lines):
            return None
        if b'"' in block.data and any(line.count(b'"') % 2 for line in lines):
            return None
        texts = block.data.decode("utf-8", "backslashreplace").split("\n")
        texts.pop()
        if b"\r" in block.data:
            texts = [text.removesuffix("\r") for text in texts]
        try:
            rows = list(csv.reader(texts, delimiter=self._separator))
        except csv.Error:
            return None
        return [row or None for row in rows] if len(rows) == len(lines) else None


def _closed(lines: list[bytes], number: int) -> int:
    """How many lines it takes until the quotes of a row are even; 1 where they never are."""
    odd = 0
    for taken, line in enumerate(lines[number : number + _LONGEST_ROW], 1):
        odd ^= line.count(b'"') % 2
        if not odd:
            return taken
    return 1


def row_of(line: bytes, separator: str) -> Row | None:
    """The values of a row; None for an empty line or what is no row."""
    text = line.decode("utf-8", "backslashreplace")
    if '"' not in text:
        return text.split(separator) if text else None
    try:
        return next(csv.reader([text] if "\n" not in text else text.splitlines(keepends=True), delimiter=separator))
    except (csv.Error, StopIteration):
        return None


def header_of(lines: Sequence[bytes]) -> tuple[Row, str] | None:
    """The header of a table and its separator, where the first line is one: several names, none of them a number."""
    first = next((line for line in lines if line.strip()), b"")
    separator = max(_SEPARATORS, key=lambda sign: first.count(bytes([sign])))
    row = row_of(first.strip(), chr(separator))
    if row is None or not all(name.strip() and not _is_number(name) and len(name) < 200 for name in row):
        return None
    return row, chr(separator)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def samples_of(header: Row, separator: str, lines: Sequence[bytes]) -> dict[str, list[Any]]:
    """The values of the first rows by the names of their columns."""
    rows = [row for line in lines if (row := row_of(line, separator)) is not None and row != header]
    whole = [row for row in rows if len(row) == len(header)]
    return {name: [row[place] for row in whole] for place, name in enumerate(header)}


def from_lines(lines: Sequence[bytes], fields: Mapping[str, str], at_end: bool | None) -> CsvTable:
    """The table that begins with these lines. Raises InputError where it has no header or no time."""
    found = header_of(lines)
    if found is None:
        raise InputError("--format csv: must have a header with the names of its columns, got a first line without.")
    header, separator = found
    guess = guessed(samples_of(header, separator, lines), fields, at_end)
    if not guess.has_time:
        raise InputError(f"--field time: must be told, got no column that is one. Columns: {listed(header)}.")
    words = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
    table = CsvTable(f"CSV with {words[separator]}", header, separator, guess)
    table.leaves_open = OPEN
    return table


def fixed(uses: Mapping[str, Use], header: Row, at_end: bool) -> Guess:
    """What the columns of a well-known table are, as far as it has them."""
    return Guess({name: use for name, use in uses.items() if name in header}, at_end)
