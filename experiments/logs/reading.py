"""Logs as one stream of requests, whatever their format.

Models   The format is told from the first lines of the first file that is not empty, or stated, and is that of all
         files. Several files are one log in the order of their first requests, so that `access.log*` is right though
         the newest comes first, even empty; pipes come where they are named. What is read is handed out in batches:
         memory does not grow with it.
Checked  tests/unit/test_log_reading.py, tests/properties/test_logs.py
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Literal

from experiments.errors import InputError, shown
from experiments.logs.batch import Batch, joined
from experiments.logs.detection import detected, first_lines, stated
from experiments.logs.lines import LineFormat
from experiments.logs.names import Names
from experiments.logs.notes import Format, Notes
from experiments.logs.source import Source

BATCH: Final = 1 << 16

Progress = Callable[[float, str], None]
"""Told the share that is done (0 where the end is not known) and how far that is in words."""


def read_logs(
    names: Sequence[str],
    *,
    format: str | None = None,  # noqa: A002
    fields: Mapping[str, str] | None = None,
    stamp: Literal["begin", "end"] | None = None,
    progress: Progress | None = None,
) -> Reading:
    """Open logs (`-`: standard input) and tell their format; `Reading.batches` reads them. Raises InputError.

    `format`: the name of a format, or a format written down, instead of what is detected. `fields`: which of the log's
    own fields has which role (`{"user": "http_x_user", "response": "took:ms"}`). `stamp`: which end of a request the
    stamps are of, where the format leaves that open.
    """
    if not names:
        raise InputError("logs: must be at least one file, got none. Name one, or - for standard input.")
    if list(names).count("-") > 1:
        raise InputError("logs: must have standard input at most once, got it several times. Name it once.")
    return Reading([Source(name) for name in names], format, fields or {}, stamp, progress)


class Reading:
    """Logs that are being read. The counts are whole once all batches have been taken."""

    def __init__(
        self, sources: Sequence[Source], format_name: str | None, fields: Mapping[str, str], stamp: str | None,
        progress: Progress | None,
    ) -> None:  # fmt: skip
        self.names = Names()
        self._notes = Notes(self.names)
        self._progress = progress
        self._begun = False
        self._done_bytes = 0
        at_end = None if stamp is None else stamp == "end"
        self._format: Format
        telling = next((source for source in sources if source.head()), sources[0])
        if format_name is None:
            self._format, why = detected(telling, fields, at_end)
        else:
            self._format, why = stated(format_name, telling, fields, at_end)
        _refuse_what_is_not_open(self._format, fields, stamp)
        self.format = f"{self._format.describe()}; {why}"
        """The format in words, and how it was told."""
        self.format_name = self._format.name
        """What `--format` would say."""
        self._sources = in_order(sources, self._format) if len(sources) > 1 else list(sources)

    @property
    def resolution_ns(self) -> int:
        """How exact the stamps are: a request came in [at_ns, at_ns + resolution_ns)."""
        return self._format.resolution_ns

    @property
    def lines(self) -> int:
        """Lines without headers: lines = requests + bad."""
        return self._notes.requests + self._notes.bad

    @property
    def requests(self) -> int:
        return self._notes.requests

    @property
    def bad(self) -> int:
        return self._notes.bad

    @property
    def headers(self) -> int:
        """Lines that are meant to be no requests: headers, comments, other metrics."""
        return self._notes.headers

    @property
    def bad_shown(self) -> list[str]:
        """The first bad lines, each with its number, cut and printable."""
        return self._notes.bad_shown

    @property
    def went_back(self) -> int:
        """Requests whose stamp lies before that of an earlier line."""
        return self._notes.went_back

    @property
    def bytes_read(self) -> int:
        """Bytes of the files, as packed as they are."""
        return self._done_bytes

    def batches(self) -> Iterator[Batch]:
        """The requests, once. Raises InputError where a file is damaged or there is no request at all."""
        if self._begun:
            raise RuntimeError("batches of a reading can be taken once")
        self._begun = True
        waiting: list[Batch] = []
        for batch in self._pieces():
            if not len(batch):
                continue
            waiting.append(batch)
            if sum(map(len, waiting)) >= BATCH:
                yield joined(waiting)
                waiting = []
        if waiting:
            yield joined(waiting)
        if not self._notes.requests:
            raise InputError(self._nothing())

    def _pieces(self) -> Iterator[Batch]:
        meter = _Meter(self._sources, self._progress)
        for source in self._sources:
            self._notes.offset = self._notes.taken
            self._notes.place = f"{source.named} " if len(self._sources) > 1 else ""
            before = self._done_bytes
            source.open()
            for batch in self._format.read(source, self._notes):
                self._done_bytes = before + source.consumed
                meter.tell(self._done_bytes)
                yield batch
            self._done_bytes = before + source.consumed
            source.close()

    def _nothing(self) -> str:
        name = ", ".join(source.named for source in self._sources[:3]) + ", ..." * (len(self._sources) > 3)
        if not self.lines:
            return f"{name}: must have requests, got an empty log. Is it the right file?"
        lines = f"{self.lines} line{'s' * (self.lines > 1)}"
        return f"{name}: must be in the format {self.format_name}, got {lines} of something else: {self.bad_shown[0]}."


def _refuse_what_is_not_open(kind: Format, fields: Mapping[str, str], stamp: str | None) -> None:
    """What is said of a format that leaves it not open would change nothing."""
    if fields and "fields" not in kind.leaves_open:
        role, name = next(iter(fields.items()))
        raise InputError(
            f"--field: must come with a format that names its fields, got {shown(f'{role}={name}')} with {kind.name}. "
            "Write the log's own format down in --format, e.g. nginx's log_format."
        )
    if stamp is not None and "stamp" not in kind.leaves_open:
        raise InputError(
            f"--stamp: must come with a format that leaves open which end stamps are of, got {shown(stamp)} with "
            f"{kind.name}. Remove it."
        )


class _Meter:
    """Tells how far the reading is, in bytes and in time."""

    def __init__(self, sources: Sequence[Source], progress: Progress | None) -> None:
        self._progress = progress
        self._begun_at = time.monotonic()
        is_known = all(source.size for source in sources)
        self._total = sum(source.size for source in sources) if is_known else 0

    def tell(self, done: int) -> None:
        if self._progress is None:
            return
        if not self._total:
            self._progress(0.0, f"{_megabytes(done)} read")
            return
        share = min(1.0, done / self._total)
        passed_s = time.monotonic() - self._begun_at
        left = f", {passed_s * (1 - share) / share:.0f} s left" if share > 0 else ""
        self._progress(share, f"{_megabytes(done)} of {_megabytes(self._total)} read{left}")


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


def in_order(sources: Sequence[Source], kind: Format) -> list[Source]:
    """Sources in the order of their first requests; those that tell none stay where they are named."""
    first = [_first_instant(source, kind) for source in sources]
    movable = [number for number, at_ns in enumerate(first) if at_ns is not None]
    sorted_numbers = iter(sorted(movable, key=lambda number: (first[number], number)))
    return [
        sources[next(sorted_numbers)] if at_ns is not None else sources[number] for number, at_ns in enumerate(first)
    ]


def _first_instant(source: Source, kind: Format) -> int | None:
    if not isinstance(kind, LineFormat) or not source.can_be_reopened:
        return None
    try:
        return kind.begin_of(first_lines(source.head()))
    finally:
        source.close()
