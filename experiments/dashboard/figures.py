"""The headline figures, and what two runs that met the same users say about each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from experiments.dashboard import wording
from experiments.dashboard.running import Finding
from sim.statistics import PairedDifference, compare_paired


@dataclass(frozen=True)
class Headline:
    """One figure of the page."""

    name: str
    """Name of its text."""
    pointer: str
    lower_is_better: bool
    show: wording.Show
    show_difference: wording.Show
    detail: str = ""
    """Whose figure it is where there may be several: a machine, a cache."""


FIXED: Final = (
    Headline("p50", "/latency_ms/all/p50", True, wording.milliseconds, wording.milliseconds),
    Headline("p95", "/latency_ms/all/p95", True, wording.milliseconds, wording.milliseconds),
    Headline("p99", "/latency_ms/all/p99", True, wording.milliseconds, wording.milliseconds),
    Headline("goodput", "/goodput_per_s", False, wording.per_second, wording.per_second),
    Headline("success", "/success_rate", False, wording.percent, wording.points),
    Headline("errors", "/error_rate", True, wording.percent, wording.points),
)


PAUSED_SHOWN: Final = 0.01
"""Share of time a JVM must be stopped by its collector to be shown (assumed): less is what any JVM does."""


def headlines(baseline: Finding, what_if: Finding | None = None) -> Iterator[Headline]:
    """The figures to show: of machines the busiest and the fullest of the baseline, of caches the most asked; and the
    troubles that either side has."""
    yield from FIXED
    document = baseline.document
    machines = document["machines"]
    for name, key in (("cpu", "cpu_utilisation"), ("memory", "memory_peak_share")):
        path = max(machines, key=lambda each: machines[each][key] or 0.0)
        pointer = f"/machines/{path}/{key}"
        yield Headline(name, pointer, True, wording.percent, wording.points, path.removeprefix("machines."))
    if document["caches"]:
        path = max(document["caches"], key=lambda each: document["caches"][each]["lookups"])
        name = path.removeprefix("caches.")
        yield Headline("cache", f"/caches/{path}/hit_ratio", False, wording.percent, wording.points, name)

    troubles = {each.pointer: each for each in _troubles(document)}
    if what_if is not None:
        troubles.update((each.pointer, each) for each in _troubles(what_if.document))
    yield from troubles.values()


def _troubles(document: Mapping[str, Any]) -> Iterator[Headline]:
    """What is there only in some scenarios: attempts, work for nobody, pauses of JVMs, stale reads."""
    waste = document["waste"]
    if waste["retries"] or waste["reloads"]:
        yield Headline("attempts", "/waste/amplification", True, wording.number, wording.number)
    if waste["bursts"]:
        yield Headline("waste", "/waste/cpu_share", True, wording.percent, wording.points)
    if document["jvms"]:
        path = max(document["jvms"], key=lambda each: document["jvms"][each]["paused_share"] or 0.0)
        if (document["jvms"][path]["paused_share"] or 0.0) >= PAUSED_SHOWN:
            pointer = f"/jvms/{path}/paused_share"
            yield Headline("paused", pointer, True, wording.percent, wording.points, path.removeprefix("services."))
    for path, database in document["databases"].items():
        if database.get("replication", {}).get("stale_share") is not None:
            pointer = f"/databases/{path}/replication/stale_share"
            yield Headline("stale", pointer, True, wording.percent, wording.points, path.removeprefix("databases."))


def mean(finding: Finding, pointer: str) -> float | None:
    """The figure of a run: the mean over its replications, None where any of them has none."""
    values = [value for value in finding.values(pointer) if value is not None]
    return sum(values) / len(values) if len(values) == len(finding.by_replication) else None


def interval(finding: Finding, pointer: str) -> tuple[float, float] | None:
    """Its 95 % interval."""
    found = finding.document["intervals"].get(pointer)
    return None if found is None else (found[0], found[1])


def difference(baseline: Finding, what_if: Finding, headline: Headline) -> PairedDifference | None:
    """What-if minus baseline, pair by pair; None where a replication of either has no such figure."""
    before = [value for value in baseline.values(headline.pointer) if value is not None]
    after = [value for value in what_if.values(headline.pointer) if value is not None]
    if len(before) != len(baseline.by_replication) or len(after) != len(what_if.by_replication):
        return None
    return compare_paired(before, after, lower_is_better=headline.lower_is_better)
