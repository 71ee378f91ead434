"""Sections of the report on faults and health checks."""

from __future__ import annotations

from typing import Any

from rich.console import RenderableType
from rich.text import Text

from experiments.report.cells import Document, as_count, as_duration, as_lines, new_table


def faults(document: Document) -> RenderableType:
    """Every fault: how often it was on, for how long in all, and its first time."""
    table = new_table("", "times", "on in all", "first")
    for name, fault in document["faults"].items():
        spans = fault["spans"]
        if not spans:
            table.add_row(name, "0", "", Text(f"{fault['kind']} of {fault['target']}: never came", style="dim"))
            continue
        first = spans[0]
        times = as_count(len(spans) / document["replications"])
        total_s = sum(_length_s(span, document) for span in spans) / document["replications"]
        table.add_row(
            name,
            Text(times, justify="right"),
            Text(as_duration(total_s), justify="right"),
            f"at {as_duration(first['begins_s'])}: {first['what']}",
        )
    return table


def _length_s(span: Any, document: Document) -> float:
    ends_s = document["simulated_s"] if span["ends_s"] is None else span["ends_s"]
    return float(ends_s - span["begins_s"])


def health(document: Document) -> RenderableType:
    return as_lines(
        f"{path.removeprefix('services.')}: {as_count(each['failures'])} checks failed, unhealthy "
        f"{as_count(each['unhealthy'])} times"
        for path, each in document["health"].items()
        if each["failures"]
    )
