"""What Spring makes of a text where it wants a duration, a number or a list, and back in the same spelling.

Models   Durations: `30s`, `PT30S`, a bare number of milliseconds.
         HikariCP's times and the gateway's connect-timeout are plain numbers of milliseconds: `30s` stops the start.
Source   Spring Boot 2.7, DurationStyle; Spring's StringToCollectionConverter
Checked  tests/unit/test_spring_text.py
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from sim.quantities import format_duration, parse_duration

_UNITS: Final = {
    "ns": Fraction(1, 10**9), "us": Fraction(1, 10**6), "ms": Fraction(1, 1000), "s": Fraction(1), "m": Fraction(60),
    "h": Fraction(3600), "d": Fraction(86_400),
}  # fmt: skip
_SIMPLE: Final = re.compile(r"([+-]?[0-9]{1,18})(ns|us|ms|s|m|h|d)?", re.IGNORECASE)
_ISO: Final = re.compile(
    r"([+-]?)P(?:([0-9]{1,9})D)?(?:T(?:([0-9]{1,9})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9})(\.[0-9]{0,9})?S)?)?",
    re.IGNORECASE,
)


def seconds(text: str) -> Fraction:
    """A duration; a number without a unit is in milliseconds. Raises ValueError."""
    simple = _SIMPLE.fullmatch(text.strip())
    if simple:
        return Fraction(simple[1]) * _UNITS[(simple[2] or "ms").lower()]
    iso = _ISO.fullmatch(text.strip())
    if iso is None or not any(iso.group(2, 3, 4, 5)):
        raise ValueError("must be a duration such as 30s, PT30S or 30000")
    total = Fraction(0)
    for part, unit in zip(iso.group(2, 3, 4, 5), (86_400, 3600, 60, 1), strict=True):
        total += Fraction(part or 0) * unit
    total += Fraction("0" + iso[6]) if iso[6] and len(iso[6]) > 1 else 0
    return -total if iso[1] == "-" else total


def duration(text: str) -> str:
    """A duration in the scenario's words. Raises ValueError."""
    exact = seconds(text)
    if exact < 0:
        raise ValueError("must not be negative")
    return in_scenario(text, float(exact))


def in_scenario(text: str, duration_s: float) -> str:
    """As it is written, where a scenario would read the same."""
    try:
        is_same = not text.strip().isdecimal() and parse_duration(text) == duration_s
        return text.strip() if is_same else format_duration(duration_s)
    except ValueError:
        return format_duration(duration_s)


def milliseconds_only(text: str) -> str:
    """A time that is a plain number of milliseconds, in the scenario's words. Raises ValueError."""
    if not re.fullmatch("[0-9]{1,15}", text.strip()):
        raise ValueError("must be a plain number of milliseconds: Spring cannot make it one, and would not start")
    return format_duration(int(text) / 1000)


def integer(text: str) -> int:
    """A whole number. Raises ValueError."""
    if not re.fullmatch("[+-]?[0-9]{1,15}", text.strip()):
        raise ValueError("must be a whole number")
    return int(text)


def number(text: str) -> float | int:
    """A number. Raises ValueError."""
    if not re.fullmatch(r"[+-]?([0-9]{1,15}(\.[0-9]{0,15})?|\.[0-9]{1,15})", text.strip()):
        raise ValueError("must be a number")
    value = float(text)
    return int(value) if value == int(value) else value


def truth(text: str) -> bool:
    """A yes or no, in Spring's spellings. Raises ValueError."""
    word = text.strip().lower()
    if word in ("true", "on", "yes", "1"):
        return True
    if word in ("false", "off", "no", "0"):
        return False
    raise ValueError("must be true or false")


def word(text: str) -> str:
    """A text as it is."""
    return text.strip()


def enum(text: str) -> str:
    """A constant, in the scenario's spelling: COUNT_BASED is count_based. Raises ValueError."""
    name = text.strip().lower().replace("-", "_")
    if not re.fullmatch("[a-z][a-z0-9_]{0,60}", name):
        raise ValueError("must be one word")
    return name


def listed(text: str) -> list[str]:
    """A comma-separated list."""
    return [part.strip() for part in text.split(",") if part.strip()]


def write_duration(value: object, before: str) -> str:
    """A duration of the scenario in the spelling that stood there: its unit, ISO 8601, or a bare number.

    Raises ValueError where the spelling cannot hold it.
    """
    exact = Fraction(repr(parse_duration(value)))
    if before and exact == seconds(before):
        return before
    simple = _SIMPLE.fullmatch(before.strip())
    if simple is None and _ISO.fullmatch(before.strip()):
        return f"PT{_decimal(exact)}S"
    if simple and not simple[2]:
        count = exact / _UNITS["ms"]
        if count.denominator != 1:
            raise ValueError("must be whole ms")
        return str(int(count))
    unit = simple[2] if simple else "s"
    for candidate in (unit, "s", "ms", "us", "ns"):
        count = exact / _UNITS[candidate.lower()]
        if count.denominator == 1:
            return f"{int(count)}{candidate}"
    raise ValueError("must be whole nanoseconds")


def _decimal(value: Fraction) -> str:
    whole, rest = divmod(value * 10**9, 10**9)
    if rest.denominator != 1:
        raise ValueError("must be whole nanoseconds")
    return f"{int(whole)}" + (f".{int(rest):09d}".rstrip("0") if rest else "")


def write_integer(value: object, _before: str = "") -> str:
    """A whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number")
    return str(value)


def write_number(value: object, _before: str = "") -> str:
    """A number, without an exponent."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    return f"{value:d}" if isinstance(value, int) else f"{value:.12f}".rstrip("0").rstrip(".")


def write_truth(value: object, before: str = "") -> str:
    """A yes or no in the spelling that stood there."""
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    for pair in (("true", "false"), ("on", "off"), ("yes", "no"), ("1", "0")):
        if before.strip().lower() in pair:
            return pair[not value]
    return "true" if value else "false"


def write_enum(value: object, before: str = "") -> str:
    """A constant in the case that stood there."""
    text = str(value)
    if before.isupper() or before == "":
        return text.upper()
    return text.replace("_", "-") if "-" in before else text.lower()
