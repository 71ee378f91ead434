"""Shapes of traffic: what the load is at which time, as a factor of what the scenario says of it."""

from __future__ import annotations

from collections.abc import Iterator
from math import cos, pi
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from models.distribution import DistributionSpec
from models.spec import NonNegativeDuration, PositiveDuration, Spec
from sim.arrivals import Modulated, Profile, Segment
from sim.curves import Surge, factor_at
from sim.streams import Streams

DAY_PARTS: Final = 48
"""Straight pieces of a day's curve: half an hour each."""

Factor = Annotated[float, Field(ge=0, le=1_000_000)]


class RampSpec(Spec):
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


class PiecewiseSpec(Spec):
    """Straight lines through points; two points at one instant make a step. After the last one its level stays."""

    kind: Literal["piecewise"] = "piecewise"
    points: list[PointSpec] = Field(min_length=1, description="Points in order of time, the first one at 0s.")
    every: PositiveDuration | None = Field(
        default=None, description="After which time all begins again. Default: it does not."
    )

    @model_validator(mode="after")
    def _is_a_profile(self) -> PiecewiseSpec:
        self.profile()
        return self

    def profile(self) -> Profile:
        return Profile(tuple((point.at, point.factor) for point in self.points), self.every)


class DiurnalSpec(Spec):
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


ShapeSpec = Annotated[RampSpec | PiecewiseSpec | DiurnalSpec | BurstySpec, Field(discriminator="kind")]


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
