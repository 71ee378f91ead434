"""The discriminated unions: where a scenario chooses one of several true alternatives by `kind`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from models.distribution import DistributionSpec
from models.replica import WorkersSpec
from models.token_bucket import Bucket4jGreedySpec, Bucket4jIntervallySpec, SpringRedisSpec
from models.window_limit import AnchoredWindowSpec, FixedWindowSpec, SlidingCounterSpec, SlidingLogSpec

LimiterSpec = Annotated[
    Bucket4jGreedySpec
    | Bucket4jIntervallySpec
    | SpringRedisSpec
    | FixedWindowSpec
    | AnchoredWindowSpec
    | SlidingLogSpec
    | SlidingCounterSpec,
    Field(discriminator="kind"),
]
"""Rate limiters. "100 requests per 60 s" is not one algorithm, so a scenario names the one it means."""

__all__ = ["DistributionSpec", "LimiterSpec", "WorkersSpec"]
