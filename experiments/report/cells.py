"""How numbers are written in the report, and the tables they stand in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

Document = Mapping[str, Any]


def new_table(*headings: str) -> Table:
    table = Table(box=None, show_header=bool(headings), pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number == 0 or heading in ("data class", "first") else "right")
    return table


def as_lines(texts: Iterable[str]) -> Group:
    return Group(*(Text(text) for text in texts))


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
    return Text("" if interval is None else f"[{show(interval[0])}, {show(interval[1])}]", style="dim")


def interval_after(document: Document, pointer: str, show: Any) -> str:
    interval = document["intervals"].get(pointer)
    return "" if interval is None else f" [{show(interval[0])}, {show(interval[1])}]"
