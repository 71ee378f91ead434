"""What a scenario says of a circuit breaker: Resilience4j's settings, under its own names."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from models.circuit_breaker.breaker import CircuitBreaker
from models.resilience import FAILURE_NAMES, FailureName, names_in
from models.spec import Context, Duration, NonNegativeDuration, Spec

_FROM = "(Resilience4j 2.3)"

Percentage = Annotated[float, Field(gt=0, le=100)]


class CircuitBreakerSpec(Spec):
    """Resilience4j's settings, under its own names."""

    sliding_window_type: Literal["count_based", "time_based"] = Field(
        default="count_based",
        description=f"Whether the window holds the last calls or the last seconds. Default count_based {_FROM}.",
    )
    sliding_window_size: PositiveInt = Field(
        default=100, description=f"Calls (count_based) or seconds (time_based) in the window. Default 100 {_FROM}."
    )
    minimum_number_of_calls: PositiveInt = Field(
        default=100,
        description="Results before a rate is looked at; a count_based window or the half-open calls lower it to "
        f"their own number, a time_based window does not. Default 100 {_FROM}.",
    )
    failure_rate_threshold: Percentage = Field(
        default=50.0, description=f"Percent of failed calls at which it opens. Default 50 {_FROM}."
    )
    slow_call_duration_threshold: Annotated[Duration, Field(ge=1e-9)] = Field(
        default=60.0, description=f"Calls that take longer are slow. Default 60s {_FROM}."
    )
    slow_call_rate_threshold: Percentage = Field(
        default=100.0, description=f"Percent of slow calls at which it opens. Default 100 {_FROM}."
    )
    wait_duration_in_open_state: Annotated[Duration, Field(ge=0.001)] = Field(
        default=60.0, description=f"How long it stays open, in whole milliseconds. Default 60s {_FROM}."
    )
    permitted_number_of_calls_in_half_open_state: PositiveInt = Field(
        default=10, description=f"Calls let through half-open. Default 10 {_FROM}."
    )
    max_wait_duration_in_half_open_state: NonNegativeDuration = Field(
        default=0.0,
        description="How long it waits half-open for results before it opens again, in whole milliseconds. "
        f"Default 0: for ever {_FROM}.",
    )
    automatic_transition_from_open_to_half_open_enabled: bool = Field(
        default=False,
        description="Whether a timer ends the open state; else the first call after the wait does. "
        f"Default false {_FROM}.",
    )
    exponential_backoff_multiplier: Annotated[float, Field(gt=0)] | None = Field(
        default=None,
        description="Factor by which the open state lasts longer each time it is entered from half-open, cut to whole "
        f"milliseconds (waitIntervalFunctionInOpenState). Default: it always lasts the same {_FROM}.",
    )
    exponential_max_wait_duration_in_open_state: Annotated[Duration, Field(ge=0.001)] | None = Field(
        default=None, description="It does not last longer than this, where it grows. Default: no bound."
    )

    @model_validator(mode="after")
    def _hangs_together(self) -> CircuitBreakerSpec:
        if self.exponential_max_wait_duration_in_open_state is not None and self.exponential_backoff_multiplier is None:
            raise ValueError(
                "exponential_max_wait_duration_in_open_state bounds waits that grow, and these do not. "
                "Add exponential_backoff_multiplier, or remove it."
            )
        return self

    def build(self, context: Context) -> CircuitBreaker:
        return CircuitBreaker(context, self)


class CallBreakerSpec(CircuitBreakerSpec):
    """The breaker of a call between services: it can tell failures apart."""

    record_exceptions: list[FailureName] | None = Field(
        default=None,
        min_length=1,
        description=f"Failures that count: {FAILURE_NAMES}; any other counts as a success. Default: all {_FROM}.",
    )
    ignore_exceptions: list[FailureName] = Field(
        default_factory=list,
        description="Failures that count as nothing, by the same names: the call's permit comes back. "
        f"Default: none {_FROM}.",
    )

    def build(self, context: Context) -> CircuitBreaker:
        return CircuitBreaker(context, self, names_in(self.record_exceptions), frozenset(self.ignore_exceptions))
