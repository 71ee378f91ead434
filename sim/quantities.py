"""Seconds, bytes and rates as people write them.

Models   `250ms`, `1m30s` (durations), `512M`, `4Gi` (sizes), `100/60s`, `700/s` (rates). What is written is converted
         once, exactly: the result is the float nearest to the decimal that was written. What `format_*` writes,
         `parse_*` reads back to the very same value.
Units    Durations in seconds, sizes in bytes. K, M, G, T are binary, as in Docker, and mean the same as Ki, Mi, Gi, Ti.
Source   Durations follow Go's time.ParseDuration, with days; sizes follow Docker's units.RAMInBytes, stricter.
Omits    Months, years, bits, and decimal sizes: `MB` is refused, because half the world reads it as binary.
Checked  tests/unit/test_quantities.py, tests/properties/test_quantities_properties.py
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final, NoReturn

_LONGEST_TEXT: Final = 80
"""Nobody writes more; a limit keeps hostile input from costing time."""

_NUMBER: Final = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
_SECONDS: Final = {
    "d": Fraction(86_400),
    "h": Fraction(3_600),
    "m": Fraction(60),
    "s": Fraction(1),
    "ms": Fraction(1, 10**3),
    "us": Fraction(1, 10**6),
    "ns": Fraction(1, 10**9),
}
_PART: Final = re.compile(rf"({_NUMBER}) ?(d|h|ms|m|s|us|ns)(?![A-Za-z]) *")
_BYTES: Final = {"B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE: Final = re.compile(rf"({_NUMBER}) ?(?:(B)|([KMGT])i?)")
_LARGEST_SIZE: Final = 2**63 - 1
_RATE: Final = re.compile(rf"({_NUMBER}) ?/ ?(.+)")
_DURATION_SPELLINGS: Final = {
    "sec": "s", "secs": "s", "second": "s", "seconds": "s", "S": "s", "min": "m", "mins": "m", "minute": "m",
    "minutes": "m", "M": "m", "hr": "h", "hrs": "h", "hour": "h", "hours": "h", "H": "h", "day": "d", "days": "d",
    "D": "d", "msec": "ms", "millis": "ms", "MS": "ms", "Ms": "ms", "usec": "us", "µs": "us", "μs": "us", "nanos": "ns",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RateValue:
    """`count` per `period_s` seconds. The two are kept apart: a limiter of 100/60s is not one of 5/3s."""

    count: float
    period_s: float

    @property
    def per_second(self) -> float:
        return self.count / self.period_s


def parse_duration(value: object) -> float:
    """Seconds of a duration such as `250ms`, `3s`, `1m30s`. Units d h m s ms us ns, the larger first.

    A bare number is refused, but 0. Raises ValueError.
    """
    if _is_number(value):
        if value == 0:
            return 0.0
        _refuse_duration(value, f"Write {_plain(value)}s for seconds." if _is_countable(value) else _DURATION_STEP)
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        _refuse_duration(value, _DURATION_STEP)
    text = value.strip(" ")
    if text == "0":
        return 0.0
    total, smallest, position = Fraction(0), Fraction(10**9), 0
    while position < len(text) or not text:
        part = _PART.match(text, position)
        if part is None:
            _refuse_duration(value, _duration_hint(text))
        scale = _SECONDS[part[2]]
        if scale >= smallest:
            _refuse_duration(value, "Write each unit once, the larger first: 1m30s.")
        total += Fraction(part[1]) * scale
        smallest, position = scale, part.end()
    try:
        return float(total)
    except OverflowError:
        _refuse_duration(value, "Write a shorter one.")


def format_duration(seconds: float) -> str:
    """The shortest common way to write `seconds` that `parse_duration` reads back to the same float."""
    if not 0 <= seconds < math.inf:
        raise ValueError(f"must be a duration of 0 s or more to be written, got {seconds!r}")
    if seconds == 0:
        return "0s"
    written = Decimal(repr(float(seconds)))
    for unit in ("d", "h", "m"):
        if seconds % float(_SECONDS[unit]) == 0 and seconds < 1e15:
            return f"{int(seconds / float(_SECONDS[unit]))}{unit}"
    for unit, power in (("s", 0), ("ms", 3), ("us", 6)):
        if written.adjusted() >= -power:
            return f"{_decimal_text(written.scaleb(power))}{unit}"
    return f"{_decimal_text(written.scaleb(9))}ns"


def parse_size(value: object) -> int:
    """Bytes of a size such as `512M`, `1.5Gi`, `100B`. A bare number is refused, but 0. Raises ValueError."""
    if _is_number(value):
        if value == 0:
            return 0
        _refuse_size(value, f"Write {_plain(value)}B for bytes." if _is_countable(value) else _SIZE_STEP)
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        _refuse_size(value, _SIZE_STEP)
    text = value.strip(" ")
    if text == "0":
        return 0
    match = _SIZE.fullmatch(text)
    if match is None:
        _refuse_size(value, _size_hint(text))
    size = Fraction(match[1]) * _BYTES[match[2] or match[3]]
    if size.denominator != 1:
        _refuse_size(value, "Write a whole number of bytes.")
    if size > _LARGEST_SIZE:
        _refuse_size(value, "Write a smaller one.")
    return int(size)


def format_size(size_bytes: int) -> str:
    """The size in the largest unit that divides it: 536870912 is `512M`."""
    if size_bytes < 0:
        raise ValueError(f"must be a size of 0 bytes or more to be written, got {size_bytes!r}")
    for unit in ("T", "G", "M", "K"):
        if size_bytes and size_bytes % _BYTES[unit] == 0:
            return f"{size_bytes // _BYTES[unit]}{unit}"
    return f"{size_bytes}B"


def parse_rate(value: object) -> RateValue:
    """A rate such as `100/60s`, `700/s`, `5/m`. A bare number is refused, but 0. Raises ValueError."""
    if isinstance(value, RateValue):
        return value
    if _is_number(value):
        if value == 0:
            return RateValue(0.0, 1.0)
        _refuse_rate(value, f"Write {_plain(value)}/s for a rate per second." if _is_countable(value) else _RATE_STEP)
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        _refuse_rate(value, _RATE_STEP)
    match = _RATE.fullmatch(value.strip(" "))
    if match is None:
        _refuse_rate(value, _RATE_STEP)
    period = match[2] if match[2][0] in "0123456789." else f"1{match[2]}"
    try:
        count, period_s = float(Fraction(match[1])), parse_duration(period)
    except (ValueError, OverflowError):
        _refuse_rate(value, _RATE_STEP)
    if period_s == 0 or not math.isfinite(count / period_s):
        _refuse_rate(value, "Write a longer period.")
    return RateValue(count, period_s)


def format_rate(rate: RateValue) -> str:
    """The rate as count/period: `100/m`, `700/s`, `1/250ms`."""
    period = format_duration(rate.period_s)
    if re.fullmatch("1[a-z]+", period):
        period = period[1:]
    return f"{_decimal_text(Decimal(repr(float(rate.count))))}/{period}"


_DURATION_STEP: Final = "Write a number and a unit (ns, us, ms, s, m, h, d)."
_SIZE_STEP: Final = "Write a number and a unit (B, K, M, G, T; binary)."
_RATE_STEP: Final = "Write a count, a slash and a period: 100/60s."


def _refuse_duration(value: object, step: str) -> NoReturn:
    raise ValueError(f"must be a duration with a unit such as 250ms, 3s or 5m, got {_shown(value)}. {step}")


def _refuse_size(value: object, step: str) -> NoReturn:
    raise ValueError(f"must be a size with a binary unit such as 512M or 4G, got {_shown(value)}. {step}")


def _refuse_rate(value: object, step: str) -> NoReturn:
    raise ValueError(f"must be a rate such as 100/60s or 700/s, got {_shown(value)}. {step}")


def _duration_hint(text: str) -> str:
    match = re.fullmatch(rf"({_NUMBER}) ?([^0-9.,+\-]*)", text)
    if match is None:
        return _DURATION_STEP
    if not match[2]:
        return f"Write {match[1]}s for seconds."
    unit = _DURATION_SPELLINGS.get(match[2], match[2] if match[2] in _SECONDS else "")
    return f"Write {match[1]}{unit}." if unit else _DURATION_STEP


def _size_hint(text: str) -> str:
    match = re.fullmatch(rf"({_NUMBER}) ?([A-Za-z]*)", text)
    if match is None:
        return _SIZE_STEP
    number, unit = match[1], match[2]
    if not unit:
        return f"Write {number}B for bytes."
    if unit[0].upper() in "KMGT" and unit[1:] in ("", "i", "b", "B", "ib", "iB"):
        return f"Write {number}{unit[0].upper()}, which is binary, as in Docker."
    return _SIZE_STEP


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_countable(value: object) -> bool:
    """Whether it makes sense to repeat the number in advice."""
    return isinstance(value, int | float) and 0 < value < 1e15


def _plain(value: object) -> str:
    return _decimal_text(Decimal(str(value)))


def _shown(value: object) -> str:
    """The value as the user would recognise it, cut to one line."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 256:
        return "a very large number"
    if value is None:
        return "null"
    text = str(value) if isinstance(value, str | int | float) else f"a {type(value).__name__}"
    if not text.isprintable() or not text.strip():
        text = repr(text)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _decimal_text(number: Decimal) -> str:
    """Without a trailing `.0`, with an exponent only where the number would be very long."""
    number = number.normalize()
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    short = exponent >= -15 and len(digits) + exponent <= 18
    return format(number, "f") if short else str(number).replace("E+", "e").replace("E", "e")
