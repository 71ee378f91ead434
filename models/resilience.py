"""What the parts of Resilience4j share: growing intervals, and the names under which a call's failure is known.

Models   Intervals that grow by a factor, cut to whole milliseconds at every step, with a largest one, spread evenly
         around their value. Lists of failures (exceptions there): a caller tells its own guards' refusals, a broken
         connection and the statuses of answers apart; what went on behind an answer it does not know.
Units    Whole milliseconds.
Source   Resilience4j 2.3, core/IntervalFunction.java; core/predicate/PredicateCreator.java.
Omits    Intervals that depend on the failure; predicates on the content of an answer.
Checked  experiments/validation/retry.py, tests/unit/test_retry_spec.py, tests/unit/test_guards.py
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator

from models.outcomes import CallFailure, ConnectionRefused, InstanceDied

LONGEST_MS = (1 << 63) - 1
"""Java's largest long: a cast cuts what is larger."""


def grown_ms(first_ms: int, factor: float, number: int, most_ms: int | None = None) -> int:
    """The interval before a try or an end of waiting, counted from 1: `first_ms` and then `factor` times the last."""
    interval_ms = first_ms
    for _ in range(number - 1):
        interval_ms = int(min(interval_ms * factor, LONGEST_MS))
    return interval_ms if most_ms is None else min(interval_ms, most_ms)


def spread_ms(interval_ms: int, share: float, uniform: float) -> int:
    """The interval made up to `share` of it shorter or longer, by a number in [0, 1)."""
    delta_ms = share * interval_ms
    least_ms = interval_ms - delta_ms
    return int(max(1.0, least_ms + uniform * (interval_ms + delta_ms - least_ms + 1.0)))


def whole_ms(duration_s: float) -> int:
    """What java.time.Duration.toMillis makes of a duration: it cuts the rest off."""
    return round(duration_s * 1e9) // 1_000_000


FAILURE_NAMES = (
    "time_limit, circuit_open, rate_limited, concurrency_limited (this call's own guards), connection_refused, "
    "instance_died (the callee's), or an answer's status such as 5xx or 503"
)
"""How a list of a guard names failures."""
_REASONS = ("time_limit", "circuit_open", "rate_limited", "concurrency_limited", "connection_refused", "instance_died")


def _known(name: str) -> str:
    if name not in _REASONS and re.fullmatch("[45]([0-9][0-9]|xx)", name) is None:
        raise ValueError(f"must name a failure, got {name!r}. Write {FAILURE_NAMES}.")
    return name


FailureName = Annotated[str, AfterValidator(_known)]
"""One of `FAILURE_NAMES`."""

Names = frozenset[str]


def names_in(listed: Sequence[str] | None) -> Names | None:
    """A list of a specification, ready to be looked up; None where there is none."""
    return None if listed is None else frozenset(listed)


class Sight:
    """What the guards of one call can tell of its failures. `own`: path of the call, below which its guards are;
    `home`: path of the container that calls; `callee`: path of the service called."""

    __slots__ = ("_below_callee", "_below_own", "_callee", "_home", "_own")

    def __init__(self, own: str, home: str, callee: str) -> None:
        self._own = own
        self._below_own = f"{own}."
        self._home = home
        self._callee = callee
        self._below_callee = f"{callee}."

    def is_own_death(self, failure: CallFailure) -> bool:
        """The caller itself has died, and its guards with it: nobody is there to make anything of the failure."""
        return isinstance(failure, InstanceDied) and failure.path == self._home

    def names(self, failure: CallFailure) -> Names:
        """Under which names a list may have the failure."""
        path = failure.path
        if path.startswith(self._below_own) or path == self._own:
            return frozenset((failure.reason,))
        is_callees = path == self._callee or path.startswith(self._below_callee)
        if is_callees and isinstance(failure, ConnectionRefused | InstanceDied):
            return frozenset((failure.reason,))
        return frozenset((str(failure.status), f"{failure.status // 100}xx"))
