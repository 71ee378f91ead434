"""Predicted beside observed, as tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.text import Text

from experiments.report.cells import as_count, as_duration, as_percent
from experiments.report.layout import Indented, table_of
from experiments.scoring.errors import FIGURES

GOOD: Final = 0.1
BAD: Final = 0.25
EXPLAINED: Final = (
    "Observed | simulated, and the simulation's error. ~ what chance in the log alone could explain. Simulated figures "
    "are means over the replications; --json has all intervals."
)


def render(document: Mapping[str, Any], console: Console) -> None:
    """Print a score."""
    console.print(Group(*parts_of(document)), soft_wrap=False)


def parts_of(document: Mapping[str, Any]) -> list[RenderableType]:
    title = f"{document['scenario']} under the traffic of {document['log']}, {as_duration(document['span_s'])}"
    parts: list[RenderableType] = [Text(title, style="bold"), "", *errors_table(document["endpoints"])]
    seen, simulated = document["observed_failure_share"], document["simulated_failure_share"]
    if seen or simulated:
        parts.append(Text(f"  Without success: {as_percent(seen)} observed, {as_percent(simulated)} simulated."))
    return parts


def errors_table(endpoints: Mapping[str, Mapping[str, Any]]) -> list[RenderableType]:
    """One line an endpoint: each figure observed, simulated, and how far apart."""
    if not endpoints:
        return [Text("  Nothing to compare.")]
    headings = ["endpoint", "requests"]
    for name in FIGURES:
        headings += [f"{name} ms", "error"]
    rows = []
    for name, figures in endpoints.items():
        row: list[Any] = [name, as_count(figures["requests"])]
        for figure in FIGURES:
            row += _cells(figures.get(figure))
        rows.append(row)
    return [Indented(table_of(headings, rows)), Indented(Text(EXPLAINED, style="dim"))]


def _cells(figure: Mapping[str, Any] | None) -> list[Any]:
    if figure is None or figure["error"] is None:
        return ["", ""]
    error = as_error(figure["error"], figure["within_noise"])
    return [f"{as_ms(figure['observed_s'])} | {as_ms(figure['simulated_s'])}", error]


def as_ms(seconds: float) -> str:
    value = seconds * 1000
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def as_error(error: float, is_noise: bool) -> Text:
    """Rounded to whole percents above ten."""
    text = f"{100 * error:+.0f} %" if abs(error) >= 0.1 else f"{100 * error:+.1f} %"
    colour = "green" if abs(error) <= GOOD or is_noise else "yellow" if abs(error) <= BAD else "red"
    return Text(f"{text}{'~' if is_noise else ' '}", style=colour)
