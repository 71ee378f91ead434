"""The section on calls between services: what guards made of them."""

from __future__ import annotations

from rich.console import RenderableType

from experiments.report.cells import Document, as_count, as_number, new_table


def calls(document: Document) -> RenderableType:
    """Every guarded call: how many were made for how many visits, and what kept the others from being made."""
    table = new_table("call", "visits", "calls", "per visit", "retries", "left", "stopped by", "fallbacks")
    for path, call in document["calls"].items():
        stopped = [f"{guard} {as_count(number)}" for guard, number in call["stopped"].items() if number]
        table.add_row(
            path.removeprefix("services.").replace(".endpoints.", " ").replace(".steps.", " "),
            as_count(call["visits"]),
            as_count(call["calls"]),
            as_number(call["amplification"]),
            as_count(call["retries"]),
            as_count(call["left"]),
            ", ".join(stopped) or "-",
            as_count(call["fallbacks"]),
        )
    return table
