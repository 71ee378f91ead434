"""Retry: a call that failed is made again after a pause.

Models   At most `max_attempts` calls, the first included. Pauses are constant or grow by a factor, each cut to whole
         milliseconds, and may be spread at random. Which failures are tried again is said by name; an open circuit
         breaker is a failure as any other.
Units    Pauses in whole milliseconds in the rule, seconds outside.
Source   Resilience4j 2.3, retry/internal/RetryImpl.java, RetryConfig.java, core/IntervalFunction.java; settings are
         named as in CommonRetryConfigurationProperties.java.
Omits    Predicates on an answer's content (statuses stand in `retry_exceptions`); failAfterMaxAttempts.
Checked  experiments/validation/retry.py, tests/unit/test_retry_spec.py, tests/properties/test_guards.py
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from models.resilience import FAILURE_NAMES, FailureName, Names, grown_ms, names_in, spread_ms, whole_ms
from models.spec import Context, Duration, NonNegativeDuration, Spec

_FROM = "(Resilience4j 2.3)"
MOST_ATTEMPTS = 64


class RetrySpec(Spec):
    """Resilience4j's settings, under the names Spring Boot gives them."""

    max_attempts: int = Field(
        default=3, ge=1, le=MOST_ATTEMPTS,
        description=f"Calls at most, the first included. Default 3 {_FROM}; at most 64 here.",
    )  # fmt: skip
    wait_duration: NonNegativeDuration = Field(
        default=0.5, description=f"Pause before the second call, in whole milliseconds. Default 500ms {_FROM}."
    )
    exponential_backoff_multiplier: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="Factor from one pause to the next, each cut to whole ms. Default: they are constant."
    )
    exponential_max_wait_duration: Annotated[Duration, Field(ge=0.001)] | None = Field(
        default=None, description="No pause is longer, where they grow. Default: no bound."
    )
    randomized_wait_factor: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None, description="Share by which a pause is longer or shorter, evenly spread. Default: exact pauses."
    )
    retry_exceptions: list[FailureName] | None = Field(
        default=None, min_length=1, description=f"Failures that are tried again: {FAILURE_NAMES}. Default: all."
    )
    ignore_exceptions: list[FailureName] = Field(
        default_factory=list, description="Failures that are not, by the same names; they win. Default: none."
    )

    @model_validator(mode="after")
    def _hangs_together(self) -> RetrySpec:
        if self.exponential_max_wait_duration is not None and self.exponential_backoff_multiplier is None:
            raise ValueError(
                "exponential_max_wait_duration bounds pauses that grow, and these do not. "
                "Add exponential_backoff_multiplier, or remove it."
            )
        varies = self.exponential_backoff_multiplier is not None or self.randomized_wait_factor is not None
        if varies and self.wait_duration < 0.001:
            raise ValueError("wait_duration must be at least 1ms where pauses grow or are spread. Write a longer one.")
        return self

    def build(self, context: Context) -> Retry:
        return Retry(context, self)


class RetryRule:
    """Whether a failed call is made again, and after which pause. Decides; never waits."""

    __slots__ = ("_factor", "_first_ms", "_ignored", "_most_ms", "_retried", "_spec", "is_random")

    def __init__(self, spec: RetrySpec) -> None:
        self._spec = spec
        self._first_ms = whole_ms(spec.wait_duration)
        self._factor = spec.exponential_backoff_multiplier or 1.0
        most_s = spec.exponential_max_wait_duration
        self._most_ms = None if most_s is None else whole_ms(most_s)
        self._retried = names_in(spec.retry_exceptions)
        self._ignored = frozenset(spec.ignore_exceptions)
        self.is_random = spec.randomized_wait_factor is not None

    def is_retried(self, names: Names) -> bool:
        """Whether a failure that goes by `names` is one to try again after."""
        if names & self._ignored:
            return False
        return self._retried is None or bool(names & self._retried)

    def is_last(self, failures: int) -> bool:
        """Whether no further call is made after so many that failed."""
        return failures >= self._spec.max_attempts

    def pause_ms(self, failures: int, uniform: float = 0.0) -> int:
        """The pause after the failure with this number, from 1; `uniform` in [0, 1) spreads it."""
        share, most_ms = self._spec.randomized_wait_factor, self._most_ms
        if share is None:
            return grown_ms(self._first_ms, self._factor, failures, most_ms)
        pause_ms = spread_ms(grown_ms(self._first_ms, self._factor, failures), share, uniform)
        return pause_ms if most_ms is None else min(pause_ms, most_ms)


class Retry:
    """Asked after every failure of a call: `pause_s` says how long to wait before it is made again.

    Reports `<path>.retries` (calls made again), `.recovered` (succeeded in the end), `.exhausted` (failed each time).
    """

    __slots__ = ("_chance", "_exhausted", "_recovered", "_retries", "_rule", "path")

    def __init__(self, context: Context, spec: RetrySpec) -> None:
        self.path = path = context.path
        self._rule = RetryRule(spec)
        self._chance: Any = context.streams.sequence(f"{path}.jitter") if self._rule.is_random else None
        self._retries = context.probe.count(f"{path}.retries")
        self._recovered = context.probe.count(f"{path}.recovered")
        self._exhausted = context.probe.count(f"{path}.exhausted")

    def pause_s(self, failures: int, names: Names) -> float | None:
        """The pause after the failure with this number (from 1), which goes by `names`; None: it stands."""
        rule = self._rule
        if not rule.is_retried(names):
            return None
        if rule.is_last(failures):
            self._exhausted.add()
            return None
        self._retries.add()
        return rule.pause_ms(failures, 0.0 if self._chance is None else self._chance.next()) / 1000

    def recover(self) -> None:
        """A call that had failed before has succeeded."""
        self._recovered.add()
