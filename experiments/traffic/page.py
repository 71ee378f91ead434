"""What the load of a log is, as one HTML file with plots that needs no network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from html import escape
from io import StringIO
from typing import Any, Final

import plotly.graph_objects as go
from rich.console import Console

from experiments.report.cells import Document, as_count, as_duration, as_number, as_percent
from experiments.traffic.report import WEEKDAYS, as_window, render

LINE: Final = "#2563eb"
OTHER: Final = "#d97706"
SOFT: Final = "#94a3b8"
GRID: Final = "rgba(128, 140, 160, 0.22)"
SHOWN_ENDPOINTS: Final = 15
LONGEST_LABEL: Final = 44
LEAST_INDEX: Final = 0.01
"""Less is drawn as this, for a logarithm has no 0."""

STYLE: Final = """
body { font: 15px/1.5 system-ui, "Segoe UI", sans-serif; color: #1e293b; background: #fff; max-width: 1180px;
       margin: 0 auto; padding: 24px 20px 60px; }
h1 { font-size: 22px; margin: 0 0 4px; overflow-wrap: anywhere; } h2 { font-size: 16px; margin: 0 0 2px; }
p { margin: 0 0 6px; color: #64748b; } .plots { display: grid; grid-template-columns: 1fr 1fr; gap: 34px 28px;
margin-top: 26px; } .wide { grid-column: 1 / -1; } .plots > div { min-width: 0; }
section { margin-top: 34px; }
pre { font: 12.5px/1.3 ui-monospace, "DejaVu Sans Mono", monospace; background: #f8fafc; padding: 14px 16px;
      overflow-x: auto; border-radius: 6px; } @media (max-width: 860px) { .plots { display: block; } }
:root { color-scheme: light dark; }
@media (prefers-color-scheme: dark) { body { color: #e2e8f0; background: #0f172a; } p { color: #94a3b8; }
pre { background: #1e293b; } .plots .main-svg text { fill: #cbd5e1 !important; }
.plots .hoverlayer text { fill: #1e293b !important; } .plots .hoverlayer path, .plots .hoverlayer rect { fill: #e2e8f0
!important; } }
"""


def page(document: Document) -> str:
    """The page."""
    name = ", ".join("standard input" if each == "-" else each for each in document["logs"])
    lines = [
        "<!doctype html>", '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Traffic of {escape(name)}</title><style>{STYLE}</style></head><body>",
        f"<h1>{escape(name)}</h1>",
        f"<p>{as_count(document['requests'])} requests in {as_duration(document['span_s'])}, "
        f"from {document['begins']} to {document['ends']}</p>",
        '<div class="plots">',
    ]  # fmt: skip
    is_first = True
    for heading, note, figure, is_wide in figures(document):
        lines.append(f'<div class="{"wide" if is_wide else "half"}"><h2>{escape(heading)}</h2><p>{escape(note)}</p>')
        lines.append(figure.to_html(full_html=False, include_plotlyjs=is_first, config=CONFIG))
        lines.append("</div>")
        is_first = False
    lines += [
        "</div>",
        f"<section><h2>In figures</h2><pre>{escape(as_text(document))}</pre></section>",
        "</body></html>",
    ]
    return "\n".join(lines)


CONFIG: Final = {"displayModeBar": False, "responsive": True}
"""Without buttons, which would lie on the plot: dragging zooms in, a double click goes back."""


def as_text(document: Document) -> str:
    """The report without colours."""
    out = StringIO()
    render(document, Console(file=out, width=112, highlight=False, emoji=False, color_system=None))
    return out.getvalue()


def figures(document: Document) -> Iterator[tuple[str, str, go.Figure, bool]]:
    """Heading, note, plot, and whether it takes the whole width."""
    series, clock = document["rate"]["series"], document["rate"]["clock"]
    note = f"in bins of {as_window(series['width_s'])}; time is UTC"
    yield "Rate over time", note, over_time(series, covered(document)), True
    if document["rate"]["by_hour_of_week_per_s"]:
        yield "Rate by hour of the week", f"mean of whole hours, {clock}", by_week(document["rate"]), True
    elif document["rate"]["by_hour_per_s"]:
        yield "Rate by hour of the day", f"mean of whole hours, {clock}", by_day(document["rate"]), True
    if document["burstiness"]["dispersion"]:
        note = "index of dispersion of counts; grey: arrivals at random (95 %)"
        yield "Burstiness by length of window", note, dispersion(document["burstiness"]["dispersion"]), False
    if len(document["endpoints"]) > 1:
        yield "What is asked for", "share of the requests, in %", mix(document["endpoints"]), False
    if document["popularity"]:
        found = document["popularity"]
        law = f"exponent {as_number(found['exponent'])}, {found['fit']} fit"
        note = f"requests of each path by rank; line: Zipf's law, {law}"
        yield "Popularity of paths", note, popularity(found), False
    if document["sessions"] and document["sessions"]["think_s"]["count"]:
        note = "share of pauses that are no longer, within a session"
        yield "Think times", note, distribution(document["sessions"]["think_s"], 1.0, "s"), False
    if document["response_s"]:
        note = "share of requests that took no longer"
        yield "Response times", note, distribution(document["response_s"], 1000.0, "ms"), False


def laid_out(figure: go.Figure, height: int = 330) -> go.Figure:
    figure.update_layout(
        height=height, margin={"l": 12, "r": 12, "t": 12, "b": 12}, showlegend=False, hovermode="closest",
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", font={"size": 12, "color": "#475569"},
        bargap=0,
    )  # fmt: skip
    figure.update_xaxes(gridcolor=GRID, zeroline=False, automargin=True, linecolor=SOFT, ticks="outside")
    figure.update_yaxes(gridcolor=GRID, zeroline=False, automargin=True)
    return figure


def in_unit(per_s: Sequence[float | None]) -> tuple[list[float | None], str]:
    """Rates in the unit in which the highest is at least one, and its name."""
    most = max(value or 0.0 for value in per_s)
    count, unit = (1, "s") if most >= 1 else (60, "min") if most * 60 >= 1 else (3600, "h")
    return [None if value is None else value * count for value in per_s], unit


def covered(document: Document) -> tuple[float, float]:
    """The shares of the first and of the last bin of the rate over time that lie within the log."""
    series = document["rate"]["series"]
    first, begins, ends = (
        datetime.fromisoformat(text) for text in (series["begins"], document["begins"], document["ends"])
    )
    last = first + timedelta(seconds=(len(series["requests"]) - 1) * series["width_s"])
    resolution = timedelta(seconds=document["resolution_s"])
    shares = (1 - (begins - first).total_seconds() / series["width_s"],
              (ends + resolution - last).total_seconds() / series["width_s"])  # fmt: skip
    return min(1.0, shares[0]), min(1.0, shares[1])


def over_time(series: Mapping[str, Any], within: tuple[float, float] = (1.0, 1.0)) -> go.Figure:
    """`within`: the shares of the first and the last bin that count. Each is taken together with the bin beside it."""
    width_s, counts = series["width_s"], series["requests"]
    begins = series["begins"].removesuffix("Z")
    per_s = [count / width_s for count in counts]
    if len(counts) > 3:
        per_s[:2] = [(counts[0] + counts[1]) / (width_s * (within[0] + 1))] * 2
        per_s[-2:] = [(counts[-1] + counts[-2]) / (width_s * (within[1] + 1))] * 2
    rates, unit = in_unit(per_s)
    figure = go.Figure(
        go.Scatter(
            x0=begins, dx=width_s * 1000, y=[*rates, rates[-1]], mode="lines", fill="tozeroy",
            line={"color": LINE, "width": 1.2, "shape": "hv"}, fillcolor="rgba(37, 99, 235, 0.16)",
            hovertemplate="%{x|%Y-%m-%d %H:%M:%S}<br>%{y:.4g}/UNIT<extra></extra>".replace("UNIT", unit),
        )
    )  # fmt: skip
    figure.update_xaxes(type="date", showgrid=False)
    figure.update_yaxes(rangemode="tozero", title={"text": f"requests /{unit}"}, exponentformat="none")
    return laid_out(figure)


def by_day(found: Mapping[str, Any]) -> go.Figure:
    values, unit = in_unit(found["by_hour_per_s"])
    said = "%{x}:00<br>%{y:.4g}/UNIT<extra></extra>".replace("UNIT", unit)
    figure = go.Figure(go.Bar(x=list(range(24)), y=values, marker={"color": LINE}, hovertemplate=said))
    figure.update_xaxes(dtick=3, title={"text": "hour"}, showgrid=False)
    figure.update_yaxes(rangemode="tozero", title={"text": f"requests /{unit}"}, exponentformat="none")
    return laid_out(figure, 260).update_layout(bargap=0.15)


def by_week(found: Mapping[str, Any]) -> go.Figure:
    week, unit = in_unit(found["by_hour_of_week_per_s"])
    rows = [week[24 * day : 24 * day + 24] for day in range(7)]
    figure = go.Figure(
        go.Heatmap(
            z=rows, x=list(range(24)), y=list(WEEKDAYS), colorscale=[[0, "#eff6ff"], [0.5, "#60a5fa"], [1, "#1e3a8a"]],
            xgap=1, ygap=1, hovertemplate="%{y} %{x}:00<br>%{z:.4g}/UNIT<extra></extra>".replace("UNIT", unit),
            zmin=0, zmax=max(value or 0.0 for value in week),
            colorbar={"title": {"text": f"/{unit}"}, "thickness": 12, "outlinewidth": 0},
        )
    )  # fmt: skip
    figure.update_xaxes(dtick=3, title={"text": "hour"})
    figure.update_yaxes(autorange="reversed")
    return laid_out(figure, 280)


def dispersion(found: list[dict[str, Any]]) -> go.Figure:
    windows = [each["window_s"] for each in found]
    indices = [max(each["index"], LEAST_INDEX) for each in found]
    figure = go.Figure()
    for side in (0, 1):
        figure.add_scatter(
            x=windows, y=[max(each["poisson"][side], LEAST_INDEX) for each in found], mode="lines", line={"width": 0},
            fill="tonexty" if side else None, fillcolor="rgba(148, 163, 184, 0.45)", hoverinfo="skip",
        )  # fmt: skip
    figure.add_scatter(
        x=windows, y=indices, mode="lines+markers", line={"color": LINE, "width": 2}, marker={"size": 7},
        customdata=[as_window(window) for window in windows],
        hovertemplate="in %{customdata}<br>index %{y:.4g}<extra></extra>",
    )  # fmt: skip
    labels = [as_window(window) for window in windows]
    figure.update_xaxes(type="log", tickvals=windows, ticktext=labels, title={"text": "window"})
    bounds = [bound for each in found for bound in each["poisson"]]
    figure.update_yaxes(**logarithmic([*indices, *bounds, 1]), title={"text": "index"})
    return laid_out(figure)


def logarithmic(values: Sequence[float]) -> dict[str, Any]:
    """A logarithmic axis for values, with some marks on it however far they reach."""
    reach = max(values) / max(min(values), LEAST_INDEX)
    steps: tuple[float, ...] = (1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 7.0, 8.5)
    for least, wanted in ((5, (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)), (15, (1.0, 2.0, 5.0)), (60, (1.0, 3.0)), (1000, (1.0,))):
        steps = wanted if reach > least else steps
    ticks = [float(f"{step}e{power}") for power in range(-7, 9) for step in steps]
    return {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:,g}" for tick in ticks]}


def mix(listed: list[dict[str, Any]]) -> go.Figure:
    shown = listed[:SHOWN_ENDPOINTS]
    names = [each["endpoint"] for each in shown]
    shares = [100 * each["share"] for each in shown]
    if listed[SHOWN_ENDPOINTS:]:
        names.append(f"{len(listed) - len(shown)} more")
        shares.append(100 * sum(each["share"] for each in listed[SHOWN_ENDPOINTS:]))
    figure = go.Figure(
        go.Bar(
            x=shares, y=list(range(len(names))), orientation="h", marker={"color": LINE}, customdata=names,
            text=[as_percent(share / 100) for share in shares], textposition="outside", cliponaxis=False,
            hovertemplate="%{customdata}<br>%{x:.3g} %<extra></extra>",
        )
    )  # fmt: skip
    cut = [name if len(name) <= LONGEST_LABEL else f"{name[: LONGEST_LABEL - 1]}…" for name in names]
    labels = [f"{escape(name)}  " for name in cut]
    figure.update_yaxes(autorange="reversed", tickvals=list(range(len(names))), ticktext=labels, showgrid=False)
    figure.update_xaxes(showticklabels=False, showgrid=False, ticks="", range=[0, 1.18 * max(shares)])
    laid_out(figure, max(330, 24 * len(names))).update_layout(bargap=0.25)
    return figure.update_xaxes(ticks="", linecolor="rgba(0,0,0,0)", showgrid=False)


def popularity(found: Mapping[str, Any]) -> go.Figure:
    ranks = [rank for rank, _ in found["ranks"]]
    total = found["requests"]
    norm = sum(rank ** -found["exponent"] for rank in range(1, found["things"] + 1))
    figure = go.Figure()
    figure.add_scatter(
        x=ranks, y=[count for _, count in found["ranks"]], mode="markers", marker={"color": LINE, "size": 6},
        hovertemplate="rank %{x}<br>%{y} requests<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=ranks, y=[total * rank ** -found["exponent"] / norm for rank in ranks], mode="lines",
        line={"color": OTHER, "width": 2}, hoverinfo="skip",
    )  # fmt: skip
    for axis in (figure.update_xaxes, figure.update_yaxes):
        axis(type="log", dtick=1, exponentformat="none", separatethousands=True)
    figure.update_xaxes(title={"text": "rank"})
    least = min(count for _, count in found["ranks"])
    most = max(found["ranks"][0][1], total / norm)
    figure.update_yaxes(title={"text": "requests"}, range=[math.log10(least) - 0.3, math.log10(most) + 0.3])
    return laid_out(figure)


def distribution(found: Mapping[str, Any], scale: float, unit: str) -> go.Figure:
    points = [(scale * value, 100 * share) for value, share in found["curve"] if value > 0]
    figure = go.Figure(
        go.Scatter(
            x=[value for value, _ in points], y=[share for _, share in points], mode="lines",
            line={"color": LINE, "width": 2, "shape": "hv"},
            hovertemplate=f"%{{x:.4g}} {unit}<br>%{{y:.4g}} %<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(**logarithmic([value for value, _ in points] or [1.0]), title={"text": unit})
    figure.update_yaxes(range=[0, 102], title={"text": "%"})
    return laid_out(figure)
