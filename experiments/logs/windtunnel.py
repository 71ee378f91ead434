"""What Windtunnel itself writes: rows of single requests (`run --requests`) and traces.

Models   Seconds from the begin of the run, taken as seconds since 1970. A request's endpoint is its target, without a
         method. Replications are alternatives of each other: the first one is read, the others count with the headers.
Source   experiments/rows.py and experiments/trace.py; docs/rows.md.
Omits    Where the time of a request went, and how it ended, beyond its status.
Checked  tests/unit/test_log_formats.py
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from experiments.logs.fields import Use
from experiments.logs.guessing import Guess
from experiments.logs.table import CsvTable, Row, fixed, header_of

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
    wanted = _first_of(header.index(REPLICATION)) if REPLICATION in header else None
    table = CsvTable("Windtunnel's own rows in CSV", header, separator, guess_of(header), wanted)
    table.name = NAME
    table.is_dated = False
    return table


def _first_of(place: int) -> Callable[[Row], bool]:
    first: list[str] = []

    def is_first(row: Row) -> bool:
        if not first:
            first.append(row[place])
        return row[place] == first[0]

    return is_first
