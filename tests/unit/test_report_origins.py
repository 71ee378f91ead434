"""Which guesses the report says that its bottleneck rests on."""

from __future__ import annotations

from io import StringIO
from typing import Any

from rich.console import Console

from experiments.report.origins import origins


def told(settings: list[str]) -> str:
    entries = {
        "traffic.users.think_time": "so long", "traffic.users": "so many", "traffic.mix": "mostly reading",
        "machines.vm.cores": "two",
    }  # fmt: skip
    document: dict[str, Any] = {
        "bottleneck": {"limit_path": "machines.vm.cores"},
        "provenance": {path: {"source": "assumed", "note": note} for path, note in entries.items()},
        "settings": settings,
    }
    out = StringIO()
    Console(file=out, width=200).print(origins(document))
    return out.getvalue()


def test_what_was_set_for_the_run_is_assumed_no_more() -> None:
    assert "think_time: so long" in told([]) and "traffic.users: so many" in told([])
    replayed = told(["traffic.users=null", "traffic.trace={}"])
    assert "traffic.users" not in replayed
    assert "mostly reading" in replayed and "machines.vm.cores" in replayed
    finer = told(["traffic.users.think_time=1s"])
    assert "think_time" not in finer and "so many" in finer
