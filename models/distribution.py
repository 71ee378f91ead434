"""How a scenario writes distributions of durations.

Models   `4ms` is a constant; anything else names its `kind` and gives its mean and what shapes it.
Units    Every duration with its unit (250ms, 3s).
Source   The forms of sim/distributions/.
Omits    Arbitrary expressions, and shifts (add a constant step instead).
Checked  tests/unit/test_distribution_specs.py
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt, model_validator

from models.spec import NonNegativeDuration, PositiveDuration, Spec
from sim import distributions
from sim.distributions import Distribution


class _DistributionSpec(Spec):
    """What all have in common: the parameters must make a distribution."""

    def distribution(self) -> Distribution:
        """The distribution, in seconds."""
        raise NotImplementedError

    @property
    def mean_s(self) -> float:
        return self.distribution().mean

    @model_validator(mode="after")
    def _makes_a_distribution(self) -> Self:
        self.distribution()
        return self


class ConstantSpec(_DistributionSpec):
    """Always the same. A bare duration means this."""

    kind: Literal["constant"] = "constant"
    value: NonNegativeDuration = Field(description="The duration.")

    def distribution(self) -> Distribution:
        return distributions.Constant(self.value)


class UniformSpec(_DistributionSpec):
    """Equally likely anywhere between two bounds."""

    kind: Literal["uniform"] = "uniform"
    low: NonNegativeDuration = Field(description="The shortest.")
    high: PositiveDuration = Field(description="The longest.")

    def distribution(self) -> Distribution:
        return distributions.Uniform(self.low, self.high)


class ExponentialSpec(_DistributionSpec):
    """Memoryless: p99 is 4.6 times the mean."""

    kind: Literal["exponential"] = "exponential"
    mean: PositiveDuration = Field(description="The mean.")

    def distribution(self) -> Distribution:
        return distributions.Exponential(self.mean)


class LognormalSpec(_DistributionSpec):
    """The usual shape of measured service times: give the mean and one percentile."""

    kind: Literal["lognormal"] = "lognormal"
    mean: PositiveDuration = Field(description="The mean.")
    p50: PositiveDuration | None = Field(default=None, description="The median, which is below the mean.")
    p90: PositiveDuration | None = Field(default=None, description="The 90th percentile, above the mean.")
    p95: PositiveDuration | None = Field(default=None, description="The 95th percentile, above the mean.")
    p99: PositiveDuration | None = Field(default=None, description="The 99th percentile, above the mean.")

    def distribution(self) -> Distribution:
        given = [(q, value) for q, value in self._percentiles() if value is not None]
        if len(given) != 1:
            names = ", ".join(f"p{q}" for q, _ in given) or "none"
            raise ValueError(f"must have exactly one of p50, p90, p95, p99 beside its mean, got {names}")
        return distributions.Lognormal.from_mean_percentile(self.mean, *given[0])

    def _percentiles(self) -> tuple[tuple[int, float | None], ...]:
        return (50, self.p50), (90, self.p90), (95, self.p95), (99, self.p99)


class GammaSpec(_DistributionSpec):
    """Between exponential (shape 1) and nearly constant (large shape); below 1 more variable than exponential."""

    kind: Literal["gamma"] = "gamma"
    mean: PositiveDuration = Field(description="The mean.")
    shape: PositiveFloat = Field(description="1 over the squared coefficient of variation.")

    def distribution(self) -> Distribution:
        return distributions.Gamma(self.mean, self.shape)


class ErlangSpec(_DistributionSpec):
    """A sum of equal exponential stages."""

    kind: Literal["erlang"] = "erlang"
    mean: PositiveDuration = Field(description="The mean of the sum.")
    stages: PositiveInt = Field(description="How many stages.")

    def distribution(self) -> Distribution:
        return distributions.Erlang(self.mean, self.stages)


class WeibullSpec(_DistributionSpec):
    """Shape below 1: long tail; 1: exponential; above 1: around its mean."""

    kind: Literal["weibull"] = "weibull"
    mean: PositiveDuration = Field(description="The mean.")
    shape: PositiveFloat = Field(description="Weibull's k.")

    def distribution(self) -> Distribution:
        return distributions.Weibull(self.mean, self.shape)


class BranchSpec(Spec):
    """One of the exponentials that a hyperexponential chooses from."""

    probability: PositiveFloat = Field(le=1, description="How often this branch is taken.")
    mean: PositiveDuration = Field(description="Its mean.")


class HyperexponentialSpec(_DistributionSpec):
    """Usually short, sometimes long: give mean and scv, or the branches."""

    kind: Literal["hyperexponential"] = "hyperexponential"
    mean: PositiveDuration | None = Field(default=None, description="The mean; with scv, instead of branches.")
    scv: PositiveFloat | None = Field(default=None, description="Squared coefficient of variation, above 1.")
    branches: tuple[BranchSpec, ...] = Field(default=(), description="The exponentials to choose from.")

    def distribution(self) -> Distribution:
        if self.branches and self.mean is None and self.scv is None:
            pairs = tuple((branch.probability, branch.mean) for branch in self.branches)
            return distributions.Hyperexponential(branches=pairs)
        if self.mean is None or self.scv is None or self.branches:
            given = [name for name in ("mean", "scv", "branches") if getattr(self, name)]
            raise ValueError(f"must have either mean and scv, or branches, got {', '.join(given) or 'none'}")
        return distributions.Hyperexponential(self.mean, self.scv)


class ParetoSpec(_DistributionSpec):
    """Heavy tail between two bounds: sizes of uploads, sessions, batches."""

    kind: Literal["pareto"] = "pareto"
    shape: PositiveFloat = Field(description="Tail index; the smaller, the heavier the tail.")
    low: PositiveDuration = Field(description="The shortest.")
    high: PositiveDuration = Field(description="The longest.")

    def distribution(self) -> Distribution:
        return distributions.BoundedPareto(self.shape, self.low, self.high)


class EmpiricalSpec(_DistributionSpec):
    """Measured values, drawn as they are."""

    kind: Literal["empirical"] = "empirical"
    values: tuple[NonNegativeDuration, ...] = Field(description="Measured durations, at least one.")
    weights: tuple[PositiveFloat, ...] = Field(
        default=(), description="How often each was measured. Default: once each."
    )

    def distribution(self) -> Distribution:
        return distributions.Empirical(self.values, self.weights)


def _bare_duration(value: Any) -> Any:
    """A duration by itself, right or wrong, is a constant; so its error message is about durations."""
    return {"kind": "constant", "value": value} if isinstance(value, str | int | float) else value


AnyDistributionSpec = (
    ConstantSpec
    | UniformSpec
    | ExponentialSpec
    | LognormalSpec
    | GammaSpec
    | ErlangSpec
    | WeibullSpec
    | HyperexponentialSpec
    | ParetoSpec
    | EmpiricalSpec
)

DistributionSpec = Annotated[AnyDistributionSpec, Field(discriminator="kind"), BeforeValidator(_bare_duration)]
"""The type of every field that is a distribution of durations: `4ms`, or a mapping with a `kind`."""
