"""What Windtunnel itself writes: rows of single requests (`run --requests`) and traces.

Models   Seconds from the begin of the run, taken as seconds since 1970. A request's endpoint is its target, without a
         method. Replications are alternatives of each other: the first one is read, the others count with the headers.
Source   experiments/rows.py and experiments/trace.py; docs/rows.md.
Omits    Where the time of a request went, and how it ended, beyond its status.
Checked  tests/unit/test_log_formats.py
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from experiments.logs.fields import Use
from experiments.logs.guessing import Guess
from experiments.logs.table import CsvTable, fixed, header_of, row_of

NAME: Final = "windtunnel"
REPLICATION: Final = "replication"
_USES: Final = {
    "t_s": Use("time", "s"), "endpoint": Use("name"), "user": Use("user"), "ip": Use("ip"), "status": Use("status"),
    "latency_s": Use("response", "s"), "cache": Use("cache"),
}  # fmt: skip


def is_header(header: Sequence[str]) -> bool:
    """Whether these are the columns of rows or of a trace."""
    return "t_s" in header and (header[0] in ("t_s", REPLICATION))


def guess_of(header: Sequence[str]) -> Guess:
    return fixed(_USES, list(header), at_end=False)


def from_lines(lines: Sequence[bytes]) -> CsvTable | None:
    """The table that begins with these lines, where it is ours."""
    found = header_of(lines)
    if found is None or not is_header([name.strip() for name in found[0]]):
        return None
    header, separator = found
    wanted = None
    if REPLICATION in header:
        place = header.index(REPLICATION)
        rows = (row for line in lines if (row := row_of(line, separator)) is not None)
        wanted = {place: _Same(next((row[place] for row in rows if len(row) == len(header) and row != header), ""))}
    table = CsvTable("Windtunnel's own rows in CSV", header, separator, guess_of(header), wanted)
    table.name = NAME
    table.is_dated = False
    return table


class _Same:
    """Whether a replication is the first one."""

    def __init__(self, first: str) -> None:
        self._first = first

    def __call__(self, replication: str) -> bool:
        self._first = self._first or replication
        return replication == self._first
