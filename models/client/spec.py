"""What a scenario says of clients: how long they wait, and what they do when an answer is bad or late."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from models.distribution import DistributionSpec
from models.outcomes import CallFailure
from models.spec import PositiveDuration, Spec

ATTEMPT_LIMIT = "attempt_limit"
"""The reason of an attempt that its client has left at the limit of one attempt."""


class ClientBackoffSpec(Spec):
    """The pause before a retry: min(cap, base x factor^n) before retry n = 0, 1, 2, and what chance makes of it."""

    base: PositiveDuration = Field(default=1.0, description="Pause before the first retry. Default 1s (botocore 1.40).")
    factor: float = Field(
        default=2.0, ge=1, description="Growth from retry to retry; 1: a fixed pause. Default 2 (botocore 1.40)."
    )
    cap: PositiveDuration = Field(default=20.0, description="The longest pause. Default 20s (botocore 1.40).")
    jitter: Literal["none", "full", "equal"] = Field(
        default="full",
        description="full: uniform from 0 to the pause; equal: half of it fixed, half uniform. Default full "
        "(botocore 1.40).",
    )

    @model_validator(mode="after")
    def _can_grow(self) -> ClientBackoffSpec:
        if self.cap < self.base:
            raise ValueError(f"must have a cap of at least base, {self.base:g}s, got {self.cap:g}s. Raise cap.")
        return self


class RetryBudgetSpec(Spec):
    """How many retries clients allow themselves, in relation to what they ask."""

    per: Literal["client", "user"] = Field(
        default="client",
        description="Who has a budget: one client process that sends for all users, or each user's own. "
        "Default client (Finagle: one per client).",
    )
    ratio: float = Field(
        default=0.2, ge=0, le=1000, description="Retries a request earns (percentCanRetry). Default 0.2 (Finagle 24.2)."
    )
    min_per_s: NonNegativeInt = Field(
        default=10, description="Retries a second beyond those (minRetriesPerSec). Default 10 (Finagle 24.2)."
    )
    ttl: Annotated[PositiveDuration, Field(ge=1, le=60)] = Field(
        default=10.0, description="How long it is remembered what was earned and spent. Default 10s (Finagle 24.2)."
    )


class ClientRetrySpec(Spec):
    """Attempts that the client makes of the same request by itself."""

    max_attempts: Annotated[int, Field(ge=2, le=1000)] = Field(
        default=3, description="Attempts at most, the first one included. Default 3 (botocore 1.40, standard mode)."
    )
    attempt_limit: PositiveDuration | None = Field(
        default=None, description="How long the client waits for one attempt; it then leaves it. Default: for ever."
    )
    statuses: list[Annotated[int, Field(ge=400, le=599)]] = Field(
        default=[408, 429, 500, 502, 503, 504],
        description="Answers after which it tries again. Default: 408, 429, 500, 502, 503, 504 (curl 8, --retry).",
    )
    reasons: list[str] = Field(
        default=[ATTEMPT_LIMIT],
        description="Ends after which it tries again, whatever their status: attempt_limit, or a reason of the result "
        "such as connection_refused. Default: attempt_limit (curl 8, --retry).",
    )
    non_idempotent: bool = Field(
        default=False, description="Try POST and PATCH again, too. Default: no (RFC 9110, 9.2.2)."
    )
    backoff: ClientBackoffSpec | None = Field(default=None, description="Pause before a retry. Default: none, at once.")
    budget: RetryBudgetSpec | None = Field(default=None, description="Budget of retries. Default: no bound.")

    @field_validator("reasons")
    @classmethod
    def _known(cls, reasons: list[str]) -> list[str]:
        known = [ATTEMPT_LIMIT, *sorted(set(_reasons()))]
        for reason in reasons:
            if reason not in known:
                raise ValueError(f"must be reasons of a failure, got {reason!r}. There are: {', '.join(known)}.")
        return reasons

    @model_validator(mode="after")
    def _retries_something(self) -> ClientRetrySpec:
        if not self.statuses and not self.reasons:
            raise ValueError("must have a status or a reason after which it tries again, got none. Add one.")
        return self


def _reasons() -> Iterator[str]:
    """Reasons of every failure a client can see."""
    classes = [CallFailure]
    for failure in classes:
        classes += failure.__subclasses__()
    return (failure.reason for failure in classes if failure.reason != "client_gone")


class ReloadSpec(Spec):
    """Impatient users who reload: the attempt under way is left, its work goes on, another attempt begins at once."""

    after: DistributionSpec = Field(description="How long a user looks at a page that does not come, e.g. 5s.")
    probability: float = Field(default=1.0, gt=0, le=1, description="How often a user reloads then (assumed).")
    at_most: PositiveInt = Field(default=3, le=1000, description="Reloads of one request. Default 3 (assumed).")


class ClientSpec(Spec):
    """How clients behave."""

    patience: PositiveDuration | None = Field(
        default=None, description="How long a client waits for a whole request. Default: for ever."
    )
    round_trip: DistributionSpec | None = Field(
        default=None, description="Network time between client and entry, there and back. Default: none."
    )
    retry: ClientRetrySpec | None = Field(default=None, description="Retries of the client's program. Default: none.")
    reload: ReloadSpec | None = Field(default=None, description="Reloads of GET, PUT and DELETE. Default: none.")

    @property
    def leaves(self) -> bool:
        """Whether a client may leave before the answer."""
        has_limit = self.retry is not None and self.retry.attempt_limit is not None
        return self.patience is not None or has_limit or self.reload is not None
