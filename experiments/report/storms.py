"""What trouble leaves behind: whether the system came back, and the work done for nobody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from experiments.report.cells import Document, as_count, as_duration, as_number, as_percent
from experiments.report.layout import Flow, Indented, table_of

COLOURS = {
    "recovered": "bold green",
    "stuck": "bold red",
    "mixed": "bold red",
    "too_short": "bold yellow",
    "down_before": "bold yellow",
}


def recovery(document: Document) -> RenderableType:
    """A paragraph for every episode: the verdict, then the figures before, at the worst and in the end."""
    parts: list[RenderableType] = []
    for episode in document["recovery"]:
        if parts:
            parts.append("")
        parts += [
            Text.assemble((episode["name"], "bold"), f", {_span(episode)}"),
            Indented(Group(Text(verdict_text(episode), style=COLOURS[episode["verdict"]]), *_figures(episode))),
        ]
    return Group(*parts)


def _span(episode: Mapping[str, Any]) -> str:
    begins = f"from {as_duration(episode['begins_s'])}"
    if episode["ends_s"] is None:
        return f"{begins}, to the end of the run in some replication"
    return f"{begins} to {as_duration(episode['ends_s'])}"


def verdict_text(episode: Mapping[str, Any]) -> str:
    """The verdict in a sentence."""
    of, verdict = episode["of"], episode["verdict"]
    if verdict == "too_short":
        return "too short to tell: lengthen the run before or after it"
    if verdict == "down_before":
        return "down already: most requests failed before the cause began, so nothing could come back"
    if verdict == "stuck":
        return (
            f"STUCK in {_in(episode['stuck_in'], of)}: still down {as_duration(episode['observed_s'])} after the cause "
            "was gone"
        )
    text = f"recovered in {_in(episode['recovered_in'], of)}{_after(episode)}"
    return text if verdict == "recovered" else f"{text}; STUCK in {_in(episode['stuck_in'], of)}"


def _in(number: int, of: int) -> str:
    return f"{as_count(number)} of {as_count(of)} replication{'s' if of != 1 else ''}"


def _after(episode: Mapping[str, Any]) -> str:
    if episode["after_s"] == 0:
        return ", at once"
    interval = episode["after_interval_s"]
    sure = "" if interval is None else f" [{as_number(max(0.0, interval[0]))}, {as_number(interval[1])}]"
    return f", {as_number(episode['after_s'])} s{sure} after the cause was gone"


def _figures(episode: Mapping[str, Any]) -> Iterator[RenderableType]:
    if episode["before"]["goodput_per_s"] is None:
        return
    rows = []
    for name, key in (("before", "before"), ("at the worst", "worst"), ("in the end", "finally")):
        level = episode[key]
        figures = (as_number(level["goodput_per_s"]), as_percent(level["success_rate"]), as_number(level["p95_ms"]))
        rows.append((Text(name), *figures))
    yield table_of(("", "goodput/s", "success", "p95 ms"), rows)
    band = episode["band"]
    yield Flow(
        [
            f"at least {as_number(band['goodput_at_least_per_s'])}/s",
            f"p95 at most {as_number(band['p95_at_most_ms'])} ms",
            f"in every {as_duration(band['window_s'])} for {as_duration(band['hold_s'])}",
        ],
        "well means",
        style="dim",
    )


def waste_lines(waste: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Work for nobody, and more work because of further attempts; nothing where there was none."""
    if waste["bursts"] or waste["calls_left"] or waste["queries"]:
        share = "" if waste["cpu_share"] is None else f" ({as_percent(waste['cpu_share'])} of what the services burnt)"
        yield Flow(
            [
                f"{as_number(waste['cpu_s'])} s of CPU{share}",
                *([f"{as_number(waste['db_s'])} s of queries"] if waste["queries"] else []),
                *([f"{as_count(waste['calls_left'])} calls left"] if waste["calls_left"] else []),
            ],
            "waste, work for callers who had gone:",
        )
    if waste["retries"] or waste["reloads"] or waste["retries_refused"]:
        parts = {
            "retries": waste["retries"], "reloads": waste["reloads"],
            "retries kept back by the budget": waste["retries_refused"],
        }  # fmt: skip
        said = [f"{as_count(number)} {name}" for name, number in parts.items() if number]
        yield Flow([f"{as_number(waste['amplification'])} a request", *said], "attempts:")
