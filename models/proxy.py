# cython: annotation_typing=True
"""Nginx in its container: what it burns for a request, and which of its upstreams gets it.

Models   A connection comes to any of the worker processes, all as likely. A worker that has no connection left closes
         it at once. Else the request burns CPU in the worker's one thread, passes nginx's limits (limit_req, then
         limit_conn), and goes to a server of the upstream of its service. A request has a connection of its own, which
         counts while it is in nginx. What comes from the gateway has the gateway's address, unless real_ip.
Source   nginx 1.22.1; src/event/ngx_event_accept.c and src/core/ngx_connection.c (connections of a worker: listening
         socket and channel to the master count, two in all); the upstream's behaviour is `models.load_balancer`'s.
Checked  experiments/validation/nginx_upstream.py, tests/unit/test_proxy.py, tests/e2e/test_fields.py,
         tests/real/test_nginx_balancing.py
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from models.connection_limit import ConnectionLimit, LimitsConnections
from models.leaky_bucket import LimitsRequests, RequestLimit
from models.load_balancer import Address, NginxSpec, Target, Upstream
from models.load_balancer.keepalive import Worker
from models.machine import ContainerSpec
from models.outcomes import ConnectionClosed, ConnectionRefused
from models.request import Request, Visit
from models.spec import Context
from sim.environment import Activity, Environment
from sim.resources import Permits

OWN_CONNECTIONS: Final = 2
"""Of a worker's connections, those it needs itself: its listening socket and its channel to the master process."""
GATEWAY_ADDRESS: Final[Address] = (172, 18, 0, 2)
"""The gateway's, in a network of Docker (assumed)."""


class LoadBalancerSpec(ContainerSpec, NginxSpec, LimitsRequests, LimitsConnections):
    """Nginx in a container."""


class Host(Protocol):
    """The container nginx runs in."""

    is_up: bool
    speed: float

    def run(self, demand_s: float, /) -> Any: ...
    def enter(self) -> Any: ...
    def leave(self, light: Any) -> None: ...


class Hop(Protocol):
    """Somewhere a visit can be sent."""

    def handle(self, request: Request, visit: Visit) -> Activity: ...


class _Process:
    """A worker process: its one thread, its connections, and its own view of the upstreams, by service."""

    __slots__ = ("from_gateway", "hops", "thread", "upstreams", "worker")

    def __init__(self, worker: Worker, thread: Permits) -> None:
        self.worker = worker
        self.thread = thread
        self.upstreams: dict[str, Upstream] = {}
        self.hops: dict[str, Hop] = {}
        self.from_gateway: dict[str, Hop] = {}
        """The same for requests whose clients are known by the gateway's address."""


class Proxy:
    """A load balancer's container: a worker's thread first, then the upstream of the service."""

    __slots__ = (
        "_accepted", "_choose", "_cpu", "_env", "_host", "_is_blind", "_path", "_processes", "_rate", "_turned_away",
    )  # fmt: skip

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
        self._is_blind = not spec.real_ip
        self._accepted = context.probe.count(f"{context.path}.worker_connections.granted")
        self._turned_away = context.probe.count(f"{context.path}.worker_connections.refused")
        self._choose = (
            None if spec.workers == 1 else context.streams.choices(f"{context.path}.worker", [1.0] * spec.workers)
        )
        self._processes = [_process(context, spec, number) for number in range(1, spec.workers + 1)]
        for process in self._processes:
            for name, upstream_spec in spec.upstreams.items():
                at, service = context.at("upstreams").at(name), upstream_spec.service
                if process is self._processes[0]:
                    upstream = Upstream(at, upstream_spec, targets[service], spec.release, process.worker)
                else:
                    upstream = self._processes[0].upstreams[service].beside(process.worker)
                process.upstreams[service] = upstream
                process.hops[service] = self._limited(upstream, connections)
                process.from_gateway[service] = self._limited(upstream.seen_from(GATEWAY_ADDRESS), connections, True)

    def _limited(self, hop: Hop, connections: ConnectionLimit | None, is_behind_proxy: bool = False) -> Hop:
        rate = self._rate
        if rate is None and connections is None:
            return hop
        if is_behind_proxy:
            rate, connections = rate and rate.behind_proxy(), connections and connections.behind_proxy()
        return _Limited(self._env, hop, rate, connections)

    def forget(self) -> None:
        """Nginx was killed, and its memory with it, shared or not."""
        if self._rate is not None:
            self._rate.forget()
        for process in self._processes:
            for upstream in process.upstreams.values():
                upstream.forget()

    def for_gateway(self) -> Hop:
        """What the gateway sends its requests to."""
        return _FromGateway(self) if self._is_blind else self

    def handle(self, request: Request, visit: Visit) -> Activity:
        process = self.process_for(request, visit)
        return self.carry(request, visit, process, process.hops)

    def process_for(self, request: Request, visit: Visit) -> _Process:
        """The worker that accepts a request's connection."""
        choose = self._choose
        return self._processes[0 if choose is None else choose.at(request.identity, visit.lane)]

    def carry(self, request: Request, visit: Visit, process: _Process, hops: Mapping[str, Hop]) -> Activity:
        """A request's way through a worker."""
        env, host, worker, thread = self._env, self._host, process.worker, process.thread
        if not host.is_up:
            raise ConnectionRefused(self._path)
        if not worker.take(env.now):
            self._turned_away.add()
            raise ConnectionClosed(self._path)
        self._accepted.total += 1
        light = host.enter()
        try:
            began_at_s = env.now
            demand_s = self._cpu.at(request.identity, visit.lane)
            _ = thread.acquire() or (yield)
            try:
                throttled_s = (yield host.run(demand_s)) or 0.0
            finally:
                thread.release()
            burned_s = demand_s / host.speed
            request.cpu_s += burned_s
            request.throttled_s += throttled_s
            request.wait_s += max(0.0, env.now - began_at_s - burned_s - throttled_s)
            yield from hops[visit.service].handle(request, visit)
        finally:
            worker.free += 1
            host.leave(light)


def _process(context: Context, spec: LoadBalancerSpec, number: int) -> _Process:
    station = context.probe.station(f"{context.path}.worker-{number}", 1, "worker")
    return _Process(Worker(spec.worker_connections - OWN_CONNECTIONS), Permits(context.env, 1, station))


class _FromGateway:
    """The way in for what the gateway sends: for nginx it all comes from one address."""

    __slots__ = ("_proxy",)

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    def handle(self, request: Request, visit: Visit) -> Activity:
        process = self._proxy.process_for(request, visit)
        return self._proxy.carry(request, visit, process, process.from_gateway)


class _Limited:
    """What a request passes before its upstream, in nginx's order: its rate first, so that what is held there is not
    yet counted among the requests in progress."""

    __slots__ = ("_connections", "_env", "_hop", "_rate")

    def __init__(
        self, env: Environment, hop: Hop, rate: RequestLimit | None, connections: ConnectionLimit | None
    ) -> None:
        self._env = env
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
