"""Guards one around another: each layer does its part and hands the call on to what is inside it; see `guards`."""

from __future__ import annotations

from typing import Protocol

from models.bulkhead import Bulkhead
from models.circuit_breaker import CircuitBreaker
from models.outcomes import CallFailure, ClientGone, TimeLimitExceeded
from models.rate_limiter import RateLimiter
from models.request import Request, Visit
from models.resilience import Sight
from models.retry import Retry
from models.service.spec import MOST_CALLS
from models.spec import Context
from models.thread_pool_bulkhead import Host, ThreadPoolBulkhead
from models.time_limiter import TimeLimiter
from sim.environment import Activity, Environment
from sim.errors import Failure
from sim.patience import Cancelled, TimeLimit, TimeLimitReached
from sim.probe import Count


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


class BareWire:
    """The call where what is around it has a process of its own for it already."""

    __slots__ = ("_calls", "_hop")

    def __init__(self, hop: Hop, calls: Count) -> None:
        self._hop = hop
        self._calls = calls

    def call(self, request: Request, visit: Visit) -> Activity:
        self._calls.add()
        return self._hop.handle(request, visit)


class Retrying:
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


class Breaking:
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


class RateLimiting:
    __slots__ = ("_inner", "_limiter")

    def __init__(self, limiter: RateLimiter, inner: Layer) -> None:
        self._limiter = limiter
        self._inner = inner

    def call(self, request: Request, visit: Visit) -> Activity:
        yield from self._limiter.check(request)
        yield from self._inner.call(request, visit)


class TimeLimiting:
    __slots__ = ("_inner", "_limiter")

    def __init__(self, limiter: TimeLimiter, inner: Layer) -> None:
        self._limiter = limiter
        self._inner = inner

    def call(self, request: Request, visit: Visit) -> Activity:
        return self._limiter.call(self._inner.call(request, visit))


class Resident:
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


class Holding:
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


class HoldingWork:
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


class Pooled:
    """A thread of a pool."""

    __slots__ = ("_inner", "_pool")

    def __init__(self, pool: ThreadPoolBulkhead, inner: Layer) -> None:
        self._pool = pool
        self._inner = inner

    def call(self, request: Request, visit: Visit) -> Activity:
        return self._pool.call(request, self._work(request, visit))

    def _work(self, request: Request, visit: Visit) -> Activity:
        """Begins, a choice of replica included, when a thread does."""
        yield from self._inner.call(request, visit)
