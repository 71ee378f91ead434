"""From the fields of a line to the columns of a batch: what each of them means, and in which unit.

Models   A format says for each of its fields which role it has (`Use`). Values come as they stand in the log: bytes,
         text or numbers. The same values come again and again, so that nearly all of them cost one look-up.
         A row is bad where its instant is none, or where the log tells targets and this one is none; what else cannot
         be read is unknown. Durations below zero are unknown: a clock was set while they were measured.
Source   nginx's ngx_http_upstream_module for lists of tries, `0.1, 0.2 : 0.3`, and the states of its cache.
Checked  tests/unit/test_log_parts.py
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from experiments.logs.array_values import LONGEST_S, told
from experiments.logs.batch import NS, Batch, Integers, batch_of
from experiments.logs.names import Names
from experiments.logs.notes import Notes
from experiments.logs.span_values import SpanValues
from experiments.logs.spans import Spans
from experiments.logs.stamps import NO_INSTANT, clf_ns, epoch_ns, iso_ns

Values = Sequence[Any] | npt.NDArray[Any] | Spans

ROLES: Final = (
    "time", "request", "method", "path", "name", "user", "ip", "status", "response", "upstream", "connect", "tries",
    "cache", "bytes",
)  # fmt: skip
UNITS: Final = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
STAMP_UNITS: Final = ("s", "ms", "us", "ns")

_CACHED: Final = 1 << 16
_DURATION: Final = re.compile(rb"[0-9]{1,18}(?:\.[0-9]{0,30})?(?:[eE][+-]?[0-9]{1,2})?")
_NEXT_TRY: Final = re.compile(rb" ?, ?| : ")
_HITS: Final = {b"HIT": 1, b"STALE": 1, b"UPDATING": 1, b"REVALIDATED": 1, b"MISS": 0, b"EXPIRED": 0}


@dataclass(frozen=True, slots=True)
class Use:
    """What a field is, and its unit: of durations and stamps s, ms, us or ns; stamps without one are recognised."""

    role: str
    unit: str = ""


class _Memo(dict[Any, Any]):
    """What a function made of values. Forgets all where it grows large."""

    def __init__(self, convert: Callable[[Any], Any]) -> None:
        super().__init__()
        self.convert = convert

    def __missing__(self, value: Any) -> Any:
        if len(self) >= _CACHED:
            self.clear()
        made = self[value] = self.convert(value)
        return made


class Fields:
    """Makes batches of columns of values."""

    def __init__(self, uses: Sequence[Use | None], at_end: bool) -> None:
        """`uses`: of each column, None for one that says nothing. `at_end`: stamps are of the end of a request."""
        self._uses = {use.role: (number, use) for number, use in enumerate(uses) if use is not None}
        self._at_end = at_end
        self._memos: dict[str, _Memo] = {}
        self._names: Names | None = None

    @property
    def roles(self) -> tuple[str, ...]:
        return tuple(role for role in ROLES if role in self._uses)

    @property
    def used(self) -> tuple[int, ...]:
        """Numbers of the columns that are needed; the others may be given empty."""
        return tuple(number for number, _ in self._uses.values())

    @property
    def has_target(self) -> bool:
        return bool({"request", "path", "name"} & self._uses.keys())

    def batch(self, notes: Notes, lines: Integers, columns: Sequence[Values]) -> tuple[Batch, Integers]:
        """The requests of rows, noted, and which rows are bad. `lines`: the number of each row's line."""
        self._begin(notes.names)
        count = len(lines)
        stamps = self._column("time", columns, count, np.int64)
        good = stamps != NO_INSTANT
        known: dict[str, Any] = {}
        if self.has_target:
            known["target"] = self._targets(columns, count)
            good &= known["target"] >= 0
        for role, name, kind in _PLAIN:
            if role in self._uses:
                known[name] = self._column(role, columns, count, kind)
        self._tell_tries(known, columns, count)
        arrived = stamps.copy()
        if self._at_end and "response_s" in known:
            arrived -= np.rint(np.nan_to_num(known["response_s"]) * NS).astype(np.int64)
        if good.all():
            notes.stamped(stamps)
            return batch_of(lines, arrived, **known), np.empty(0, np.int64)
        notes.stamped(stamps[good])
        batch = batch_of(lines[good], arrived[good], **{name: values[good] for name, values in known.items()})
        return batch, np.flatnonzero(~good)

    def stamps(self, columns: Sequence[Values], count: int) -> Integers:
        """The stamps of rows; NO_INSTANT where there is none."""
        return self._column("time", columns, count, np.int64)

    def _begin(self, names: Names) -> None:
        if names is not self._names:
            self._names = names
            self._memos["request"] = _Memo(lambda value: names.request(raw_of(value)))
            self._memos["user"] = _Memo(lambda value: names.users.index(raw_of(value)))
            self._memos["ip"] = _Memo(lambda value: names.ips.index(raw_of(value).partition(b",")[0].strip()))
            self._memos["target"] = _Memo(lambda pair: names.target(_method(pair[0]), raw_of(pair[1])))
            self._memos["name"] = _Memo(lambda value: _named(names, value))
            self._span_values = SpanValues(names)

    def _memo(self, role: str) -> _Memo:
        if role not in self._memos:
            unit = self._uses[role][1].unit
            self._memos[role] = _Memo(_CONVERTERS[role](unit))
        return self._memos[role]

    def _column(self, role: str, columns: Sequence[Values], count: int, kind: Any) -> npt.NDArray[Any]:
        number, use = self._uses[role]
        values = columns[number]
        if isinstance(values, Spans):
            unit = UNITS[use.unit if use.unit in UNITS else "s"]
            convert = self._memo(role).convert
            return np.asarray(self._span_values.column(role, use.unit, unit, values, convert, kind))
        if isinstance(values, np.ndarray):
            return self._of_array(role, use, values, kind)
        return np.fromiter(map(self._memo(role).__getitem__, values), kind, count)

    def _of_array(self, role: str, use: Use, values: npt.NDArray[Any], kind: Any) -> npt.NDArray[Any]:
        unit = UNITS[use.unit if use.unit in UNITS else "s"]
        made, good = told(role, use.unit, unit, values) or (np.empty(len(values), kind), np.zeros(len(values), bool))
        left = np.flatnonzero(~good)
        if len(left):
            distinct, inverse = np.unique(values[left], return_inverse=True)
            convert = self._memo(role).__getitem__
            each = np.fromiter(map(convert, distinct.tolist()), kind, len(distinct))
            made[left] = each[inverse.reshape(-1)]
        return made.astype(kind, copy=False)

    def _targets(self, columns: Sequence[Values], count: int) -> npt.NDArray[np.int32]:
        for role in ("request", "name"):
            if role in self._uses and not ("path" in self._uses and role == "name"):
                return self._column(role, columns, count, np.int32)
        paths: Iterable[Any] = columns[self._uses["path"][0]]
        methods = columns[self._uses["method"][0]] if "method" in self._uses else repeat(None, count)
        if isinstance(paths, Spans) and isinstance(methods, Spans | repeat):
            told = methods if isinstance(methods, Spans) else None
            return self._span_values.targets(told, paths, _method).astype(np.int32)
        pairs = zip(methods, paths, strict=True)
        return np.fromiter(map(self._memos["target"].__getitem__, pairs), np.int32, count)

    def _tell_tries(self, known: dict[str, Any], columns: Sequence[Values], count: int) -> None:
        """Times of servers are lists with one entry a try, which tells their number where nothing else does."""
        if "tries" in known or "upstream" not in self._uses:
            return
        values = columns[self._uses["upstream"][0]]
        if isinstance(values, Spans):
            known["tries"] = self._span_values.tries(values, tries_of).astype(np.int16)
        elif not isinstance(values, np.ndarray):
            memo = self._memos.setdefault("tries of upstream", _Memo(tries_of))
            known["tries"] = np.fromiter(map(memo.__getitem__, values), np.int16, count)


_PLAIN: Final = (
    ("user", "user", np.int64), ("ip", "ip", np.int64), ("status", "status", np.int16),
    ("response", "response_s", np.float64), ("upstream", "upstream_s", np.float64),
    ("connect", "connect_s", np.float64), ("tries", "tries", np.int16), ("cache", "cache", np.int8),
    ("bytes", "bytes", np.int64),
)  # fmt: skip


def raw_of(value: Any) -> bytes:
    """A value of a log as bytes; empty for none."""
    if isinstance(value, bytes):
        return value
    if value is None or isinstance(value, bool):
        return b""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)  # columns of whole numbers with gaps are floats in tables
    if isinstance(value, int) and value.bit_length() > 128:
        return b""
    return str(value).encode("utf-8", "backslashreplace")


def instant_of(value: Any, unit: str = "") -> int:
    """The instant that a value says; NO_INSTANT where it is none. Numbers without a unit are taken by their size."""
    raw = raw_of(value).strip()
    if unit:
        ns = epoch_ns(_plain(raw), unit)
    elif raw[:1].isdigit() and raw.replace(b".", b"", 1).isdigit():
        ns = epoch_ns(raw, _guessed(raw))
    elif raw[4:5] in (b"-", b"/"):
        ns = iso_ns(raw.replace(b"/", b"-"))
    else:
        ns = clf_ns(raw.removeprefix(b"[").removesuffix(b"]"))
    return NO_INSTANT if ns is None else ns


def _plain(raw: bytes) -> bytes:
    if b"e" not in raw.lower():
        return raw
    try:
        number = float(raw)
    except ValueError:
        return raw
    return b"%.9f" % number if 0 <= number < 1e19 else raw


def _guessed(raw: bytes) -> str:
    digits = len(raw.partition(b".")[0].lstrip(b"0"))
    return "s" if digits <= 11 else "ms" if digits <= 14 else "us" if digits <= 17 else "ns"


def seconds_of(value: Any, unit: str = "") -> float:
    """Seconds that a duration says; NaN where it is none."""
    raw = raw_of(value).strip()
    if _DURATION.fullmatch(raw) is None:
        return np.nan
    seconds = float(raw) * UNITS[unit or "s"]
    return seconds if seconds <= LONGEST_S else np.nan


def all_tries_of(value: Any, unit: str = "") -> float:
    """Seconds that a list of tries says, all together; NaN where none of them is a duration."""
    raw = raw_of(value).strip()
    if b"," not in raw and b" " not in raw:
        return seconds_of(raw, unit)
    total, is_known = 0.0, False
    for part in _NEXT_TRY.split(raw):
        seconds = seconds_of(part, unit)
        if seconds == seconds:
            total += seconds
            is_known = True
    return total if is_known else np.nan


def tries_of(value: Any) -> int:
    """The number of entries of a list of tries; 0 for none."""
    raw = raw_of(value).strip()
    if raw in (b"", b"-"):
        return 0
    return min(len(_NEXT_TRY.findall(raw)) + 1, 32_767)


def _counted(value: Any) -> int:
    raw = raw_of(value).strip()
    return min(int(raw), 32_767) if raw.isdigit() and len(raw) < 9 else 0


def _status(value: Any) -> int:
    raw = raw_of(value).strip()
    return int(raw) if len(raw) == 3 and raw.isdigit() else 0


def _size(value: Any) -> int:
    raw = raw_of(value).strip()
    return int(raw) if raw.isdigit() and len(raw) <= 18 else -1


def _cache(value: Any) -> int:
    return _HITS.get(raw_of(value).strip().upper(), -1)


def _method(value: Any) -> bytes:
    raw = raw_of(value).strip()
    return b"" if raw == b"-" else raw.upper()


def _named(names: Names, value: Any) -> int:
    text = raw_of(value).decode("utf-8", "backslashreplace").strip()
    return names.named(text) if text else -1


_CONVERTERS: Final[dict[str, Callable[[str], Callable[[Any], Any]]]] = {
    "time": lambda unit: lambda value: instant_of(value, unit),
    "status": lambda _: _status,
    "response": lambda unit: lambda value: seconds_of(value, unit),
    "upstream": lambda unit: lambda value: all_tries_of(value, unit),
    "connect": lambda unit: lambda value: all_tries_of(value, unit),
    "tries": lambda unit: _counted if unit == "number" else tries_of,
    "cache": lambda _: _cache,
    "bytes": lambda _: _size,
}
"""Users, addresses and targets have tables of their own."""


def resolution_of(stamps: Integers) -> int:
    """How exact stamps are, as far as some of them tell."""
    stamps = stamps[stamps != NO_INSTANT]
    if not len(stamps):
        return NS
    for resolution in (60 * NS, NS, NS // 1000, NS // 1_000_000, 100):
        if not (stamps % resolution).any() and (resolution <= NS or len(np.unique(stamps)) >= 5):
            return resolution
    return 1
