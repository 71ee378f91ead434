"""Results of JMeter: JTL files as CSV and as XML.

Models   A request is a sample with a URL: its stamp, time taken, status, thread (as the user), size and time to
         connect. What only sums others up (transactions; in XML, samples around other samples) counts with the headers.
Source   JMeter's CSVSaveService and SampleResultConverter; sampleresult.timestamp.start=true, as its own
         jmeter.properties say: stamps are of the begin. The columns without a header are those it saves by itself.
Omits    Samples without a URL (JDBC, JMS); latency; assertions.
Checked  tests/unit/test_log_formats.py, tests/properties/test_logs.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Final
from xml.parsers import expat

import numpy as np

from experiments.errors import InputError
from experiments.logs.batch import NS, Batch
from experiments.logs.fields import Fields, Use
from experiments.logs.notes import Notes
from experiments.logs.source import Source
from experiments.logs.spans import spans_of
from experiments.logs.table import CsvTable, Row, fixed, header_of
from experiments.logs.table_spans import Wanted

CSV_NAME: Final = "jmeter-csv"
XML_NAME: Final = "jmeter-xml"
_COLUMNS: Final = {
    "timeStamp": Use("time"), "elapsed": Use("response", "ms"), "responseCode": Use("status"),
    "threadName": Use("user"), "bytes": Use("bytes"), "Connect": Use("connect", "ms"), "URL": Use("path"),
}  # fmt: skip
_USUAL: Final = (
    "timeStamp", "elapsed", "label", "responseCode", "responseMessage", "threadName", "dataType", "success",
    "failureMessage", "bytes", "sentBytes", "grpThreads", "allThreads", "URL", "Latency", "IdleTime", "Connect",
)  # fmt: skip
_NAMES: Final = ("ts", "t", "rc", "tn", "by", "ct", "method", "java.net.URL")
_values = itemgetter(*_NAMES)
_SAMPLES: Final = frozenset(("httpSample", "sample"))
_TEXTS: Final = frozenset(("java.net.URL", "method"))
_ROWS: Final = 1 << 14
_DEEPEST: Final = 64
_LONGEST_URL: Final = 8192


def from_lines(lines: Sequence[bytes], at_end: bool | None, is_stated: bool = False) -> CsvTable | None:
    """The CSV that begins with these lines, where it is JMeter's."""
    found = header_of(lines)
    if found is not None and {"timeStamp", "elapsed"} <= set(found[0]):
        header, separator = found
    elif is_stated:
        header, separator = list(_USUAL), ","
    else:
        return None
    guess = fixed(_COLUMNS, header, bool(at_end))
    if "URL" not in header and "label" in header:
        guess.uses["label"] = Use("name")
    table = CsvTable("JMeter's CSV", header, separator, guess, _requests(header))
    table.name = CSV_NAME
    table.leaves_open = frozenset({"stamp"})
    return table


def _requests(header: Row) -> Wanted:
    """Which rows are requests: they have a URL, and are no sums of others."""
    wanted: dict[int, Callable[[str], bool]] = {}
    if "responseMessage" in header:
        wanted[header.index("responseMessage")] = _is_no_sum
    if "URL" in header:
        wanted[header.index("URL")] = _is_url
    return wanted


def _is_no_sum(message: str) -> bool:
    return not message.startswith("Number of samples in transaction")


def _is_url(text: str) -> bool:
    return text not in ("", "null")


class JmeterXml:
    """Reads JTL files in XML, piece by piece."""

    name = XML_NAME
    resolution_ns = NS // 1000
    is_dated = True
    leaves_open = frozenset({"stamp"})

    def __init__(self, at_end: bool | None) -> None:
        uses = [Use("time", "ms"), Use("response", "ms"), Use("status"), Use("user"), Use("bytes"),
                Use("connect", "ms"), Use("method"), Use("path")]  # fmt: skip
        self._fields = Fields(uses, bool(at_end))

    def describe(self) -> str:
        return "JMeter's XML: begin, time taken, status, thread as user, size, time to connect, method and URL"

    def fits(self, line: bytes) -> bool:
        return b"<testResults" in line

    def read(self, source: Source, notes: Notes) -> Iterator[Batch]:
        samples = _Samples()
        try:
            for piece in source.stream():
                for begin in range(0, len(piece), 1 << 16):
                    samples.feed(piece[begin : begin + (1 << 16)])
                    if len(samples.rows) >= _ROWS:
                        yield self._batch(samples, notes)
            samples.end()
        except (expat.ExpatError, _RefusedError, LookupError, ValueError) as error:  # the last two: encodings
            yield self._batch(samples, notes)
            notes.reject_for(notes.taken + 1, f"no XML from here on: {error}")
        yield self._batch(samples, notes)

    def _batch(self, samples: _Samples, notes: Notes) -> Batch:
        rows, samples.rows = samples.rows, []
        notes.headers += samples.others
        samples.others = 0
        lines = np.arange(notes.taken + 1, notes.taken + 1 + len(rows))
        columns = [spans_of(column) for column in zip(*rows, strict=True)] if rows else [()] * 8
        batch, bad = self._fields.batch(notes, lines, columns)
        for line in lines[bad].tolist():
            notes.reject_for(line, "a sample without an instant or a URL")
        return batch


class _RefusedError(Exception):
    """Something that no JTL holds."""


class _Samples:
    """Collects the samples that hold no other samples."""

    def __init__(self) -> None:
        self.rows: list[tuple[str | None, ...]] = []
        self.others = 0
        self._open: list[dict[str, str]] = []
        self._text: list[str] | None = None
        self._depth = 0
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = _refuse

    def feed(self, data: bytes) -> None:
        self._parser.Parse(data, False)

    def end(self) -> None:
        self._parser.Parse(b"", True)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _RefusedError(f"more than {_DEEPEST} elements inside each other")
        if tag in _SAMPLES:
            if self._open:
                self._open[-1]["has samples"] = "yes"
            self._open.append(attributes)
        elif tag in _TEXTS and self._open:
            self._text = []
            self._parser.CharacterDataHandler = self._characters

    def _characters(self, text: str) -> None:
        if self._text is not None and sum(map(len, self._text)) < _LONGEST_URL:
            self._text.append(text)

    def _end(self, tag: str) -> None:
        self._depth -= 1
        if tag in _SAMPLES:
            if not self._open:
                return
            sample = self._open.pop()
            if "has samples" in sample or "java.net.URL" not in sample:
                self.others += 1
                return
            try:
                self.rows.append(_values(sample))
            except KeyError:
                self.rows.append(tuple(map(sample.get, _NAMES)))
        elif self._text is not None and tag in _TEXTS:
            self._open[-1][tag] = "".join(self._text)
            self._text = None
            self._parser.CharacterDataHandler = None


def _refuse(*_: object) -> None:
    raise _RefusedError("a document type, which no JTL has")


def refuse_other_xml(head: bytes) -> None:
    """XML that is not JMeter's. Raises InputError."""
    if b"<testResults" not in head:
        raise InputError("XML: must be JMeter's test results, got something else. Export it as CSV or JSON lines.")
