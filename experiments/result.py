"""The result of a run: `result.json`, documented in docs/result.md and versioned by `schema_version`.

Figures are means over replications; `intervals` maps their JSON pointers to 95 % Student-t intervals (null where there
is only one replication). `RunResult` also keeps the replications, for plots over time and paired comparisons.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from experiments.alerts import judge_alerts
from experiments.bottleneck import candidates, describe
from experiments.disruptions import fault_spans
from experiments.errors import InputError
from experiments.figures import figures
from experiments.recovery import judge_recovery
from experiments.scenario.explain import counts_by_source
from experiments.scenario.paths import at_path, heard
from experiments.versions import versions
from models.outcomes import CallFailure, Outcome
from models.system import ObjectiveSpec, SystemSpec
from sim.replication import Replication, combined_digest
from sim.statistics import Estimate, estimates, flatten

if TYPE_CHECKING:
    from experiments.runner import WarmUp
    from experiments.scenario import Scenario
    from models.assembly import Limit

SCHEMA_VERSION = 1
COUNTED_REASON = re.compile(r"(/endpoints/[^/]+)?/requests/(?P<outcome>refused|failed)/(?P<reason>[a-z_]+)")
"""Figures that a result does not have where they are 0."""

RECOVERY = re.compile(r"/recoveries/(?P<causes>[^/]+?)( \(\d+\))?/(recovered_share|after_s)")
UNTOLD = re.compile(
    r"/recoveries/.*|/p99_parts_ms/.*|/endpoints/[^/]+/(success_rate|error_rate|latency_ms/[a-z]+/(?!count)[a-z0-9]+)"
)
"""Figures that cannot be told where a replication lacks them: a route that nobody asked for has no response time, a
fault by chance that did not come has nothing to recover from. What else is lacking happened zero times."""


@dataclass(frozen=True)
class RunResult:
    """What a run found. `document` is what `--json` prints."""

    document: dict[str, Any]
    estimates: Mapping[str, Estimate | None]
    replications: Sequence[Replication]
    spec: SystemSpec
    limits: Sequence[Limit]

    @property
    def digest(self) -> str:
        """Equal for equal scenario, seed and program version."""
        return str(self.document["digest"])

    def estimate(self, pointer: str) -> Estimate | None:
        """Mean and interval of the figure at a JSON pointer, e.g. /latency_ms/all/p95; None where it is null."""
        return self.estimates.get(pointer)

    def per_replication(self, pointer: str) -> list[float | None]:
        """The figure of every replication, in order: what paired comparisons need."""
        return [found.get(pointer, 0.0) for found in _measured(self.replications, self.spec)]

    def stopped(self, during: str, wanted: int) -> RunResult:
        """This result, marked: somebody stopped the run during that, before all that was wanted."""
        self.document["stopped"] = {"during": during, "replications_wanted": wanted}
        return self

    def to_json(self) -> str:
        return json.dumps(self.document, ensure_ascii=False, indent=2, allow_nan=False)


def put_together(
    scenario: Scenario,
    spec: SystemSpec,
    replications: Sequence[Replication],
    limits: Sequence[Limit],
    seed: int,
    warm_up: WarmUp,
    wall_s: float,
) -> RunResult:
    """Replications of one scenario as one result."""
    merged = estimates(_measured(replications, spec))
    tree = unflatten({pointer: None if value is None else value.mean for pointer, value in merged.items()})
    ranked = candidates(limits, tree)
    document = {
        "schema_version": SCHEMA_VERSION,
        "scenario": scenario.name,
        "variant": scenario.variant,
        "settings": list(scenario.settings),
        "description": _description(scenario, spec),
        "seed": seed,
        "replications": len(replications),
        "stopped": None,
        "simulated_s": replications[0].recording.end_s,
        "warm_up": {"seconds": warm_up.seconds, "source": warm_up.source, "is_settled": warm_up.is_settled},
        "digest": combined_digest(replications),
        **tree,
        "breakers": _breakers(replications),
        "faults": fault_spans(spec, replications),
        "recovery": judge_recovery(replications),
        "alerts": judge_alerts(spec, replications),
        "objectives": [_judge(name, objective, merged, spec) for name, objective in spec.objectives.items()],
        "bottleneck": describe(ranked[0], limit_value(spec, ranked[0].limit, tree)) if ranked else None,
        "audit": _audit(replications),
        "notes": _notes(replications),
        "not_modelled": list(spec.not_modelled),
        "versions": versions(spec),
        "intervals": _intervals(merged, len(replications)),
        "sources": counts_by_source(scenario.document, scenario.provenance),
        "provenance": {path: entry.model_dump() for path, entry in scenario.provenance.items()},
        "wall": _wall(replications, wall_s),
    }
    return RunResult(document, merged, replications, spec, limits)


def _measured(replications: Sequence[Replication], spec: SystemSpec) -> list[dict[str, float | None]]:
    """Figures of every replication by pointer, with null for what one of them cannot tell."""
    found = [flatten(figures(replication, spec)) for replication in replications]
    untold = dict.fromkeys(pointer for each in found for pointer in each if UNTOLD.fullmatch(pointer))
    return [{**untold, **each} for each in found]


def _description(scenario: Scenario, spec: SystemSpec) -> str:
    """What was run: the scenario, and what its variant makes different."""
    if scenario.variant is None:
        return spec.description
    return f"{spec.description} Here: {scenario.variants[scenario.variant].description}"


def unflatten(flat: Mapping[str, float | None]) -> dict[str, Any]:
    """A tree of figures from their JSON pointers. Whole numbers are written as such."""
    tree: dict[str, Any] = {}
    for pointer, value in flat.items():
        *parents, last = (part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])
        node = tree
        for part in parents:
            node = node.setdefault(part, {})
        node[last] = int(value) if value is not None and isfinite(value) and value == int(value) else value
    for name in (
        "endpoints", "stations", "containers", "machines", "caches", "limiters", "calls",
        "databases", "jvms", "listeners", "links", "health",
        "recoveries", "p99_parts_ms", "upstreams", "waste",
    ):  # fmt: skip
        tree.setdefault(name, {})
    _restore_empty(tree["requests"])
    for endpoint in tree["endpoints"].values():
        _restore_empty(endpoint["requests"])
    return tree


def _restore_empty(requests: dict[str, Any]) -> None:
    """Nobody was refused, or nothing failed: an empty mapping has no pointers."""
    requests.setdefault("refused", {})
    requests.setdefault("failed", {})


def _intervals(merged: Mapping[str, Estimate | None], count: int) -> dict[str, Any]:
    return {
        pointer: None if count < 2 or estimate.low is None else [estimate.low, estimate.high]
        for pointer, estimate in merged.items()
        if estimate is not None
    }


def _judge(
    name: str, objective: ObjectiveSpec, merged: Mapping[str, Estimate | None], spec: SystemSpec
) -> dict[str, Any]:
    """Met or breached only where the whole interval says so."""
    may_never_come = _is_of_a_cause(objective.path, spec)
    if objective.path not in merged and not may_never_come and not _counts_a_reason(objective.path):
        raise InputError(
            f"objectives.{name}.path: must point to a figure of the result, got {objective.path!r}. "
            f"{nearest_pointer(objective.path, list(merged))}"
        )
    never = None if may_never_come else Estimate(0.0, 0.0, 0.0, 0)  # nothing was refused or failed for this reason
    estimate = merged.get(objective.path, never)
    threshold = objective.at_most if objective.at_most is not None else objective.at_least
    assert threshold is not None
    entry: dict[str, Any] = {
        "name": name,
        "path": objective.path,
        "bound": "at_most" if objective.at_most is not None else "at_least",
        "threshold": threshold,
        "value": None if estimate is None else estimate.mean,
        "interval": None,
        "verdict": "undecided",
    }
    if estimate is None or estimate.low is None or estimate.high is None:
        return entry
    entry["interval"] = [estimate.low, estimate.high]
    below, above = estimate.high <= threshold, estimate.low >= threshold
    is_met, is_breached = (below, above) if objective.at_most is not None else (above, below)
    entry["verdict"] = "met" if is_met else "breached" if is_breached else "undecided"
    return entry


def _is_of_a_cause(pointer: str, spec: SystemSpec) -> bool:
    """Whether a pointer leads to the recovery from faults and surges there are; by chance they may not have come."""
    match = RECOVERY.fullmatch(pointer)
    known = {*(f"faults.{name}" for name in spec.faults), *(f"traffic.surges.{name}" for name in spec.traffic.surges)}
    return match is not None and known.issuperset(match["causes"].split(" + "))


def _counts_a_reason(pointer: str) -> bool:
    """Whether a pointer leads to the number of requests that were refused or failed for a reason there is."""
    match = COUNTED_REASON.fullmatch(pointer)
    return match is not None and (Outcome[match["outcome"].upper()], match["reason"]) in set(_reasons(CallFailure))


def _reasons(kind: type[CallFailure]) -> Iterator[tuple[Outcome, str]]:
    for each in kind.__subclasses__():
        yield each.outcome, each.reason
        yield from _reasons(each)


def nearest_pointer(pointer: str, known: Sequence[str]) -> str:
    """Advice for a pointer that points nowhere."""
    from difflib import get_close_matches

    close = get_close_matches(pointer, known, n=3, cutoff=0.3)
    return f"Did you mean {' or '.join(close)}?" if close else "Look at result.json for the figures there are."


def _breakers(replications: Sequence[Replication]) -> dict[str, Any]:
    """Transitions of every breaker, replication by replication."""
    found: dict[str, Any] = {}
    for replication in replications:
        for time_s, path, text in replication.recording.notes.lines:
            if (path.endswith(".breaker") or ".circuit_breakers." in path) and " -> " in text:
                entry = {"replication": replication.replication, "t_s": time_s, "transition": text}
                found.setdefault(path, {"transitions": []})["transitions"].append(entry)
    return found


def _audit(replications: Sequence[Replication]) -> dict[str, Any]:
    checks: dict[str, bool] = {}
    for replication in replications:
        for check in replication.checks:
            checks[check.name] = checks.get(check.name, True) and check.passed
    return {
        "passed": all(checks.values()),
        "checks": [{"name": name, "passed": passed} for name, passed in checks.items()],
    }


NOTES_SHOWN = 50


def _notes(replications: Sequence[Replication]) -> list[dict[str, Any]]:
    """What was worth a line, from the first replication."""
    lines = replications[0].recording.notes.lines[:NOTES_SHOWN]
    return [{"t_s": time_s, "path": path, "text": text} for time_s, path, text in lines]


def _wall(replications: Sequence[Replication], wall_s: float) -> dict[str, Any]:
    requests = events = 0
    for replication in replications:
        requests += replication.recording.arrived
        events += replication.events
    return {
        "seconds": round(wall_s, 3),
        "requests_per_s": round(requests / wall_s, 1) if wall_s else None,
        "events": events,
        "events_per_request": round(events / requests, 2) if requests else None,
    }


def limit_value(spec: SystemSpec, limit: Limit, tree: Mapping[str, Any]) -> Any:
    """The value of the setting behind a limit; where it is left to the component, what that has made of it."""
    value = setting_value(spec, limit.setting)
    return tree["stations"][limit.station]["servers"] if value is None and limit.kind == "station" else value


def setting_value(spec: SystemSpec, path: str) -> Any:
    """The value of a setting as it would be written, e.g. "100/60s"."""
    document = spec.model_dump(mode="json")
    return at_path(document, heard(path.split("."), document))
