"""Replay: a log of real requests becomes the traffic of a scenario.

Models   Who asks, when and for which path come from the log; what a path means comes from the scenario.

    spread.py   instants of lines, finer than their stamps
    routes.py   which route a path is
    openapi.py  the same, as an OpenAPI file says
    people.py   users and addresses as numbers
    making.py   the trace, in order, in a file
    summary.py  what became of the lines
    origins.py  where the traffic's values come from
    learning.py templates learnt from paths, written.py their file
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from experiments.errors import InputError
from experiments.replay.making import replay_trace
from experiments.replay.openapi import Operations, read_openapi
from experiments.replay.origins import with_origins
from experiments.replay.routes import Router, Rule, read_rules, route_number
from experiments.replay.spread import uniform
from experiments.replay.summary import Replayed, told

if TYPE_CHECKING:
    from experiments.scenario import Scenario


def with_recorded_traffic(scenario: Scenario, logs: Sequence[str], speed: float) -> Scenario:
    """The scenario with recorded logs in place of its own traffic. Raises InputError."""
    for text in scenario.settings:
        for kind in ("users", "open", "trace", "shape", "surges"):
            if re.match(rf"traffic\.{kind}[.=]", text):
                raise InputError(
                    f"traffic.{kind}: must not be set in a replay, whose traffic is the log. Remove it. (--set {text})"
                )
    trace = json.dumps({"file": " ".join(logs), "speed": speed}, ensure_ascii=False)
    gone = [f"traffic.{name}=null" for name in ("users", "open", "shape", "surges") if _is_said(scenario, name)]
    return scenario.with_settings([*gone, f"traffic.trace={trace}"])


def _is_said(scenario: Scenario, name: str) -> bool:
    """Whether the scenario's traffic has this; shapes and surges are of its own load, not of the log's."""
    return bool(getattr(scenario.spec.traffic, name)) or name in ("users", "open")


__all__ = [
    "Operations", "Replayed", "Router", "Rule", "read_openapi", "read_rules", "replay_trace",
    "route_number", "told", "uniform", "with_origins", "with_recorded_traffic",
]  # fmt: skip
