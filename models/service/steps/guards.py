"""What stands around a call of another service in one replica, composed when the system is built.

Models   annotations: Retry(CircuitBreaker(RateLimiter(TimeLimiter(Bulkhead(call))))), the order of Resilience4j's
         aspects. spring_cloud_blocking: Retry(CircuitBreaker(Bulkhead(TimeLimiter(call)))), the call on a thread of an
         unbounded pool. spring_cloud_reactive: Retry(TimeLimiter(CircuitBreaker(Bulkhead(call)))): at the limit what is
         inside is cancelled, so permits come back at once, and the breaker is told of an error besides.
         Guards live and die with their replica. The callee works on when its caller has left or died.
Source   Resilience4j 2.3, spring6/*/configure/*Aspect.java and *ConfigurationProperties.java (order),
         TimeLimiterImpl.java, Bulkhead.java (the permit of a CompletionStage comes back when the stage is done; taking
         it blocks the caller before the limit begins); Spring Cloud CircuitBreaker, Resilience4JCircuitBreaker.java,
         ReactiveResilience4JCircuitBreaker.java; resilience4j-reactor CircuitBreakerSubscriber.java (cancellation).
Omits    Other orders of the aspects; a fallback of one guard inside another: here it answers when all have given up.
Checked  experiments/validation/guards.py, tests/unit/test_guards.py, tests/properties/test_guards.py
"""

from __future__ import annotations

from models.request import Request, Visit
from models.resilience import Sight
from models.retry import MOST_ATTEMPTS
from models.service.spec import MOST_CALLS, CallStepSpec
from models.service.steps.layers import (
    BareWire,
    Breaking,
    Holding,
    HoldingWork,
    Hop,
    Layer,
    Pooled,
    RateLimiting,
    Resident,
    Retrying,
    TimeLimiting,
    Wire,
)
from models.spec import Context
from models.thread_pool_bulkhead import Host
from models.time_limiter import TimeLimiter
from sim.environment import Activity

LANES_PER_CALL = MOST_ATTEMPTS * MOST_CALLS
"""A call's lane is its caller's times this, plus the attempt (from 0) times `MOST_CALLS`, plus the number of the call
step in its endpoint (from 1). So no two visits of a request share draws: read from the right, the lane tells every step
and attempt on the way, up to the digits of what came in (a proxy's attempts are multiples of 2**32, which no call
produces: their lowest digits have no step)."""


class Guards:
    """The guards of one call step in one replica."""

    __slots__ = ("_visits", "_way", "breaker", "bulkhead", "pool", "rate_limiter")

    def __init__(self, context: Context, spec: CallStepSpec, hop: Hop, host: Host, processors: int) -> None:
        """`context`: of the step in this replica; `processors`: of the replica's JVM. Reports `<path>.visits` (how
        often the step wanted an answer) and `<path>.calls` (how often the callee was called for it)."""
        self._visits = context.probe.count(f"{context.path}.visits")
        calls = context.probe.count(f"{context.path}.calls")
        sight = Sight(context.path, host.path, f"services.{spec.service}")
        breaker, limiter, limit = spec.breaker_in_force, spec.rate_limiter, spec.time_limiter_in_force
        self.breaker = None if breaker is None else breaker.build(context.at("breaker"))
        self.rate_limiter = None if limiter is None else limiter.build(context.at("rate_limiter"))
        self.bulkhead = None if spec.bulkhead is None else spec.bulkhead.build(context.at("bulkhead"))
        pool = spec.thread_pool_bulkhead
        self.pool = None if pool is None else pool.build(context.at("thread_pool_bulkhead"), host, processors)
        is_reactive = spec.style == "spring_cloud_reactive"
        # A callee's process is not ours to stop: what is cancelled is what waits for it, where there is more to it.
        cancels = is_reactive and (spec.bulkhead is not None or spec.read_timeout is not None)
        limited = None if limit is None else limit.build(context.at("time_limiter"), cancels)
        wire: Layer = Wire(context.at("read_timeout"), hop, spec.read_timeout, calls)
        bare = wire if spec.read_timeout is not None else BareWire(hop, calls)
        way: Layer
        if is_reactive:
            way = self._reactive(host, wire, bare, limited)
            assert self.breaker is not None
            way = Breaking(context.env, self.breaker, sight, way, limited)
        else:
            arrange = self._annotated if spec.style == "annotations" else self._blocking
            way = arrange(host, wire, bare, limited)
            if self.rate_limiter is not None:
                way = RateLimiting(self.rate_limiter, way)
            if self.breaker is not None:
                way = Breaking(context.env, self.breaker, sight, way)
        if spec.retry is not None:
            way = Retrying(spec.retry.build(context.at("retry")), sight, way)
        self._way = way

    def call(self, request: Request, visit: Visit) -> Activity:
        """Make the call. Raises `CallFailure`."""
        self._visits.add()
        return self._way.call(request, visit)

    def restart(self) -> None:
        """The replica has died, and what its guards knew with it. Permits come back as their holders hear of it."""
        for guard in (self.breaker, self.rate_limiter, self.pool):
            if guard is not None:
                guard.restart()

    # `wire` brings the callee's process along; `bare` is for where there is one already

    def _annotated(self, host: Host, wire: Layer, bare: Layer, limiter: TimeLimiter | None) -> Layer:
        """TimeLimiter(Bulkhead(call))."""
        if self.pool is not None:
            pooled = Pooled(self.pool, wire)
            return pooled if limiter is None else TimeLimiting(limiter, Resident(host, pooled))
        if self.bulkhead is not None:
            if limiter is None:
                return Holding(self.bulkhead, wire)
            return HoldingWork(limiter, self.bulkhead, Resident(host, wire))
        return wire if limiter is None else self._limited(host, limiter, wire, bare)

    def _blocking(self, host: Host, wire: Layer, bare: Layer, limiter: TimeLimiter | None) -> Layer:
        """Bulkhead(TimeLimiter(call))."""
        way = wire if limiter is None else self._limited(host, limiter, wire, bare)
        if self.pool is not None:
            return Pooled(self.pool, way)
        return way if self.bulkhead is None else Holding(self.bulkhead, way)

    def _reactive(self, host: Host, wire: Layer, bare: Layer, limiter: TimeLimiter | None) -> Layer:
        """Bulkhead(call), inside a breaker that sees to the limit."""
        way = wire if self.bulkhead is None else Holding(self.bulkhead, wire)
        if limiter is None:
            return way
        return bare if way is wire and bare is not wire else Resident(host, way)

    @staticmethod
    def _limited(host: Host, limiter: TimeLimiter, wire: Layer, bare: Layer) -> Layer:
        return TimeLimiting(limiter, Resident(host, wire) if bare is wire else bare)
