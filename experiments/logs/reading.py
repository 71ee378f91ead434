"""Logs as one stream of requests, whatever their format.

Models   The format is told from the first lines of the first file, or stated. Several files are one log, in the order
         of their first requests. What is read is handed out in batches, so that memory does not grow with the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from experiments.errors import InputError, shown
from experiments.logs.batch import Batch, joined
from experiments.logs.detection import detected, stated
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
    progress: Progress | None = None,
) -> Reading:
    """Open logs (`-`: standard input) and tell their format; `Reading.batches` reads them. Raises InputError.

    `format`: the name of a format instead of what is detected. `fields`: which of the log's own fields is what.
    """
    if not names:
        raise InputError("logs: must be at least one file, got none. Name one, or - for standard input.")
    return Reading([Source(name) for name in names], format, fields or {}, progress)


class Reading:
    """Logs that are being read. The counts are whole once all batches have been taken."""

    def __init__(
        self, sources: Sequence[Source], format_name: str | None, fields: Mapping[str, str], progress: Progress | None
    ) -> None:
        self.names = Names()
        self._notes = Notes(self.names)
        self._sources = list(sources)
        self._progress = progress
        self._begun = False
        self._done_bytes = 0
        first = self._sources[0]
        self._format: Format
        if format_name is None:
            self._format, why = detected(first, fields)
        else:
            self._format, why = stated(format_name, first, fields)
        self.format = f"{self._format.describe()}; {why}"
        """The format in words, and how it was told."""

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
        for source in self._sources:
            self._notes.offset = self._notes.taken
            self._notes.place = f"{source.name} " if len(self._sources) > 1 else ""
            before = self._done_bytes
            for batch in self._format.read(source, self._notes):
                self._done_bytes = before + source.consumed
                yield batch
            self._done_bytes = before + source.consumed
            source.close()

    def _nothing(self) -> str:
        name = " ".join(
            "standard input" if source.name == "-" else shown(source.name)[1:-1] for source in self._sources
        )
        if not self.lines:
            return f"{name}: must have requests, got an empty log. Is it the right file?"
        lines = f"{self.lines} line{'s' * (self.lines > 1)}"
        return f"{name}: must be {self._format.describe()}, got {lines} of something else: {self.bad_shown[0]}."
