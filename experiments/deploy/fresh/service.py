"""<service>/application.yml: server, shutdown, pools, Redis and what is cached there, and what stands around calls.

Models   Spring has one TTL for all caches. Where a service has several, each stands under app.caches, which is read by
         a RedisCacheManager of the team's own.
Source   Spring Boot 2.7; Spring Data Redis 2.7; Resilience4j 2.3
Checked  tests/e2e/test_export_files.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.deploy.fresh.pools import data_source
from experiments.deploy.fresh.resilience import call_instances
from experiments.deploy.fresh.words import Plan, commented, dumped, kept, milliseconds, sources, spring_time

_TOMCAT = {"max-connections": "max_connections", "accept-count": "accept_count"}
_THREADS = {"max": "threads", "min-spare": "min_spare_threads"}
_EXPOSED = {"endpoints": {"web": {"exposure": {"include": "health, prometheus"}}}}
OWN = "app"


def service_yaml(plan: Plan, name: str) -> str:
    """Its text."""
    said = plan.section("services")[name]
    workers, shutdown = said.get("workers") or {}, said.get("shutdown") or {}
    graceful, phase = shutdown.get("graceful"), shutdown.get("timeout")
    server = kept({
        "port": plan.port(name),
        "shutdown": None if graceful is None else "graceful" if graceful else "immediate",
        "tomcat": _tomcat(workers),
    })  # fmt: skip
    spring = kept({
        "application": {"name": name},
        "main": {"web-application-type": "reactive"} if workers.get("kind") == "event_loop" else None,
        "lifecycle": {"timeout-per-shutdown-phase": spring_time(phase)} if phase is not None else None,
        "datasource": data_source(plan, name),
        "jpa": {"open-in-view": said["open_in_view"]} if said.get("open_in_view") is not None else None,
    })  # fmt: skip
    caching, own = _caching(plan, name)
    calls, feign = _calls(plan, name)
    whole = kept({
        "server": server,
        "spring": {**spring, **caching, **feign},
        "resilience4j": call_instances(plan, name),
        OWN: {**own, **calls},
        "management": _EXPOSED,
    })  # fmt: skip
    return commented(_head(plan, name, bool(own))) + dumped(whole)


def _head(plan: Plan, name: str, has_own: bool) -> list[str]:
    said = plan.section("services")[name]
    named = {key: ("services", name, key) for key in ("workers", "shutdown") if said.get(key)}
    pools = {f"pool {key}": ("services", name, "pools", key) for key in said.get("pools") or {}}
    lines = [f"{name}, written from a scenario.", *sources(plan, {**named, **pools})]
    if has_own:
        lines.append(f"{OWN}.caches is for a RedisCacheManager of your own: Spring's time-to-live is one for all.")
    return lines


def _tomcat(workers: Mapping[str, Any]) -> dict[str, Any]:
    if workers.get("kind") != "tomcat":
        return {}
    threads = kept({key: workers.get(mine) for key, mine in _THREADS.items()})
    return kept({"threads": threads, **{key: workers.get(mine) for key, mine in _TOMCAT.items()}})


def _caching(plan: Plan, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What stands under spring, and under the team's own key. Of several Redis the first."""
    used = plan.classes(name)
    if not used:
        return {}, {}
    cache, classes = next(iter(used.items()))
    said = {one: (plan.section("caches")[cache].get("classes") or {}).get(one) or {} for one in classes}
    lives = {one: spring_time(values["ttl"]) for one, values in said.items() if values.get("ttl") is not None}
    is_common = len(lives) == len(classes) and len(set(lives.values())) == 1
    nulls = {values.get("cache_nulls", True) for values in said.values()}
    is_said = any("cache_nulls" in values for values in said.values())
    redis = kept({
        "time-to-live": next(iter(lives.values())) if is_common else None,
        "cache-null-values": nulls.pop() if is_said and len(nulls) == 1 else None,
    })  # fmt: skip
    own = {} if is_common else {one: {"time-to-live": time} for one, time in lives.items() if time is not None}
    keys = {"cache": kept({"type": "redis", "cache-names": ",".join(classes), "redis": redis})}
    return {**redis_client(plan, cache), **keys}, ({"caches": own} if own else {})


def redis_client(plan: Plan, cache: str) -> dict[str, Any]:
    """How an application is connected to a Redis, under the name that its release of Spring Boot has for it."""
    said = plan.section("caches")[cache].get("client") or {}
    times = {"timeout": "command_timeout", "connect-timeout": "connect_timeout"}
    found = kept({
        "host": cache,
        **{key: spring_time(said[mine]) for key, mine in times.items() if said.get(mine) is not None},
    })  # fmt: skip
    is_new = float(said.get("spring_data_redis") or 2.7) >= 3
    return {"data": {"redis": found}} if is_new else {"redis": found}


def _calls(plan: Plan, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Addresses of the services that are called; how long an answer is waited for, as OpenFeign's clients have it."""
    limits: dict[str, set[object]] = {}
    for _, _, step in plan.steps(name):
        if step.get("kind") == "call":
            limits.setdefault(str(step["service"]), set()).add(step.get("read_timeout"))
    urls = {target: {"url": f"http://{target}:{plan.port(target)}"} for target in limits}
    clients = {
        target: {"url": f"http://{target}:{plan.port(target)}", "read-timeout": time}
        for target, found in limits.items()
        if len(found) == 1 and (time := _milliseconds(next(iter(found)))) is not None
    }
    config = {"cloud": {"openfeign": {"client": {"config": clients}}}} if clients else {}
    return {target: said for target, said in urls.items() if target not in clients}, config


def _milliseconds(value: object) -> int | None:
    return None if value is None else milliseconds(value)
