"""How numbers and names are written in the report."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group
from rich.text import Text

Document = Mapping[str, Any]


def as_lines(texts: Iterable[str]) -> Group:
    return Group(*(Text(text) for text in texts))


def as_few(value: float | None) -> str:
    """A count that is usually zero: then nothing."""
    return as_count(value) if value else ""


def as_place(path: str) -> str:
    """A path without what its place in the report tells: `place-service #2 threads`."""
    bare = re.sub(r"^(services|databases|caches)\.|\.breaker$", "", path)
    bare = re.sub(r"\.replica-(?=\d)", " #", bare).replace(".pools.", " pool ")
    return re.sub(r"\.endpoints\.|\.steps\.|\.(?=(threads|connections|command_thread)$)", " ", bare)


def as_words(name: str) -> str:
    return name.replace("_", " ")


def as_count(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def as_number(value: float | None) -> str:
    """Three significant digits, without an exponent."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}".rstrip("0").rstrip(".") or "0"


def as_percent(value: float | None) -> str:
    if value is None:
        return "-"
    percent = 100 * value
    if percent in (0, 100):
        return f"{percent:.0f} %"
    if 99.995 <= percent <= 100.005:
        return "100 %"
    if 0 < percent < 0.01:
        return "<0.01 %"
    return f"{percent:.2f} %" if percent > 99 or percent < 1 else f"{percent:.1f} %"


def as_bytes(value: float) -> str:
    return f"{value / 2**30:.2f} G" if value >= 2**30 else f"{value / 2**20:.0f} M"


def as_duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds >= 86_400:
        return f"{seconds / 86_400:.1f} days"
    if seconds >= 3600:
        return f"{seconds / 3600:.1f} h"
    if seconds >= 120:
        return f"{seconds / 60:.0f} min" if seconds % 60 == 0 else f"{seconds / 60:.1f} min"
    return f"{seconds:.0f} s" if seconds == int(seconds) else f"{seconds:.1f} s"


def writer_of(pointer: str) -> Any:
    """How figures under a pointer are written."""
    last = pointer.rsplit("/", 1)[-1]
    return as_percent if last.endswith(("rate", "ratio", "share", "utilisation")) else as_number


def as_interval(interval: Any, show: Any) -> Text:
    if interval is None:
        return Text("")
    low, high = interval
    if show is as_percent:  # an interval around a share may reach where no share can be
        low, high = max(0.0, low), min(1.0, high)
    return Text(f"[{show(low)}, {show(high)}]", style="dim")


def interval_after(document: Document, pointer: str, show: Any) -> str:
    interval = document["intervals"].get(pointer)
    return "" if interval is None else f" [{show(interval[0])}, {show(interval[1])}]"
