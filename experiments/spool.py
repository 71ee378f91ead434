"""Requests on disk: written as they are read, put in order in blocks, and handed to the simulation block by block.

Models   Rows are numpy records. Runs of RUN rows are sorted in memory and written; runs are then merged, each through
         a buffer, so that memory does not depend on how many rows there are. Rows of equal time keep the order in
         which they were added. Files are temporary and go with their owner, also after Ctrl-C; another process is
         handed their path.
Omits    mmap: its pages would count as memory of the process.
Checked  tests/unit/test_spool.py, tests/properties/test_replay.py, tests/e2e/test_replay_memory.py
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt

from experiments.errors import InputError
from experiments.trace import BLOCK, Trace

Rows = npt.NDArray[Any]
"""Records with named fields."""

RUN: Final = 1 << 17
_BUFFERED: Final = 1 << 18
_LEAST, _MOST = 256, 1 << 14
SMALL: Final = 1 << 14
"""Requests of a trace that may as well be handed over as they are."""


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder that goes with its owner. Raises InputError where there is no place for one."""
    try:
        return tempfile.TemporaryDirectory(prefix="windtunnel-")
    except OSError as error:
        raise _no_room(error) from None


def _no_room(error: OSError) -> InputError:
    reason = (error.strerror or str(error)).lower()
    return InputError(
        f"{tempfile.gettempdir()}: must have room for the requests of a trace, got: {reason}. "
        "Name another folder in the environment variable TMPDIR."
    )


class Table:
    """A file of rows of one kind: written once, from begin to end, then read in blocks."""

    def __init__(self, path: Path, kind: np.dtype[Any]) -> None:
        self.path = path
        self.kind = kind
        self.rows = 0
        self._file: IO[bytes] | None = None

    def add(self, rows: Rows) -> None:
        try:
            if self._file is None:
                self._file = self.path.open("wb")
            self._file.write(np.ascontiguousarray(rows, self.kind).tobytes())
        except OSError as error:
            raise _no_room(error) from None
        self.rows += len(rows)

    def close(self) -> None:
        """All rows have been added."""
        try:
            (self._file or self.path.open("wb")).close()
        except OSError as error:
            raise _no_room(error) if error.errno == errno.ENOSPC else error from None
        self._file = None

    def part(self, first: int, count: int) -> Rows:
        """Some rows, read from the file."""
        return np.fromfile(self.path, self.kind, count, offset=first * self.kind.itemsize)

    def blocks(self, size: int = BLOCK) -> Iterator[Rows]:
        for first in range(0, self.rows, size):
            yield self.part(first, min(size, self.rows - first))


class Sorter:
    """Puts rows in the order of one of their fields, whatever their number."""

    def __init__(self, path: Path, kind: np.dtype[Any], by: str, run: int = RUN) -> None:
        self._table = Table(path, kind)
        self._by = by
        self._run = run
        self._waiting: list[Rows] = []
        self._count = 0
        self._runs: list[_Run] = []

    @property
    def rows(self) -> int:
        return self._table.rows + self._count

    def add(self, rows: Rows) -> None:
        while len(rows):
            part, rows = rows[: self._run - self._count], rows[self._run - self._count :]
            self._waiting.append(part)
            self._count += len(part)
            if self._count == self._run:
                self._write_run()

    def _write_run(self) -> None:
        rows = np.concatenate(self._waiting)
        self._waiting, self._count = [], 0
        rows = rows[np.argsort(rows[self._by], kind="stable")]
        self._runs.append(_Run(self._table, self._by, len(self._runs), len(rows), rows[self._by][0]))
        self._table.add(rows)

    def in_order(self) -> Iterator[Rows]:
        """All rows, block by block. Nothing can be added any more, and the file is gone at the end."""
        if self._count:
            self._write_run()
        self._table.close()
        size = min(_MOST, max(_LEAST, _BUFFERED // max(1, len(self._runs))))
        yield from _merged(self._runs, self._by, size)
        self._table.path.unlink()


class _Run:
    """A part of a table that is in order, and a buffer of what comes next in it."""

    def __init__(self, table: Table, by: str, rank: int, count: int, first: Any) -> None:
        self._table = table
        self._by = by
        self.rank = rank
        self.first = first
        self._next = table.rows
        self._end = table.rows + count
        self._rows: Rows = np.empty(0, table.kind)

    @property
    def has_more(self) -> bool:
        """Whether there is something beyond the buffer."""
        return self._next < self._end

    @property
    def last(self) -> tuple[Any, int]:
        """Where the buffer ends: its last time, and the run."""
        return self._rows[self._by][-1], self.rank

    def fill(self, size: int) -> bool:
        """Have something in the buffer, if there is anything left."""
        if not len(self._rows) and self.has_more:
            self._rows = self._table.part(self._next, min(size, self._end - self._next))
            self._next += len(self._rows)
        return len(self._rows) > 0

    def take(self, limit: tuple[Any, int]) -> Rows:
        """The rows up to a time; of rows at that very time those of this run, if it comes first."""
        side: Any = "right" if self.rank <= limit[1] else "left"
        end = int(np.searchsorted(self._rows[self._by], limit[0], side))
        rows, self._rows = self._rows[:end], self._rows[end:]
        return rows


def _merged(runs: list[_Run], by: str, size: int) -> Iterator[Rows]:
    """The rows of runs in order. Only runs that overlap in time are in memory."""
    waiting = sorted(runs, key=lambda run: (run.first, run.rank), reverse=True)
    active: list[_Run] = []
    while waiting or active:
        if not active:
            active.append(waiting.pop())
            active[0].fill(size)
        while waiting and (waiting[-1].first, waiting[-1].rank) <= _limit(active):
            active.append(waiting.pop())
            active[-1].fill(size)
        limit = _limit(active)
        active.sort(key=lambda run: run.rank)
        rows = np.concatenate([run.take(limit) for run in active])
        yield rows[np.argsort(rows[by], kind="stable")]
        active = [run for run in active if run.fill(size)]


def _limit(active: list[_Run]) -> tuple[Any, int]:
    """Up to where all that comes is in the buffers."""
    return min((run.last for run in active if run.has_more), default=max(run.last for run in active))


class SpooledTrace:
    """A trace in a file."""

    def __init__(
        self, path: Path, kind: np.dtype[Any], rows: int, last_s: float,
        owner: tempfile.TemporaryDirectory[str] | None = None,
    ) -> None:  # fmt: skip
        """`kind`: records of the trace's columns. `owner`: the folder that is removed with the trace."""
        self._table = Table(path, kind)
        self._table.rows = rows
        self.last_s = last_s
        self._owner = owner

    def __len__(self) -> int:
        return self._table.rows

    def __reduce__(self) -> tuple[Any, ...]:
        return SpooledTrace, (self._table.path, self._table.kind, len(self), self.last_s)

    def blocks(self) -> Iterator[Trace]:
        """The requests, in memory a block at a time."""
        for rows in self._table.blocks():
            yield trace_of_rows(rows)

    def close(self) -> None:
        """Remove the file."""
        if self._owner is not None:
            self._owner.cleanup()


def trace_of_rows(rows: Rows) -> Trace:
    """A trace of records whose fields are columns; what is no column of its own is a step's demand."""
    columns = {name: np.ascontiguousarray(rows[name]) for name in rows.dtype.names or ()}
    known = {name: columns.pop(name) for name in ("t_s", "endpoint", "user", "ip", "key") if name in columns}
    return Trace(**known, demands=columns)


def portable(trace: Trace) -> Trace | SpooledTrace:
    """A trace that costs little to hand to other processes of this machine: a large one goes into a file."""
    if len(trace) <= SMALL:
        return trace
    columns = {name: getattr(trace, name) for name in ("t_s", "endpoint", "user", "ip", "key")}
    columns = {name: values for name, values in columns.items() if values is not None} | trace.demands
    kind = np.dtype([(name, values.dtype) for name, values in columns.items()])
    folder = temporary_folder()
    table = Table(Path(folder.name) / "trace", kind)
    for first in range(0, len(trace), BLOCK):
        rows = np.empty(min(BLOCK, len(trace) - first), kind)
        for name, values in columns.items():
            rows[name] = values[first : first + len(rows)]
        table.add(rows)
    table.close()
    return SpooledTrace(table.path, kind, table.rows, trace.last_s, folder)
