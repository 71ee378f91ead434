"""What a scenario says of a service: replicas, pools, and endpoints as sequences of steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, model_validator

from models.bulkhead import BulkheadSpec
from models.circuit_breaker import CallBreakerSpec
from models.connection_pool import HikariSpec
from models.distribution import DistributionSpec
from models.health import HealthSpec, ShutdownSpec
from models.machine import ContainerSpec
from models.rate_limiter import RateLimiterSpec
from models.replica import EventLoopSpec, InstanceSpec
from models.retry import RetrySpec
from models.service.data_source import DataSourceSpec
from models.spec import PositiveDuration, Spec
from models.thread_pool_bulkhead import ThreadPoolBulkheadSpec
from models.time_limiter import TimeLimiterSpec

MOST_CALLS = 64
"""Call steps of one endpoint stay below this: their numbers are digits of the lanes that draws come from."""


class StepSpec(Spec):
    """What every step has."""

    name: str = Field(default="", description="Unique in its endpoint. Default: the kind, then kind_2 and so on.")
    probability: float = Field(default=1.0, gt=0, le=1, description="How often the step is taken. Default: always.")


Blocking = Annotated[
    bool,
    Field(
        description="Of a service with event loops: whether this step keeps its loop while it waits (JDBC, or another "
        "driver that blocks its caller). Default: it does not."
    ),
]


class CpuStepSpec(StepSpec):
    """Burn CPU."""

    kind: Literal["cpu"] = "cpu"
    demand: DistributionSpec = Field(description="CPU time, e.g. 4ms, or a distribution.")


class DelayStepSpec(StepSpec):
    """Wait for something outside the model, holding the thread but no core."""

    kind: Literal["delay"] = "delay"
    duration: DistributionSpec = Field(description="How long.")
    blocking: Blocking = False


OnCacheError = Literal["propagate", "ignore"]
"""What Spring's CacheErrorHandler does."""


class CacheStepSpec(StepSpec):
    """Cache-aside: look the request's key up; on a miss take other steps, then store."""

    kind: Literal["cache"] = "cache"
    cache: str = Field(description="Name of the cache.")
    data_class: str = Field(description="Data class in it: decides TTL, keys and popularity.")
    sync: bool = Field(
        default=False,
        description="@Cacheable(sync = true): whether one request of a replica at a time loads, where the client's "
        "Spring Data Redis takes a lock. Default: false (Spring).",
    )
    on_error: OnCacheError = Field(
        default="propagate",
        description="What an error of the cache does: propagate fails the request, ignore goes on as after a miss. "
        "Default: propagate (Spring's SimpleCacheErrorHandler); a synchronised load that locks always does.",
    )
    on_miss: list[StepUnion] = Field(default_factory=list, description="What loads the value.")


class EvictStepSpec(StepSpec):
    """Remove the request's key from a cache, as an update does."""

    kind: Literal["evict"] = "evict"
    cache: str = Field(description="Name of the cache.")
    data_class: str = Field(description="Data class in it.")
    on_error: OnCacheError = Field(
        default="propagate",
        description="What an error of the cache does: propagate fails the request, ignore leaves what was there. "
        "Default: propagate (Spring's SimpleCacheErrorHandler).",
    )


class DatabaseStepSpec(StepSpec):
    """One query: borrow a connection from a pool, run it, give the connection back."""

    kind: Literal["db"] = "db"
    pool: str = Field(
        description="Name of one of this service's pools or data sources. Within a transaction on it, the query uses "
        "the transaction's connection."
    )
    query: str = Field(description="Name of one of the database's queries.")
    blocking: Blocking = False


class TransactionStepSpec(StepSpec):
    """Steps in one database transaction: its connection is held throughout, whatever they do."""

    kind: Literal["transaction"] = "transaction"
    pool: str = Field(description="Name of one of this service's pools or data sources.")
    read_only: bool = Field(
        default=False,
        description="Whether it is marked as read-only: a lazy proxy takes it to the replica, writes in it fail. "
        "Spring's default: it is not (@Transactional readOnly).",
    )
    steps: list[StepUnion] = Field(min_length=1, description="What it does, in order.")


class CallStepSpec(StepSpec):
    """Call an endpoint of another service and wait for the answer."""

    kind: Literal["call"] = "call"
    service: str = Field(description="The service called.")
    endpoint: str = Field(description="Its endpoint.")
    style: Literal["annotations", "spring_cloud_blocking", "spring_cloud_reactive"] = Field(
        default="annotations",
        description="How the guards stand around one another: as Resilience4j's annotations do, or as Spring Cloud "
        "CircuitBreaker puts them, which brings a breaker and a time limit of 1s along. Default: annotations.",
    )
    retry: RetrySpec | None = Field(default=None, description="Retry around everything else. Default: none.")
    breaker: CallBreakerSpec | None = Field(
        default=None,
        description="Circuit breaker inside the retry. Default: none; Spring Cloud's styles have one in any case.",
    )
    rate_limiter: RateLimiterSpec | None = Field(
        default=None, description="Resilience4j's rate limiter inside the breaker (annotations only). Default: none."
    )
    time_limiter: TimeLimiterSpec | None = Field(
        default=None,
        description="Time limiter: inside the breaker and around the bulkhead (annotations), inside both (blocking), "
        "around both (reactive). Default: none; Spring Cloud's styles have one of 1s.",
    )
    disable_time_limiter: bool = Field(
        default=False,
        description="spring.cloud.circuitbreaker.resilience4j.disable-time-limiter (Spring Cloud's styles only).",
    )
    bulkhead: BulkheadSpec | None = Field(default=None, description="Semaphore bulkhead. Default: none.")
    thread_pool_bulkhead: ThreadPoolBulkheadSpec | None = Field(
        default=None,
        description="Bulkhead with a thread pool instead (annotations and the blocking style). Default: none.",
    )
    read_timeout: PositiveDuration | None = Field(
        default=None,
        description="How long the HTTP client waits for the answer; the callee works on. Default: for ever, as "
        "RestTemplate on the JDK's client does.",
    )
    fallback: list[StepUnion] | None = Field(
        default=None, description="Steps taken instead when the call fails. Default: none, the failure goes on."
    )

    @model_validator(mode="after")
    def _fits_its_style(self) -> CallStepSpec:
        if self.bulkhead is not None and self.thread_pool_bulkhead is not None:
            raise ValueError("must have one of bulkhead and thread_pool_bulkhead, got both. Remove one.")
        if self.style == "annotations":
            if self.disable_time_limiter:
                raise ValueError("disable_time_limiter is for the styles that bring one along. Remove it.")
            return self
        if self.rate_limiter is not None:
            raise ValueError(f"style {self.style} has no rate_limiter. Remove it, or choose annotations.")
        if self.disable_time_limiter and self.time_limiter is not None:
            raise ValueError("time_limiter is set and disabled. Remove it, or disable_time_limiter.")
        if self.style == "spring_cloud_reactive" and self.thread_pool_bulkhead is not None:
            raise ValueError("style spring_cloud_reactive has no thread_pool_bulkhead. Choose a bulkhead.")
        return self

    @property
    def breaker_in_force(self) -> CallBreakerSpec | None:
        """The breaker as written, or the one that comes along."""
        return CallBreakerSpec() if self.breaker is None and self.style != "annotations" else self.breaker

    @property
    def time_limiter_in_force(self) -> TimeLimiterSpec | None:
        """The time limiter as written, or the one that comes along."""
        if self.disable_time_limiter or self.style == "annotations":
            return self.time_limiter
        return TimeLimiterSpec() if self.time_limiter is None else self.time_limiter

    def misfits(self, at: str, processors: int) -> Iterator[str]:
        """What does not fit a replica whose JVM has so many processors."""
        pool = self.thread_pool_bulkhead
        if pool is not None:
            core, most = pool.sizes(processors)
            if core > most:
                yield (
                    f"{at}.thread_pool_bulkhead.core_thread_pool_size: must be at most the {most} threads of the pool "
                    f"(max_thread_pool_size, by default the processors of the JVM), got {core}. Lower it, or set both."
                )

    @property
    def is_guarded(self) -> bool:
        """Whether anything stands around the call."""
        guards = (
            self.retry, self.breaker_in_force, self.rate_limiter, self.time_limiter_in_force, self.bulkhead,
            self.thread_pool_bulkhead, self.read_timeout,
        )  # fmt: skip
        return any(guard is not None for guard in guards)


StepUnion = Annotated[
    CpuStepSpec | DelayStepSpec | CacheStepSpec | EvictStepSpec | DatabaseStepSpec | TransactionStepSpec | CallStepSpec,
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
        calls = sum(isinstance(step, CallStepSpec) for step in walk(self.steps))
        if calls >= MOST_CALLS:
            raise ValueError(f"must make fewer than {MOST_CALLS} calls, got {calls}. Split the endpoint.")
        return self


def walk(steps: Sequence[Any]) -> list[Any]:
    """All steps, those inside others included, in the order of the document."""
    found: list[Any] = []
    for step in steps:
        found.append(step)
        if isinstance(step, CacheStepSpec):
            found += walk(step.on_miss)
        elif isinstance(step, TransactionStepSpec):
            found += walk(step.steps)
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
    shutdown: ShutdownSpec = Field(default_factory=ShutdownSpec, description="How a replica stops when it is told to.")
    health: HealthSpec | None = Field(default=None, description="How replicas are watched. Default: not at all.")
    pools: dict[str, HikariSpec] = Field(
        default_factory=dict, description="Connection pools; each replica has its own."
    )
    data_sources: dict[str, DataSourceSpec] = Field(
        default_factory=dict, description="What stands before the pools: lazy proxies and routing data sources."
    )
    open_in_view: bool = Field(
        default=False,
        description="spring.jpa.open-in-view: a connection once used is kept until the request ends. Spring Boot's "
        "default with JPA is true; here false, as for a service that has turned it off or uses no JPA.",
    )
    endpoints: dict[str, EndpointSpec] = Field(min_length=1, description="What callers can ask for.")

    @model_validator(mode="after")
    def _blocks_what_it_has(self) -> ServiceSpec:
        if isinstance(self.workers, EventLoopSpec) and not self.workers.blocking:
            return self
        for name, endpoint in self.endpoints.items():
            for step in walk(endpoint.steps):
                if isinstance(step, DelayStepSpec | DatabaseStepSpec) and step.blocking:
                    raise ValueError(
                        f"endpoints.{name}.steps.{step.name}.blocking: must be left out where threads, or all "
                        "handlers, block anyway. Remove it, or have workers of kind event_loop that do not block."
                    )
        return self
