"""The text of each file: Compose, nginx, Spring. What is not written here stays in assume.yaml.

Checked  tests/e2e/test_export_files.py
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

from experiments.deploy.ways import beginning
from experiments.scenario.load import Scenario
from experiments.scenario.paths import format_path
from sim.quantities import parse_duration, parse_rate, parse_size

PORT = 8080


def dumped(value: Mapping[str, Any]) -> str:
    """YAML in the order given."""
    return str(yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True, width=110))


def source(scenario: Scenario, *path: str) -> str:
    """What the scenario says of a value's source, in one line."""
    entry = scenario.provenance_of(format_path(path))
    if entry is None:
        return "source not said"
    words = " ".join(f"{entry.ref or ''} {entry.note or ''}".split())
    return f"{entry.source}{f' ({words})' if words else ''}"


def milliseconds(value: object) -> int:
    return round(parse_duration(value) * 1000)


def port_of(document: Mapping[str, Any], service: str) -> int:
    """Where a service listens: its upstream's port, else Spring's."""
    for balancer in (document.get("load_balancers") or {}).values():
        for upstream in (balancer.get("upstreams") or {}).values():
            if upstream.get("service") == service and upstream.get("port"):
                return int(upstream["port"])
    return PORT


# Compose


def compose(scenario: Scenario, project: str) -> str:
    """docker-compose.yml."""
    document = scenario.document
    services: dict[str, Any] = {}
    if document.get("gateway"):
        services["gateway"] = _container(document["gateway"], "gateway:latest", mount="./gateway/application.yml")
    for name in document.get("load_balancers") or {}:
        one = _container(document["load_balancers"][name], "nginx:alpine")
        services[name] = {**one, "volumes": [f"./{nginx_name(document, name)}:/etc/nginx/nginx.conf:ro"]}
    for name, said in (document.get("services") or {}).items():
        services[name] = _container(said, f"{name}:latest", mount=f"./{name}/application.yml")
        needs = {str(pool["database"]) for pool in (said.get("pools") or {}).values()}
        if needs:
            services[name]["depends_on"] = sorted(needs)
    for name, said in (document.get("databases") or {}).items():
        services[name] = {**_container(said, "postgres:15"), **_postgres(said)}
    for name, said in (document.get("caches") or {}).items():
        services[name] = _container(said, "redis:7")
        words = [word for key, option in (("maxmemory", "--maxmemory"), ("maxmemory_policy", "--maxmemory-policy"))
                 if said.get(key) is not None for word in (option, _redis(key, said[key]))]  # fmt: skip
        if words:
            services[name]["command"] = ["redis-server", *words]
    head = [
        "# Written from a scenario. Images of services are placeholders: a scenario has none. Where values come from:",
        *(f"#   {name}: {source(scenario, *at)}" for name, at in _sourced(document)),
    ]
    return "\n".join(head) + "\n" + dumped({"name": project, "services": services})


def _sourced(document: Mapping[str, Any]) -> list[tuple[str, tuple[str, ...]]]:
    keys = ("replicas", "limits", "restart", "max_connections", "maxmemory")
    found: list[tuple[str, tuple[str, ...]]] = []
    for section in ("services", "databases", "caches"):
        for name, said in (document.get(section) or {}).items():
            found += [(f"{name}, {key}", (section, name, key)) for key in keys if said.get(key) is not None]
    return found


def _container(said: Mapping[str, Any], image: str, mount: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"image": image}
    if said.get("restart"):
        kind = said["restart"]
        found["restart"] = "no" if kind is False else kind
    grace = (said.get("shutdown") or {}).get("stop_grace_period")
    if grace is not None:
        found["stop_grace_period"] = f"{milliseconds(grace)}ms"
    if said.get("cpu_shares") is not None:
        found["cpu_shares"] = said["cpu_shares"]
    if mount is not None:
        found["volumes"] = [f"{mount}:/app/config/application.yml:ro"]
    limits = said.get("limits") or {}
    resources = {}
    if limits.get("cpus") is not None:
        resources["cpus"] = str(limits["cpus"])
    if limits.get("memory") is not None:
        resources["memory"] = f"{parse_size(limits['memory'])}b"
    deploy: dict[str, Any] = {"replicas": said["replicas"]} if "replicas" in said else {}
    if resources:
        deploy["resources"] = {"limits": resources}
    if deploy:
        found["deploy"] = deploy
    return found


def _postgres(said: Mapping[str, Any]) -> dict[str, Any]:
    settings = {"max_connections": said.get("max_connections"),
                "superuser_reserved_connections": said.get("reserved_connections")}  # fmt: skip
    words = " ".join(f"-c {key}={value}" for key, value in settings.items() if value is not None)
    if said.get("standby_of"):
        primary = said["standby_of"]
        script = (
            f'[ -s "$$PGDATA/PG_VERSION" ] || pg_basebackup -h {primary} -U postgres -D "$$PGDATA" -R -X stream\n'
            f"exec postgres {words}\n"
        )
        return {"user": "postgres", "entrypoint": ["bash", "-ec", script], "depends_on": [primary]}
    return {"command": f"postgres {words}", "environment": {"POSTGRES_PASSWORD": "${POSTGRES_PASSWORD:-}"}}


def _redis(key: str, value: object) -> str:
    return str(parse_size(value)) if key == "maxmemory" else str(value)


# nginx


def nginx_name(document: Mapping[str, Any], name: str) -> str:
    """nginx.conf where there is one load balancer, else named after each."""
    return "nginx.conf" if len(document["load_balancers"]) == 1 else f"{name}.conf"


def nginx(scenario: Scenario, name: str, project: str) -> str:
    """A complete nginx.conf. limit_req, limit_conn and tries are not written."""
    document = scenario.document
    said = document["load_balancers"][name]
    lines = [f"# {name}, written from a scenario."]
    if said.get("workers") is not None:
        lines.append(f"worker_processes {said['workers']};")
    connections = said.get("worker_connections")
    lines += ["events {", *([f"    worker_connections {connections};"] if connections else []), "}", "", "http {"]
    for key, upstream in (said.get("upstreams") or {}).items():
        lines += [f"    # {source(scenario, 'load_balancers', name, 'upstreams', key)}", f"    upstream {key} {{"]
        if upstream.get("balancing") in ("least_conn", "ip_hash"):
            lines.append(f"        {upstream['balancing']};")
        service = upstream["service"]
        replicas = int(((document.get("services") or {}).get(service) or {}).get("replicas") or 1)
        weights = upstream.get("weights") or [1] * replicas
        for number, weight in enumerate(weights, start=1):
            words = [f"weight={weight}"]
            if upstream.get("max_fails") is not None:
                words.append(f"max_fails={upstream['max_fails']}")
            if upstream.get("fail_timeout") is not None:
                words.append(f"fail_timeout={milliseconds(upstream['fail_timeout']) // 1000}s")
            host = f"{project}-{service}-{number}:{port_of(document, service)}"
            lines.append(f"        server {host} {' '.join(words)};")
        lines.append("    }")
    lines += ["    server {", "        listen 80;"]
    for prefix, key in _locations(document, name).items():
        upstream = said["upstreams"][key]
        lines += [f"        location {prefix} {{", f"            proxy_pass http://{key};"]
        for kind in ("connect", "send", "read"):
            if upstream.get(f"{kind}_timeout") is not None:
                lines.append(f"            proxy_{kind}_timeout {milliseconds(upstream[f'{kind}_timeout'])}ms;")
        lines.append("        }")
    return "\n".join([*lines, "    }", "}", ""])


def _locations(document: Mapping[str, Any], name: str) -> dict[str, str]:
    by_service = {one["service"]: key for key, one in (document["load_balancers"][name].get("upstreams") or {}).items()}
    found: dict[str, str] = {}
    for route in (document.get("routes") or {}).values():
        if name in (route.get("through") or []) and route["service"] in by_service:
            found.setdefault(beginning(route["path"]), by_service[route["service"]])
    return found


# Spring


def service(scenario: Scenario, name: str) -> str:
    """<service>/application.yml: server, pools, Redis. Breakers and TTLs are not written."""
    said = scenario.document["services"][name]
    workers = said.get("workers") or {}
    server: dict[str, Any] = {"port": port_of(scenario.document, name)}
    if (said.get("shutdown") or {}).get("graceful"):
        server["shutdown"] = "graceful"
    if workers.get("kind") == "tomcat":
        tomcat = {key: workers[mine] for key, mine in (("max-connections", "max_connections"),
                  ("accept-count", "accept_count")) if workers.get(mine) is not None}  # fmt: skip
        threads = {"max": workers["threads"]} if workers.get("threads") is not None else {}
        server["tomcat"] = {**({"threads": threads} if threads else {}), **tomcat}
    spring: dict[str, Any] = {"application": {"name": name}}
    pools = said.get("pools") or {}
    if set(pools) == {"main"}:
        spring["datasource"] = _pool(pools["main"])
    elif set(pools) == {"main", "reads"}:
        spring["datasource"] = {"primary": _pool(pools["main"]), "replica": _pool(pools["reads"])}
    used = [cache for cache in scenario.document.get("caches") or {} if f'"cache": "{cache}"' in json.dumps(said)]
    if used:
        spring["redis"] = {"host": used[0]}
    comments = [f"# pool {key}: {source(scenario, 'services', name, 'pools', key)}" for key in pools]
    workers_from = f"# workers: {source(scenario, 'services', name, 'workers')}"
    return "\n".join([f"# {name}, written from a scenario.", workers_from, *comments]) + "\n" + dumped(
        {"server": server, "spring": spring}
    )  # fmt: skip


def _pool(pool: Mapping[str, Any]) -> dict[str, Any]:
    hikari: dict[str, Any] = {}
    for mine in ("maximum_pool_size", "minimum_idle", "connection_timeout", "idle_timeout", "max_lifetime"):
        if pool.get(mine) is not None:
            is_count = mine in ("maximum_pool_size", "minimum_idle")
            hikari[mine.replace("_", "-")] = pool[mine] if is_count else milliseconds(pool[mine])
    return {"url": f"jdbc:postgresql://{pool['database']}:5432/app", "hikari": hikari}


def gateway(scenario: Scenario) -> str:
    """gateway/application.yml: routes, Bucket4j's limits, bulkheads. Retries and breakers are not written."""
    document = scenario.document
    said = document["gateway"]
    routes: dict[tuple[str, str], list[str]] = {}
    for route in (document.get("routes") or {}).values():
        through = list(route.get("through") or [])
        if "gateway" in through:
            rest = through[through.index("gateway") + 1 :]
            uri = f"http://{rest[0]}:80" if rest else f"http://{route['service']}:{port_of(document, route['service'])}"
            routes.setdefault((route["service"], uri), []).append(f"{beginning(route['path'])}/**")
    filters = [
        {"name": "RequestRateLimiter", "args": _bucket(limit)}
        for limit in (said.get("rate_limits") or {}).values()
        if limit.get("kind") == "bucket4j_greedy" and limit.get("key") in ("user", "ip", "global")
    ]
    listed = [{"id": name, "uri": uri, "predicates": [f"Path={','.join(dict.fromkeys(paths))}"]}
              for (name, uri), paths in routes.items()]  # fmt: skip
    inside = {**({"default-filters": filters} if filters else {}), "routes": listed}
    whole: dict[str, Any] = {"server": {"port": PORT}, "spring": {"application": {"name": "gateway"}}}
    if (said.get("shutdown") or {}).get("graceful"):
        whole["server"]["shutdown"] = "graceful"
    whole["spring"]["cloud"] = {"gateway": inside}
    bulkheads = {
        name: {"max-concurrent-calls": one["permits"], "max-wait-duration": f"{milliseconds(one['max_wait'])}ms"}
        for name, one in (said.get("concurrency") or {}).items()
        if one.get("max_wait") is not None
    }
    if bulkheads:
        whole["resilience4j"] = {"bulkhead": {"instances": bulkheads}}
    limits = [
        f"# limit {key}: {source(scenario, 'gateway', 'rate_limits', key)}" for key in said.get("rate_limits") or {}
    ]
    return "\n".join(["# The gateway, written from a scenario.", *limits]) + "\n" + dumped(whole)


def _bucket(limit: Mapping[str, Any]) -> dict[str, Any]:
    count, _, period = str(limit["refill"]).partition("/")
    parse_rate(limit["refill"])
    return {"key-resolver": f"#{{@{limit['key']}KeyResolver}}", "bucket4j-rate-limiter.capacity": limit["capacity"],
            "bucket4j-rate-limiter.refillTokens": int(count), "bucket4j-rate-limiter.refillPeriod": period}  # fmt: skip
