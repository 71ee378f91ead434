"""Where the values of a replayed scenario's traffic come from: what the log tells is measured, whatever was assumed.

Checked  tests/unit/test_replay_origins.py
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from experiments.replay.summary import Replayed
from experiments.scenario import Provenance, Scenario

GONE = ("users", "open", "shape", "surges")
"""What the log stands in place of, under traffic."""


def with_origins(scenario: Scenario, replayed: Replayed) -> Scenario:
    """The scenario with the sources that its traffic has in this replay."""
    kept = {
        path: entry for path, entry in scenario.provenance.items()
        if not any(path == f"traffic.{name}" or path.startswith(f"traffic.{name}.") for name in GONE)
    }  # fmt: skip
    kept["traffic.trace"] = _measured(replayed, "The recorded requests.")
    for path, entry in (("traffic.users_per_ip", _addresses(replayed)), ("traffic.mix", _routes(replayed))):
        if entry is None:  # the scenario's value is used, and is from where it was
            continue
        kept = {other: old for other, old in kept.items() if other != path and not other.startswith(f"{path}.")}
        kept[path] = entry
    return replace(scenario, provenance=kept)


def _measured(replayed: Replayed, note: str) -> Provenance:
    source: Literal["measured"] = "measured"
    return Provenance(source=source, ref="standard input" if replayed.log == "-" else replayed.log, note=note)


def _addresses(replayed: Replayed) -> Provenance | None:
    if not replayed.unaddressed:
        return _measured(replayed, "Not asked: the log tells the address of every request.")
    if replayed.unaddressed == replayed.anonymous:
        return _measured(replayed, "Not asked: who tells no address tells no user, and is somebody else each time.")
    return None


def _routes(replayed: Replayed) -> Provenance | None:
    if replayed.assigned or replayed.drawn:
        return None
    return _measured(replayed, "Not asked: every request has its route from the log.")
