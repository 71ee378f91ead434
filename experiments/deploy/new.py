"""A scenario to begin with: a few services behind a gateway, their database and cache, and users.

Source   Values of the shipped scenarios; everything is assumed until somebody replaces it.
Checked  tests/e2e/test_new.py
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.deploy import assumptions
from experiments.deploy.assumptions import Assumed
from experiments.deploy.draft import Draft, Path, Source, assumed
from experiments.deploy.place import Place
from sim.quantities import parse_size

MOST_SERVICES = 200
POOL, CONNECTIONS, RESERVED = 10, 100, 3
"""HikariCP's default, and PostgreSQL's."""
RESTART = "always"
_RESTART_NOTE = "restart: always in the Compose file. Docker's own default is no."


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody said of the system."""

    services: Mapping[str, int]
    """Replicas by name."""
    users: int = 20
    cores: float = 4
    memory: str = ""
    """Empty: 16G, or more where the services need it."""
    has_gateway: bool = True
    has_database: bool = True
    has_cache: bool = True


def new_scenario(wanted: Wanted) -> dict[str, Any]:
    """The document with its provenance. Every service has one endpoint, which every user asks for."""
    draft = Draft(_nowhere)
    draft.document["description"] = f"{_listed(list(wanted.services))} with {wanted.users} users: a first sketch."
    _put(draft, (), assumptions.RUN)
    said = Source("assumed", "", "Said when the scenario was made.", 0)
    machine = ("machines", "host")
    cores = int(wanted.cores) if wanted.cores == int(wanted.cores) else wanted.cores
    draft.put((*machine, "cores"), cores, said)
    draft.put((*machine, "memory"), wanted.memory or default_memory(wanted), said)
    draft.put((*machine, "system_memory"), assumptions.MACHINE["system_memory"].value, assumed("A Linux server."))
    if wanted.has_gateway:
        _part(draft, ("gateway",), assumptions.GATEWAY)
        limit = {"kind": "bucket4j_greedy", "key": "user", "capacity": 100, "refill": "100/60s"}
        draft.put(("gateway", "rate_limits", "per_user"), limit, assumed("100 requests a minute for each user."))
    for name, replicas in wanted.services.items():
        _service(draft, name, replicas, wanted)
    if wanted.has_cache:
        _part(draft, ("caches", "redis"), assumptions.CACHE)
        for name in wanted.services:
            at = ("caches", "redis", "classes", name)
            draft.put((*at, "ttl"), "300s", assumed("Five minutes."))
            _put(draft, at, assumptions.DATA_CLASS)
    if wanted.has_database:
        _part(draft, ("databases", "postgres"), assumptions.DATABASE)
        connections = POOL * sum(wanted.services.values()) + RESERVED
        most = ("databases", "postgres", "max_connections")
        if connections <= CONNECTIONS:
            draft.put(most, CONNECTIONS, Source("default", "PostgreSQL 15", "", 1))
        else:
            note = "As many as all pools hold, and those that are reserved."
            draft.put(most, -(-connections // 50) * 50, assumed(note))
        for name in wanted.services:
            _put(draft, ("databases", "postgres", "queries", f"{name}-query"), assumptions.QUERY)
    _traffic(draft, wanted, said)
    order = ("description", "duration", "warm_up", "replications", "seed", "machines", "gateway", "services", "caches",
             "databases", "routes", "traffic", "objectives")  # fmt: skip
    document = {key: draft.document[key] for key in order if key in draft.document}
    return {**document, "provenance": draft.provenance()}


def least_memory(wanted: Wanted) -> int:
    """Bytes that everything needs at rest, the heaps' live data included."""
    one = parse_size(assumptions.JVM_SERVICE["base_memory"].value) + parse_size(assumptions.JVM["live_set"].value)
    parts = [one * sum(wanted.services.values()), parse_size(assumptions.MACHINE["system_memory"].value)]
    for is_there, what in (
        (wanted.has_gateway, assumptions.GATEWAY), (wanted.has_cache, assumptions.CACHE),
        (wanted.has_database, assumptions.DATABASE),
    ):  # fmt: skip
        parts += [parse_size(what["base_memory"].value)] if is_there else []
    return sum(parts)


def default_memory(wanted: Wanted) -> str:
    """The machine's memory where nobody says it: twice what is needed, at least 16G."""
    return f"{max(16, -(-2 * least_memory(wanted) >> 30))}G"


def taken_names(wanted: Wanted) -> dict[str, str]:
    """Names that the other parts have."""
    parts = {"gateway": wanted.has_gateway, "redis": wanted.has_cache, "postgres": wanted.has_database}
    return {name: f"--no-{option}" for (name, is_there), option in
            zip(parts.items(), ("gateway", "cache", "database"), strict=True) if is_there}  # fmt: skip


def _nowhere(place: Place) -> str:
    return str(place)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:5])}{' and more' if len(names) > 5 else ''}"


def _put(draft: Draft, at: Path, values: Mapping[str, Assumed]) -> None:
    for name, one in values.items():
        draft.put((*at, name), one.value, assumed(one.note))


def _part(draft: Draft, at: Path, values: Mapping[str, Assumed]) -> None:
    draft.put((*at, "machine"), "host", assumed("Everything runs on one machine."))
    draft.put((*at, "restart"), RESTART, assumed(_RESTART_NOTE))
    _put(draft, at, values)


def _service(draft: Draft, name: str, replicas: int, wanted: Wanted) -> None:
    at = ("services", name)
    draft.put((*at, "machine"), "host", assumed("Everything runs on one machine."))
    draft.put((*at, "replicas"), replicas, assumed("Said when the scenario was made."))
    draft.put((*at, "restart"), RESTART, assumed(_RESTART_NOTE))
    _put(draft, at, assumptions.JVM_SERVICE)
    _put(draft, (*at, "jvm"), assumptions.JVM)
    draft.put((*at, "workers"), {"kind": "tomcat", "threads": 200}, Source("default", "Tomcat: 200 threads", "", 1))
    if wanted.has_database:
        pool = {"database": "postgres", "maximum_pool_size": POOL, "connection_timeout": "30s"}
        draft.put((*at, "pools", "main"), pool, Source("default", "HikariCP 4.0.3", "", 1))
    work: dict[str, Any] = {"kind": "cpu", "name": "work", "demand": assumptions.DEMAND.value}
    load = {"kind": "db", "name": "load", "pool": "main", "query": f"{name}-query"}
    steps = [work]
    if wanted.has_cache:
        miss = load if wanted.has_database else {"kind": "cpu", "name": "make", "demand": assumptions.DEMAND.value}
        cached = {"kind": "cache", "name": "cached", "cache": "redis", "data_class": name, "on_miss": [miss]}
        steps.append(cached)
    elif wanted.has_database:
        steps.append(load)
    draft.put((*at, "endpoints", "get"), {"steps": steps}, assumed(assumptions.DEMAND.note))


def _traffic(draft: Draft, wanted: Wanted, said: Source) -> None:
    for name in wanted.services:
        through = ["gateway"] if wanted.has_gateway else []
        route = {"path": f"/{name}", "service": name, "endpoint": "get", "through": through}
        draft.put(("routes", name), route, assumed("One endpoint for each service."))
        draft.put(("traffic", "mix", name), 1, assumed(assumptions.MIX.note))
    draft.put(("traffic", "users", "population"), wanted.users, said)
    draft.put(("traffic", "users", "think_time"), assumptions.THINK.value, assumed(assumptions.THINK.note))
    draft.put(("traffic", "client", "patience"), assumptions.PATIENCE.value, assumed(assumptions.PATIENCE.note))
    draft.put(("traffic", "client", "round_trip"), assumptions.ROUND_TRIP.value, assumed(assumptions.ROUND_TRIP.note))
    bounds = {
        "success-rate": {"path": "/success_rate", "at_least": 0.99},
        "p95": {"path": "/latency_ms/all/p95", "at_most": 500},
    }
    draft.put(("objectives",), bounds, assumed("What users should see: yours to say."))
