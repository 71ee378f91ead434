"""The way that requests of a route take: each hop is told where to go on."""

from __future__ import annotations

from typing import Any

from models.assembly.entrance import Entrance
from models.assembly.site import Site
from models.gateway import PooledProxy, PooledService
from models.jvm import JavaRoute
from models.request import Request, Visit
from models.service import Service
from models.system import RouteSpec
from sim.environment import Activity, Environment
from sim.patience import TimeLimit


def way(site: Site, entrance: Entrance | None, route: RouteSpec) -> tuple[Any, Visit]:
    """Where a route's requests go first, and what they ask for."""
    service, through = route.service, list(route.through)
    endpoint = site.spec.services[service].endpoints[route.endpoint]
    visit = Visit(service, route.endpoint, 0, endpoint.is_idempotent, endpoint.method)
    is_left = site.spec.traffic.client.leaves
    balancer = next((name for name in through if name != "gateway"), None)
    caller = "gateway" if "gateway" in through else "client"
    hop, target = _behind(site, caller, balancer, service)
    if "gateway" in through:
        assert entrance is not None
        hop = _pooled(site, entrance, hop, balancer, service)
        wire = site.network.link("gateway", target)
        link = None if wire is None else wire.path
        first: Any = entrance.gateway.route_to(hop, service, target, balancer is not None, is_left, link)
        first = first if entrance.jvm is None else JavaRoute(entrance.jvm, first)
        return site.network.hop("client", "gateway", first), visit
    return (hop if balancer is not None or not is_left else _Detached(site.context.env, hop)), visit


def _behind(site: Site, caller: str, balancer: str | None, service: str) -> tuple[Any, str]:
    """What `caller` sends to: a load balancer, or the service itself; and its path."""
    if balancer is None:
        return site.network.service(caller, site.services[service], service), f"services.{service}"
    proxy, target = site.proxies[balancer], f"load_balancers.{balancer}"
    return site.network.hop(caller, target, proxy.for_gateway() if caller == "gateway" else proxy), target


def _pooled(site: Site, entrance: Entrance, hop: Any, balancer: str | None, service: str) -> Any:
    """The hop over the gateway's pool of connections, where it has a FIXED one."""
    connections = entrance.connections
    if connections is None:
        return hop
    if balancer is not None:
        hop = PooledProxy(connections, balancer, hop)
        names = [balancer]
    else:
        names = [replica.name for replica in site.services[service].replicas]
        hop = PooledService(connections, hop, names)
    for name in names:
        station = connections.pool(name).path
        if all(limit.station != station for limit in site.limits):
            site.limit(station, "gateway.connections.max_connections", "station")
    return hop


class _Detached:
    """No proxy between client and service: the service works on when the client leaves."""

    __slots__ = ("_limit", "_service")

    def __init__(self, env: Environment, service: Service) -> None:
        self._limit = TimeLimit(env, None)
        self._service = service

    def handle(self, request: Request, visit: Visit) -> Activity:
        return self._limit.call(self._service.handle(request, visit))
