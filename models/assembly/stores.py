"""What services keep their data in: databases and caches."""

from __future__ import annotations

from models.assembly.site import Site
from models.cache import Redis
from models.database import Postgres
from models.machine import Container
from models.topology import build_databases


def databases(site: Site) -> dict[str, Postgres]:
    """All databases, primaries and standbys."""

    def host(name: str) -> Container:
        path = f"databases.{name}"
        container = site.container(site.context.at(path), site.spec.databases[name], path)
        site.limit(f"{path}.connections", f"{path}.max_connections", "station")
        return container

    built = build_databases(site.context.at("databases"), site.spec.databases, host)
    for name, database in built.items():
        container = site.containers[f"databases.{name}"]
        container.on_killed, container.on_start = database.reset, database.recover
    return built


def cache(site: Site, name: str) -> Redis:
    """One Redis."""
    spec = site.spec.caches[name]
    context = site.context.at("caches").at(name)
    host = site.container(context, spec, context.path)
    redis = spec.build(context, host)
    redis.links = site.network.callers(context.path)
    host.on_killed = redis.clear
    host.on_start = redis.start
    if spec.maxmemory:
        site.limit(context.path, f"{context.path}.maxmemory", "cache_memory")
    return redis
