"""The Retry filter: what comes after it is done again.

Source   Spring Cloud Gateway: RetryGatewayFilterFactory.java.
Checked  tests/unit/test_gateway_filters.py, experiments/validation/gateway_filters.py
"""

from __future__ import annotations

from collections.abc import Callable

from models.gateway.backoff import BackoffRule
from models.gateway.failures import RetriesTimedOut
from models.gateway.filters import Sight, Stage
from models.gateway.spec import GatewayRetrySpec
from models.outcomes import CallFailure
from models.request import Request, Visit
from models.spec import Context
from sim.environment import Activity, Environment

LANES_PER_TRY = 1 << 40
"""A further try's lane is the first one's plus this: beyond those of nginx' attempts and of calls between services."""


class RetryFilter:
    """One Retry filter."""

    __slots__ = ("_backoff", "_chance", "_env", "_retries", "_spec", "_timed_out", "path")

    def __init__(self, context: Context, spec: GatewayRetrySpec) -> None:
        self.path = context.path
        self._env: Environment = context.env
        self._spec = spec
        self._backoff = None if spec.backoff is None else BackoffRule(spec.backoff)
        self._chance = context.streams.sequence(f"{context.path}.jitter")
        self._retries = context.probe.count(f"{context.path}.retries")
        self._timed_out = context.probe.count(f"{context.path}.timed_out")

    def stage(self, following: Stage, sight: Sight, burn: Callable[[Request, Visit], Activity]) -> Stage:
        return _RetryStage(self._env, self, following, sight, burn)

    def pause_s(self, tries: _Tries, failure: CallFailure, error: str | None, method: str) -> float:
        """The pause before the next try. Raises `failure`, or what becomes of it, where there is to be none."""
        spec = self._spec
        if tries.made > spec.retries or method not in spec.methods or not self._is_listed(failure, error):
            raise failure
        pause_s = 0.0
        if self._backoff is not None:
            number, last_s = tries.of_errors if error else tries.of_answers
            pause_s = self._backoff.pause_s(number, last_s, self._chance.next())
        if spec.timeout is not None and self._env.now + pause_s > tries.began_at_s + spec.timeout:
            self._timed_out.add()
            if error is None:
                raise failure
            raise RetriesTimedOut(self.path) from failure
        self._retries.add()
        return pause_s

    def _is_listed(self, failure: CallFailure, error: str | None) -> bool:
        spec = self._spec
        if error is not None:
            return error in spec.exceptions
        if failure.status in spec.statuses:
            return True
        return ("server_error" if failure.status >= 500 else "client_error") in spec.series


class _Tries:
    """What a Retry filter remembers of one request. Answers are repeated and errors retried: each kind has a count of
    its own for its pauses, while together they must not be more than `retries`."""

    __slots__ = ("began_at_s", "made", "of_answers", "of_errors")

    def __init__(self, began_at_s: float) -> None:
        self.began_at_s = began_at_s
        self.made = 0
        self.of_answers = self.of_errors = (0, 0.0)
        """How many so far, and the pause after the last one."""

    def failed(self, error: str | None) -> None:
        self.made += 1
        if error:
            self.of_errors = (self.of_errors[0] + 1, self.of_errors[1])
        else:
            self.of_answers = (self.of_answers[0] + 1, self.of_answers[1])

    def paused(self, error: str | None, pause_s: float) -> None:
        if error:
            self.of_errors = (self.of_errors[0], pause_s)
        else:
            self.of_answers = (self.of_answers[0], pause_s)


class _RetryStage:
    """A Retry filter on one route: what comes after it is done again."""

    __slots__ = ("_burn", "_env", "_filter", "_next", "_sight")

    def __init__(
        self, env: Environment, retry: RetryFilter, following: Stage, sight: Sight,
        burn: Callable[[Request, Visit], Activity],
    ) -> None:  # fmt: skip
        self._env = env
        self._filter = retry
        self._next = following
        self._sight = sight
        self._burn = burn

    def handle(self, request: Request, visit: Visit) -> Activity:
        tries, attempt = _Tries(self._env.now), visit
        while True:
            try:
                yield from self._next.handle(request, attempt)
                return
            except CallFailure as failure:
                if self._sight.is_end(failure):
                    raise
                error = self._sight.error_of(failure)
                tries.failed(error)
                pause_s = self._filter.pause_s(tries, failure, error, visit.method)
                tries.paused(error, pause_s)
            if pause_s:
                paused_at_s = self._env.now
                try:
                    yield pause_s
                finally:
                    request.delay_s += self._env.now - paused_at_s
            attempt = visit.again(attempt.lane + LANES_PER_TRY)
            yield from self._burn(request, attempt)
