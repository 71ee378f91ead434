"""Sections of the report on JVMs, listening sockets and databases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType

from experiments.report.cells import Document, as_bytes, as_count, as_few, as_number, as_percent, as_place
from experiments.report.layout import table_of

DATABASE_COUNTS = {  # how they are headed
    "refused": "refused", "statement_timeouts": "statement\ntimeouts", "lock_timeouts": "lock\ntimeouts",
    "deadlocks": "deadlocks", "refused_writes": "refused\nwrites", "lock_waits": "lock\nwaits",
}  # fmt: skip


def jvms(document: Document) -> RenderableType:
    """Collections and pauses, heap and threads of every JVM."""
    rows = []
    for path, jvm in document["jvms"].items():
        young, full = jvm["young"], jvm["full"]
        rows.append(
            (
                as_place(path),
                as_count(young["count"]),
                as_number(young["mean_ms"]),
                as_number(young["max_ms"]),
                as_few(full["count"]),
                as_number(full["max_ms"]) if full["count"] else "",
                as_percent(jvm["paused_share"]),
                as_bytes(jvm["heap_peak_bytes"]),
                as_count(jvm["threads_peak"]),
                as_few(jvm["out_of_memory"]),
            )
        )
    headings = ("young\nGCs", "mean\nms", "max\nms", "full\nGCs", "max\nms ", "paused", "heap\npeak", "threads")
    return table_of(("JVM", *headings, "out of\nmemory"), rows)


def listeners(document: Document) -> RenderableType:
    rows = [
        (as_place(path), as_count(each["syn_drops"]), "sent again a second or more later")
        for path, each in document["listeners"].items()
        if each["syn_drops"]
    ]
    return table_of(("socket", "SYNs dropped", " "), rows, left=(" ",))


def has_database_news(document: Document) -> bool:
    """Whether anything happened in a database beyond queries that were answered."""
    return any(_has_news(database) for database in document["databases"].values())


def _has_news(database: Mapping[str, Any]) -> bool:
    return any(database.get(key) for key in DATABASE_COUNTS) or "replication" in database


def databases(document: Document) -> RenderableType:
    """What was refused, ended or waited for in each database; of a standby how far it was behind."""
    rows = []
    for path, database in document["databases"].items():
        if not _has_news(database):
            continue
        standby = database.get("replication", {})
        lag_ms, share = standby.get("lag_mean_ms"), standby.get("stale_share")
        rows.append(
            (
                as_place(path),
                *(as_few(database.get(key)) for key in DATABASE_COUNTS),
                "" if lag_ms is None else as_number(lag_ms),
                "" if share is None else as_percent(share),
            )
        )
    return table_of(("database", *DATABASE_COUNTS.values(), "lag\nms", "stale\nreads"), rows)
