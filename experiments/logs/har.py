"""HAR: what a browser or a proxy recorded.

Models   Each entry is a request: its begin, time, method, URL, status, size and time to connect. Entries are
         lines. The file is read piece by piece; an entry that is larger than MOST bytes, or is none, is bad, and
         a file that ends early has one bad entry at its end.
Source   HAR 1.2 (W3C draft).
Omits    What else an entry times; pages; what came from the browser's own cache is a request all the same.
Checked  tests/unit/test_log_formats.py, tests/properties/test_logs.py
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from typing import Any, Final

import numpy as np

from experiments.logs.batch import NS, Batch
from experiments.logs.fields import Fields, Use
from experiments.logs.notes import Notes, printable
from experiments.logs.source import Source

NAME: Final = "har"
MOST: Final = 16 << 20
"""Bytes of an entry: bodies may be in it."""

_ROWS: Final = 1024
_decode = json.JSONDecoder().raw_decode
_BETWEEN: Final = re.compile(r"[\s,]*+", re.ASCII)
_BEGIN: Final = re.compile(rb'^\s*\{\s*"log"\s*:\s*\{')
_ENTRIES: Final = re.compile(rb'"entries"\s*:\s*\[')
_MARK: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+("|\\?\Z)|[{}\]]', re.DOTALL)
"""What matters of the structure: texts as a whole, so that what stands in them does not, and brackets."""


class Har:
    """Reads HAR files."""

    name = NAME
    resolution_ns = NS // 1000
    is_dated = True
    leaves_open: frozenset[str] = frozenset()

    def __init__(self) -> None:
        uses = [Use("time"), Use("response", "ms"), Use("method"), Use("path"), Use("status"), Use("bytes"),
                Use("connect", "ms")]  # fmt: skip
        self._fields = Fields(uses, at_end=False)

    def describe(self) -> str:
        return "HAR: begin, time, method, URL, status, size and time to connect of each entry"

    def fits(self, line: bytes) -> bool:
        return _BEGIN.match(line) is not None

    def read(self, source: Source, notes: Notes) -> Iterator[Batch]:
        rows, lines = [], []
        first = notes.taken + 1
        bad = 0
        for number, (text, entry) in enumerate(_entries(source)):
            row = _row(_entry_of(text) if entry is None else entry)
            if row is None:
                bad += 1
                notes.reject_for(first + number, "no entry: " + printable(text[:200]))
            else:
                rows.append(row)
                lines.append(first + number)
            if len(rows) >= _ROWS:
                yield self._batch(rows, lines, notes)
                rows, lines = [], []
        yield self._batch(rows, lines, notes)

    def _batch(self, rows: list[tuple[Any, ...]], lines: list[int], notes: Notes) -> Batch:
        columns = list(zip(*rows, strict=True)) if rows else [()] * 7
        numbers = np.array(lines, np.int64)
        batch, wrong = self._fields.batch(notes, numbers, columns)
        for line in numbers[wrong].tolist():
            notes.reject_for(line, "an entry without an instant or a URL")
        return batch


def _entry_of(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _row(entry: Any) -> tuple[Any, ...] | None:
    if not isinstance(entry, dict):
        return None
    request, response, timings = (_inner(entry, name) for name in ("request", "response", "timings"))
    values = (
        entry.get("startedDateTime"), entry.get("time"), request.get("method"), request.get("url"),
        response.get("status"), _inner(response, "content").get("size"), timings.get("connect"),
    )  # fmt: skip
    return tuple(None if isinstance(value, dict | list) else value for value in values)


def _inner(value: dict[str, Any], name: str) -> dict[str, Any]:
    inner = value.get(name)
    return inner if isinstance(inner, dict) else {}


def _entries(source: Source) -> Iterator[tuple[bytes, Any]]:
    """The texts of the entries, cut out of the stream by their braces, or what they hold where that is known."""
    data, place, depth, begin = b"", 0, 0, -1
    is_inside = False
    for piece in source.stream():
        data = data[begin if begin >= 0 else place :] + piece
        place -= begin if begin >= 0 else place
        begin = 0 if begin >= 0 else -1
        if not is_inside:
            match = _ENTRIES.search(data)
            if match is None:
                place = max(0, len(data) - 64)
                continue
            place, is_inside = match.end(), True
        is_tried = depth == 0
        if is_tried:
            place = yield from _plain_entries(data, place)
        while match := _MARK.search(data, place):
            if match[1] is not None and match[1] != b'"':
                place = match.start()  # a text that goes on in the next piece
                break
            place = match.end()
            sign = match[0]
            if sign == b"{":
                begin = match.start() if depth == 0 else begin
                depth += 1
            elif sign == b"}":
                depth -= 1
                if depth == 0:
                    yield data[begin:place], None
                    begin = -1
                    if not is_tried:  # once a piece: what fails costs as much as the whole piece
                        is_tried = True
                        place = yield from _plain_entries(data, place)
            elif sign == b"]" and depth == 0:
                return
            if depth < 0:
                return
        if begin >= 0 and len(data) - begin > MOST:
            break
    if begin >= 0 or not is_inside:
        yield data[begin if begin >= 0 else 0 :][:MOST], None


def _plain_entries(data: bytes, place: int) -> Generator[tuple[bytes, Any], None, int]:
    """The entries from a place on, as far as they are plain JSON that ends in the data. Returns where they end."""
    text = data.decode("latin-1")  # the same places as in the bytes; what is no ASCII is read again
    while True:
        begin = _BETWEEN.match(text, place).end()  # type: ignore[union-attr]  # which nothing fits, too
        if not text.startswith("{", begin):
            return place
        try:
            entry, end = _decode(text, begin)
        except (ValueError, RecursionError):
            return place
        if end - begin > MOST:
            return place
        raw = data[begin:end]
        yield raw, entry if raw.isascii() else None
        place = end
