"""What stands before the services: nginx, and the gateway with its filters."""

from __future__ import annotations

from typing import Any

from models.assembly.site import Site, both
from models.gateway import Connections, Gateway, GatewaySpec, Keyed, KeyResolver
from models.jvm import Jvm
from models.proxy import Proxy
from models.spec import Context
from models.token_bucket import Bucket4jSpec, SpringRedisSpec


def proxy(site: Site, name: str) -> Proxy:
    """One nginx, with a way to the replicas of every service."""
    spec = site.spec.load_balancers[name]
    context = site.context.at("load_balancers").at(name)
    path = context.path
    targets = {name: site.network.replicas(path, service, name) for name, service in site.services.items()}
    built = Proxy(context, spec, site.container(context, spec, path), targets)
    site.forgets.append((path, built.forget))
    for zone in spec.limit_req:
        site.limit(f"{path}.limit_req.{zone}", f"{path}.limit_req.{zone}.rate", "rate")
    for zone in spec.limit_conn:
        site.limit(f"{path}.limit_conn.{zone}", f"{path}.limit_conn.{zone}.connections", "rate")
    for number in range(1, spec.workers + 1):
        site.limit(f"{path}.worker-{number}", f"{path}.workers", "station")
    site.limit(f"{path}.worker_connections", f"{path}.worker_connections", "rate")
    for upstream, upstream_spec in spec.upstreams.items():
        if upstream_spec.max_conns:
            at = f"{path}.upstreams.{upstream}.max_conns"
            site.limit(at, at, "rate")
    return built


class Entrance:
    """The gateway, its connections to what is behind it, and its JVM, as far as the scenario has them."""

    def __init__(self, site: Site, spec: GatewaySpec) -> None:
        context = site.context.at("gateway")
        host = site.container(context, spec, "gateway")
        limiters = _limiters(site, context, spec)
        bulkheads = {}
        for name, bulkhead in spec.concurrency.items():
            at = context.at("concurrency").at(name)
            bulkheads[name] = bulkhead.build(at)
            site.limit(at.path, f"{at.path}.permits", "station")
        site.limit("gateway.loops", "gateway.loops", "station")
        self.connections: Connections | None = None
        if spec.connections is not None:
            self.connections = Connections(context.at("connections"), spec.connections)
        self.gateway = Gateway(context, spec, host, limiters, bulkheads)
        self.jvm: Jvm | None = site.jvm(context, spec.jvm, host, spec.loops or host.cpus)
        host.on_killed = self.gateway.die if self.jvm is None else both(self.gateway.die, self.jvm.die)
        site.breakers.update((each.path, each.breaker) for each in self.gateway.breakers.values())


def _limiters(site: Site, context: Context, spec: GatewaySpec) -> dict[str, Any]:
    """The gateway's rate limiters; those per user behind the resolver of their key."""
    resolver = None if spec.key_resolver is None else KeyResolver(context, spec.key_resolver)
    limiters: dict[str, Any] = {}
    host = site.containers["gateway"]
    for name, limiter in spec.rate_limits.items():
        at = context.at("rate_limits").at(name)
        cache = None if isinstance(limiter, Bucket4jSpec) else limiter.cache
        if isinstance(limiter, Bucket4jSpec):
            built: Any = limiter.build(at)
        elif isinstance(limiter, SpringRedisSpec):
            services = list(site.spec.services)
            routes = [services.index(route.service) for route in site.spec.routes.values()]
            built = limiter.build(at, site.caches[limiter.cache].scripts("gateway", host), routes)
        else:
            redis = None if limiter.cache is None else site.caches[limiter.cache].scripts("gateway", host)
            built = limiter.build(at, redis)
        site.forgets.append((context.path if cache is None else f"caches.{cache}", built.forget))
        site.limit(at.path, f"{at.path}.{limiter.raised_by}", "rate")
        limiters[name] = built
        if resolver is not None and limiter.key == "user":
            limiters[name] = Keyed(at, resolver, limiters[name])
    return limiters
