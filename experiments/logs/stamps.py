"""Instants as logs write them, in whole nanoseconds since 1970 (UTC); None where something is no instant.

Models   The stamp of the common log format, ISO 8601 (`T` or a space, a fraction after `.` or `,`, `Z`, an offset or
         none, which is UTC), and numbers of s, ms, us or ns since 1970. A leap second counts as the one before it.
Omits    Instants before 1900 and from 2200 on: more likely a broken clock than a log.
Checked  tests/unit/test_log_parts.py
"""

from __future__ import annotations

import calendar
import re
from typing import Final

from experiments.logs.batch import NS

_MONTHS: Final = {name.encode(): number for number, name in enumerate(calendar.month_abbr) if number}
FIRST_NS: Final = calendar.timegm((1900, 1, 1, 0, 0, 0)) * NS
LAST_NS: Final = calendar.timegm((2200, 1, 1, 0, 0, 0)) * NS

NO_INSTANT: Final = -(1 << 63)
"""Where something is no instant, in columns."""

CLF: Final = rb"[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-9]{2} [+-][0-9]{4}"
_CLF: Final = re.compile(CLF)
_ISO: Final = re.compile(
    rb"([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,12}))?)?"
    rb" ?(?:Z|UTC|([+-])([0-9]{2}):?([0-9]{2})?)?"
)
_NUMBER: Final = re.compile(rb"([0-9]{1,19})(?:\.([0-9]{1,40}))?")
_DIGITS_OF: Final = {"s": 9, "ms": 6, "us": 3, "ns": 0}


def clf_ns(stamp: bytes) -> int | None:
    """Of a stamp such as `25/Oct/2015:04:11:25 +0100`."""
    if _CLF.fullmatch(stamp) is None:
        return None
    sign = -1 if stamp[21:22] == b"-" else 1
    return _instant(
        (int(stamp[7:11]), _MONTHS.get(stamp[3:6], 0), int(stamp[0:2])),
        (int(stamp[12:14]), int(stamp[15:17]), int(stamp[18:20])),
        0, sign, int(stamp[22:24]), int(stamp[24:26]),
    )  # fmt: skip


def iso_ns(stamp: bytes) -> int | None:
    """Of a stamp such as `2023-11-16T18:15:46.680590+01:00`."""
    match = _ISO.fullmatch(stamp)
    if match is None:
        return None
    year, month, day, hour, minute = (int(match[number]) for number in range(1, 6))
    fraction = int((match[7] or b"0").ljust(9, b"0")[:9])
    offset_h, offset_m = int(match[9] or 0), int(match[10] or 0)
    sign = -1 if match[8] == b"-" else 1
    return _instant((year, month, day), (hour, minute, int(match[6] or 0)), fraction, sign, offset_h, offset_m)


def epoch_ns(stamp: bytes, unit: str = "s") -> int | None:
    """Of a number of `unit`s since 1970: `1445742685.123` seconds."""
    match = _NUMBER.fullmatch(stamp)
    if match is None:
        return None
    digits = _DIGITS_OF[unit]
    tenths = int((match[2] or b"").ljust(digits + 1, b"0")[: digits + 1])
    ns = int(match[1]) * 10**digits + (tenths + 5) // 10
    return ns if ns < LAST_NS else None


def _instant(
    date: tuple[int, int, int], time: tuple[int, int, int], fraction_ns: int, sign: int, offset_h: int, offset_m: int
) -> int | None:
    (year, month, day), (hour, minute, second) = date, time
    if not 1 <= month <= 12 or not year or not 1 <= day <= calendar.monthrange(year, month)[1]:
        return None
    if hour > 23 or minute > 59 or second > 60 or offset_h > 23 or offset_m > 59:
        return None
    if second == 60:
        second, fraction_ns = 59, 999_999_999 if fraction_ns else 0
    local_s = calendar.timegm((year, month, day, hour, minute, second))
    ns = (local_s - sign * (offset_h * 60 + offset_m) * 60) * NS + fraction_ns
    return ns if FIRST_NS <= ns < LAST_NS else None
