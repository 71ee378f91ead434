"""What every component's specification shares: strictness, units, and the context it is built in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from sim.environment import escaped as _kind_of_function
from sim.quantities import RateValue, format_duration, format_rate, format_size, parse_duration, parse_rate, parse_size

if TYPE_CHECKING:
    from sim.environment import Environment
    from sim.probe import Probe
    from sim.streams import Streams


class Spec(BaseModel):
    """Base of all specifications: unknown keys are refused, values do not change after validation."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True,
        ignored_types=(type(_kind_of_function),),  # methods are no fields, compiled ones neither
    )  # fmt: skip


Duration = Annotated[float, BeforeValidator(parse_duration), PlainSerializer(format_duration)]
"""Seconds, written with a unit: 250ms, 3s, 2m, 1h."""

Size = Annotated[int, BeforeValidator(parse_size), PlainSerializer(format_size)]
"""Bytes, written with a binary unit: 512M, 4G."""

Rate = Annotated[RateValue, BeforeValidator(parse_rate), PlainSerializer(format_rate)]
"""A number per time, written count/period: 100/60s, 700/s."""


def _above_zero(rate: RateValue) -> RateValue:
    if rate.count <= 0:
        raise ValueError(f"must be a rate above 0 such as 100/60s, got {format_rate(rate)}. Write a larger count.")
    return rate


PositiveRate = Annotated[Rate, AfterValidator(_above_zero)]
PositiveDuration = Annotated[Duration, Field(gt=0)]
NonNegativeDuration = Annotated[Duration, Field(ge=0)]
PositiveSize = Annotated[Size, Field(gt=0)]
NonNegativeSize = Annotated[Size, Field(ge=0)]


@dataclass(frozen=True)
class Context:
    """What a component is built with: the clock, chance, somewhere to report, and its own path."""

    env: Environment
    streams: Streams
    probe: Probe
    path: str

    def at(self, name: str) -> Context:
        """The context of a part called `name`."""
        return replace(self, path=f"{self.path}.{name}" if self.path else name)
