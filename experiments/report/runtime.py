"""Sections of the report on JVMs and listening sockets."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from experiments.report.cells import Document, as_bytes, as_count, as_lines, as_number, as_percent, new_table


def jvms(document: Document) -> RenderableType:
    headings = ("young", "mean ms", "max ms", "full", "max ms", "paused", "heap peak", "threads", "out of memory")
    table = new_table("", *headings)
    for path, jvm in document["jvms"].items():
        young, full = jvm["young"], jvm["full"]
        cells = (
            as_count(young["count"]),
            as_number(young["mean_ms"]),
            as_number(young["max_ms"]),
            as_count(full["count"]) if full["count"] else "",
            as_number(full["max_ms"]) if full["count"] else "",
            as_percent(jvm["paused_share"]),
            as_bytes(jvm["heap_peak_bytes"]),
            as_count(jvm["threads_peak"]),
            as_count(jvm["out_of_memory"]) if jvm["out_of_memory"] else "",
        )
        table.add_row(path.removeprefix("services."), *(Text(cell, justify="right") for cell in cells))
    return table


def listeners(document: Document) -> RenderableType:
    return as_lines(
        f"{path}: {as_count(each['syn_drops'])} SYNs dropped; their senders tried again a second or more later"
        for path, each in document["listeners"].items()
        if each["syn_drops"]
    )
