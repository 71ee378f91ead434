"""What users ask for and who calls whom: what files tell of it, and one endpoint a service where they tell nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from experiments.deploy import assumptions
from experiments.deploy.deployment import Deployment
from experiments.deploy.draft import Draft, Path, Source, assumed
from experiments.deploy.fact import Fact
from experiments.deploy.overlay import Overlay
from experiments.deploy.units import Unit
from experiments.scenario.paths import step_names

ENDPOINT = assumptions.ENDPOINT.value


def add_endpoints(draft: Draft, deployment: Deployment, overlay: Overlay) -> None:
    """One endpoint for each service for which nobody has said any."""
    edges = _without_cycles(deployment)
    for unit in deployment.of_role("service"):
        _pools(draft, deployment, unit)
        if overlay.value("services", unit.name, "endpoints") is not None:
            continue
        steps = [{"kind": "cpu", "name": "work", "demand": assumptions.DEMAND.value}]
        steps += _data_steps(draft, deployment, unit)
        for target in edges.get(unit.name, []):
            if not overlay.value("services", target, "endpoints"):
                steps.append({"kind": "call", "name": f"call-{target}", "service": target, "endpoint": ENDPOINT})
        at = ("services", unit.name, "endpoints", ENDPOINT)
        draft.put(at, {"steps": steps}, assumed(assumptions.ENDPOINT.note))
        for step in steps:
            note = {"cpu": assumptions.DEMAND.note, "call": assumptions.CALL.note}.get(str(step["kind"]))
            if note is not None:
                draft.say((*at, "steps", str(step["name"])), assumed(note))


def _pools(draft: Draft, deployment: Deployment, unit: Unit) -> None:
    """A pool for who depends on a database and says nothing of one; a database for who names one outside."""
    pools = draft.value("services", unit.name, "pools") or {}
    for name, pool in list(pools.items()):
        host = pool.get("database")
        if host is None:
            databases = list(draft.value("databases") or {})
            if not databases:
                draft.drop(("services", unit.name, "pools", name))
                continue
            host = databases[0]
            draft.put(("services", unit.name, "pools", name, "database"), host, assumed("Its address is not given."))
        _outside(draft, unit, host)
    needs = [one for one in deployment.needed(unit) if one.role == "database"]
    if not pools and needs:
        at = ("services", unit.name, "pools", "main")
        draft.put((*at, "database"), needs[0].name, assumed(f"{unit.name} depends on it."))
        draft.put((*at, "maximum_pool_size"), 10, Source("default", "HikariCP 4.0.3", "", 1))


def _outside(draft: Draft, unit: Unit, host: str) -> None:
    """A database that is not part of these files."""
    at = ("databases", host)
    if not draft.has(at):
        note = f"{unit.name} names it; it is outside of these files, and taken as if it ran here, too."
        draft.put((*at, "machine"), draft.value("services", unit.name, "machine"), assumed(note))
        for name, one in assumptions.DATABASE.items():
            draft.put((*at, name), one.value, assumed(one.note))


def _data_steps(draft: Draft, deployment: Deployment, unit: Unit) -> list[dict[str, Any]]:
    """A cached read for each class of data, or a query where nothing is cached."""
    load = _load_step(draft, unit)
    spring = deployment.springs.get(unit.name)
    redis = spring.redis if spring is not None else None
    cache = redis.host if redis is not None else None
    classes = list(redis.caches) if redis is not None else []
    if cache is None:
        needed = [one.name for one in deployment.needed(unit) if one.role == "cache"]
        cache = needed[0] if needed else None
    if cache is None or not draft.has(("caches", cache)):
        return [load] if load else []
    if not classes:
        classes = [unit.name]
        for name, one in assumptions.DATA_CLASS.items():
            draft.put(("caches", cache, "classes", unit.name, name), one.value, assumed(one.note))
        draft.put(("caches", cache, "classes", unit.name, "ttl"), None, Source("default", "Redis: none", "", 1))
    work = load or {"kind": "cpu", "name": "make", "demand": assumptions.DEMAND.value}
    return [
        {
            "kind": "cache", "name": f"cached-{name}", "cache": cache, "data_class": name,
            "on_miss": [_renamed(work, f"-{name}" if len(classes) > 1 else "")],
        }
        for name in classes
    ]  # fmt: skip


def _renamed(step: dict[str, Any], suffix: str) -> dict[str, Any]:
    """A step under a name of its own, those within it too: names are unique in an endpoint."""
    inner = {"steps": [_renamed(one, suffix) for one in step["steps"]]} if "steps" in step else {}
    return {**step, **inner, "name": f"{step['name']}{suffix}"}


def _load_step(draft: Draft, unit: Unit) -> dict[str, Any] | None:
    service = draft.value("services", unit.name) or {}
    sources = service.get("data_sources") or {}
    pools = service.get("pools") or {}
    if not pools:
        return None
    pool = next(iter(pools))
    database = pools[pool]["database"]
    primary = (draft.value("databases", database) or {}).get("standby_of") or database
    query = f"{unit.name}-query"
    for name, one in assumptions.QUERY.items():
        draft.put(("databases", primary, "queries", query, name), one.value, assumed(one.note))
    if sources:
        pool = next(iter(sources))
    step = {"kind": "db", "name": "load", "pool": pool, "query": query}
    if not sources:
        return step
    return {"kind": "transaction", "name": "read", "pool": pool, "read_only": True, "steps": [step]}


def _without_cycles(deployment: Deployment) -> dict[str, list[str]]:
    """Who calls whom, calls left out that would lead back."""
    services = {unit.name: unit for unit in deployment.of_role("service")}
    edges: dict[str, list[str]] = {name: [] for name in services}

    def leads(start: str, goal: str) -> bool:
        pending, seen = [start], {start}
        while pending:
            one = pending.pop()
            if one == goal:
                return True
            new = [each for each in edges[one] if each not in seen]
            seen.update(new)
            pending += new
        return False

    for name, unit in services.items():
        for target in deployment.called_by(unit):
            if target in services and target != name and target not in edges[name] and not leads(target, name):
                edges[name].append(target)
    return edges


def add_routes(draft: Draft, deployment: Deployment, overlay: Overlay) -> None:
    """The public endpoints; for those of an assumption, the way that files tell."""
    said = overlay.value("routes")
    if isinstance(said, dict) and said:
        for name, route in said.items():
            path = route.get("path") if isinstance(route, dict) else None
            way = deployment.way(path) if isinstance(path, str) else None
            if way is None and isinstance(route, dict):
                way = deployment.way_to(str(route.get("service")))
            if way is not None:
                source = Source("file", draft.ref_of(way.place), way.note, 2) if way.place else assumed(way.note)
                draft.put(("routes", str(name), "service"), way.service, source)
                draft.put(("routes", str(name), "through"), list(way.through), source)
        return
    for way in deployment.ways():
        name = way.service if not draft.has(("routes", way.service)) else f"{way.service}-{len(draft.value('routes'))}"
        at = ("routes", name)
        source = Source("file", draft.ref_of(way.place), way.note, 2) if way.place else assumed(way.note)
        draft.put((*at, "path"), template(way.pattern), source)
        draft.put((*at, "service"), way.service, source)
        endpoints = overlay.value("services", way.service, "endpoints") or {ENDPOINT: None}
        draft.put((*at, "endpoint"), next(iter(endpoints)), assumed(assumptions.ENDPOINT.note))
        draft.put((*at, "through"), list(way.through), source)


def template(pattern: str) -> str:
    """`/api/users/**` as a path with what varies in braces."""
    parts = [part for part in pattern.split("/") if part]
    named = ["{rest}" if part == "**" else "{id}" if "*" in part else part for part in parts]
    return "/" + "/".join(named)


def add_traffic(draft: Draft, overlay: Overlay) -> None:
    """Users, until somebody says what comes."""
    if not any(overlay.value("traffic", kind) is not None for kind in ("users", "open", "trace")):
        draft.put(("traffic", "users", "population"), assumptions.USERS.value, assumed(assumptions.USERS.note))
        draft.put(("traffic", "users", "think_time"), assumptions.THINK.value, assumed(assumptions.THINK.note))
    if overlay.value("traffic", "mix") is None:
        for name in overlay.value("routes") or draft.value("routes") or {}:
            draft.put(("traffic", "mix", str(name)), assumptions.MIX.value, assumed(assumptions.MIX.note))
    if overlay.value("traffic", "client") is None:
        draft.put(("traffic", "client", "patience"), assumptions.PATIENCE.value, assumed(assumptions.PATIENCE.note))
        draft.put(
            ("traffic", "client", "round_trip"), assumptions.ROUND_TRIP.value, assumed(assumptions.ROUND_TRIP.note)
        )


def add_guards(draft: Draft, deployment: Deployment) -> None:
    """What stands around calls, at the call steps that lead to the service an instance is named after."""
    for unit in deployment.of_role("service"):
        spring = deployment.springs.get(unit.name)
        if spring is None:
            continue
        steps = list(_calls(draft, unit.name))
        for guards in spring.guards.values():
            fitting = [
                path for path, step in steps if _uniform(guards.name) in (_uniform(step["service"]), _uniform(path[-1]))
            ]
            _around(draft, deployment, unit, guards.name, guards.facts, fitting)
        for path, step in steps:
            limits = [fact for call in spring.calls if call.host == step["service"] for fact in call.facts]
            for fact in [*limits, *spring.call_limits]:
                draft.take(fact, path)


def _around(
    draft: Draft, deployment: Deployment, unit: Unit, name: str, facts: list[Fact], steps: list[Path]
) -> None:  # fmt: skip
    for path in steps:
        for fact in facts:
            draft.take(fact, path)
    place = next((fact.place for fact in facts if fact.place is not None and fact.source == "file"), None)
    if not steps and place is not None:
        what = f"guards {name}: no call of {unit.name} is known that it stands around. Say the call with --assume."
        deployment.ledger.problem(place, what)


def _uniform(name: object) -> str:
    return re.sub("[^0-9a-z]", "", str(name).lower())


def _calls(draft: Draft, service: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    for endpoint, said in (draft.value("services", service, "endpoints") or {}).items():
        steps = said.get("steps") if isinstance(said, dict) else None
        if not isinstance(steps, list):
            continue
        for name, at in step_names(steps).items():
            step: Any = steps
            for key in at:
                step = step[key]
            if step.get("kind") == "call":
                yield ("services", service, "endpoints", endpoint, "steps", name), step
