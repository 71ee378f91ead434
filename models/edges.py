"""Who speaks to whom in a system, by paths: what links connect and what faults can hit.

A path here is what results call the part: client, gateway, load_balancers.nginx, services.shop,
services.shop.replica-2, caches.redis, databases.main, machines.vm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from models.faults import (
    ClockStepSpec,
    ErrorSpec,
    NetworkSpec,
    PartitionSpec,
    RefuseSpec,
    ReplicaLagSpec,
    RollingRestartSpec,
    StealSpec,
)
from models.service import CacheStepSpec, CallStepSpec, EvictStepSpec, walk

Edge = tuple[str, str]


def edges(spec: Any) -> list[Edge]:
    """(who asks, who answers), every pair once, in the order in which requests meet them."""
    found: dict[Edge, None] = {}
    for route in spec.routes.values():
        way = ["client"]
        way += [hop if hop == "gateway" else f"load_balancers.{hop}" for hop in route.through]
        way.append(f"services.{route.service}")
        found.update(dict.fromkeys(pairwise(way)))
    if spec.gateway is not None:
        for limiter in spec.gateway.rate_limits.values():
            if cache := getattr(limiter, "cache", None):
                found["gateway", f"caches.{cache}"] = None
    for name, balancer in spec.load_balancers.items():
        for upstream in balancer.upstreams.values():
            found[f"load_balancers.{name}", f"services.{upstream.service}"] = None
    for name, service in spec.services.items():
        found.update(dict.fromkeys(_of_service(f"services.{name}", service)))
    return list(found)


def _of_service(path: str, service: Any) -> Iterator[Edge]:
    for pool in service.pools.values():
        yield path, f"databases.{pool.database}"
    for endpoint in service.endpoints.values():
        for step in walk(endpoint.steps):
            if isinstance(step, CacheStepSpec | EvictStepSpec):
                yield path, f"caches.{step.cache}"
            elif isinstance(step, CallStepSpec):
                yield path, f"services.{step.service}"


def replicas(spec: Any, service: str) -> list[str]:
    return [f"services.{service}.replica-{number}" for number in range(1, spec.services[service].replicas + 1)]


def containers(spec: Any, target: str) -> list[str]:
    """Paths of the containers that a target names; none where it names nothing."""
    kind, _, name = target.partition(".")
    if kind == "services" and name in spec.services:
        return replicas(spec, name)
    return [target] if target in everything(spec) and target not in targets(spec, "machines") else []


def targets(spec: Any, *kinds: str) -> list[str]:
    """Everything of these kinds that a fault can name: services, replicas, gateway, load_balancers and so on."""
    found: list[str] = []
    for kind in kinds:
        if kind == "gateway":
            found += [] if spec.gateway is None else ["gateway"]
        elif kind == "replicas":
            for service in spec.services:
                found += replicas(spec, service)
        elif kind == "standbys":
            found += [f"databases.{name}" for name, each in spec.databases.items() if each.standby_of is not None]
        else:
            found += [f"{kind}.{name}" for name in getattr(spec, kind)]
    return found


def everything(spec: Any) -> list[str]:
    return targets(spec, "gateway", "load_balancers", "services", "replicas", "caches", "databases")


def problems(spec: Any) -> Iterator[str]:
    """What is wrong with the links and faults of a system, one line each."""
    known = {frozenset(edge) for edge in edges(spec)}
    taken: dict[frozenset[str], str] = {}
    for name, link in spec.links.items():
        yield from _between(spec, f"links.{name}.between", link.between, known)
        first = taken.setdefault(frozenset(link.between), name)
        if first != name:
            yield f"links.{name}.between: must be a link of its own, but {first} has the same ends. Remove one of them."
    for name, fault in spec.faults.items():
        path = f"faults.{name}"
        if isinstance(fault, NetworkSpec | PartitionSpec):
            yield from _between(spec, f"{path}.between", fault.between, known)
        else:
            yield from _target(f"{path}.target", fault.target, targets(spec, *_kinds(fault)))


def _kinds(fault: Any) -> Sequence[str]:
    match fault:
        case ErrorSpec():
            return ("services", "replicas")
        case StealSpec():
            return ("machines",)
        case ReplicaLagSpec():
            return ("standbys",)
        case ClockStepSpec():
            return ("caches",)
        case RollingRestartSpec():
            return ("services",)
        case RefuseSpec():  # clients of Redis keep their connections, so it would change nothing there
            return ("gateway", "load_balancers", "services", "replicas", "databases")
    return ("gateway", "load_balancers", "services", "replicas", "caches", "databases")


def _target(path: str, target: str, names: Sequence[str]) -> Iterator[str]:
    if target not in names:
        have = _some(names)
        yield f"{path}: must name what such a fault can hit, got {target!r}. There are: {have}."


def _between(spec: Any, path: str, between: Sequence[str], known: set[frozenset[str]]) -> Iterator[str]:
    if frozenset(between) not in known:
        known_edges = list(edges(spec))
        near = [edge for edge in known_edges if not set(edge).isdisjoint(between)] or known_edges
        have = _some([f"[{', '.join(edge)}]" for edge in near])
        yield f"{path}: must be two that speak to each other, got [{', '.join(between)}]. There are: {have}."


def _some(names: Sequence[str], most: int = 5) -> str:
    """What there is, as far as it fits a line."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "none") + more
