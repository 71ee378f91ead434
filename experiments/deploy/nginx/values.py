"""Durations, sizes and rates as nginx writes them, and back into the way they were written.

Models   A time is a bare number of seconds or parts with units, the larger first (`1m 30s`, `500ms`); where it counts
         milliseconds nginx knows no months (`1M`) and years, where it counts seconds no milliseconds. A size has k or
         m, binary. What is written anew keeps the unit of what stood there, where it can.
Source   nginx 1.22, src/core/ngx_parse.c (ngx_parse_time, ngx_parse_size), ngx_http_limit_req_module.c
Checked  tests/unit/test_deploy_nginx_values.py
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from sim.quantities import format_duration, format_size, parse_duration, parse_rate, parse_size

_UNITS_MS = {
    "y": 31_536_000_000, "M": 2_592_000_000, "w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000,
    "ms": 1,
}  # fmt: skip
_PART = re.compile(r"([0-9]{1,15})(ms|[yMwdhms]?) *")
_SIZE = re.compile(r"([0-9]{1,15})([kKmM]?)")
_RATE = re.compile(r"([0-9]{1,9})(?:r/([sm]))?")
_BYTES = {"": 1, "k": 1 << 10, "m": 1 << 20}
LEAST_ZONE_BYTES = 8 * 4096


def milliseconds(text: str) -> int:
    """A time that nginx counts in milliseconds. Raises ValueError."""
    return _time(text, _UNITS_MS["w"])


def whole_seconds(text: str) -> str:
    """A time that nginx counts in seconds, in the scenario's words. Raises ValueError."""
    if "ms" in text:
        raise ValueError("must be whole seconds")
    return _in_scenario(text, _time(text, _UNITS_MS["y"]) / 1000)


def _time(text: str, largest_ms: int) -> int:
    total, at, smallest = 0, 0, largest_ms + 1
    while at < len(text) or not text:
        part = _PART.match(text, at)
        unit_ms = _UNITS_MS[part[2] or "s"] if part else 0
        if part is None or unit_ms >= smallest:
            raise ValueError("must be a time such as 30s, 500ms or 1m")
        total += int(part[1]) * unit_ms
        at, smallest = part.end(), unit_ms
    return total


def duration(text: str) -> str:
    """A time in the scenario's words, as it is written where those are the same. Raises ValueError."""
    return _in_scenario(text, milliseconds(text) / 1000)


def _in_scenario(text: str, duration_s: float) -> str:
    try:
        return text if not text.isdecimal() and parse_duration(text) == duration_s else format_duration(duration_s)
    except ValueError:
        return format_duration(duration_s)


def size(text: str) -> str:
    """The size of a zone in the scenario's words. Raises ValueError."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError("must be a size such as 10m or 512k")
    size_bytes = int(match[1]) * _BYTES[match[2].lower()]
    if size_bytes < LEAST_ZONE_BYTES:
        raise ValueError("must be at least 32k")
    return format_size(size_bytes)


def rate(text: str) -> str:
    """A rate in the scenario's words: 10r/s is 10/s, and so is a bare 10. Raises ValueError."""
    match = _RATE.fullmatch(text)
    if match is None or int(match[1]) < 1:
        raise ValueError("must be a rate such as 10r/s or 30r/m")
    return f"{int(match[1])}/{match[2] or 's'}"


def whole(text: str) -> int:
    """A count. Raises ValueError."""
    if not re.fullmatch("[0-9]{1,9}", text):
        raise ValueError("must be a whole number")
    return int(text)


def positive(text: str) -> int:
    """A count that must not be 0. Raises ValueError."""
    count = whole(text)
    if count < 1:
        raise ValueError("must be at least 1")
    return count


def write_duration(value: object, before: str, least_ms: int = 1) -> str:
    """A time of the scenario as nginx would read it, in the unit that stood there where that is exact."""
    exact_ms = Fraction(repr(parse_duration(value))) * 1000
    if exact_ms.denominator != 1 or exact_ms % least_ms:
        raise ValueError(f"nginx counts whole {'seconds' if least_ms == 1000 else 'milliseconds'} here")
    written = int(exact_ms)
    if before and written == _time(before, _UNITS_MS["y"]):
        return before
    unit = _last_unit(before)
    if written % _UNITS_MS[unit or "s"] == 0:
        return f"{written // _UNITS_MS[unit or 's']}{unit}"
    return f"{written // 1000}s" if written % 1000 == 0 else f"{written}ms"


def _last_unit(text: str) -> str:
    match = re.fullmatch(r".*?[0-9](ms|[yMwdhms]?) *", text)
    return match[1] if match else "s"


def write_size(value: object, before: str) -> str:
    """A size of the scenario in nginx's letters."""
    size_bytes = parse_size(value)
    if size_bytes < LEAST_ZONE_BYTES:
        raise ValueError("must be at least 32k, as nginx has it")
    if before and format_size(size_bytes) == size(before):
        return before
    for unit in ("m", "k", ""):
        if size_bytes % _BYTES[unit] == 0:
            return f"{size_bytes // _BYTES[unit]}{unit}"
    raise AssertionError("any size is a whole number of bytes")


def write_rate(value: object, before: str) -> str:
    """A rate of the scenario in nginx's letters: per second or per minute."""
    wanted = parse_rate(value)
    if before and wanted == parse_rate(rate(before)):
        return before
    for period_s, letter in ((1.0, "s"), (60.0, "m")):
        if wanted.period_s == period_s and wanted.count == int(wanted.count):
            return f"{int(wanted.count)}r/{letter}"
    count = Fraction(repr(wanted.count)) / Fraction(repr(wanted.period_s))
    for per, letter in ((1, "s"), (60, "m")):
        if (count * per).denominator == 1:
            return f"{int(count * per)}r/{letter}"
    raise ValueError("nginx counts whole requests per second or per minute")


def write_whole(value: object, before: str = "") -> str:
    """A count; as it stood there where it is the same."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("must be a whole number")
    return before if before and int(before) == value else str(value)


def whole_again(before: str) -> Callable[[object], str]:
    """How a count is written where one stands."""
    return lambda value: write_whole(value, before)


def write_positive(value: object, before: str = "") -> str:
    """A count that nginx refuses where it is 0."""
    text = write_whole(value, before)
    if int(text) < 1:
        raise ValueError("must be at least 1, as nginx has it: take it away instead")
    return text


def positive_again(before: str) -> Callable[[object], str]:
    """How a count is written where one stands that must not be 0."""
    return lambda value: write_positive(value, before)
