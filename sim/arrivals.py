"""Arrivals: when requests come, as lazy iterators of instants.

Models   Open: independent gaps (`Renewal`; `Poisson` and `Constant` are two of them), a rate that follows a profile
         (`Profile`: ramp, step, spike, day after day), a rate that jumps by chance (`Modulated`: bursts, MMPP), and
         what was recorded (`Trace`). Closed users: sim/sessions.py.
Units    Instants and pauses in seconds, rates per second. Drawn instants are multiples of 2**-30 s.
Source   Varying rates by inversion of the cumulative rate (Cinlar 1975, Introduction to Stochastic Processes, 4.7).
         MMPP: Fischer and Meier-Hellstern 1993, doi:10.1016/0166-5316(93)90035-S.
Omits    Batches; gaps that depend on each other other than through the rate.
Checked  tests/unit/test_arrivals.py, tests/theory/test_arrivals_theory.py

Gap n is value[n] of a stream of its own, so another rate keeps the draws: the same arrivals come sooner or later.
Instants are added up in whole steps of 2**-30 s, so the last one is as exact as the first. Use:

    for ordinal, at_s in enumerate(Poisson(parse_rate("700/s")).instants(streams, "traffic.open")): ...
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Final, Protocol

import numpy as np

from sim.distributions import Distribution, Exponential
from sim.elementary import Array
from sim.quantities import RateValue
from sim.streams import DURATION_STEP_S, Draws, Streams

_STEPS_PER_S: Final = 2.0**30
_UNIT: Final = Exponential(1.0)


class Arrivals(Protocol):
    """An open arrival process."""

    def instants(self, streams: Streams, purpose: str) -> Iterator[float]:
        """Instants of arrival in seconds, never falling, drawn from streams named `purpose` and below. May not end."""
        ...


@dataclass(frozen=True)
class Renewal:
    """Independent gaps of one distribution."""

    gap: Distribution

    def __post_init__(self) -> None:
        if not self.gap.mean >= DURATION_STEP_S:
            raise ValueError(f"gap must be 1 ns or more on average, got {self.gap.mean:g} s")

    def instants(self, streams: Streams, purpose: str) -> Iterator[float]:
        return chain.from_iterable(_added(streams.draws(f"{purpose}.gap", self.gap)))


def _added(gaps: Draws) -> Iterator[list[float]]:
    """The instants at the ends of gaps, so many at a time."""
    steps = 0
    for some in gaps.in_order():
        ends = list(accumulate(map(int, (some * _STEPS_PER_S).tolist()), initial=steps))
        steps = ends[-1]
        yield [end * DURATION_STEP_S for end in ends[1:]]


@dataclass(frozen=True)
class Poisson:
    """Independent arrivals at a constant rate."""

    rate: RateValue

    def __post_init__(self) -> None:
        _require_rate(self.rate)

    def instants(self, streams: Streams, purpose: str) -> Iterator[float]:
        return Renewal(Exponential(self.rate.period_s / self.rate.count)).instants(streams, purpose)


@dataclass(frozen=True)
class Constant:
    """Equal gaps: arrival n comes at (n + 1) gaps, to the nearest float, however many there have been."""

    rate: RateValue

    def __post_init__(self) -> None:
        _require_rate(self.rate)

    def instants(self, streams: Streams, purpose: str) -> Iterator[float]:
        period_s, count = self.rate.period_s, self.rate.count
        arrived = 0
        while True:
            arrived += 1
            yield arrived * period_s / count


class Trace:
    """Arrivals at recorded instants, exactly as recorded."""

    __slots__ = ("_times_s",)

    def __init__(self, times_s: Sequence[float] | Array) -> None:
        """`times_s`: seconds from the start of the recording, 0 or later, never falling."""
        times = np.array(times_s, np.float64)
        if times.ndim != 1 or not np.isfinite(times).all():
            raise ValueError("times must be finite numbers of seconds")
        if times.size and times[0] < 0:
            raise ValueError(f"times must be 0 s or later, got {times[0]:g}. Count from the start of the recording.")
        falls = np.flatnonzero(np.diff(times) < 0)
        if falls.size:
            raise ValueError(f"times must not fall, but entry {falls[0] + 1} does. Sort the recording by time.")
        self._times_s = times

    def __len__(self) -> int:
        return len(self._times_s)

    def instants(self, streams: Streams, purpose: str) -> Iterator[float]:
        for first in range(0, len(self._times_s), 1024):
            yield from self._times_s[first : first + 1024].tolist()


@dataclass(frozen=True)
class Segment:
    """A stretch of time in which the rate runs straight from `first` to `last`, per second. `end_s` may be inf."""

    start_s: float
    end_s: float
    first: float
    last: float


@dataclass(frozen=True)
class Profile:
    """Poisson arrivals at a rate that runs in straight lines through `points`: (instant in s, rate per second).

    Two points at one instant make a step. After the last point its rate stays; with `every_s`, all begins again.
    """

    points: tuple[tuple[float, float], ...]
    every_s: float | None = None

    def __post_init__(self) -> None:
        if not self.points or self.points[0][0] != 0:
            raise ValueError("points must begin at 0 s. Say which rate holds from the start.")
        for (before_s, _), (at_s, _) in zip(self.points, self.points[1:], strict=False):
            if not at_s >= before_s:
                raise ValueError(f"points must stand in order of time, but {at_s:g} s follows {before_s:g} s")
        for at_s, rate in self.points:
            if not (math.isfinite(at_s) and 0 <= rate < math.inf):
                raise ValueError(f"rates must be 0 or more and finite, got {rate:g} at {at_s:g} s")
        if self.every_s is not None:
            end_s = self.points[-1][0]
            if not (end_s <= self.every_s < math.inf and self.every_s > 0):
                raise ValueError(f"every must be at least as long as the profile ({end_s:g} s), got {self.every_s:g}")
            if not any(segment.first or segment.last for segment in self._round(0.0, self.every_s)):
                raise ValueError("rates must not all be 0 in a profile that begins again: nothing would ever arrive")

    def instants(self, streams: Streams, purpose: str) -> Iterator[float]:
        return follow(self.segments(), streams.draws(f"{purpose}.gap", _UNIT))

    def expected(self, until_s: float) -> float:
        """Expected number of arrivals before `until_s`."""
        return expected(self.segments(), until_s)

    def segments(self) -> Iterator[Segment]:
        """The rate over time, stretch by stretch, for ever."""
        if self.every_s is None:
            yield from self._round(0.0, math.inf)
            return
        rounds = 0
        while True:
            yield from self._round(rounds * self.every_s, (rounds + 1) * self.every_s)
            rounds += 1

    def _round(self, start_s: float, end_s: float) -> Iterator[Segment]:
        for (at_s, first), (next_s, last) in zip(self.points, self.points[1:], strict=False):
            if next_s > at_s:
                yield Segment(start_s + at_s, start_s + next_s, first, last)
        at_s, rate = self.points[-1]
        if end_s > start_s + at_s:
            yield Segment(start_s + at_s, end_s, rate, rate)


@dataclass(frozen=True)
class Modulated:
    """Poisson arrivals at a rate that goes round `phases`: (rate per second, how long it holds). Bursts; with
    exponential times, a Markov-modulated Poisson process."""

    phases: tuple[tuple[float, Distribution], ...]

    def __post_init__(self) -> None:
        for rate, holds in self.phases:
            if not (0 <= rate < math.inf and holds.mean >= DURATION_STEP_S):
                raise ValueError(f"a phase must have a rate of 0 or more and last, got {rate:g} for {holds.mean:g} s")
        if not any(rate for rate, _ in self.phases):
            raise ValueError("phases must not all have rate 0: nothing would ever arrive")

    def instants(self, streams: Streams, purpose: str) -> Iterator[float]:
        return follow(self.segments(streams, purpose), streams.draws(f"{purpose}.gap", _UNIT))

    def segments(self, streams: Streams, purpose: str) -> Iterator[Segment]:
        """The rate over time, stretch by stretch, for ever."""
        phases = [
            (rate, streams.draws(f"{purpose}.phase.{number}", holds))
            for number, (rate, holds) in enumerate(self.phases)
        ]
        start = rounds = 0
        while True:
            for rate, holds in phases:
                end = start + int(holds.at(rounds) * _STEPS_PER_S)
                if end > start:
                    yield Segment(start * DURATION_STEP_S, end * DURATION_STEP_S, rate, rate)
                start = end
            rounds += 1


def expected(segments: Iterator[Segment], until_s: float) -> float:
    """The area under a curve of rates: the expected number of arrivals before `until_s`."""
    total = 0.0
    for segment in segments:
        if segment.start_s >= until_s:
            break
        length_s = min(segment.end_s, until_s) - segment.start_s
        slope = (segment.last - segment.first) / (segment.end_s - segment.start_s)
        total += (segment.first + 0.5 * slope * length_s) * length_s
    return total


def follow(segments: Iterator[Segment], unit_gaps: Draws) -> Iterator[float]:
    """Arrivals at a varying rate: where the expected number of arrivals has grown by the next exponential of mean 1.

    Expected numbers are added in whole steps of 2**-30 and begin anew in every segment, so nothing drifts.
    """
    ordinal = 0
    due = int(unit_gaps.at(0) * _STEPS_PER_S)
    for segment in segments:
        first, last, start_s = segment.first, segment.last, segment.start_s
        length_s = segment.end_s - start_s
        slope = (last - first) / length_s
        available = 0.5 * (first + last) * length_s * _STEPS_PER_S if first or last else 0.0
        while due < available:
            growth = due * DURATION_STEP_S
            # Smaller root of first * t + slope / 2 * t * t = growth, in the form that does not cancel.
            root = math.sqrt(max(0.0, first * first + 2.0 * slope * growth))
            at_s = start_s + 2.0 * growth / (first + root) if growth else start_s
            yield round(min(at_s, segment.end_s) * _STEPS_PER_S) * DURATION_STEP_S
            ordinal += 1
            due += int(unit_gaps.at(ordinal) * _STEPS_PER_S)
        if available == math.inf:
            return
        due -= round(available)


def _require_rate(rate: RateValue) -> None:
    if not 0 < rate.per_second < math.inf:
        raise ValueError(f"rate must be above 0, got {rate.count:g}/{rate.period_s:g}s")
