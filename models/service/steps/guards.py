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

from typing import Protocol

from models.bulkhead import Bulkhead
from models.circuit_breaker import CircuitBreaker
from models.outcomes import CallFailure, ClientGone, TimeLimitExceeded
from models.rate_limiter import RateLimiter
from models.request import Request, Visit
from models.resilience import Sight
from models.retry import MOST_ATTEMPTS, Retry
from models.service.spec import MOST_CALLS, CallStepSpec
from models.spec import Context
from models.thread_pool_bulkhead import Host, ThreadPoolBulkhead
from models.time_limiter import TimeLimiter
from sim.environment import Activity, Environment
from sim.errors import Failure
from sim.patience import Cancelled, TimeLimit, TimeLimitReached
from sim.probe import Count

LANES_PER_CALL = MOST_ATTEMPTS * MOST_CALLS
"""A call's lane is its caller's times this, plus the attempt (from 0) times `MOST_CALLS`, plus the number of the call
step in its endpoint (from 1). So no two visits of a request share draws: read from the right, the lane tells every step
and attempt on the way, up to the digits of what came in (a proxy's attempts are multiples of 2**32, which no call
produces: their lowest digits have no step)."""


class Hop(Protocol):
    """Somewhere a visit can be sent."""

    def handle(self, request: Request, visit: Visit) -> Activity: ...


class Layer(Protocol):
    """One guard with everything inside it, or the bare call."""

    def call(self, request: Request, visit: Visit) -> Activity: ...


class Wire:
    """The call itself, for as long as the client waits for the answer. The callee has a process of its own."""

    __slots__ = ("_calls", "_hop", "_left", "_limit", "path")

    def __init__(self, context: Context, hop: Hop, read_limit_s: float | None, calls: Count) -> None:
        self.path = context.path
        self._left = context.probe.count(f"{context.path}.left")
        self._hop = hop
        self._limit = TimeLimit(context.env, read_limit_s)
        self._calls = calls

    def call(self, request: Request, visit: Visit) -> Activity:
        self._calls.add()
        try:
            yield from self._limit.call(self._hop.handle(request, visit))
        except Cancelled:
            raise
        except TimeLimitReached as late:
            self._left.add()
            raise TimeLimitExceeded(self.path) from late


class _BareWire:
    """The call where what is around it has a process of its own for it already."""

    __slots__ = ("_calls", "_hop")

    def __init__(self, hop: Hop, calls: Count) -> None:
        self._hop = hop
        self._calls = calls

    def call(self, request: Request, visit: Visit) -> Activity:
        self._calls.add()
        return self._hop.handle(request, visit)


class _Retrying:
    __slots__ = ("_inner", "_retry", "_sight")

    def __init__(self, retry: Retry, sight: Sight, inner: Layer) -> None:
        self._retry = retry
        self._sight = sight
        self._inner = inner

    def call(self, request: Request, visit: Visit) -> Activity:
        failures = 0
        attempt = visit
        while True:
            try:
                yield from self._inner.call(request, attempt)
            except ClientGone:
                raise
            except CallFailure as failure:
                if self._sight.is_own_death(failure):
                    raise
                failures += 1
                pause_s = self._retry.pause_s(failures, self._sight.names(failure))
                if pause_s is None:
                    raise
            else:
                if failures:
                    self._retry.recover()
                return
            if pause_s:
                yield pause_s
                request.delay_s += pause_s
            attempt = visit.again(visit.lane + failures * MOST_CALLS)


class _Breaking:
    """A breaker. Where a time limit stands outside it (`limiter`), reaching that cancels the call, which gives the
    permit back, and then counts as an error."""

    __slots__ = ("_breaker", "_env", "_inner", "_limiter", "_sight")

    def __init__(
        self, env: Environment, breaker: CircuitBreaker, sight: Sight, inner: Layer, limiter: TimeLimiter | None = None
    ) -> None:
        self._env = env
        self._breaker = breaker
        self._sight = sight
        self._inner = inner
        self._limiter = limiter

    def call(self, request: Request, visit: Visit) -> Activity:
        breaker, limiter = self._breaker, self._limiter
        breaker.acquire()
        began_at_s = self._env.now
        try:
            work = self._inner.call(request, visit)
            yield from (work if limiter is None else limiter.call(work))
        except ClientGone:
            breaker.release()
            raise
        except CallFailure as failure:
            if not self._sight.is_own_death(failure):  # else the breaker has died, too
                if limiter is not None and failure.path == limiter.path:
                    breaker.release()
                breaker.fail(self._sight.names(failure), self._env.now - began_at_s)
            raise
        except Failure:
            breaker.release()
            raise
        breaker.record(False, self._env.now - began_at_s)


class _RateLimiting:
    __slots__ = ("_inner", "_limiter")

    def __init__(self, limiter: RateLimiter, inner: Layer) -> None:
        self._limiter = limiter
        self._inner = inner

    def call(self, request: Request, visit: Visit) -> Activity:
        yield from self._limiter.check(request)
        yield from self._inner.call(request, visit)


class _TimeLimiting:
    __slots__ = ("_inner", "_limiter")

    def __init__(self, limiter: TimeLimiter, inner: Layer) -> None:
        self._limiter = limiter
        self._inner = inner

    def call(self, request: Request, visit: Visit) -> Activity:
        yield from self._limiter.call(self._inner.call(request, visit))


class _Resident:
    """What runs on in this replica when its caller leaves: it dies with the replica."""

    __slots__ = ("_host", "_inner")

    def __init__(self, host: Host, inner: Layer) -> None:
        self._host = host
        self._inner = inner

    def call(self, request: Request, visit: Visit) -> Activity:
        light = self._host.enter()
        try:
            yield from self._inner.call(request, visit)
        finally:
            self._host.leave(light)


class _Holding:
    """A permit for as long as what is inside goes on for its caller."""

    __slots__ = ("_bulkhead", "_inner")

    def __init__(self, bulkhead: Bulkhead, inner: Layer) -> None:
        self._bulkhead = bulkhead
        self._inner = inner

    def call(self, request: Request, visit: Visit) -> Activity:
        bulkhead = self._bulkhead
        if bulkhead.waits:
            yield from bulkhead.enter(request)
        else:
            bulkhead.take()
        try:
            yield from self._inner.call(request, visit)
        finally:
            bulkhead.release()


class _HoldingWork:
    """A time limit around a permit that the work keeps until it is done, whether or not the caller waits for it. The
    limit does not count the wait for the permit: that blocks the caller before there is anything to limit."""

    __slots__ = ("_bulkhead", "_inner", "_limiter")

    def __init__(self, limiter: TimeLimiter, bulkhead: Bulkhead, inner: Layer) -> None:
        self._limiter = limiter
        self._bulkhead = bulkhead
        self._inner = inner

    def call(self, request: Request, visit: Visit) -> Activity:
        bulkhead = self._bulkhead
        if bulkhead.waits:
            yield from bulkhead.enter(request)
        else:
            bulkhead.take()
        yield from self._limiter.call(self._held(request, visit))

    def _held(self, request: Request, visit: Visit) -> Activity:
        try:
            yield from self._inner.call(request, visit)
        finally:
            self._bulkhead.release()


class _Pooled:
    """A thread of a pool."""

    __slots__ = ("_inner", "_pool")

    def __init__(self, pool: ThreadPoolBulkhead, inner: Layer) -> None:
        self._pool = pool
        self._inner = inner

    def call(self, request: Request, visit: Visit) -> Activity:
        return self._pool.call(request, self._inner.call(request, visit))


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
        bare = wire if spec.read_timeout is not None else _BareWire(hop, calls)
        way: Layer
        if is_reactive:
            way = self._reactive(host, wire, bare, limited)
            assert self.breaker is not None
            way = _Breaking(context.env, self.breaker, sight, way, limited)
        else:
            arrange = self._annotated if spec.style == "annotations" else self._blocking
            way = arrange(host, wire, bare, limited)
            if self.rate_limiter is not None:
                way = _RateLimiting(self.rate_limiter, way)
            if self.breaker is not None:
                way = _Breaking(context.env, self.breaker, sight, way)
        if spec.retry is not None:
            way = _Retrying(spec.retry.build(context.at("retry")), sight, way)
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
            pooled = _Pooled(self.pool, wire)
            return pooled if limiter is None else _TimeLimiting(limiter, _Resident(host, pooled))
        if self.bulkhead is not None:
            if limiter is None:
                return _Holding(self.bulkhead, wire)
            return _HoldingWork(limiter, self.bulkhead, _Resident(host, wire))
        return wire if limiter is None else self._limited(host, limiter, wire, bare)

    def _blocking(self, host: Host, wire: Layer, bare: Layer, limiter: TimeLimiter | None) -> Layer:
        """Bulkhead(TimeLimiter(call))."""
        way = wire if limiter is None else self._limited(host, limiter, wire, bare)
        if self.pool is not None:
            return _Pooled(self.pool, way)
        return way if self.bulkhead is None else _Holding(self.bulkhead, way)

    def _reactive(self, host: Host, wire: Layer, bare: Layer, limiter: TimeLimiter | None) -> Layer:
        """Bulkhead(call), inside a breaker that sees to the limit."""
        way = wire if self.bulkhead is None else _Holding(self.bulkhead, wire)
        if limiter is None:
            return way
        return bare if way is wire and bare is not wire else _Resident(host, way)

    @staticmethod
    def _limited(host: Host, limiter: TimeLimiter, wire: Layer, bare: Layer) -> Layer:
        return _TimeLimiting(limiter, _Resident(host, wire) if bare is wire else bare)
