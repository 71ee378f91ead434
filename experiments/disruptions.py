"""What a result says of faults, of the networks they were felt on, and of health checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.edges import containers
from models.system import SystemSpec
from sim.recorder import InstrumentFigures
from sim.replication import Replication

Tree = dict[str, Any]
BEGINS, ENDS = "begins: ", "ends"


def links(instruments: InstrumentFigures) -> Tree:
    """Segments that were lost, of every link there is."""
    return {
        path.removeprefix("links.").removesuffix(".lost"): {"lost_segments": number}
        for path, number in instruments.counts.items()
        if path.startswith("links.") and path.endswith(".lost")
    }


def health(instruments: InstrumentFigures, spec: SystemSpec) -> Tree:
    """Probes that failed, and how often that made a replica unhealthy, of every replica that is watched."""
    tree: Tree = {}
    for name, service in spec.services.items():
        for path in containers(spec, f"services.{name}") if service.health is not None else ():
            at = f"{path}.health"
            failures = 0
            for probe in (at, f"{at}.liveness", f"{at}.readiness", f"{at}.startup"):
                failures += instruments.counts.get(f"{probe}.failures", 0)
            tree[path] = {"failures": failures, "unhealthy": instruments.counts[f"{at}.unhealthy"]}
    return tree


def fault_spans(spec: SystemSpec, replications: Sequence[Replication]) -> Tree:
    """When every fault was on, replication by replication."""
    found: Tree = {}
    for name, fault in spec.faults.items():
        target = getattr(fault, "target", None)
        found[name] = {
            "kind": fault.kind,
            "target": " - ".join(fault.between) if target is None else target,  # type: ignore[union-attr]
            "spans": [span for replication in replications for span in _spans(f"faults.{name}", replication)],
        }
    return found


def _spans(path: str, replication: Replication) -> list[Tree]:
    """`ends_s` is null where it was still on at the end."""
    spans: list[Tree] = []
    for time_s, where, text in replication.recording.notes.lines:
        if where != path:
            continue
        if text.startswith(BEGINS):
            what = text.removeprefix(BEGINS)
            spans.append({"replication": replication.replication, "begins_s": time_s, "ends_s": None, "what": what})
        elif text == ENDS:
            spans[-1]["ends_s"] = time_s
    return spans
