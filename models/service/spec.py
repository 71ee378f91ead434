"""What a scenario says of a service: replicas, pools, and endpoints as sequences of steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, model_validator

from models.circuit_breaker import CircuitBreakerSpec
from models.connection_pool import HikariSpec
from models.distribution import DistributionSpec
from models.machine import ContainerSpec
from models.replica import InstanceSpec
from models.spec import Spec
from models.time_limiter import TimeLimiterSpec


class StepSpec(Spec):
    """What every step has."""

    name: str = Field(default="", description="Unique in its endpoint. Default: the kind, then kind_2 and so on.")
    probability: float = Field(default=1.0, gt=0, le=1, description="How often the step is taken. Default: always.")


class CpuStepSpec(StepSpec):
    """Burn CPU."""

    kind: Literal["cpu"] = "cpu"
    demand: DistributionSpec = Field(description="CPU time, e.g. 4ms, or a distribution.")


class DelayStepSpec(StepSpec):
    """Wait for something outside the model, holding the thread but no core."""

    kind: Literal["delay"] = "delay"
    duration: DistributionSpec = Field(description="How long.")


class CacheStepSpec(StepSpec):
    """Cache-aside: look the request's key up; on a miss take other steps, then store."""

    kind: Literal["cache"] = "cache"
    cache: str = Field(description="Name of the cache.")
    data_class: str = Field(description="Data class in it: decides TTL, keys and popularity.")
    on_miss: list[StepUnion] = Field(default_factory=list, description="What loads the value.")


class EvictStepSpec(StepSpec):
    """Remove the request's key from a cache, as an update does."""

    kind: Literal["evict"] = "evict"
    cache: str = Field(description="Name of the cache.")
    data_class: str = Field(description="Data class in it.")


class DatabaseStepSpec(StepSpec):
    """One query: borrow a connection from a pool, run it, give the connection back."""

    kind: Literal["db"] = "db"
    pool: str = Field(description="Name of one of this service's pools.")
    query: str = Field(description="Name of one of the database's queries.")


class CallStepSpec(StepSpec):
    """Call an endpoint of another service and wait for the answer."""

    kind: Literal["call"] = "call"
    service: str = Field(description="The service called.")
    endpoint: str = Field(description="Its endpoint.")
    breaker: CircuitBreakerSpec | None = Field(
        default=None, description="Circuit breaker around the call. Default: none."
    )
    time_limiter: TimeLimiterSpec | None = Field(
        default=None, description="Time limiter inside the breaker. Default: none."
    )
    fallback: list[StepUnion] | None = Field(
        default=None, description="Steps taken instead when the call fails. Default: none, the failure goes on."
    )


StepUnion = Annotated[
    CpuStepSpec | DelayStepSpec | CacheStepSpec | EvictStepSpec | DatabaseStepSpec | CallStepSpec,
    Field(discriminator="kind"),
]


class EndpointSpec(Spec):
    """What one endpoint does."""

    method: Literal["GET", "HEAD", "PUT", "DELETE", "POST", "PATCH"] = Field(
        default="GET", description="HTTP method. POST and PATCH are not repeated by proxies once they have been sent."
    )
    steps: list[StepUnion] = Field(min_length=1, description="What it does, in order.")

    @property
    def is_idempotent(self) -> bool:
        return self.method not in ("POST", "PATCH")

    @model_validator(mode="after")
    def _name_steps(self) -> EndpointSpec:
        names: dict[str, int] = {}
        taken: set[str] = set()
        for step in walk(self.steps):
            if not step.name:
                count = names[step.kind] = names.get(step.kind, 0) + 1
                object.__setattr__(step, "name", step.kind if count == 1 else f"{step.kind}_{count}")
            if step.name in taken:
                raise ValueError(f"step names must be unique in their endpoint, got {step.name!r} twice. Rename one.")
            taken.add(step.name)
        return self


def walk(steps: Sequence[Any]) -> list[Any]:
    """All steps, those inside others included, in the order of the document."""
    found: list[Any] = []
    for step in steps:
        found.append(step)
        if isinstance(step, CacheStepSpec):
            found += walk(step.on_miss)
        elif isinstance(step, CallStepSpec):
            found += walk(step.fallback or [])
    return found


class ServiceSpec(ContainerSpec, InstanceSpec):
    """A service: how many replicas, how they work, what their endpoints do."""

    replicas: PositiveInt = Field(default=1, description="Instances of it.")
    balancing: Literal["round_robin", "least_connections"] = Field(
        default="round_robin",
        description="How callers choose without a load balancer. Default: Spring Cloud LoadBalancer's round robin.",
    )
    pools: dict[str, HikariSpec] = Field(
        default_factory=dict, description="Connection pools; each replica has its own."
    )
    endpoints: dict[str, EndpointSpec] = Field(min_length=1, description="What callers can ask for.")
