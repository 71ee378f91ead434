"""Sections of the report on faults and health checks."""

from __future__ import annotations

from typing import Any

from rich.console import RenderableType
from rich.text import Text

from experiments.report.cells import Document, as_count, as_duration, as_few, as_place
from experiments.report.layout import table_of


def faults(document: Document) -> RenderableType:
    """Every fault: how often it was on, for how long in all, and its first time."""
    rows: list[tuple[Any, ...]] = []
    for name, fault in document["faults"].items():
        spans = fault["spans"]
        if not spans:
            rows.append((name, "0", "", Text(f"{fault['kind']} of {fault['target']}: never came", style="dim")))
            continue
        first = spans[0]
        total_s = sum(_length_s(span, document) for span in spans) / document["replications"]
        what = f"at {as_duration(first['begins_s'])}: {first['what']}"
        rows.append((name, as_count(len(spans) / document["replications"]), as_duration(total_s), what))
    return table_of(("fault", "times", "on in all", "first"), rows, left=("first",))


def _length_s(span: Any, document: Document) -> float:
    ends_s = document["simulated_s"] if span["ends_s"] is None else span["ends_s"]
    return float(ends_s - span["begins_s"])


def health(document: Document) -> RenderableType:
    rows = [
        (as_place(path), as_count(each["failures"]), as_few(each["unhealthy"]))
        for path, each in document["health"].items()
        if each["failures"]
    ]
    return table_of(("replica", "failed checks", "times unhealthy"), rows)
