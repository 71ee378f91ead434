"""A complete nginx.conf: upstreams with their servers, limits, locations with their time limits.

Models   The limits of a load balancer stand in its one server, where all locations have them. What tells users apart is
         the header X-User-Id.
Source   nginx 1.22
Checked  tests/e2e/test_export_files.py, tests/real/test_fresh_files.py
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from experiments.deploy.fresh.words import Plan, commented, nginx_seconds, nginx_time, spelled
from experiments.deploy.nginx import values
from experiments.deploy.ways import beginning

_KEYS = {"user": "$http_x_user_id", "ip": "$binary_remote_addr", "global": "$server_name", "uri": "$request_uri"}
_METHODS = {"least_conn": "least_conn;", "ip_hash": "ip_hash;", "random": "random;", "random_two": "random two;"}
_DOCKER_NETWORKS = ("172.16.0.0/12", "192.168.0.0/16")
"""From which Docker takes its networks."""


def nginx_name(plan: Plan, balancer: str) -> str:
    """nginx.conf where there is one load balancer, else named after each."""
    return "nginx.conf" if len(plan.section("load_balancers")) == 1 else f"{balancer}.conf"


def nginx_conf(plan: Plan, balancer: str) -> str:
    """The text of one."""
    said = plan.section("load_balancers")[balancer]
    http = [*_zones(said), *_real_ip(said)]
    for key, upstream in (said.get("upstreams") or {}).items():
        source = plan.source("load_balancers", balancer, "upstreams", key)
        http += ["", *([f"# {source}"] if source else []), f"upstream {key} {{"]
        http += [*_indented(_upstream(plan, upstream)), "}"]
    http += ["", "server {", *_indented(["listen 80;", "server_name _;", *_limits(said)])]
    for prefix, key in _locations(plan, balancer).items():
        http += ["", *_indented([f"location {prefix} {{", *_indented(_location(said["upstreams"][key], key)), "}"])]
    http.append("}")
    workers, connections = said.get("workers"), said.get("worker_connections")
    lines = [f"worker_processes {workers};"] if workers is not None else []
    events = [f"worker_connections {connections};"] if connections is not None else []
    lines += ["events {", *_indented(events), "}", "", "http {", *_indented(http), "}"]
    return commented([f"{balancer}, written from a scenario."]) + "\n".join([*lines, ""])


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" if line else "" for line in lines]


def _zones(said: Mapping[str, Any]) -> Iterator[str]:
    for name, limit in (said.get("limit_req") or {}).items():
        rate = spelled(values.write_rate, limit["rate"])
        if rate is not None:
            yield f"limit_req_zone {_KEYS[limit['key']]} zone={name}:{_zone(limit)} rate={rate};"
    for name, limit in (said.get("limit_conn") or {}).items():
        yield f"limit_conn_zone {_KEYS[limit['key']]} zone={name}:{_zone(limit)};"


def _zone(limit: Mapping[str, Any]) -> str:
    return spelled(values.write_size, limit["zone"]) or "10m" if limit.get("zone") is not None else "10m"


def _real_ip(said: Mapping[str, Any]) -> Iterator[str]:
    if said.get("real_ip"):
        for network in _DOCKER_NETWORKS:
            yield f"set_real_ip_from {network};"
        yield "real_ip_header X-Forwarded-For;"


def _limits(said: Mapping[str, Any]) -> Iterator[str]:
    for name, limit in (said.get("limit_req") or {}).items():
        if spelled(values.write_rate, limit["rate"]) is None:
            continue
        words = [f"limit_req zone={name}"]
        words += [f"{key}={limit[key]}" for key in ("burst", "delay") if limit.get(key) is not None]
        words += ["nodelay"] if limit.get("nodelay") else []
        yield f"{' '.join(words)};"
    for name, limit in (said.get("limit_conn") or {}).items():
        yield f"limit_conn {name} {limit['connections']};"
    for kind in ("limit_req", "limit_conn"):
        if said.get(f"{kind}_status") is not None:
            yield f"{kind}_status {said[f'{kind}_status']};"
        if said.get(f"{kind}_dry_run") is not None:
            yield f"{kind}_dry_run {'on' if said[f'{kind}_dry_run'] else 'off'};"


def _upstream(plan: Plan, upstream: Mapping[str, Any]) -> list[str]:
    lines = []
    method = str(upstream.get("balancing") or "round_robin")
    if method in _METHODS:
        lines.append(_METHODS[method])
    elif method.startswith("hash"):
        key = "$remote_addr" if upstream.get("hash_key") == "ip" else _KEYS[upstream.get("hash_key") or "uri"]
        lines.append(f"hash {key}{' consistent' if method == 'hash_consistent' else ''};")
    if upstream.get("zone"):
        lines.append(f"zone {upstream['service']} 64k;")
    lines += _servers(plan, upstream)
    for name in ("keepalive", "keepalive_requests"):
        if upstream.get(name) is not None and upstream.get("keepalive"):
            lines.append(f"{name} {upstream[name]};")
    for name in ("keepalive_timeout", "keepalive_time"):
        time = nginx_time(upstream[name]) if upstream.get(name) is not None and upstream.get("keepalive") else None
        lines += [f"{name} {time};"] if time is not None else []
    return lines


def _servers(plan: Plan, upstream: Mapping[str, Any]) -> Iterator[str]:
    service = str(upstream["service"])
    replicas = int(plan.section("services")[service].get("replicas") or 1)
    limit = nginx_seconds(upstream["fail_timeout"]) if upstream.get("fail_timeout") is not None else None
    weights = upstream.get("weights") or []
    for number in range(1, replicas + 1):
        words = [f"server {plan.project}-{service}-{number}:{plan.port(service)}"]
        words += [f"weight={weights[number - 1]}"] if number <= len(weights) else []
        words += [f"{key}={upstream[key]}" for key in ("max_fails", "max_conns") if upstream.get(key) is not None]
        words += [f"fail_timeout={limit}"] if limit is not None else []
        words += [key for key in ("backup", "down") if number in (upstream.get(key) or [])]
        yield f"{' '.join(words)};"


def _locations(plan: Plan, balancer: str) -> dict[str, str]:
    """Which upstream each prefix leads to. An upstream that no route leads to has a location of its own: its time
    limits have no other place."""
    upstreams = plan.section("load_balancers")[balancer].get("upstreams") or {}
    by_service = {one["service"]: key for key, one in upstreams.items()}
    found: dict[str, str] = {}
    for route in plan.section("routes").values():
        if balancer in (route.get("through") or []) and route["service"] in by_service:
            found.setdefault(beginning(route["path"]), by_service[route["service"]])
    for key, upstream in upstreams.items():
        if key not in found.values():
            found.setdefault(f"/{upstream['service']}/", key)
    return found


def _location(upstream: Mapping[str, Any], key: str) -> Iterator[str]:
    yield f"proxy_pass http://{key};"
    for kind in ("connect", "send", "read"):
        time = nginx_time(upstream[f"{kind}_timeout"]) if upstream.get(f"{kind}_timeout") is not None else None
        if time is not None:
            yield f"proxy_{kind}_timeout {time};"
    if upstream.get("next_upstream"):
        yield f"proxy_next_upstream {' '.join(upstream['next_upstream'])};"
    if upstream.get("next_upstream_tries") is not None:
        yield f"proxy_next_upstream_tries {upstream['next_upstream_tries']};"
    if upstream.get("next_upstream_timeout") is not None:
        time = nginx_time(upstream["next_upstream_timeout"])
        if time is not None:
            yield f"proxy_next_upstream_timeout {time};"
    if upstream.get("keepalive"):
        yield "proxy_http_version 1.1;"
        yield 'proxy_set_header Connection "";'
    yield "proxy_set_header Host $host;"
    yield "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
