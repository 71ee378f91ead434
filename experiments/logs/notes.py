"""What is noted while a log is read: its names, its bad lines, and the order of its stamps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np

from experiments.errors import shown
from experiments.logs.batch import Batch, Integers
from experiments.logs.names import Names
from experiments.logs.source import LONGEST_LINE, Block, Source

SHOWN_BAD: Final = 3
_SHOWN_LENGTH: Final = 80


@dataclass(slots=True)
class Notes:
    """Counts of a file. Every line is a request, bad, or a header."""

    names: Names
    requests: int = 0
    bad: int = 0
    headers: int = 0
    """Lines that are meant to be no requests: headers, comments, other metrics."""
    went_back: int = 0
    """Requests whose stamp lies before that of an earlier line."""
    bad_shown: list[str] = field(default_factory=list)
    """The first bad lines, each with its number, cut and printable."""
    place: str = ""
    """Put before the number of a bad line: the file, where there are several."""
    _latest: int | None = None

    @property
    def taken(self) -> int:
        """All lines so far."""
        return self.requests + self.bad + self.headers

    def reject(self, line: int, raw: bytes | None) -> None:
        """A bad line; None for one that was too long to be kept."""
        what = f"longer than {LONGEST_LINE} bytes" if raw is None else printable(raw)
        self.reject_for(line, what)

    def reject_for(self, line: int, why: str) -> None:
        """A bad line, and in words what it is."""
        self.bad += 1
        if len(self.bad_shown) < SHOWN_BAD:
            self.bad_shown.append(f"{self.place}line {line}: {why}")

    def reject_lines(self, block: Block, numbers: Sequence[int]) -> None:
        """Lines of a block that are bad; their numbers are from 0 and rise."""
        room = max(0, SHOWN_BAD - len(self.bad_shown))
        for number in numbers[:room]:
            line = block.first + number
            self.reject(line, None if line in block.too_long else block.line(number))
        self.bad += len(numbers[room:])

    def stamped(self, stamps: Integers) -> None:
        """Requests in the order of their lines, with the instants that stand in them."""
        self.requests += len(stamps)
        if not len(stamps):
            return
        before = stamps[0] if self._latest is None else max(self._latest, stamps[0])
        latest = np.maximum.accumulate(np.concatenate(([before], stamps)))
        if self._latest is not None and stamps[0] < self._latest:
            self.went_back += 1
        self.went_back += int((stamps[1:] < latest[1:-1]).sum())
        self._latest = int(latest[-1])


class Format(Protocol):
    """One way to write requests down."""

    name: str
    """What `--format` says."""
    resolution_ns: int
    """How exact its stamps are."""

    is_dated: bool
    """Whether its stamps are of the calendar, not seconds from the begin of something."""

    leaves_open: frozenset[str]
    """What can be said about it: `fields` (which of its fields is what), `stamp` (which end stamps are of)."""

    def describe(self) -> str:
        """In words: the format, and what of it is used."""
        ...

    def fits(self, line: bytes) -> bool:
        """Whether a line, without its end, is in this format."""
        ...

    def read(self, source: Source, notes: Notes) -> Iterator[Batch]:
        """The requests of a file. Every line is noted."""
        ...


def listed(names: Iterable[str]) -> str:
    """Names of fields, as they can be shown."""
    return shown(", ".join(names), 200)[1:-1] or "none"


def printable(raw: bytes) -> str:
    """The begin of a line, as it can be shown."""
    text = raw.rstrip(b"\r\n")[: _SHOWN_LENGTH + 1].decode("utf-8", "backslashreplace")
    return shown(text, _SHOWN_LENGTH) if text else "empty"
