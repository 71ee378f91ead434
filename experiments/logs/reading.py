"""Logs as one stream of requests, whatever their format.

Models   Each file's format is told from its first lines, or one is stated for all of them. Several files are one log
         (parts.py). Of that, the lines of a window are handed out in batches, without those whose stamps are far from
         all the others (strays.py): memory does not grow with the log.
Checked  tests/unit/test_log_reading.py, tests/unit/test_log_mixed.py, tests/properties/test_logs.py
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from experiments.errors import InputError, shown
from experiments.logs.batch import NS, Batch, joined
from experiments.logs.detection import first_lines
from experiments.logs.lines import LineFormat
from experiments.logs.names import Names
from experiments.logs.notes import Format
from experiments.logs.parts import interleaved, parts_of
from experiments.logs.source import Source
from experiments.logs.strays import Strays
from experiments.logs.window import Window

BATCH: Final = 1 << 16

Progress = Callable[[float, str], None]
"""Told the share that is done (0 where the end is not known) and how far that is in words."""


def read_logs(
    names: Sequence[str],
    *,
    format: str | None = None,  # noqa: A002
    fields: Mapping[str, str] | None = None,
    stamp: Literal["begin", "end"] | None = None,
    window: Window | None = None,
    progress: Progress | None = None,
) -> Reading:
    """Open logs (`-`: standard input) and tell their format; `Reading.batches` reads them. Raises InputError.

    `format`: the name of a format, or a format written down, instead of what is detected. `fields`: which of the log's
    own fields has which role (`{"user": "http_x_user", "response": "took:ms"}`). `stamp`: which end of a request the
    stamps are of, where the format leaves that open. `window`: only what came within it is handed out.
    """
    if not names:
        raise InputError("logs: must be at least one file, got none. Name one, or - for standard input.")
    if list(names).count("-") > 1:
        raise InputError("logs: must have standard input at most once, got it several times. Name it once.")
    return Reading([Source(name) for name in names], format, fields or {}, stamp, window or Window(), progress)


class Reading:
    """Logs that are being read. The counts are whole once all batches have been taken."""

    def __init__(
        self, sources: Sequence[Source], format_name: str | None, fields: Mapping[str, str], stamp: str | None,
        window: Window, progress: Progress | None,
    ) -> None:  # fmt: skip
        self.names = Names()
        self.outside = 0
        """Requests that came before the window or after it."""
        self._window = window
        self._strays = Strays(BATCH)
        self._stray = 0
        self._stray_shown: list[str] = []
        self._progress = progress
        self._begun = False
        at_end = None if stamp is None else stamp == "end"
        self._parts, kinds = parts_of(sources, format_name, fields, at_end, self.names)
        _refuse_what_is_not_open(list(kinds), fields, stamp)
        self.format = "; ".join(self._told(kind, why, len(kinds)) for kind, why in kinds.items())
        """The formats in words, and how they were told."""
        self.format_name = ", ".join(dict.fromkeys(kind.name for kind in kinds))
        """What `--format` would say."""
        self.resolution_ns = max(kind.resolution_ns for kind in kinds)
        """How exact the stamps are; where formats differ, the coarsest of them."""
        for part in self._parts:
            part.notes.place = f"{part.source.named} " if len(self._parts) > 1 else ""

    def _told(self, kind: Format, why: str, kinds: int) -> str:
        """A format in words, and where there are several, which files are in it."""
        said = f"{kind.describe()}; {why}"
        if kinds == 1:
            return said
        return f"{_listed([part.source.named for part in self._parts if part.kind is kind])}: {said}"

    @property
    def lines(self) -> int:
        """Lines without headers: lines = requests + bad."""
        return self.requests + self.bad

    @property
    def requests(self) -> int:
        """Of these, `outside` are not handed out."""
        return sum(part.notes.requests for part in self._parts) - self._stray

    @property
    def bad(self) -> int:
        return sum(part.notes.bad for part in self._parts) + self._stray

    @property
    def headers(self) -> int:
        """Lines that are meant to be no requests: headers, comments, other metrics."""
        return sum(part.notes.headers for part in self._parts)

    @property
    def bad_shown(self) -> list[str]:
        """The first bad lines, each with its number, cut and printable; and the first whose stamp is far off."""
        return [*self._parts[0].notes.bad_shown, *self._stray_shown]

    @property
    def went_back(self) -> int:
        """Requests whose stamp lies before that of an earlier line of their file."""
        return sum(part.notes.went_back for part in self._parts)

    @property
    def bytes_read(self) -> int:
        """Bytes of the files, as packed as they are."""
        return sum(part.bytes_read for part in self._parts)

    def batches(self) -> Iterator[Batch]:
        """The requests, once. Raises InputError where a file is damaged or there is no request at all."""
        if self._begun:
            raise RuntimeError("batches of a reading can be taken once")
        self._begun = True
        handed_out = 0
        first_ns: int | None = None
        for batch in self._whole():
            stay = None if self._window.is_told else self._strays.stay(batch.at_ns)
            if stay is not None:
                self._leave_out(batch.part(~stay), batch.part(stay))
                batch = batch.part(stay)
            if not self._window.is_everything and len(batch):
                first_ns = int(batch.at_ns[0]) if first_ns is None else first_ns
                inside = self._window.holds(batch.at_ns, first_ns)
                self.outside += int((~inside).sum())
                batch = batch.part(inside)
            if len(batch):
                handed_out += len(batch)
                yield batch
        if not self.requests:
            raise InputError(self._nothing())
        if not handed_out:
            raise InputError(
                f"--from, --to: must leave at least one request, got none of {self.outside}. Widen the window."
            )

    def _whole(self) -> Iterator[Batch]:
        """Batches of at least BATCH rows, where there are so many of one resolution."""
        waiting: list[Batch] = []
        count = 0
        for batch in self._pieces():
            if waiting and waiting[0].resolution_ns != batch.resolution_ns:
                yield joined(waiting)
                waiting, count = [], 0
            waiting.append(batch)
            count += len(batch)
            if count >= BATCH:
                yield joined(waiting)
                waiting, count = [], 0
        if waiting:
            yield joined(waiting)

    def _pieces(self) -> Iterator[Batch]:
        """What the files hold, lines numbered over all of them."""
        meter = _Meter([part.source for part in self._parts], self._progress)
        before, shifts, taken = dict.fromkeys(self._parts, 0), dict.fromkeys(self._parts, 0), 0
        for part, batch in interleaved(self._parts):
            if new := part.notes.taken - before[part]:
                shifts[part] = taken - before[part]
                taken += new
                before[part] += new
            meter.tell(self.bytes_read)
            if batch is not None and len(batch):
                batch.line = batch.line + shifts[part] if shifts[part] else batch.line
                yield batch

    def _leave_out(self, stray: Batch, others: Batch) -> None:
        """Note lines that are no requests, for their stamps are far from all the others."""
        self._stray += len(stray)
        if not self._stray_shown:
            days = abs(int(stray.at_ns[0]) - int(others.at_ns[0])) // (86_400 * NS)
            at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(stray.at_ns[0]) // NS)
            whose = f"line {stray.line[0]}" + " of all" * (len(self._parts) > 1)
            self._stray_shown.append(f"{whose}: stamped {at:%Y-%m-%dT%H:%M:%SZ}, {days:,} days from the others")

    def _nothing(self) -> str:
        name = _listed([part.source.named for part in self._parts])
        if not self.lines:
            return f"{name}: must have requests, got an empty log. Is it the right file?"
        lines = f"{self.lines} line{'s' * (self.lines > 1)}"
        kind, first = self._parts[0].kind, next(iter(first_lines(self._parts[0].source.head())), b"")
        why = kind.why_not(first) if isinstance(kind, LineFormat) and self._parts[0].source.can_be_reopened else ""
        if why:
            return f"{name}: must be in the format {self.format_name}, got {lines} of something else: line 1: {why}."
        return f"{name}: must be in the format {self.format_name}, got {lines} of something else: {self.bad_shown[0]}."


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + ", ..." * (len(names) > 3)


def _refuse_what_is_not_open(kinds: Sequence[Format], fields: Mapping[str, str], stamp: str | None) -> None:
    """What is said of formats that all leave it not open would change nothing."""
    names = ", ".join(dict.fromkeys(kind.name for kind in kinds))
    is_open = frozenset[str]().union(*(kind.leaves_open for kind in kinds))
    if fields and "fields" not in is_open:
        role, name = next(iter(fields.items()))
        raise InputError(
            f"--field: must come with a format that names its fields, got {shown(f'{role}={name}')} with {names}. "
            "Write the log's own format down in --format, e.g. nginx's log_format."
        )
    if stamp is not None and "stamp" not in is_open:
        raise InputError(
            f"--stamp: must come with a format that leaves open which end stamps are of, got {shown(stamp)} with "
            f"{names}. Remove it."
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
