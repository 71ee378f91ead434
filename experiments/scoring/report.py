"""Predicted beside observed, as tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from experiments.report.cells import as_count, as_duration, as_percent
from experiments.report.layout import Indented, table_of
from experiments.scoring.errors import FIGURES
from experiments.traffic.report import upstream_table

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
    if document["upstream"]:
        said = "Observed behind the server that wrote the log, means in ms of the same requests:"
        parts += ["", Indented(Text(said)), Indented(upstream_table(list(document["upstream"].items())))]
    seen, simulated = document["observed_failure_share"], document["simulated_failure_share"]
    if seen or simulated:
        parts.append(Text(f"  Without success: {as_percent(seen)} observed, {as_percent(simulated)} simulated."))
    return parts


def errors_table(endpoints: Mapping[str, Mapping[str, Any]]) -> list[RenderableType]:
    """One line an endpoint: each figure observed, simulated, and how far apart."""
    if not endpoints:
        return [Text("  Nothing to compare.")]
    return [Indented(_Errors(endpoints)), Indented(Text(EXPLAINED, style="dim"))]


@dataclass(frozen=True)
class _Errors:
    """All figures side by side, or below each other where there is no room."""

    endpoints: Mapping[str, Mapping[str, Any]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        whole = self._table(FIGURES)
        if Measurement.get(console, options.update(max_width=1000), whole).maximum <= options.max_width:
            yield whole
        else:
            yield self._table(FIGURES[:2])
            yield self._table(FIGURES[2:])

    def _table(self, wanted: Sequence[str]) -> Table:
        headings = ["endpoint", "requests"]
        for name in wanted:
            headings += [f"{name} ms", "error"]
        rows = []
        for name, figures in self.endpoints.items():
            row: list[Any] = [name, as_count(figures["requests"])]
            for figure in wanted:
                row += _cells(figures.get(figure))
            rows.append(row)
        return table_of(headings, rows)


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
