"""Durations as Prometheus writes them: 5m, 1h30m, 0."""

from __future__ import annotations

import re
from fractions import Fraction

_UNITS = {
    "y": Fraction(31_536_000), "w": Fraction(604_800), "d": Fraction(86_400), "h": Fraction(3600), "m": Fraction(60),
    "s": Fraction(1), "ms": Fraction(1, 1000),
}  # fmt: skip
_WHOLE = re.compile(r"(?:[0-9]{1,12}(?:ms|[ywdhms]))+|0")
_PART = re.compile(r"([0-9]+)(ms|[ywdhms])")


def seconds(text: str) -> Fraction:
    """A duration. Raises ValueError."""
    if not _WHOLE.fullmatch(text):
        raise ValueError("must be a duration such as 30s or 5m. Prometheus would not start")
    total = Fraction(0)
    for count, unit in _PART.findall(text):
        total += int(count) * _UNITS[unit]
    return total


def write_time(before: str, exact: Fraction) -> str:
    """A duration in the unit that stood there, if it is whole in it, else in the largest that it is whole in.

    Raises ValueError.
    """
    units = [unit for _, unit in _PART.findall(before)]
    for unit in (*(units[-1:] if len(units) == 1 else ()), "h", "m", "s", "ms"):
        count = exact / _UNITS[unit]
        if count.denominator == 1:
            return f"{count.numerator}{unit}"
    raise ValueError("must be whole milliseconds")
