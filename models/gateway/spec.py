"""What a scenario says of the API gateway, under the names of Spring Cloud Gateway's own settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from models.bulkhead import BulkheadSpec
from models.circuit_breaker import CircuitBreakerSpec
from models.distribution import DistributionSpec
from models.jvm import JvmSpec
from models.machine import ContainerSpec
from models.spec import Duration, PositiveDuration, Spec
from models.unions import LimiterSpec

_FROM = "(Spring Cloud Gateway)"

Method = Literal["GET", "HEAD", "PUT", "DELETE", "POST", "PATCH"]
Status = Annotated[int, Field(ge=400, le=599)]
Milliseconds = Annotated[Duration, Field(ge=0.001)]


class BackoffSpec(Spec):
    """Pauses that grow from one try to the next."""

    first: Milliseconds = Field(default=0.005, description=f"The first pause (firstBackoff). Default 5ms {_FROM}.")
    maximum: Milliseconds | None = Field(
        default=None, description=f"The longest pause (maxBackoff). Default: no limit {_FROM}."
    )
    factor: PositiveInt = Field(default=2, description=f"Each pause is so many times the last. Default 2 {_FROM}.")
    based_on_previous_value: bool = Field(
        default=True,
        description="Whether the next pause grows from the last one with its jitter, or without. "
        f"Default true {_FROM}.",
    )
    random_factor: NonNegativeFloat = Field(
        default=0.0,
        le=1,
        description="Jitter: a pause d becomes d +- d x this, between first and maximum (jitter.randomFactor, 0.5 "
        f"where jitter is configured). Default 0: no jitter is configured {_FROM}.",
    )

    @model_validator(mode="after")
    def _grows(self) -> BackoffSpec:
        if self.maximum is not None and self.maximum < self.first:
            raise ValueError("maximum: must be at least first. The gateway would not start. Raise it, or leave it out.")
        return self


class GatewayRetrySpec(Spec):
    """The Retry filter: everything after it in the order of filters is done again."""

    services: list[str] | None = Field(
        default=None, min_length=1, description="Services whose routes have the filter. Default: all."
    )
    retries: PositiveInt = Field(default=3, description=f"Further tries after the first. Default 3 {_FROM}.")
    series: list[Literal["client_error", "server_error"]] = Field(
        default=["server_error"], description=f"Answers that are tried again, by series. Default server_error {_FROM}."
    )
    statuses: list[Status] = Field(
        default_factory=list, description=f"Answers that are tried again, by status. Default: none {_FROM}."
    )
    methods: list[Method] = Field(
        default=["GET"], min_length=1, description=f"Methods that are tried again. Default: only GET {_FROM}."
    )
    exceptions: list[Literal["io", "timeout"]] = Field(
        default=["io", "timeout"],
        description="Tries without an answer that are made again: io (refused, reset), timeout (the gateway's time "
        f"limits). Default both {_FROM}.",
    )
    backoff: BackoffSpec | None = Field(default=None, description=f"Pauses between tries. Default: none {_FROM}.")
    timeout: PositiveDuration | None = Field(
        default=None, description=f"No further try begins so long after the first began. Default: no limit {_FROM}."
    )

    @model_validator(mode="after")
    def _retries_something(self) -> GatewayRetrySpec:
        if not (self.series or self.statuses or self.exceptions):
            raise ValueError("series, statuses and exceptions must not all be empty. The gateway would not start.")
        return self


class FallbackSpec(Spec):
    """What the gateway answers itself where a call failed (fallbackUri: forward:/...)."""

    cpu: DistributionSpec = Field(description="CPU time that the answer burns in the gateway.")
    status: int = Field(default=200, ge=200, le=599, description="Its status. Default 200 (assumed).")


class GatewayBreakerSpec(CircuitBreakerSpec):
    """The CircuitBreaker filter (Spring Cloud CircuitBreaker, reactive, with Resilience4j). One breaker for all its
    routes."""

    services: list[str] | None = Field(
        default=None, min_length=1, description="Services whose routes have the filter. Default: all."
    )
    status_codes: list[Status] = Field(
        default_factory=list,
        description=f"Answers that count as failures. Default: none, a 500 is a success {_FROM}.",
    )
    time_limit: Milliseconds | None = Field(
        default=1.0,
        description="How long a call may take (timeoutDuration); null: no limit (disableTimeLimiter). "
        "Default 1s: the filter brings Resilience4j's time limiter along (Spring Cloud CircuitBreaker).",
    )
    fallback: FallbackSpec | None = Field(
        default=None, description=f"What is answered instead of a failure. Default: none {_FROM}."
    )


class KeyResolverSpec(Spec):
    """Where the key of limits per user comes from, and what happens to who has none."""

    anonymous_share: float = Field(ge=0, le=1, description="Share of users who come without a key, e.g. no header.")
    on_missing: Literal["deny", "error", "pass"] = Field(
        default="deny",
        description="deny: 403 (deny-empty-key); pass: no limit (deny-empty-key false); error: the resolver throws, "
        f"500, as one does that reads a missing header. Default deny {_FROM}.",
    )


class ConnectionsSpec(Spec):
    """A FIXED pool of connections to each replica or proxy."""

    max_connections: PositiveInt = Field(
        default=16, description="Connections to one address. Default 16: twice the CPUs, of at least 8 (Reactor Netty)."
    )
    acquire_timeout: Milliseconds = Field(
        default=45.0, description="How long a request waits for one. Default 45s (Reactor Netty)."
    )


class GatewaySpec(ContainerSpec):
    """The gateway in front of the services."""

    cpu: DistributionSpec = Field(
        description="CPU time it burns for a request, refused ones included, and for every further try (assumed)."
    )
    loops: PositiveInt | None = Field(
        default=None, description="Event loops. Default: max(4, CPUs that the JVM sees) (Reactor Netty)."
    )
    jvm: JvmSpec | None = Field(
        default=None, description="Heap, collector and threads of the JVM it runs in. Default: not modelled."
    )
    rate_limits: dict[str, LimiterSpec] = Field(default_factory=dict, description="Rate limiters, asked in this order.")
    key_resolver: KeyResolverSpec | None = Field(
        default=None, description="Users without a key for the limits per user. Default: everybody has one."
    )
    concurrency: dict[str, BulkheadSpec] = Field(
        default_factory=dict, description="Requests in progress at most, by service."
    )
    circuit_breakers: dict[str, GatewayBreakerSpec] = Field(
        default_factory=dict, description="CircuitBreaker filters, by name."
    )
    retries: dict[str, GatewayRetrySpec] = Field(default_factory=dict, description="Retry filters, by name.")
    filters: list[str] | None = Field(
        default=None,
        description="The order of the filters, outermost first: names of rate limits, circuit breakers and retries, "
        "and the word concurrency. What stands after a retry is passed again by every try. Default: rate limits, "
        "concurrency, circuit breakers, retries, each in the order in which they are written.",
    )
    connections: ConnectionsSpec | None = Field(
        default=None, description=f"Connections to the services. Default: an ELASTIC pool, without limit {_FROM}."
    )
    response_timeout: PositiveDuration | None = Field(
        default=None, description="spring.cloud.gateway.httpclient.response-timeout. Its default: none."
    )

    @model_validator(mode="after")
    def _names_every_filter_once(self) -> GatewaySpec:
        names = [*self.rate_limits, *self.circuit_breakers, *self.retries]
        twice = sorted({name for name in names if names.count(name) > 1 or name == CONCURRENCY})
        if twice:
            raise ValueError(f"names of filters must be unique and not {CONCURRENCY!r}, got {', '.join(twice)}.")
        if self.filters is not None and sorted(self.filters) != sorted(self.default_order):
            raise ValueError(
                f"filters: must name each of {', '.join(self.default_order) or 'nothing'} once, got "
                f"{', '.join(self.filters) or 'nothing'}. Leave it out for the default order."
            )
        return self

    @property
    def default_order(self) -> list[str]:
        concurrency = [CONCURRENCY] if self.concurrency else []
        return [*self.rate_limits, *concurrency, *self.circuit_breakers, *self.retries]

    @property
    def order(self) -> list[str]:
        """The names of all filters, outermost first."""
        return self.default_order if self.filters is None else self.filters


CONCURRENCY = "concurrency"
"""What stands for the bulkheads in the order of filters."""
