"""The discriminated unions: where a scenario chooses one of several true alternatives by `kind`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from models.distribution import DistributionSpec
from models.replica import WorkersSpec
from models.token_bucket import Bucket4jGreedySpec, SpringRedisSpec

LimiterSpec = Annotated[Bucket4jGreedySpec | SpringRedisSpec, Field(discriminator="kind")]
"""Rate limiters. "100 requests per 60 s" is not one algorithm, so a scenario names the one it means."""

__all__ = ["DistributionSpec", "LimiterSpec", "WorkersSpec"]
