"""The section of the report that says where the scenario's values come from, and which guesses the result rests on."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from experiments.report.cells import Document
from experiments.report.layout import bullets

WORDS = {
    "file": "from files",
    "guide": "from the guide",
    "default": "releases' defaults",
    "unsaid": "without a source",
}
SHOWN = 6


def origins(document: Document) -> RenderableType:
    """How many values come from where, and what is assumed of what the bottleneck depends on."""
    counts = ", ".join(f"{count} {WORDS.get(kind, kind)}" for kind, count in document.get("sources", {}).items())
    found = list(_beneath(document))
    if not found:
        return Text(counts)
    more = (
        [f"and {len(found) - SHOWN} more: windtunnel explain SCENARIO --source assumed"] if len(found) > SHOWN else []
    )
    return Group(Text(counts), Text("assumed, and what binds depends on it:"), bullets([*found[:SHOWN], *more]))


def _beneath(document: Document) -> Iterator[str]:
    """Assumptions about the part that binds, about who runs on it where it is a machine, and about the load.

    What was set for this run, or unset, as a replay does with users, is assumed no more.
    """
    bottleneck = document["bottleneck"]
    if bottleneck is None or not bottleneck["limit_path"]:
        return
    names = bottleneck["limit_path"].split(".")
    component = ".".join(names[:1] if names[0] == "gateway" else names[:2])
    parts = [component, "traffic"]
    if names[0] == "machines":
        parts += ["gateway", "services", "databases", "caches"]
    replaced = [text.partition("=")[0] for text in document["settings"]]
    for part in parts:
        for path, entry in document["provenance"].items():
            is_around = part == path or part.startswith(f"{path}.") or path.startswith(f"{part}.")
            is_said = any(path == set_path or path.startswith(f"{set_path}.") for set_path in replaced)
            if entry["source"] == "assumed" and is_around and not is_said:
                yield f"{path}{': ' if entry['note'] else ''}{' '.join(entry['note'].split())}"
