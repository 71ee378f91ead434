"""Loads that change over time: a curve of rates or of numbers, surges upon it, arrivals that follow it.

Models   A curve is a row of `sim.arrivals.Segment`s, straight lines without gaps between them. `surged` multiplies it
         by the factors of surges while they last. `Following` arrivals come at random or evenly where the curve is a
         rate; `whole_steps` tells when a curve that is a number of users changes by whole ones.
Units    Seconds, rates per second.
Source   As sim.arrivals: inversion of the cumulative rate, so that a surge keeps every draw: the same arrivals come
         sooner.
Checked  tests/unit/test_curves.py, tests/theory/test_shapes_theory.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sim.arrivals import Segment, follow
from sim.distributions import Constant, Exponential
from sim.streams import Streams

Curve = Callable[[Streams, str], Iterator[Segment]]
"""Makes the segments from 0 s on; chance it needs is drawn from streams named by the purpose and below."""


@dataclass(frozen=True)
class Surge:
    """A factor on everything from `start_s` up to `end_s`."""

    start_s: float
    end_s: float
    factor: float


def factor_at(surges: Sequence[Surge], at_s: float) -> float:
    """The product of the surges under way at an instant."""
    factor = 1.0
    for surge in surges:
        if surge.start_s <= at_s < surge.end_s:
            factor *= surge.factor
    return factor


def surged(segments: Iterator[Segment], surges: Sequence[Surge]) -> Iterator[Segment]:
    """The curve with its surges."""
    edges = sorted({edge for surge in surges for edge in (surge.start_s, surge.end_s)})
    for segment in segments:
        slope = (segment.last - segment.first) / (segment.end_s - segment.start_s)
        start_s, first = segment.start_s, segment.first
        within = [edge for edge in edges if segment.start_s < edge < segment.end_s]
        for end_s in (*within, segment.end_s):
            is_last = end_s == segment.end_s
            last = segment.last if is_last else segment.first + slope * (end_s - segment.start_s)
            factor = factor_at(surges, start_s)
            yield Segment(start_s, end_s, first * factor, last * factor)
            start_s, first = end_s, last


def scaled(segments: Iterator[Segment], by: float) -> Iterator[Segment]:
    """The curve times a number."""
    for segment in segments:
        yield Segment(segment.start_s, segment.end_s, by * segment.first, by * segment.last)


@dataclass(frozen=True)
class Following:
    """Arrivals at the rate of a curve: at random (Poisson), or evenly, each when one more is due."""

    curve: Curve
    is_even: bool = False

    def instants(self, streams: Streams, purpose: str) -> Iterator[float]:
        gap = Constant(1.0) if self.is_even else Exponential(1.0)
        return follow(self.curve(streams, purpose), streams.draws(f"{purpose}.gap", gap))


def whole_steps(segments: Iterator[Segment]) -> Iterator[tuple[float, int]]:
    """Instants at which a curve, rounded to whole numbers, changes, and what it changes to; the first at 0 s."""
    number: int | None = None
    for segment in segments:
        begins = int(segment.first + 0.5)
        if begins != number:
            number = begins
            yield segment.start_s, number
        ends = int(segment.last + 0.5)
        if segment.last == segment.first:
            continue
        slope = (segment.last - segment.first) / (segment.end_s - segment.start_s)
        while number != ends:
            is_rising = ends > number
            passed = number + 0.5 if is_rising else number - 0.5
            number += 1 if is_rising else -1
            at_s = segment.start_s + (passed - segment.first) / slope
            yield min(max(at_s, segment.start_s), segment.end_s), number
