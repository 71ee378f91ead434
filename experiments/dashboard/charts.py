"""What the page shows as plots. Colours are set by hand, to read on light and dark grounds alike."""

from __future__ import annotations

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from experiments.dashboard.bars import NOW, WAS
from experiments.dashboard.running import Finding
from experiments.dashboard.texts import Words

GRID = "rgba(128, 140, 160, 0.22)"
TROUBLE = "rgba(229, 72, 77, 0.13)"
HEIGHT = 430


def over_time(baseline: Finding, what_if: Finding | None, words: Words) -> go.Figure:
    """p50 (dotted) and p95 (solid) by time of the run; below them goodput."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.62, 0.38], vertical_spacing=0.06)
    sides = [(baseline, "baseline", WAS)] + ([(what_if, "what_if", NOW)] if what_if is not None else [])
    for finding, side, colour in sides:
        _lines(figure, finding, words(side), colour, words)
    if baseline.warm_up_s:
        figure.add_vrect(x0=0, x1=baseline.warm_up_s / 60, fillcolor=GRID, line_width=0, layer="below")
    for name, begins_s, ends_s in troubles(*(finding for finding, _, _ in sides)):
        figure.add_vrect(x0=begins_s / 60, x1=ends_s / 60, fillcolor=TROUBLE, line_width=0, layer="below")
        figure.add_annotation(
            text=name, x=begins_s / 60, y=1, xref="x", yref="y domain", xanchor="left", yanchor="bottom",
            showarrow=False, font={"size": 11, "color": "#e5484d"},
        )  # fmt: skip
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 8, "r": 8, "t": 56, "b": 8},
        hovermode="x unified",
        legend={"orientation": "h", "x": 0, "y": 1.07, "yanchor": "bottom"},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    figure.update_xaxes(gridcolor="rgba(0,0,0,0)")
    figure.update_xaxes(title={"text": "min" if words.language == "en" else "분"}, row=2, col=1)
    figure.update_yaxes(gridcolor=GRID, rangemode="tozero")
    figure.update_yaxes(title={"text": "ms"}, row=1, col=1)
    figure.update_yaxes(title={"text": f"{words('goodput')} /s"}, row=2, col=1)
    return figure


def _lines(figure: go.Figure, finding: Finding, side: str, colour: str, words: Words) -> None:
    line = finding.timeline
    minutes = [(start + line.span_s / 2) / 60 for start in line.start_s]
    for name, values, dash in (("p95", line.p95_ms, "solid"), ("p50", line.p50_ms, "dot")):
        figure.add_scatter(
            x=minutes,
            y=values,
            name=f"{side} {name}",
            mode="lines",
            line={"color": colour, "width": 2.2 if name == "p95" else 1.6, "dash": dash},
            hovertemplate="%{y:.4g} ms",
            row=1,
            col=1,
        )
    figure.add_scatter(
        x=minutes,
        y=line.goodput_per_s,
        name=f"{side} {words('goodput')}",
        mode="lines",
        line={"color": colour, "width": 2.0},
        hovertemplate="%{y:.4g}/s",
        showlegend=False,
        row=2,
        col=1,
    )


def troubles(*findings: Finding) -> list[tuple[str, float, float]]:
    """When faults were on and surges went on: in the first replication where chance has a say."""
    found: dict[tuple[str, float, float], None] = {}
    for finding in findings:
        document = finding.document
        end_s = document["simulated_s"]
        for name, fault in document["faults"].items():
            for span in fault["spans"]:
                if span["replication"] == fault["spans"][0]["replication"]:
                    found[name, span["begins_s"], end_s if span["ends_s"] is None else span["ends_s"]] = None
        for name, begins_s, ends_s in finding.surges:
            found[name, begins_s, min(ends_s, end_s)] = None
    return [each for each in found if each[1] < each[2]]
