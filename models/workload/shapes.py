"""Shapes of traffic: what the load is at which time, as a factor of what the scenario says of it."""

from __future__ import annotations

from collections.abc import Iterator
from math import cos, pi
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from models.distribution import DistributionSpec
from models.spec import NonNegativeDuration, PositiveDuration, Spec
from sim.arrivals import Modulated, Profile, Segment
from sim.curves import Surge, factor_at
from sim.streams import Streams

DAY_PARTS: Final = 48
"""Straight pieces of a day's curve: half an hour each."""
EIGHTH_OF_A_HALVING: Final = 0.917004043204671232
"""2 ** (-1 / 8): what is left after an eighth of a half-life."""
HALVINGS: Final = 8
"""After so many half-lives a flash crowd is over: 0.4 % of it is left."""

Factor = Annotated[float, Field(ge=0, le=1_000_000)]


class _Curve(Spec):
    """A shape without chance."""

    def profile(self) -> Profile:
        """The factor over time."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _is_a_profile(self) -> Self:
        self.profile()
        return self


class RampSpec(_Curve):
    """From one level to another in a straight line."""

    kind: Literal["ramp"] = "ramp"
    start: Factor = Field(default=0.0, description="Factor before the ramp. Default 0: nobody yet.")
    end: Factor = Field(default=1.0, description="Factor after it. Default 1.")
    at: NonNegativeDuration = Field(default=0.0, description="When it begins. Default: at once.")
    lasts: PositiveDuration = Field(description="How long it takes, e.g. 5m.")

    def profile(self) -> Profile:
        return Profile(((0.0, self.start), (self.at, self.start), (self.at + self.lasts, self.end)))


class PointSpec(Spec):
    """A level at an instant."""

    at: NonNegativeDuration = Field(description="When, from the beginning of the run or of the round.")
    factor: Factor = Field(description="Factor of the load.")


class PiecewiseSpec(_Curve):
    """Straight lines through points; two points at one instant make a step. After the last one its level stays."""

    kind: Literal["piecewise"] = "piecewise"
    points: list[PointSpec] = Field(min_length=1, description="Points in order of time, the first one at 0s.")
    every: PositiveDuration | None = Field(
        default=None, description="After which time all begins again. Default: it does not."
    )

    def profile(self) -> Profile:
        return Profile(tuple((point.at, point.factor) for point in self.points), self.every)


class StepSpec(_Curve):
    """Stairs: one level after the other. The last one stays."""

    kind: Literal["step"] = "step"
    levels: list[Factor] = Field(min_length=2, max_length=10_000, description="Factors, one after the other.")
    lasts: PositiveDuration = Field(description="How long each level holds, e.g. 2m.")

    def profile(self) -> Profile:
        return Profile(_stairs(self.levels, self.lasts, 0.0)[:-1])


class SpikeSpec(_Curve):
    """Up to a level, a while there, and down again."""

    kind: Literal["spike"] = "spike"
    at: NonNegativeDuration = Field(description="When it begins.")
    factor: Factor = Field(description="Factor at its height; before and after it is 1.")
    rise: NonNegativeDuration = Field(default=0.0, description="How long the way up takes. Default: at once.")
    lasts: PositiveDuration = Field(description="How long it stays at its height.")
    fall: NonNegativeDuration = Field(default=0.0, description="How long the way down takes. Default: at once.")

    def profile(self) -> Profile:
        up = self.at + self.rise
        down = up + self.lasts
        points = ((0.0, 1.0), (self.at, 1.0), (up, self.factor), (down, self.factor), (down + self.fall, 1.0))
        return Profile(points)


class FlashCrowdSpec(_Curve):
    """A link goes round: many come within moments, and their interest dies away by halves."""

    kind: Literal["flash_crowd"] = "flash_crowd"
    at: NonNegativeDuration = Field(description="When it begins.")
    factor: Annotated[Factor, Field(gt=1)] = Field(description="Factor at its height; before it is 1.")
    rise: NonNegativeDuration = Field(default=30.0, description="How long the way up takes. Default 30s (assumed).")
    half_life: PositiveDuration = Field(
        description=f"After its height, what is above 1 halves in so long; after {HALVINGS} times that it is over."
    )

    def profile(self) -> Profile:
        above, top = self.factor - 1.0, self.at + self.rise
        points = [(0.0, 1.0), (self.at, 1.0)]
        for part in range(8 * HALVINGS):
            points.append((top + part * self.half_life / 8.0, 1.0 + above))
            above *= EIGHTH_OF_A_HALVING
        end = top + HALVINGS * self.half_life
        return Profile((*points, (end, 1.0 + above), (end, 1.0)))


class CycleSpec(_Curve):
    """Levels that come round: the hours of a day or of a week, as measured."""

    kind: Literal["cycle"] = "cycle"
    levels: list[Factor] = Field(min_length=2, max_length=10_000, description="Factors, one for each part.")
    part: PositiveDuration = Field(description="How long each level holds, e.g. 1h: 24 levels are a day, 168 a week.")
    begins_at: NonNegativeDuration = Field(
        default=0.0, description="Where in the cycle the run begins, e.g. 18h. Default: with the first level."
    )

    def profile(self) -> Profile:
        whole, into = divmod(self.begins_at, self.part)
        first = int(whole % len(self.levels))
        turned = [*self.levels[first:], *self.levels[:first]]
        if into:
            turned.append(turned[0])
        points = _stairs(turned, self.part, into)
        every = len(self.levels) * self.part
        if into:
            points = (*points[:-1], (every, turned[-1]))
        return Profile(points, every)


def _stairs(levels: list[float], each_s: float, into_s: float) -> tuple[tuple[float, float], ...]:
    """The points of levels that hold for `each_s`, begun `into_s` after the beginning of the first."""
    points = []
    for number, level in enumerate(levels):
        points += [(max(0.0, number * each_s - into_s), level), ((number + 1) * each_s - into_s, level)]
    return tuple(points)


class DiurnalSpec(_Curve):
    """Day and night: a cosine between `low` and 1, so that the load the scenario states is that of the peak."""

    kind: Literal["diurnal"] = "diurnal"
    low: Annotated[float, Field(ge=0, le=1)] = Field(description="Factor at the quietest time, e.g. 0.2.")
    peak_at: NonNegativeDuration = Field(
        default=72000.0, description="Time of the day at which the load is highest. Default 20h (assumed)."
    )
    day: PositiveDuration = Field(default=86400.0, description="Length of a day. Default 24h.")

    def profile(self) -> Profile:
        points = []
        for part in range(DAY_PARTS + 1):
            angle = 2.0 * pi * (part / DAY_PARTS - self.peak_at / self.day)
            level = round(0.5 + 0.5 * cos(angle), 9)  # a cosine's last bits are not the same on every machine
            points.append((part * self.day / DAY_PARTS, self.low + (1.0 - self.low) * level))
        return Profile(tuple(points), self.day)


class BurstySpec(Spec):
    """Calm times and bursts take turns by chance. With exponential times: a Markov-modulated Poisson process."""

    kind: Literal["bursty"] = "bursty"
    factor: Factor = Field(description="Factor of the rate during a burst; in calm times it is 1.")
    calm: DistributionSpec = Field(description="How long calm times last.")
    burst: DistributionSpec = Field(description="How long bursts last.")

    @model_validator(mode="after")
    def _takes_time(self) -> BurstySpec:
        self.modulated()
        return self

    def modulated(self) -> Modulated:
        return Modulated(((1.0, self.calm.distribution()), (self.factor, self.burst.distribution())))


ShapeSpec = Annotated[
    RampSpec | StepSpec | SpikeSpec | FlashCrowdSpec | PiecewiseSpec | CycleSpec | DiurnalSpec | BurstySpec,
    Field(discriminator="kind"),
]


class SurgeSpec(Spec):
    """More load, or less, for a while."""

    at: NonNegativeDuration = Field(description="When it begins.")
    lasts: PositiveDuration = Field(description="How long it lasts.")
    factor: Factor = Field(description="Factor of the rate of open arrivals, or of the number of users at once.")

    def surge(self) -> Surge:
        return Surge(self.at, self.at + self.lasts, self.factor)


def segments_of(shape: ShapeSpec | None, streams: Streams, purpose: str) -> Iterator[Segment]:
    """The factor over time that a shape means."""
    if shape is None:
        return Profile(((0.0, 1.0),)).segments()
    if isinstance(shape, BurstySpec):
        return shape.modulated().segments(streams, purpose)
    return shape.profile().segments()


def highest(shape: ShapeSpec | None, surges: list[Surge]) -> float:
    """A factor that the load never exceeds."""
    shaped = 1.0 if shape is None or isinstance(shape, BurstySpec) else max(f for _, f in shape.profile().points)
    return shaped * max([1.0, *(factor_at(surges, surge.start_s) for surge in surges)])
