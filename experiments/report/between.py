"""The section on calls between services: what guards made of them."""

from __future__ import annotations

from rich.console import RenderableType

from experiments.report.cells import Document, as_count, as_few, as_number
from experiments.report.layout import table_of


def calls(document: Document) -> RenderableType:
    """Every guarded call: how many were made for how many visits, and what kept the others from being made."""
    rows = []
    for path, call in document["calls"].items():
        stopped = [f"{guard} {as_count(number)}" for guard, number in call["stopped"].items() if number]
        rows.append(
            (
                path.removeprefix("services.").replace(".endpoints.", " ").replace(".steps.", " "),
                as_count(call["visits"]),
                as_count(call["calls"]),
                as_number(call["amplification"]),
                as_few(call["retries"]),
                as_few(call["left"]),
                ", ".join(stopped).replace("_", " "),
                as_few(call["fallbacks"]),
            )
        )
    headings = ("call", "visits", "calls", "per visit", "retries", "left", "stopped by", "fallbacks")
    return table_of(headings, rows, left=("stopped by",))
