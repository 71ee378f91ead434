"""Nginx in its container: what it burns for a request, and which of its upstreams gets it.

Models   A request burns nginx's CPU, passes its limits (limit_req, then limit_conn), and goes to a server of the
         upstream of its service.
Source   nginx 1.22.1; the upstream's behaviour is `models.load_balancer`'s.
Checked  tests/unit/test_assembly.py, tests/e2e/test_fields.py
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from models.connection_limit import ConnectionLimit, LimitsConnections
from models.leaky_bucket import LimitsRequests, RequestLimit
from models.load_balancer import NginxSpec, Target, Upstream
from models.machine import ContainerSpec
from models.outcomes import ConnectionRefused
from models.request import Request, Visit
from models.spec import Context
from sim.environment import Activity


class LoadBalancerSpec(ContainerSpec, NginxSpec, LimitsRequests, LimitsConnections):
    """Nginx in a container."""


class Host(Protocol):
    """The container nginx runs in."""

    is_up: bool
    speed: float

    def run(self, demand_s: float, /) -> Any: ...
    def enter(self) -> Any: ...
    def leave(self, light: Any) -> None: ...


class Proxy:
    """A load balancer's container: its CPU first, then the upstream of the service."""

    __slots__ = ("_cpu", "_env", "_host", "_path", "_rate", "_upstreams")

    def __init__(
        self, context: Context, spec: LoadBalancerSpec, host: Host, targets: Mapping[str, Sequence[Target]]
    ) -> None:
        """`targets`: the replicas of every service."""
        self._env = context.env
        self._path = context.path
        self._host = host
        self._cpu = context.streams.draws(f"{context.path}.cpu", spec.cpu.distribution())
        self._rate = RequestLimit(context, spec) if spec.limit_req else None
        connections = ConnectionLimit(context, spec) if spec.limit_conn else None
        self._upstreams: dict[str, Upstream | _Limited] = {}
        for name, upstream in spec.upstreams.items():
            hop = upstream.build(context.at("upstreams").at(name), targets[upstream.service])
            is_limited = self._rate is not None or connections is not None
            self._upstreams[upstream.service] = _Limited(context, hop, self._rate, connections) if is_limited else hop

    def forget(self) -> None:
        """Nginx was killed, and its shared memory with it."""
        if self._rate is not None:
            self._rate.forget()

    def handle(self, request: Request, visit: Visit) -> Activity:
        host = self._host
        if not host.is_up:
            raise ConnectionRefused(self._path)
        light = host.enter()
        try:
            began_at_s = self._env.now
            demand_s = self._cpu.at(request.identity)
            throttled_s = (yield host.run(demand_s)) or 0.0
            burned_s = demand_s / host.speed
            request.cpu_s += burned_s
            request.throttled_s += throttled_s
            request.wait_s += max(0.0, self._env.now - began_at_s - burned_s - throttled_s)
            yield from self._upstreams[visit.service].handle(request, visit)
        finally:
            host.leave(light)


class _Limited:
    """What a request passes before its upstream, in nginx's order: its rate first, so that what is held there is not
    yet counted among the requests in progress."""

    __slots__ = ("_connections", "_env", "_hop", "_rate")

    def __init__(
        self, context: Context, hop: Upstream, rate: RequestLimit | None, connections: ConnectionLimit | None
    ) -> None:
        self._env = context.env
        self._hop = hop
        self._rate = rate
        self._connections = connections

    def handle(self, request: Request, visit: Visit) -> Activity:
        hold_s = 0.0 if self._rate is None else self._rate.admit(request)
        if hold_s:
            began_at_s = self._env.now
            try:
                yield hold_s
            finally:
                request.wait_s += self._env.now - began_at_s
        if self._connections is None:
            yield from self._hop.handle(request, visit)
            return
        counted = self._connections.enter(request)
        try:
            yield from self._hop.handle(request, visit)
        finally:
            self._connections.leave(counted)
