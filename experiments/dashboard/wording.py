"""Numbers as people read them: three significant digits, units, no exponents."""

from __future__ import annotations

from collections.abc import Callable

Show = Callable[[float | None], str]

NOTHING = "–"


def number(value: float | None) -> str:
    """Three significant digits."""
    if value is None:
        return NOTHING
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    if size >= 1:
        return f"{value:.2f}"
    return f"{value:.3f}".rstrip("0").rstrip(".") if size >= 0.0005 else "0"


def percent(value: float | None) -> str:
    """A share as percent, with as many digits as tell it from none and from all."""
    if value is None:
        return NOTHING
    points = 100 * value
    if points in (0, 100):
        return f"{points:.0f} %"
    text = f"{points:.2f} %" if points > 99 or abs(points) < 1 else f"{points:.1f} %"
    return {"100.00 %": "100 %", "0.00 %": "0 %"}.get(text, text)


def points(value: float | None) -> str:
    """A difference of shares, in percentage points."""
    return NOTHING if value is None else number(100 * value)


def milliseconds(value: float | None) -> str:
    return NOTHING if value is None else f"{number(value)} ms"


def per_second(value: float | None) -> str:
    return NOTHING if value is None else f"{number(value)}/s"


def shown_as(pointer: str) -> Show:
    """How the figure at a JSON pointer is written."""
    last = pointer.rsplit("/", 1)[-1]
    if last.endswith(("rate", "ratio", "share", "utilisation")):
        return percent
    if "_ms/" in pointer or last.endswith("_ms"):
        return milliseconds
    return per_second if last.endswith("_per_s") else number
