"""The common and the combined log format of Apache and nginx.

Models   Address, user, whole second, method and target, status and size. Whatever follows these is passed over: referer
         and agent in the combined format, and what people add behind them.
Source   Apache's mod_log_config (common, combined), nginx's ngx_http_log_module (combined).
Omits    Which end of a request the second is: nginx stamps the end, Apache the begin, and no response time is told.
Checked  tests/unit/test_log_formats.py, tests/properties/test_logs_combined.py, tests/benchmarks/logs.py
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np

from experiments.logs.batch import NS, Batch, Integers, batch_of
from experiments.logs.lines import LineFormat
from experiments.logs.names import Names
from experiments.logs.notes import Notes
from experiments.logs.source import Block
from experiments.logs.splitting import Splitter
from experiments.logs.stamps import CLF, NO_INSTANT, clf_ns

NAME: Final = "combined"
LINE: Final = re.compile(
    rb'(\S+) \S+ (\S+|[^\["]+?) '  # address, identity, user
    rb"\[(" + CLF + rb")\] "
    rb'"([A-Z]{3,16} [^\s"\\]+(?:\\.[^\s"\\]*)*)(?: HTTP/[0-9.]{1,3})?" '
    rb"([0-9]{3}) ([0-9]{1,18}|-)(?=\s|$)"
)
_USUAL_REST: Final = re.compile(rb'(?: "(?:[^"\\]|\\.)*" "(?:[^"\\]|\\.)*")?\s*')
_CACHED: Final = 1 << 16


class Combined(LineFormat):
    """Reads lines in the common or the combined format."""

    name = NAME
    resolution_ns = NS

    def __init__(self) -> None:
        self._stamps: dict[bytes, int | None] = {}
        self._splitter = Splitter()
        self._has_more = False

    def describe(self) -> str:
        said = "common or combined log format: address, user, second, method and path, status, size"
        return said + ("; more stands behind these, which --format 'LOG_FORMAT' would use" if self._has_more else "")

    def look(self, lines: Sequence[bytes]) -> None:
        """Whether people have added something, such as response times. How exact stamps are is known."""
        matches = [(line, match) for line in lines if (match := LINE.match(line)) is not None]
        self._has_more = any(_USUAL_REST.fullmatch(line, match.end()) is None for line, match in matches)

    def instant(self, line: bytes) -> int:
        match = LINE.match(line)
        at_ns = None if match is None else clf_ns(match[3])
        return NO_INSTANT if at_ns is None else at_ns

    def parse(self, block: Block, notes: Notes) -> Iterator[Batch]:
        split = self._splitter.split(block, notes.names)
        columns = np.array([getattr(split, name) for name in type(split).__slots__], np.int64)
        if len(split.number) < len(block):
            is_left = np.ones(len(block), bool)
            is_left[split.number] = False
            rest, bad = self.strictly(block, np.flatnonzero(is_left).tolist(), notes.names)
            notes.reject_lines(block, bad)
            columns = np.concatenate((columns, rest), axis=1)
            columns = columns[:, np.argsort(columns[0], kind="stable")]
        number, at_ns, target, user, ip, status, size = columns
        notes.stamped(at_ns)
        yield batch_of(number + block.first, at_ns, target=target, user=user, ip=ip, status=status, bytes=size)

    def strictly(self, block: Block, numbers: Iterable[int], names: Names) -> tuple[Integers, list[int]]:
        """Lines of a block one by one: the rows of a `Split`, and the numbers of lines that are bad."""
        rows, bad = [], []
        for number in numbers:
            match = LINE.match(block.line(number))
            at_ns = None if match is None else self._stamp(match[3])
            if match is None or at_ns is None:
                bad.append(number)
                continue
            address, user, _, request, status, size = match.groups()
            rows.append((
                number, at_ns, names.request(request), names.users.index(user), names.ips.index(address), int(status),
                -1 if size == b"-" else int(size),
            ))  # fmt: skip
        return np.array(rows, np.int64).reshape(-1, 7).T, bad

    def _stamp(self, stamp: bytes) -> int | None:
        """Lines of one second stand together, so nearly every stamp has been seen."""
        if stamp not in self._stamps:
            if len(self._stamps) >= _CACHED:
                self._stamps.clear()
            self._stamps[stamp] = clf_ns(stamp)
        return self._stamps[stamp]
