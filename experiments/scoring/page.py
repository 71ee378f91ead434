"""Predicted beside observed, as one HTML file with plots that needs no network."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from html import escape
from io import StringIO
from typing import Any, Final

import plotly.graph_objects as go
from plotly.subplots import make_subplots
from rich.console import Console

from experiments.report.cells import as_count, as_duration
from experiments.scoring.report import render
from experiments.traffic.page import CONFIG, GRID, STYLE

OBSERVED: Final = "#94a3b8"
SIMULATED: Final = "#2563eb"
MOST: Final = 12
"""Endpoints that get a plot: those with the most requests."""
ROWS: Final = (("per_s", "requests/s"), ("mean_s", "mean, ms"), ("p95_s", "p95, ms"))


def page(document: Mapping[str, Any]) -> str:
    """The page."""
    name = f"{document['scenario']} beside {document['log']}"
    count = document["endpoints"].get("all", {}).get("requests", 0)
    lines = [
        "<!doctype html>", '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(name)}</title><style>{STYLE}</style></head><body>", f"<h1>{escape(name)}</h1>",
        f"<p>{as_count(count)} answered requests in {as_duration(document['span_s'])}; "
        f"{document['replications']} replications of the simulation, seed {document['seed']}. Grey is observed, blue "
        "simulated.</p>", '<div class="plots">',
    ]  # fmt: skip
    series = document["series"]
    shown = sorted(series["endpoints"], key=lambda each: -document["endpoints"].get(each, {}).get("requests", 0))[:MOST]
    for number, each in enumerate(shown):
        kind = "wide" if number == 0 else "half"
        lines.append(f'<div class="{kind}"><h2>{escape(each)}</h2><p>{_said(document, each)}</p>')
        lines.append(_plot(series, each).to_html(full_html=False, include_plotlyjs=number == 0, config=CONFIG))
        lines.append("</div>")
    lines += ["</div>", f"<section><h2>In figures</h2><pre>{escape(_text(document))}</pre></section>", "</body></html>"]
    return "\n".join(lines)


def _said(document: Mapping[str, Any], name: str) -> str:
    figures = document["endpoints"].get(name, {})
    parts = [
        f"{label} {100 * figures[label]['error']:+.1f} %"
        for label in ("mean", "p50", "p95", "p99") if figures.get(label) and figures[label]["error"] is not None
    ]  # fmt: skip
    return "error of the simulation: " + ", ".join(parts) if parts else "too few requests to compare"


def _plot(series: Mapping[str, Any], name: str) -> go.Figure:
    figure = make_subplots(rows=len(ROWS), cols=1, shared_xaxes=True, vertical_spacing=0.05)
    began = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=series["begins_ns"] // 1000)
    both = series["endpoints"][name]
    bins = len(both["observed"]["per_s"])
    at = [began + timedelta(seconds=(place + 0.5) * series["bin_s"]) for place in range(bins)]
    for row, (key, label) in enumerate(ROWS, 1):
        factor = 1 if key == "per_s" else 1000
        for who, colour in (("observed", OBSERVED), ("simulated", SIMULATED)):
            values = [None if value is None else value * factor for value in both[who][key]]
            line = {"color": colour, "width": 1.5 if who == "simulated" else 3.2}
            figure.add_scatter(
                x=at,
                y=values,
                name=who,
                legendgroup=who,
                showlegend=row == 1,
                mode="lines",
                line=line,
                row=row,
                col=1,
                hovertemplate="%{y:.4g}<extra>" + who + "</extra>",
            )
        figure.update_yaxes(title_text=label, rangemode="tozero", gridcolor=GRID, zerolinecolor=GRID, row=row, col=1)
    figure.update_xaxes(gridcolor=GRID)
    figure.update_layout(
        height=520, margin={"l": 62, "r": 12, "t": 8, "b": 30}, paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)", hovermode="x unified",
        legend={"orientation": "h", "y": 1.06, "x": 1, "xanchor": "right"},
    )  # fmt: skip
    return figure


def _text(document: Mapping[str, Any]) -> str:
    out = StringIO()
    render(document, Console(file=out, width=132, highlight=False, emoji=False, color_system=None))
    return out.getvalue()
