"""What every distribution offers, and how parameters are refused."""

from __future__ import annotations

from typing import Final, Protocol, runtime_checkable

from sim.elementary import Array

LONGEST_S: Final = 2.0**40
"""Largest mean or bound: what is drawn stays finite, whatever the shape."""


@runtime_checkable
class Distribution(Protocol):
    """What every distribution offers."""

    @property
    def mean(self) -> float: ...

    @property
    def variance(self) -> float: ...

    def ppf(self, u: Array) -> Array:
        """The values below which shares `u` in [0, 1) lie."""
        ...

    def cdf(self, x: Array) -> Array:
        """The shares at or below the values `x`."""
        ...


def scv(distribution: Distribution) -> float:
    """Squared coefficient of variation: variance over squared mean; 1 for the exponential."""
    return distribution.variance / (distribution.mean * distribution.mean)


def require(holds: bool, name: str, requirement: str, got: object) -> None:
    """Refuse a parameter: `shape must be from 0.1 to 100, got 0`."""
    if not holds:
        shown = f"{got:g}" if isinstance(got, float) else got
        raise ValueError(f"{name} must be {requirement}, got {shown}")


def require_mean(mean: float) -> None:
    require(0 < mean <= LONGEST_S, "mean", "above 0 s and at most 2**40 s", in_s(mean))


def in_s(duration_s: float) -> str:
    """A duration as messages show it."""
    return f"{duration_s:.6g} s"
