"""What trouble leaves behind: whether the system came back, and the work done for nobody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from experiments.report.cells import Document, as_count, as_duration, as_number, as_percent, new_table

COLOURS = {"recovered": "bold green", "stuck": "bold red", "mixed": "bold red", "too_short": "bold yellow"}


def recovery(document: Document) -> RenderableType:
    """A paragraph for every episode: the verdict, then the figures before, at the worst and in the end."""
    parts: list[RenderableType] = []
    for episode in document["recovery"]:
        if parts:
            parts.append("")
        parts += [
            Text.assemble((episode["name"], "bold"), f", {_span(episode)}"),
            Padding(Group(Text(verdict_text(episode), style=COLOURS[episode["verdict"]]), *_figures(episode)), (0, 2)),
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
    table = new_table("", "goodput/s", "success", "p95 ms")
    for name, key in (("before", "before"), ("at the worst", "worst"), ("in the end", "finally")):
        level = episode[key]
        cells = (as_number(level["goodput_per_s"]), as_percent(level["success_rate"]), as_number(level["p95_ms"]))
        table.add_row(name, *(Text(cell, justify="right") for cell in cells))
    yield table
    band = episode["band"]
    yield Text(
        f"well means at least {as_number(band['goodput_at_least_per_s'])}/s and a p95 of at most "
        f"{as_number(band['p95_at_most_ms'])} ms in every {as_duration(band['window_s'])} for "
        f"{as_duration(band['hold_s'])}",
        style="dim",
    )


def waste_lines(waste: Mapping[str, Any]) -> Iterator[Text]:
    """Work for nobody, and more work because of further attempts; nothing where there was none."""
    if waste["bursts"] or waste["calls_left"] or waste["queries"]:
        share = "" if waste["cpu_share"] is None else f" ({as_percent(waste['cpu_share'])} of what the services burnt)"
        yield Text(
            f"waste: {as_number(waste['cpu_s'])} CPU-seconds{share} and {as_number(waste['db_s'])} s of queries for "
            f"callers who had gone, {as_count(waste['calls_left'])} calls left"
        )
    if waste["retries"] or waste["reloads"] or waste["retries_refused"]:
        refused = waste["retries_refused"]
        kept = f"; {as_count(refused)} more kept back by the budget" if refused else ""
        yield Text(
            f"attempts: {as_number(waste['amplification'])} a request; {as_count(waste['retries'])} retries, "
            f"{as_count(waste['reloads'])} reloads, {as_percent(waste['retry_share'])} of all attempts{kept}"
        )
