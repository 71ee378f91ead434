"""Access logs in the common and the combined format, read as a stream.

Models   One request a line: address, user, second, method, target. Lines that are not one are counted, the first few
         are kept to be shown, and none of them stops the reading. gzip and bzip2 by suffix; `-` is standard input.
Units    Seconds since 1970 (UTC).
Source   Apache's mod_log_config (common, combined), nginx's ngx_http_log_module (combined); whatever follows the
         fields of a format is passed over.
Omits    Status, size and times of the answers: a replay asks, the model answers. Other formats.
Checked  tests/unit/test_access_log.py, tests/properties/test_access_log.py, tests/e2e/test_replay_cli.py
"""

from __future__ import annotations

import bz2
import calendar
import gzip
import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

import numpy as np
import numpy.typing as npt

from experiments.errors import InputError, shown

Integers = npt.NDArray[np.int64]

LONGEST_LINE: Final = 1 << 16
"""Bytes. Servers refuse requests whose head is longer than a few KiB; a longer line is not a request."""

SHOWN_BAD: Final = 3
_SHOWN_LENGTH: Final = 80

_LINE: Final = re.compile(
    rb'(\S+) \S+ (\S+|[^\["]+?) '  # address, identity, user
    rb"\[([0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-9]{2} [+-][0-9]{4})\] "
    rb'"([A-Z]{3,16}) ([^\s"\\]+(?:\\.[^\s"\\]*)*)(?: HTTP/[0-9.]{1,3})?" '
    rb"[0-9]{3} (?:[0-9]+|-)(?=\s|$)"
)
_MONTHS: Final = {name.encode(): number for number, name in enumerate(calendar.month_abbr) if number}
_CACHED: Final = 1 << 16


@dataclass
class AccessLog:
    """The requests of a log in the order of its lines. Arrays have one entry a request."""

    name: str
    second: Integers
    line: Integers
    """Line numbers from 1: what chance about a request is keyed by."""
    user: Integers
    ip: Integers
    target: Integers
    """Index into `targets`."""
    targets: list[tuple[str, str]]
    """Distinct (method, path); paths without scheme, host and query."""
    lines: int
    bad: int
    bad_shown: list[str] = field(default_factory=list)
    """The first bad lines, each with its number, cut and printable."""
    went_back: int = 0
    """Requests whose second lies before that of an earlier line."""

    def __len__(self) -> int:
        return len(self.second)


def read_access_log(name: str) -> AccessLog:
    """Read the log `name` (`-`: standard input). Raises InputError where it holds no request at all."""
    reader = _Reader(name)
    with _opened(name) as file:
        for number, line in _lines(file, name):
            reader.take(number, line)
    return reader.log()


class _Reader:
    """Takes lines one by one; names that come again cost a look-up."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rows: list[npt.NDArray[np.int64]] = []
        self._block: list[tuple[int, int, int, int, int]] = []
        self._seconds: dict[bytes, int | None] = {}
        self._users: dict[tuple[bool, bytes], int] = {}
        self._ips: dict[bytes, int] = {}
        self._targets: dict[tuple[str, str], int] = {}
        self._known_targets: dict[tuple[bytes, bytes], int] = {}
        self._lines = self._bad = self._went_back = 0
        self._bad_shown: list[str] = []
        self._latest: int | None = None

    def take(self, number: int, line: bytes | None) -> None:
        """One line; None for one that was too long to be kept."""
        self._lines = number
        match = None if line is None else _LINE.match(line)
        second = None if match is None else self._second(match[3])
        if match is None or second is None:
            self._reject(number, line)
            return
        address, user = match[1], match[2]
        if self._latest is not None and second < self._latest:
            self._went_back += 1
        else:
            self._latest = second
        who = (False, address) if user == b"-" else (True, user)
        self._block.append(
            (
                second,
                number,
                self._users.setdefault(who, len(self._users)),
                self._ips.setdefault(address, len(self._ips)),
                self._target(match[4], match[5]),
            )
        )
        if len(self._block) == _CACHED:
            self._pack()

    def _pack(self) -> None:
        self._rows.append(np.array(self._block, dtype=np.int64).reshape(-1, 5))
        self._block = []

    def _reject(self, number: int, line: bytes | None) -> None:
        self._bad += 1
        if len(self._bad_shown) < SHOWN_BAD:
            what = f"longer than {LONGEST_LINE} bytes" if line is None else _printable(line)
            self._bad_shown.append(f"line {number}: {what}")

    def _second(self, stamp: bytes) -> int | None:
        """Lines of one second stand together, so nearly every stamp has been seen."""
        if stamp not in self._seconds:
            if len(self._seconds) >= _CACHED:
                self._seconds.clear()
            self._seconds[stamp] = parse_stamp(stamp)
        return self._seconds[stamp]

    def _target(self, method: bytes, target: bytes) -> int:
        known = self._known_targets.get((method, target))
        if known is None:
            path = path_of(target.decode("utf-8", "backslashreplace"))
            known = self._targets.setdefault((method.decode(), path), len(self._targets))
            if len(self._known_targets) >= _CACHED:
                self._known_targets.clear()
            self._known_targets[method, target] = known
        return known

    def log(self) -> AccessLog:
        self._pack()
        rows = np.concatenate(self._rows)
        if not self._lines:
            raise InputError(f"{self._name}: must have requests, got an empty log. Is it the right file?")
        if not len(rows):
            raise InputError(
                f"{self._name}: must be an access log in common or combined format, got {self._lines} "
                f"line{'s' * (self._lines > 1)} of something else: {self._bad_shown[0]}."
            )
        second, line, user, ip, target = (np.ascontiguousarray(column) for column in rows.T)
        return AccessLog(
            self._name, second, line, user, ip, target, list(self._targets), self._lines, self._bad, self._bad_shown,
            self._went_back,
        )  # fmt: skip


def parse_stamp(stamp: bytes) -> int | None:
    """Seconds since 1970 of a stamp such as `25/Oct/2015:04:11:25 +0100`; None where it is no instant.

    A leap second counts as the second before it.
    """
    day, month, year = int(stamp[0:2]), _MONTHS.get(stamp[3:6]), int(stamp[7:11])
    hour, minute, second = int(stamp[12:14]), int(stamp[15:17]), int(stamp[18:20])
    offset_h, offset_m = int(stamp[22:24]), int(stamp[24:26])
    if month is None or not year or not 1 <= day <= calendar.monthrange(year, month)[1]:
        return None
    if hour > 23 or minute > 59 or second > 60 or offset_h > 23 or offset_m > 59:
        return None
    offset_s = (offset_h * 60 + offset_m) * 60
    local = calendar.timegm((year, month, day, hour, minute, min(second, 59)))
    return local - offset_s if stamp[21:22] == b"+" else local + offset_s


def path_of(target: str) -> str:
    """The path of a request's target: no scheme, no host, no query, no slash at the end."""
    scheme, mark, rest = target.partition("://")
    if mark and scheme.isalpha():
        target = "/" + rest.partition("/")[2]
    path = target.partition("?")[0].partition("#")[0]
    return path.rstrip("/") or "/"


def _printable(line: bytes) -> str:
    text = line.rstrip(b"\r\n")[: _SHOWN_LENGTH + 1].decode("utf-8", "backslashreplace")
    return shown(text, _SHOWN_LENGTH) if text else "empty"


@contextmanager
def _opened(name: str) -> Iterator[IO[bytes]]:
    if name == "-":
        yield sys.stdin.buffer
        return
    path = Path(name)
    try:
        if path.is_dir():
            raise InputError(f"{name}: must be an access log, got a folder. Name a file in it.")
        file: IO[bytes]
        if path.suffix == ".gz":
            file = gzip.open(path, "rb")  # type: ignore[assignment]  # noqa: SIM115
        elif path.suffix == ".bz2":
            file = bz2.open(path, "rb")  # noqa: SIM115
        else:
            file = path.open("rb")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{shown(name)}: must be a readable log, got: {reason.lower()}.") from None
    with file:
        yield file


def _lines(file: IO[bytes], name: str) -> Iterator[tuple[int, bytes | None]]:
    """Numbered lines. One that is too long is passed over without being held in memory, and given as None."""
    number = 0
    try:
        while line := file.readline(LONGEST_LINE):
            number += 1
            if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                    pass
                yield number, None
            else:
                yield number, line
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{name}: must be readable to its end, got: {_damage(error)}, after line {number}.") from None


def _damage(error: Exception) -> str:
    return "the compressed data ends early" if isinstance(error, EOFError) else str(error).lower()
