"""The common and the combined log format of Apache and nginx.

Models   Address, user, whole second, method and target, status and size. Whatever follows these is passed over: referer
         and agent in the combined format, and what people add behind them.
Source   Apache's mod_log_config (common, combined), nginx's ngx_http_log_module (combined).
Omits    Which end of a request the second is: nginx stamps the end, Apache the begin, and no response time is told.
Checked  tests/unit/test_logs_combined.py, tests/properties/test_logs.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import numpy as np

from experiments.logs.batch import NS, Batch, batch_of
from experiments.logs.notes import Notes
from experiments.logs.source import Block, Source
from experiments.logs.stamps import CLF, clf_ns

_LINE: Final = re.compile(
    rb'(\S+) \S+ (\S+|[^\["]+?) '  # address, identity, user
    rb"\[(" + CLF + rb")\] "
    rb'"([A-Z]{3,16} [^\s"\\]+(?:\\.[^\s"\\]*)*(?: HTTP/[0-9.]{1,3})?)" '
    rb"([0-9]{3}) ([0-9]{1,18}|-)(?=\s|$)"
)
_CACHED: Final = 1 << 16


def detect(head: bytes) -> Combined | None:
    """This format, where at least half of the first lines are in it."""
    lines = head.split(b"\n")[:100]
    fitting = sum(_LINE.match(line) is not None for line in lines)
    return Combined() if fitting and 2 * fitting >= len(lines) - 1 else None


class Combined:
    """Reads lines in the common or the combined format."""

    name = "combined"
    resolution_ns = NS

    def __init__(self) -> None:
        self._stamps: dict[bytes, int | None] = {}

    def describe(self) -> str:
        return "combined or common log format (address, user, second, request, status, size)"

    def read(self, source: Source, notes: Notes) -> Iterator[Batch]:
        for block in source.blocks(notes.taken + 1):
            yield self._parsed(block, notes)

    def _parsed(self, block: Block, notes: Notes) -> Batch:
        names = notes.names
        rows = []
        for number, line in enumerate(block.lines()):
            match = _LINE.match(line)
            at_ns = None if match is None else self._stamp(match[3])
            if match is None or at_ns is None:
                notes.reject_line(block, number)
                continue
            address, user, _, request, status, size = match.groups()
            rows.append((
                block.first + number, at_ns, names.request(request), names.users.index(user), names.ips.index(address),
                int(status), -1 if size == b"-" else int(size),
            ))  # fmt: skip
        columns = np.array(rows, dtype=np.int64).reshape(-1, 7).T
        notes.stamped(columns[1])
        return batch_of(
            columns[0], columns[1], target=columns[2], user=columns[3], ip=columns[4], status=columns[5],
            bytes=columns[6],
        )  # fmt: skip

    def _stamp(self, stamp: bytes) -> int | None:
        """Lines of one second stand together, so nearly every stamp has been seen."""
        if stamp not in self._stamps:
            if len(self._stamps) >= _CACHED:
                self._stamps.clear()
            self._stamps[stamp] = clf_ns(stamp)
        return self._stamps[stamp]
