"""Databases that follow one another, and what leads to them: rules that no single part can see.

Built here, too: primaries before their standbys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from models.database import Host, Postgres, PostgresSpec
from models.service import DatabaseStepSpec, DataSourceSpec, ServiceSpec, TransactionStepSpec, walk
from models.spec import Context

Databases = Mapping[str, PostgresSpec]


def build_databases(context: Context, specs: Databases, host_of: Callable[[str], Host]) -> dict[str, Postgres]:
    """All databases, in the order of the document; `host_of` starts the container of each."""
    built: dict[str, Postgres] = {}
    hosts = {name: host_of(name) for name in specs}
    for name in sorted(specs, key=lambda name: specs[name].standby_of is not None):  # stable: primaries first
        spec = specs[name]
        primary = None if spec.standby_of is None else built[spec.standby_of]
        built[name] = spec.build(context.at(name), hosts[name], primary)
    return {name: built[name] for name in specs}


def database_problems(databases: Databases) -> Iterator[str]:
    """Standbys follow primaries."""
    for name, spec in databases.items():
        path = f"databases.{name}"
        if spec.standby_of is not None:
            yield from _known(f"{path}.standby_of", spec.standby_of, databases, "databases")
            primary = databases.get(spec.standby_of)
            if primary is not None and primary.standby_of is not None:
                yield (
                    f"{path}.standby_of: must be a primary, got {spec.standby_of!r}, which is a standby of "
                    f"{primary.standby_of}. Follow that one."
                )
        if spec.synchronous_standby is not None:
            standbys = [other for other, each in databases.items() if each.standby_of == name]
            yield from _known(f"{path}.synchronous_standby", spec.synchronous_standby, standbys, f"standbys of {name}")


def data_access_problems(path: str, service: ServiceSpec, databases: Databases) -> Iterator[str]:
    """A service's pools, data sources, and the steps that use them."""
    for name, pool in service.pools.items():
        yield from _known(f"{path}.pools.{name}.database", pool.database, databases, "databases")
    for name, source in service.data_sources.items():
        yield from _source_problems(f"{path}.data_sources.{name}", name, source, service, databases)
    names = [*service.pools, *service.data_sources]
    for name, endpoint in service.endpoints.items():
        for step in walk(endpoint.steps):
            at = f"{path}.endpoints.{name}.steps.{step.name}"
            if isinstance(step, DatabaseStepSpec | TransactionStepSpec):
                yield from _known(f"{at}.pool", step.pool, names, "pools of this service")
            if isinstance(step, DatabaseStepSpec):
                routed = service.data_sources.get(step.pool)
                database = _database_of(service, step.pool if routed is None else routed.primary)
                if database in databases:
                    yield from _known(f"{at}.query", step.query, queries(databases, database), f"queries of {database}")


def _source_problems(
    path: str, name: str, source: DataSourceSpec, service: ServiceSpec, databases: Databases
) -> Iterator[str]:
    if name in service.pools:
        yield f"{path}: must have a name of its own, got that of a pool. Rename it."
    yield from _known(f"{path}.primary", source.primary, service.pools, "pools of this service")
    if source.replica is None:
        if source.style == "routing_data_source":
            yield f"{path}.replica: must name the pool that it routes to. Add it, or use the pool by itself."
        return
    yield from _known(f"{path}.replica", source.replica, service.pools, "pools of this service")
    primary, replica = _database_of(service, source.primary), _database_of(service, source.replica)
    if replica in databases and databases[replica].standby_of != primary:
        yield f"{path}.replica: must lead to a standby of {primary}, got {source.replica!r}, which leads to {replica}."


def _database_of(service: ServiceSpec, pool: str) -> str:
    return service.pools[pool].database if pool in service.pools else ""


def queries(databases: Databases, name: str) -> list[str]:
    """Names of the queries that a database knows: a standby those of its primary."""
    return list(databases.get(databases[name].standby_of or name, databases[name]).queries)


def _known(path: str, name: str, names: object, what: str) -> Iterator[str]:
    have = list(names)  # type: ignore[call-overload]
    if name not in have:
        yield f"{path}: must name one of the {what}, got {name!r}. There are: {', '.join(have) or 'none'}."
