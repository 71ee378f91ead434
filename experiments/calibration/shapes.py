"""Distributions as a mean and a spread: what a log can tell of one, and how a scenario writes it.

Models   The spread is the coefficient of variation (standard deviation over mean): 0 is constant, 1 exponential.
         What a scenario says as constant, uniform, Erlang, exponential or gamma is fitted as a gamma, which has all of
         these spreads; lognormal, Weibull and hyperexponential stay what they are; of a Pareto or of measured values
         only the scale is fitted.
Checked  tests/unit/test_calibration_shapes.py
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter

from models.distribution import AnyDistributionSpec, DistributionSpec
from sim.distributions import Distribution
from sim.quantities import format_duration

LEAST_SPREAD: Final = 0.04
"""Below this a distribution is written as constant."""
MOST_SPREAD: Final = 3.0
FIXED: Final = ("pareto", "empirical")
"""Kinds whose shape stays."""
_Z95: Final = 1.6448536269514722
_ADAPTER: Final[TypeAdapter[AnyDistributionSpec]] = TypeAdapter(DistributionSpec)


def distribution_of(value: Any) -> tuple[str, Distribution]:
    """The kind and the distribution of a value as a scenario writes it."""
    spec = _ADAPTER.validate_python(value)
    return spec.kind, spec.distribution()


def spread_of(distribution: Distribution) -> float:
    return math.sqrt(max(distribution.variance, 0.0)) / distribution.mean if distribution.mean > 0 else 0.0


def family_of(kind: str) -> str:
    """The family that a kind is fitted in."""
    return kind if kind in ("lognormal", "weibull", "hyperexponential", *FIXED) else "gamma"


def written(family: str, mean_s: float, spread: float, before: Any, digits: int = 6) -> Any:
    """A distribution of this family, mean and spread, as a scenario writes it. `before`: what stood there."""
    if family in FIXED:
        return _scaled(before, mean_s, digits)
    if spread < LEAST_SPREAD:
        return _duration(mean_s, digits)
    spread = min(spread, MOST_SPREAD)
    if family == "hyperexponential" and spread > 1.001:
        return {"kind": family, "mean": _duration(mean_s, digits), "scv": _number(spread * spread, digits)}
    if family == "lognormal":
        return _lognormal(mean_s, spread, digits)
    if family == "weibull" and spread > 0.05:
        return {"kind": family, "mean": _duration(mean_s, digits), "shape": _number(_weibull_shape(spread), digits)}
    if abs(spread - 1) < 1e-9:
        return {"kind": "exponential", "mean": _duration(mean_s, digits)}
    return {"kind": "gamma", "mean": _duration(mean_s, digits), "shape": _number(1 / (spread * spread), digits)}


def _lognormal(mean_s: float, spread: float, digits: int) -> dict[str, Any]:
    sigma = math.sqrt(math.log1p(spread * spread))
    if sigma < 0.9 * _Z95:
        name, value = "p95", mean_s * math.exp(_Z95 * sigma - sigma * sigma / 2)
    else:  # two lognormals have the same p95 where the tail is heavy
        name, value = "p50", mean_s * math.exp(-sigma * sigma / 2)
    return {"kind": "lognormal", "mean": _duration(mean_s, digits), name: _duration(value, max(digits, 4))}


def _weibull_shape(spread: float) -> float:
    """The shape of the Weibull distribution with this spread, by bisection: the spread falls with the shape."""
    low, high = 0.2, 60.0
    for _ in range(60):
        shape = math.sqrt(low * high)
        log_ratio = math.lgamma(1 + 2 / shape) - 2 * math.lgamma(1 + 1 / shape)
        low, high = (shape, high) if math.expm1(log_ratio) > spread * spread else (low, shape)
    return math.sqrt(low * high)


def _scaled(before: Mapping[str, Any], mean_s: float, digits: int) -> dict[str, Any]:
    """Every duration of a distribution multiplied, so that the mean is as wanted."""
    spec = _ADAPTER.validate_python(before)
    factor = mean_s / spec.distribution().mean
    plain = spec.model_dump()
    after = dict(before)
    for name in ("low", "high"):
        if name in after:
            after[name] = _duration(getattr(spec, name) * factor, digits)
    if "values" in plain:
        after["values"] = [_duration(value * factor, digits) for value in spec.values]  # type: ignore[union-attr]
    return after


def _duration(seconds: float, digits: int) -> str:
    return format_duration(rounded(seconds, digits))


def _number(value: float, digits: int) -> float:
    return rounded(value, digits)


def rounded(value: float, digits: int) -> float:
    """To so many significant digits."""
    return float(f"{value:.{max(1, digits)}g}") if math.isfinite(value) else value


def digits_for(value: float, half_width: float) -> int:
    """Significant digits that an interval of this half width leaves: its own first two."""
    if not (value > 0 and 0 < half_width < math.inf):
        return 2
    return max(1, min(6, math.floor(math.log10(value)) - math.floor(math.log10(half_width)) + 2))
