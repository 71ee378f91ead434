"""What a calibration found of each value: measured, fitted with an interval, or not identifiable, and why.

Models   A value is written with as many digits as its interval leaves. What is not identifiable stays as it is.
Checked  tests/unit/test_calibration_recovery.py
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from experiments.calibration.parameters import Parameter, applied, mean_of, spread_of
from experiments.calibration.places import Group
from experiments.calibration.shapes import digits_for, rounded, written
from experiments.calibration.solution import Solution
from experiments.scenario.paths import at_path, format_path, heard

if TYPE_CHECKING:
    from experiments.calibration.direct import Measured
    from experiments.calibration.work import Bench

FITTED: Final = "fitted"
MEASURED: Final = "measured"
UNKNOWN: Final = "not identifiable"
KEPT: Final = "kept"
NEARLY: Final = 1.0
"""Within so many standard errors of an exponential, a gamma is one: two would hide what is to be seen."""
_TWO_SIDED: Final = 1.96


@dataclass(frozen=True)
class Interval:
    """A number and where it lies with 95 % confidence."""

    value: float
    low: float
    high: float

    @property
    def digits(self) -> int:
        return digits_for(self.value, (self.high - self.low) / 2)

    def as_list(self) -> list[float]:
        return [rounded(each, self.digits + 1) for each in (self.value, self.low, self.high)]


@dataclass(frozen=True)
class Finding:
    """One value of the scenario, or several that only their sum is known of."""

    paths: tuple[str, ...]
    verdict: str
    before: tuple[Any, ...]
    after: tuple[Any, ...] = ()
    mean_s: Interval | None = None
    spread: Interval | None = None
    number: Interval | None = None
    """Of a value that is no duration."""
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        intervals = {"mean_s": self.mean_s, "spread": self.spread, "value": self.number}
        return {
            "paths": list(self.paths), "verdict": self.verdict, "before": list(self.before), "after": list(self.after),
            **{name: None if each is None else each.as_list() for name, each in intervals.items()}, "note": self.note,
        }  # fmt: skip


def findings_of(
    parameters: Sequence[Parameter], solution: Solution, families: Mapping[str, str]
) -> tuple[list[Finding], dict[tuple[str | int, ...], Any]]:
    """What was found of each parameter, and the new values by their paths in the document."""
    values = _simplified(parameters, solution, families)
    intervals = {each.name: _interval(each, values, solution) for each in parameters if each.name in values}
    digits = {
        each.group.name if each.group else each.name: intervals[each.name].digits + 1
        for each in parameters if each.name in intervals and each.what != "spread"
    }  # fmt: skip
    changes = applied(parameters, values, families, digits)
    groups = {each.group.name: each.group for each in parameters if each.group is not None}
    found = [_of_group(group, intervals, solution, changes) for group in groups.values()]
    found += [_of_popularity(each, intervals, solution, changes) for each in parameters if each.cache is not None]
    return found, changes


def _interval(each: Parameter, values: Mapping[str, float], solution: Solution) -> Interval:
    value, error = values[each.name], solution.errors[each.name]
    inner = each.inner(value)
    return Interval(value, each.outer(inner - _TWO_SIDED * error), each.outer(inner + _TWO_SIDED * error))


def _simplified(
    parameters: Sequence[Parameter], solution: Solution, families: Mapping[str, str]
) -> dict[str, float]:  # fmt: skip
    """A gamma is an exponential where the log says nearly that; what trades against its spread follows."""
    names, covariance = list(solution.values), solution.covariance
    known = {each.name: each for each in parameters}
    inner = {name: known[name].inner(value) for name, value in solution.values.items()}
    moved = dict(inner)
    ones = set()
    for place, name in enumerate(names):
        group = known[name].group
        if group is None or known[name].what != "spread" or families.get(group.name, group.family) != "gamma":
            continue
        missing = 1.0 - inner[name]
        if abs(missing) <= NEARLY * solution.errors[name]:
            ones.add(name)
            for other, at in enumerate(names):
                moved[at] += missing * float(covariance[other, place] / covariance[place, place])
    return {name: 1.0 if name in ones else known[name].outer(moved[name]) for name in names}


def _of_group(
    group: Group, intervals: Mapping[str, Interval], solution: Solution, changes: Mapping[tuple[str | int, ...], Any]
) -> Finding:  # fmt: skip
    mean, spread = mean_of(group).name, spread_of(group).name
    paths = tuple(place.said for place in group.places)
    before = tuple(place.value for place in group.places)
    notes = []
    if len(paths) > 1:
        notes.append("only the sum is known: they run one after another on the same CPU; the split stays assumed")
    for name, what in ((mean, "mean"), (spread, "spread")):
        if name in solution.lost:
            notes.append(f"{what}: {_why(solution.lost[name])}")
        elif name in solution.together:
            notes.append(f"{what}: trades against {' and '.join(solution.together[name][:2])}, known better together")
    if mean not in intervals and spread not in intervals:
        return Finding(paths, UNKNOWN, before, note="; ".join(notes))
    after = tuple(changes[place.path] for place in group.places)
    return Finding(
        paths, FITTED, before, after, intervals.get(mean), intervals.get(spread), note="; ".join(notes)
    )  # fmt: skip


def _why(others: Sequence[str]) -> str:
    if others:
        return f"not identifiable, it trades against {' and '.join(others[:2])}; stays as it was"
    return "not identifiable, nothing in the log depends on it enough; stays as it was"


def _of_popularity(
    each: Parameter, intervals: Mapping[str, Interval], solution: Solution,
    changes: Mapping[tuple[str | int, ...], Any],
) -> Finding:  # fmt: skip
    if each.name in solution.lost:
        return Finding((each.name,), UNKNOWN, (each.start,), note=_why(solution.lost[each.name]))
    assert each.cache is not None
    return Finding(
        (each.name,), FITTED, (each.start,), (changes[(*each.cache.path, "popularity")],),
        number=intervals[each.name],
        note="from the hit ratio alone: keys, ttl and maxmemory would move it, too, and stay as they are",
    )  # fmt: skip


def measured_finding(
    bench: Bench, at: tuple[str, ...], found: Measured, value: Any, note: str, kept: Sequence[tuple[str, ...]]
) -> Finding:
    """What was measured without a simulation goes to a place of the scenario. `value` None: as a constant."""
    said = format_path(at)
    path = heard(at, bench.document)
    before = at_path(bench.document, path)
    interval = Interval(found.mean_s, found.low_s, found.high_s)
    if any(at[: len(each)] == each for each in kept):
        return Finding((said,), KEPT, (before,), note="--keep")
    after = written("gamma", found.mean_s, 0.0, None, interval.digits) if value is None else value
    bench.fixed[path] = after
    fit = ""
    if found.fitted is not None and found.farther is not None:
        verdict = "rejected" if found.farther < 0.05 else "not rejected"
        fit = f"; {found.fitted.kind}: distance {found.fitted.distance:.3f}, {verdict} (p {found.farther:.3g})"
    return Finding((said,), MEASURED, (before,), (after,), interval, note=f"{note}, {found.count} values{fit}")
