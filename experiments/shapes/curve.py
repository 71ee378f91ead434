"""The load over time as points joined by straight lines; two points at one instant make a step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from experiments.errors import InputError
from models.workload import WorkloadSpec
from models.workload.shapes import segments_of
from sim.arrivals import Segment
from sim.curves import scaled, surged
from sim.streams import Streams

MOST_POINTS: Final = 100_000

Point = tuple[float, float]
"""Instant in seconds, level."""


@dataclass(frozen=True)
class Load:
    """Open: requests a second. Closed: users at once."""

    kind: Literal["open", "closed"]
    points: tuple[Point, ...]
    """From 0 s to the end of the load."""

    @property
    def ends_s(self) -> float:
        return self.points[-1][0]

    @property
    def peak(self) -> float:
        return max(level for _, level in self.points)


@dataclass(frozen=True)
class Stage:
    """A straight way to `target`; a jump where it takes no time."""

    lasts_s: float
    target: float


def load_of(spec: WorkloadSpec, seed: int, duration_s: float) -> Load:
    """The load of a scenario. Bursts come when they do in the first replication. `spec` is no trace.

    Raises InputError where it changes too often to be written down.
    """
    level = float(spec.users.population) if spec.users is not None else _rate(spec)
    streams = Streams(seed, 0)
    curve = scaled(segments_of(spec.shape, streams, "traffic.open"), level)
    points = _points(surged(curve, spec.all_surges()), duration_s)
    return Load("open" if spec.users is None else "closed", tuple(simplified(points)))


def _rate(spec: WorkloadSpec) -> float:
    assert spec.open is not None
    return spec.open.rate.per_second


def _points(segments: Iterable[Segment], end_s: float) -> list[Point]:
    points: list[Point] = []
    for segment in segments:
        last = segment.last
        if segment.end_s > end_s:
            share = (end_s - segment.start_s) / (segment.end_s - segment.start_s)
            last = segment.first + (segment.last - segment.first) * share if share else segment.first
        points += [(segment.start_s, segment.first), (min(segment.end_s, end_s), last)]
        if segment.end_s >= end_s:
            break
        if len(points) >= MOST_POINTS:
            raise InputError(
                f"traffic.shape: must change at most {MOST_POINTS // 2} times in {end_s:g} s to be exported, got more. "
                "Shorten it with --duration, or let it change less often."
            )
    return points


def simplified(points: Sequence[Point]) -> list[Point]:
    """The same lines with fewer points: none that stands on the line between its neighbours, none twice."""
    kept: list[Point] = []
    for point in points:
        if kept and kept[-1] == point:
            continue
        if len(kept) > 1 and _is_between(kept[-2], kept[-1], point):
            kept[-1] = point
        else:
            kept.append(point)
    return kept


def _is_between(before: Point, here: Point, after: Point) -> bool:
    span = after[0] - before[0]
    if span <= 0 or here[0] == before[0] or here[0] == after[0]:
        return before[1] == here[1] == after[1]
    line = before[1] + (after[1] - before[1]) * ((here[0] - before[0]) / span)
    return abs(line - here[1]) <= 1e-9 * max(abs(before[1]), abs(here[1]), abs(after[1]))


def stages_of(points: Sequence[Point]) -> tuple[float, list[Stage]]:
    """The level to begin with, and the stages that lead from point to point."""
    stages = []
    for (before_s, _), (at_s, level) in pairwise(points):
        stages.append(Stage(at_s - before_s, level))
    return points[0][1], stages


def points_of(start: float, stages: Iterable[Stage]) -> list[Point]:
    """The points that stages lead through."""
    points = [(0.0, start)]
    for stage in stages:
        points.append((points[-1][0] + stage.lasts_s, stage.target))
    return simplified(points)


def summed(curves: Sequence[Sequence[Point]]) -> list[Point]:
    """Several curves at once; each is 0 before its first point and after its last."""
    instants = sorted({at_s for curve in curves for at_s, _ in curve} | {0.0})
    points: list[Point] = []
    for at_s in instants:
        sides = [_sides(curve, at_s) for curve in curves]
        points += [(at_s, sum(before for before, _ in sides)), (at_s, sum(after for _, after in sides))]
    return simplified(points[1:-1] if len(instants) > 1 else points[1:])


def _sides(curve: Sequence[Point], at_s: float) -> tuple[float, float]:
    """The level just before an instant and just after it."""
    if at_s < curve[0][0] or at_s > curve[-1][0]:
        return 0.0, 0.0
    here = [level for point_s, level in curve if point_s == at_s]
    if here:
        before = 0.0 if at_s == curve[0][0] else here[0]
        return before, 0.0 if at_s == curve[-1][0] else here[-1]
    number = next(number for number, (point_s, _) in enumerate(curve) if point_s > at_s)
    (from_s, first), (to_s, last) = curve[number - 1], curve[number]
    level = first + (last - first) * (at_s - from_s) / (to_s - from_s)
    return level, level
