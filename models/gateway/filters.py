"""The gateway's filters as stages of a way: each does its part around what comes after it.

Models   A limiter, the permits of a service, a circuit breaker, a retry. What a filter sees of a failure is what the
         real one sees: an answer with a status, or an error of some kind, which is not the same where it decides
         whether to try again or what to record.
Source   Spring Cloud Gateway: RetryGatewayFilterFactory.java, SpringCloudCircuitBreakerFilterFactory.java,
         SpringCloudCircuitBreakerResilience4JFilterFactory.java, NettyRoutingFilter.java; Spring Cloud CircuitBreaker:
         ReactiveResilience4JCircuitBreaker.java (time limit outside the breaker: the permit is released and an error
         recorded).
Checked  tests/unit/test_gateway_filters.py, experiments/validation/gateway_filters.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from models.circuit_breaker import CircuitBreaker
from models.gateway.backoff import BackoffRule
from models.gateway.failures import FallbackAnswered, KeyResolverFailed, RetriesTimedOut, StatusListed
from models.gateway.hang_up import HangUp, LimitReached
from models.gateway.spec import GatewayBreakerSpec, GatewayRetrySpec
from models.listener import ConnectTimedOut
from models.outcomes import (
    CallFailure,
    CircuitOpen,
    ClientGone,
    ConnectionRefused,
    InstanceDied,
    PoolTimeout,
    TimeLimitExceeded,
    Unreachable,
)
from models.request import Request, Visit
from models.spec import Context
from sim.environment import Activity, Environment
from sim.errors import Failure

LANES_PER_TRY = 1 << 40
"""A further try's lane is the first one's plus this: beyond those of nginx' attempts and of calls between services."""


class Stage(Protocol):
    """Somewhere a visit can be sent: a filter, or what stands behind the last one."""

    def handle(self, request: Request, visit: Visit) -> Activity: ...


class LimiterStage:
    """A rate limiter that does not stand at the very front."""

    __slots__ = ("_limiter", "_next")

    def __init__(self, limiter: Any, following: Stage) -> None:
        self._limiter = limiter
        self._next = following

    def handle(self, request: Request, visit: Visit) -> Activity:
        if self._limiter.waits:
            yield from self._limiter.check(request)
        else:
            self._limiter.take(request)
        yield from self._next.handle(request, visit)


class PermitStage:
    """The permits of one service."""

    __slots__ = ("_bulkhead", "_next")

    def __init__(self, bulkhead: Any, following: Stage) -> None:
        self._bulkhead = bulkhead
        self._next = following

    def handle(self, request: Request, visit: Visit) -> Activity:
        bulkhead = self._bulkhead
        if bulkhead.waits:
            yield from bulkhead.enter(request)
        else:
            bulkhead.take()
        try:
            yield from self._next.handle(request, visit)
        finally:
            bulkhead.release()


class Sight:
    """What the filters of one route can tell of a failure. `target`: the path of what the route leads to; `link`: that
    of the network on the way there, where there is one."""

    __slots__ = ("_below_gateway", "_below_target", "_gateway", "_link", "_target")

    def __init__(self, gateway: str, target: str, link: str | None = None) -> None:
        self._gateway = gateway
        self._below_gateway = f"{gateway}."
        self._target = target
        self._below_target = f"{target}."
        self._link = link

    def is_end(self, failure: CallFailure) -> bool:
        """Nobody is there any more to make anything of it: the client has left, or the gateway itself has died."""
        return isinstance(failure, ClientGone) or (isinstance(failure, InstanceDied) and failure.path == self._gateway)

    def error_of(self, failure: CallFailure) -> str | None:
        """io, timeout or other where there was no answer; None: the failure is an answer with its status."""
        if isinstance(failure, _ERRORS):
            return "other"
        path = failure.path
        if path == self._gateway or path.startswith(self._below_gateway):
            if isinstance(failure, TimeLimitExceeded):  # Retry's exceptions name that of response_timeout
                return "timeout" if path == self._gateway else "other"
            return "other" if isinstance(failure, CircuitOpen | PoolTimeout) else None
        if isinstance(failure, ConnectionRefused | ConnectTimedOut | InstanceDied):
            return "io" if path == self._target or path.startswith(self._below_target) else None
        # TCP that gives up is an IOException, unless it did so between others, further on
        return "io" if isinstance(failure, Unreachable) and path == self._link else None


_ERRORS = (StatusListed, RetriesTimedOut, KeyResolverFailed)


class BreakerFilter:
    """One CircuitBreaker filter: its breaker is shared by all routes that have it."""

    __slots__ = ("_cpu", "_env", "_fallbacks", "_limit", "_spec", "_statuses", "breaker", "path")

    def __init__(self, context: Context, spec: GatewayBreakerSpec) -> None:
        self.path = context.path
        self._env: Environment = context.env
        self._spec = spec
        self._statuses = frozenset(spec.status_codes)
        self.breaker: CircuitBreaker = spec.build(context)
        self._limit = None if spec.time_limit is None else HangUp(context.env, spec.time_limit)
        fallback = spec.fallback
        self._cpu = (
            None if fallback is None
            else context.streams.draws(f"{context.path}.fallback.cpu", fallback.cpu.distribution())
        )  # fmt: skip
        self._fallbacks = context.probe.count(f"{context.path}.fallbacks")

    def stage(self, following: Stage, sight: Sight, burn: Callable[[Request, float], Activity]) -> Stage:
        return _BreakerStage(self, following, sight, burn)

    def guard(self, request: Request, visit: Visit, following: Stage, sight: Sight) -> Activity:
        """One call through the breaker, with its time limit. Raises `CallFailure`."""
        breaker, limit = self.breaker, self._limit
        breaker.acquire()
        began_at_s = self._env.now
        try:
            work = following.handle(request, visit)  # who finds nobody there may say so at once
            yield from (work if limit is None else limit.within(work))
        except LimitReached as late:
            breaker.release()  # the operator inside is cancelled, and the error is told to the breaker from outside
            breaker.record(True, self._env.now - began_at_s)
            raise TimeLimitExceeded(self.path) from late
        except CallFailure as failure:
            if sight.is_end(failure):
                if isinstance(failure, ClientGone):  # where the gateway has died, its breakers have begun anew
                    breaker.release()
                raise
            is_error = sight.error_of(failure) is not None
            is_listed = not is_error and failure.status in self._statuses
            breaker.record(is_listed or is_error, self._env.now - began_at_s)
            if is_listed:
                raise StatusListed(self.path) from failure
            raise
        except Failure:
            breaker.release()
            raise
        breaker.record(False, self._env.now - began_at_s)

    def fall_back(self, request: Request, visit: Visit, burn: Callable[[Request, float], Activity]) -> Activity:
        """The gateway's own answer."""
        assert self._cpu is not None and self._spec.fallback is not None
        self._fallbacks.add()
        yield from burn(request, self._cpu.at(request.identity, visit.lane))
        if self._spec.fallback.status >= 400:
            raise FallbackAnswered(self.path, self._spec.fallback.status)

    @property
    def has_fallback(self) -> bool:
        return self._cpu is not None


class _BreakerStage:
    """A CircuitBreaker filter on one route."""

    __slots__ = ("_burn", "_filter", "_next", "_sight")

    def __init__(
        self, breaker: BreakerFilter, following: Stage, sight: Sight, burn: Callable[[Request, float], Activity]
    ) -> None:
        self._filter = breaker
        self._next = following
        self._sight = sight
        self._burn = burn

    def handle(self, request: Request, visit: Visit) -> Activity:
        guard = self._filter
        try:
            yield from guard.guard(request, visit, self._next, self._sight)
        except CallFailure as failure:
            sight = self._sight  # an answer is no error: it goes through, whatever its status
            if sight.is_end(failure) or sight.error_of(failure) is None:
                raise
            if not guard.has_fallback:
                if isinstance(failure, PoolTimeout):  # a java.util.concurrent.TimeoutException, which the filter maps
                    raise PoolTimeout(failure.path, 504) from failure
                raise
            yield from guard.fall_back(request, visit, self._burn)


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
