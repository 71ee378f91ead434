"""The API gateway: rate limits, then permits per service, then the way to the service.

Models   A request burns the gateway's CPU on one of its event loops, passes the rate limiters in the order in which
         they stand, takes one of its service's permits or is refused, and goes on. When the client leaves, the
         gateway lets go at once (its chain is cancelled), while the service works on.
Source   Spring Cloud Gateway: RequestRateLimiter and Resilience4j bulkheads run as filters in the order of
         configuration; HttpClient has no response time limit by default (FIDELITY section 2.3).
Omits    Where no client leaves and there is no response_timeout, a gateway that dies takes the work behind it along.
         Its own retries and circuit breakers, connection pools to the services, headers.
Checked  tests/unit/test_gateway.py, tests/e2e/test_fields.py
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Protocol

from pydantic import Field, PositiveInt

from models.bulkhead import BulkheadSpec
from models.distribution import DistributionSpec
from models.machine import ContainerSpec
from models.outcomes import ConnectionRefused, TimeLimitExceeded
from models.request import Request, Visit
from models.spec import Context, PositiveDuration
from models.unions import LimiterSpec
from sim.environment import Activity, Environment, Light
from sim.patience import Cancelled, Deadlines, TimeLimit, TimeLimitReached
from sim.resources import Permits


class GatewaySpec(ContainerSpec):
    """The gateway in front of the services."""

    cpu: DistributionSpec = Field(description="CPU time it burns for a request, refused ones included.")
    loops: PositiveInt = Field(default=4, description="Event loops. Reactor Netty's default: max(4, CPUs).")
    rate_limits: dict[str, LimiterSpec] = Field(default_factory=dict, description="Rate limiters, asked in this order.")
    concurrency: dict[str, BulkheadSpec] = Field(
        default_factory=dict, description="Requests in progress at most, by service."
    )
    response_timeout: PositiveDuration | None = Field(
        default=None, description="spring.cloud.gateway.httpclient.response-timeout. Its default: none."
    )


class Hop(Protocol):
    """Somewhere a visit can be sent."""

    def handle(self, request: Request, visit: Visit) -> Activity: ...


class Host(Protocol):
    """The container the gateway runs in."""

    is_up: bool
    speed: float

    def run(self, demand_s: float, /) -> Any: ...
    def enter(self) -> Any: ...
    def leave(self, light: Any) -> None: ...


class Gateway:
    """The filters that every request passes."""

    __slots__ = ("_bulkheads", "_cpu", "_env", "_host", "_limiters", "_loops", "_spec", "path")

    def __init__(
        self, context: Context, spec: GatewaySpec, host: Host, limiters: Sequence[Any], bulkheads: dict[str, Any]
    ) -> None:
        self._env = context.env
        self.path = context.path
        self._spec = spec
        self._host = host
        self._cpu = context.streams.draws(f"{context.path}.cpu", spec.cpu.distribution())
        station = context.probe.station(f"{context.path}.loops", spec.loops, "loop")
        self._loops = Permits(context.env, spec.loops, station)
        self._limiters = list(limiters)
        self._bulkheads = bulkheads

    def route_to(self, hop: Hop, is_proxy: bool, is_left: bool) -> GatewayRoute:
        """The way through the gateway to `hop`. `is_proxy`: it stops when the gateway hangs up, a service works on.
        `is_left`: callers may leave before the answer."""
        limit_s = self._spec.response_timeout
        if is_proxy and limit_s is not None:
            return _ProxyRoute(self, self._env, hop, limit_s)
        is_apart = not is_proxy and (is_left or limit_s is not None)
        return GatewayRoute(self, hop, TimeLimit(self._env, limit_s) if is_apart else None)

    def handle(self, request: Request, visit: Visit, route: GatewayRoute) -> Activity:
        """Carry `request` to its service and back. Raises `CallFailure`."""
        host = self._host
        if not host.is_up:
            raise ConnectionRefused(self.path)
        light = host.enter()
        try:
            demand_s = self._cpu.at(request.identity)
            if demand_s:
                yield from self._burn(request, demand_s)
            for limiter in self._limiters:
                if limiter.waits:
                    yield from limiter.check(request)
                else:
                    limiter.take(request)
            bulkhead = self._bulkheads.get(visit.service)
            if bulkhead is None:
                yield from route.forward(request, visit)
                return
            if bulkhead.waits:
                yield from bulkhead.enter(request)
            else:
                bulkhead.take()
            try:
                yield from route.forward(request, visit)
            finally:
                bulkhead.release()
        finally:
            host.leave(light)

    def _burn(self, request: Request, demand_s: float) -> Activity:
        """Burn the gateway's own CPU on one of its loops."""
        env, loops = self._env, self._loops
        began_at_s = env.now
        _ = loops.acquire() or (yield)
        try:
            throttled_s = yield self._host.run(demand_s)
        finally:
            loops.release()
        burned_s = demand_s / self._host.speed
        request.cpu_s += burned_s
        waited_s = env.now - began_at_s - burned_s
        if throttled_s:
            request.throttled_s += throttled_s
            waited_s -= throttled_s
        if waited_s > 0.0:
            request.wait_s += waited_s


class GatewayRoute:
    """One route: through the gateway's filters to where the route leads."""

    __slots__ = ("_gateway", "_hop", "_limit")

    def __init__(self, gateway: Gateway, hop: Hop, limit: TimeLimit | None) -> None:
        self._gateway = gateway
        self._hop = hop
        self._limit = limit

    def handle(self, request: Request, visit: Visit) -> Activity:
        return self._gateway.handle(request, visit, self)

    def forward(self, request: Request, visit: Visit) -> Activity:
        """The way on from the gateway, for as long as it waits for an answer."""
        if self._limit is None:
            return self._hop.handle(request, visit)
        return self._wait_for(self._limit, request, visit)

    def _wait_for(self, limit: TimeLimit, request: Request, visit: Visit) -> Activity:
        try:
            yield from limit.call(self._hop.handle(request, visit))
        except TimeLimitReached as late:
            raise TimeLimitExceeded(self._gateway.path) from late


class _Exchange:
    """A request that a proxy has, and the process that waits for its answer."""

    __slots__ = ("is_open", "light")

    def __init__(self, light: Light) -> None:
        self.light = light
        self.is_open = True


class _ProxyRoute(GatewayRoute):
    """A route to a proxy with a time limit: the proxy is part of the same process, so that it stops with it."""

    __slots__ = ("_deadlines", "_env")

    def __init__(self, gateway: Gateway, env: Environment, hop: Hop, limit_s: float) -> None:
        super().__init__(gateway, hop, None)
        self._env = env
        self._deadlines: Deadlines[_Exchange] = Deadlines(env, limit_s, attrgetter("is_open"), self._hang_up)

    def forward(self, request: Request, visit: Visit) -> Activity:
        light = self._env.active
        assert light is not None
        exchange = _Exchange(light)
        self._deadlines.add(exchange)
        try:
            yield from self._hop.handle(request, visit)
        except Cancelled as late:
            raise TimeLimitExceeded(self._gateway.path) from late
        finally:
            exchange.is_open = False

    def _hang_up(self, exchange: _Exchange) -> None:
        self._env.throw(exchange.light, Cancelled("no answer within the gateway's time limit"))
