"""What the page shows as plots. Colours are set by hand, to read on light and dark grounds alike."""

from __future__ import annotations

import plotly.graph_objects as go

from experiments.dashboard.bars import NOW, WAS
from experiments.dashboard.running import Finding
from experiments.dashboard.texts import Words

GRID = "rgba(128, 140, 160, 0.22)"
HEIGHT = 300


def over_time(baseline: Finding, what_if: Finding | None, words: Words) -> go.Figure:
    """p50 (dotted) and p95 (solid) by time of the run."""
    figure = go.Figure()
    sides = [(baseline, "baseline", WAS)] + ([(what_if, "what_if", NOW)] if what_if is not None else [])
    for finding, side, colour in sides:
        line = finding.timeline
        minutes = [(start + line.span_s / 2) / 60 for start in line.start_s]
        for name, values, dash in (("p95", line.p95_ms, "solid"), ("p50", line.p50_ms, "dot")):
            figure.add_scatter(
                x=minutes,
                y=values,
                name=f"{words(side)} {name}",
                mode="lines",
                line={"color": colour, "width": 2.2 if name == "p95" else 1.6, "dash": dash},
                hovertemplate="%{y:.4g} ms",
            )
    if baseline.warm_up_s:
        figure.add_vrect(x0=0, x1=baseline.warm_up_s / 60, fillcolor=GRID, line_width=0, layer="below")
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 8, "r": 8, "t": 28, "b": 8},
        hovermode="x unified",
        legend={"orientation": "h", "x": 0, "y": 1.14, "yanchor": "top"},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        xaxis={"title": {"text": "min" if words.language == "en" else "분"}, "gridcolor": "rgba(0,0,0,0)"},
        yaxis={"title": {"text": "ms"}, "gridcolor": GRID, "rangemode": "tozero"},
    )
    return figure
