"""The CircuitBreaker filter: a breaker shared by its routes, a time limit around it, an answer of the gateway's own.

Source   Spring Cloud Gateway: SpringCloudCircuitBreakerFilterFactory.java,
         SpringCloudCircuitBreakerResilience4JFilterFactory.java; Spring Cloud CircuitBreaker:
         ReactiveResilience4JCircuitBreaker.java (time limit outside the breaker: the permit is released and an error
         recorded).
Checked  tests/unit/test_gateway_filters.py, experiments/validation/gateway_filters.py
"""

from __future__ import annotations

from collections.abc import Callable

from models.circuit_breaker import CircuitBreaker
from models.gateway.failures import FallbackAnswered, StatusListed
from models.gateway.filters import Sight, Stage
from models.gateway.hang_up import HangUp, LimitReached
from models.gateway.spec import GatewayBreakerSpec
from models.outcomes import (
    CallFailure,
    ClientGone,
    PoolTimeout,
    TimeLimitExceeded,
)
from models.request import Request, Visit
from models.spec import Context
from sim.environment import Activity, Environment
from sim.errors import Failure


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
