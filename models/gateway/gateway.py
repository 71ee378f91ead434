# cython: annotation_typing=True
"""The gateway at work: its CPU, its filters, and the way on to a service or a proxy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.bulkhead import Bulkhead
from models.event_loops import Loop, Loops, default_loops
from models.gateway.breaker_filter import BreakerFilter
from models.gateway.filters import LimiterStage, PermitStage, Sight, Stage
from models.gateway.hang_up import HangUp, LimitReached
from models.gateway.retry_filter import RetryFilter
from models.gateway.spec import CONCURRENCY, GatewaySpec
from models.host import Host
from models.outcomes import ConnectionRefused, TimeLimitExceeded
from models.request import Request, Visit
from models.spec import Context
from sim.environment import Activity, Environment
from sim.patience import TimeLimit


class Gateway:
    """The filters that every request passes."""

    __slots__ = ("_cpu", "_env", "_filters", "_host", "_loops", "_spec", "breakers", "path")

    def __init__(
        self, context: Context, spec: GatewaySpec, host: Host, limiters: dict[str, Any], bulkheads: dict[str, Any]
    ) -> None:
        self._env: Environment = context.env
        self.path = context.path
        self._spec = spec
        self._host = host
        self._cpu = context.streams.draws(f"{context.path}.cpu", spec.cpu.distribution())
        loops = spec.loops or default_loops(host.cpus)
        station = context.probe.station(f"{context.path}.loops", loops, "loop")
        self._loops = Loops(context.env, loops, station)
        self.breakers = {
            name: BreakerFilter(context.at("circuit_breakers").at(name), breaker)
            for name, breaker in spec.circuit_breakers.items()
        }
        retries = {name: RetryFilter(context.at("retries").at(name), retry) for name, retry in spec.retries.items()}
        self._filters: dict[str, Any] = {**limiters, **self.breakers, **retries, CONCURRENCY: bulkheads}

    def die(self) -> None:
        """The gateway's container was killed, with what its breakers knew."""
        for each in self.breakers.values():
            each.breaker.restart()

    # The way of a route is put together when the system is built

    def route_to(
        self, hop: Stage, service: str, target: str, is_proxy: bool, is_left: bool, link: str | None = None
    ) -> GatewayRoute:
        """The way through the gateway to `hop`, for requests to `service`. `target`: the path of what is there.
        `is_proxy`: it stops when the gateway hangs up, a service works on. `is_left`: callers may leave before the
        answer. `link`: the path of the network between, where there is one."""
        spec = self._spec
        order = [name for name in spec.order if self._concerns(name, service)]
        has_limits = spec.response_timeout is not None or any(
            spec.circuit_breakers[name].time_limit is not None for name in order if name in spec.circuit_breakers
        )
        way: Stage = hop if is_proxy or not (is_left or has_limits) else _Apart(self._env, hop)
        if spec.response_timeout is not None:
            way = _Waiting(self._env, self.path, way, spec.response_timeout)
        limiters, bulkhead, rest = self._front(order, service)
        sight = Sight(self.path, target, link)
        for name in reversed(rest):
            way = self._stage(name, service, way, sight)
        return GatewayRoute(self, way, limiters, bulkhead)

    def _concerns(self, name: str, service: str) -> bool:
        """Whether the filter called `name` stands in the way of requests to `service`."""
        if name == CONCURRENCY:
            return service in self._spec.concurrency
        of = self._spec.circuit_breakers.get(name) or self._spec.retries.get(name)
        services = getattr(of, "services", None)
        return services is None or service in services

    def _front(self, order: Sequence[str], service: str) -> tuple[list[Any], Any, Sequence[str]]:
        """What the gateway does itself, since it costs least there: the limiters that come first, then the permits
        where they come next. And the filters after that."""
        number = 0
        while number < len(order) and order[number] in self._spec.rate_limits:
            number += 1
        limiters = [self._filters[name] for name in order[:number]]
        if number < len(order) and order[number] == CONCURRENCY:
            return limiters, self._filters[CONCURRENCY][service], order[number + 1 :]
        return limiters, None, order[number:]

    def _stage(self, name: str, service: str, following: Stage, sight: Sight) -> Stage:
        each = self._filters[name]
        if name == CONCURRENCY:
            return PermitStage(each[service], following)
        if isinstance(each, BreakerFilter):
            return each.stage(following, sight, self._burn)
        if isinstance(each, RetryFilter):
            return each.stage(following, sight, self._burn_again)
        return LimiterStage(each, following)

    # Its CPU

    def _burn_again(self, request: Request, visit: Visit) -> Activity:
        """A further try: the request is proxied once more."""
        return self._burn(request, self._cpu.at(request.identity, visit.lane))

    def _burn(self, request: Request, demand_s: float) -> Activity:
        """Burn the gateway's own CPU on the loop of the request's connection."""
        env, host = self._env, self._host
        loop: Loop = self._loops.of(request.user)
        began_at_s = env.now
        _ = loop.acquire() or (yield)
        try:
            throttled_s = yield host.run(demand_s)
        finally:
            loop.release()
        burned_s: float = demand_s / host.speed
        request.cpu_s += burned_s
        waited_s: float = env.now - began_at_s - burned_s
        if throttled_s:
            request.throttled_s += throttled_s
            waited_s -= throttled_s
        if waited_s > 0.0:
            request.wait_s += waited_s


class GatewayRoute:
    """One route: through the gateway's filters to where the route leads."""

    __slots__ = ("_bulkhead", "_gateway", "_limiters", "_queues", "_way")

    def __init__(self, gateway: Gateway, way: Stage, limiters: list[Any], bulkhead: Bulkhead | None) -> None:
        """`way`: what comes after the limiters and the bulkhead that stand first."""
        self._gateway = gateway
        self._limiters = [(limiter, bool(limiter.waits)) for limiter in limiters]
        """Each, and whether a request may have to wait there."""
        self._bulkhead = bulkhead
        self._queues = bulkhead is not None and bool(bulkhead.waits)
        self._way = way

    def handle(self, request: Request, visit: Visit) -> Activity:
        """Carry `request` to its service and back. Raises `CallFailure`."""
        gateway: Gateway = self._gateway
        host: Host = gateway._host
        if not host.is_up:
            raise ConnectionRefused(gateway.path)
        light = host.enter()
        try:
            demand_s: float = gateway._cpu.at(request.identity, visit.lane)
            if demand_s:
                yield from gateway._burn(request, demand_s)
            for limiter, waits in self._limiters:
                if waits:
                    yield from limiter.check(request)
                else:
                    limiter.take(request)
            bulkhead: Bulkhead | None = self._bulkhead
            if bulkhead is None:
                yield from self._way.handle(request, visit)
                return
            if self._queues:
                yield from bulkhead.enter(request)
            else:
                bulkhead.take()
            try:
                yield from self._way.handle(request, visit)
            finally:
                bulkhead.release()
        finally:
            host.leave(light)


class _Apart:
    """The way to a service, in a process of its own: it works on when the gateway hangs up or its client leaves."""

    __slots__ = ("_hop", "_limit")

    def __init__(self, env: Environment, hop: Stage) -> None:
        self._hop = hop
        self._limit = TimeLimit(env, None)

    def handle(self, request: Request, visit: Visit) -> Activity:
        return self._limit.call(self._hop.handle(request, visit))


class _Waiting:
    """The way on for as long as the gateway waits for an answer."""

    __slots__ = ("_hang_up", "_path", "_way")

    def __init__(self, env: Environment, path: str, way: Stage, limit_s: float) -> None:
        self._hang_up = HangUp(env, limit_s)
        self._path = path
        self._way = way

    def handle(self, request: Request, visit: Visit) -> Activity:
        try:
            yield from self._hang_up.within(self._way.handle(request, visit))
        except LimitReached as late:
            raise TimeLimitExceeded(self._path) from late
