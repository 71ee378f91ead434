"""Services: their replicas, with the pools, guards and JVMs that each has of its own."""

from __future__ import annotations

from typing import Any

from models.assembly.site import Site
from models.cache import Redis
from models.connection_pool import Hikari
from models.replica import Replica, TomcatSpec
from models.service import CallStepSpec, Guards, ServiceSpec, Source, compile_endpoint, walk
from models.spec import Context


def staff(site: Site, name: str) -> None:
    """Give a service its replicas, which share its endpoints' steps."""
    spec = site.spec.services[name]
    context = site.context.at("services").at(name)
    parts = _Parts(site, context.path, spec)
    work = {}
    for endpoint, endpoint_spec in spec.endpoints.items():
        at = context.at("endpoints").at(endpoint)
        work[endpoint] = compile_endpoint(at, name, endpoint, endpoint_spec.steps, parts)
    work = site.disruptions.work(name, work)
    for number in range(1, spec.replicas + 1):
        replica = _replica(site, context.at(f"replica-{number}"), spec, f"{name}-{number}", work)
        site.services[name].replicas.append(replica)


def _replica(site: Site, context: Context, spec: ServiceSpec, name: str, work: dict[str, Any]) -> Replica:
    setting = context.path.rpartition(".")[0]
    host = site.container(context, spec, setting)
    workers = spec.workers
    threads = workers.min_spare_threads if isinstance(workers, TomcatSpec) else workers.loops or host.cpus
    replica = Replica(context, spec, host, name, work, site.jvm(context, spec.jvm, host, threads))
    for pool_name, pool_spec in spec.pools.items():
        at = context.at("pools").at(pool_name)
        database = site.network.database(setting, site.databases[pool_spec.database], pool_spec.database)
        replica.pools[pool_name] = Hikari(at, pool_spec, database)
        site.limit(at.path, f"{setting}.pools.{pool_name}.maximum_pool_size", "station")
    for endpoint_name, endpoint in spec.endpoints.items():
        for step in walk(endpoint.steps):
            if isinstance(step, CallStepSpec) and step.is_guarded:
                _guard(site, context, f"endpoints.{endpoint_name}.steps.{step.name}", spec, step, replica)
    kind = "threads" if isinstance(workers, TomcatSpec) else "loops"
    site.limit(f"{context.path}.{kind}", f"{setting}.workers.{kind}", "station")
    host.on_killed = replica.die
    host.on_start = replica.start
    return replica


def _guard(site: Site, context: Context, where: str, spec: ServiceSpec, step: CallStepSpec, replica: Replica) -> None:
    """Put what a call step has around its calls into a replica."""
    service, at = context.path.rpartition(".")[0], context.at(where)
    callee = site.network.service(service, site.services[step.service], step.service)
    guards = Guards(at, step, callee, replica.host, replica.host.cpus)
    replica.guards[f"{service}.{where}"] = guards
    if guards.breaker is not None:
        site.breakers[guards.breaker.path] = guards.breaker
    if step.bulkhead is not None:
        site.limit(f"{at.path}.bulkhead", f"{service}.{where}.bulkhead.permits", "station")
    if step.rate_limiter is not None:
        site.limit(f"{at.path}.rate_limiter", f"{service}.{where}.rate_limiter.limit_for_period", "rate")
    pool = step.thread_pool_bulkhead
    if pool is not None:
        given = f"{service}.{where}.thread_pool_bulkhead.max_thread_pool_size"
        default = f"machines.{spec.machine}.cores" if spec.limits.cpus is None else f"{service}.limits.cpus"
        setting = default if pool.max_thread_pool_size is None else given
        site.limit(f"{at.path}.thread_pool_bulkhead", setting, "station")


class _Parts:
    """What the steps of one service use, by name."""

    def __init__(self, site: Site, path: str, service: ServiceSpec) -> None:
        self._site = site
        self._path = path
        self._service = service

    def cache(self, name: str) -> Redis:
        return self._site.caches[name]

    def source(self, name: str) -> Source:
        return Source(name, self._service.data_sources.get(name))

    @property
    def open_in_view(self) -> bool:
        return self._service.open_in_view

    def service(self, name: str) -> Any:
        return self._site.network.service(self._path, self._site.services[name], name)

    def is_idempotent(self, service: str, endpoint: str) -> bool:
        return self._site.spec.services[service].endpoints[endpoint].is_idempotent
