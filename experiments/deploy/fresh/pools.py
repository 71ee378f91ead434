"""Connection pools as Spring's data sources: spring.datasource for one named main, else one below it for each.

Source   Spring Boot 2.7; HikariCP 4.0.3
Checked  tests/e2e/test_export_files.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.deploy.fresh.words import Plan, kept, milliseconds, whole_seconds
from experiments.deploy.spring.data_sources import MAIN, READS
from experiments.deploy.spring.names import uniform

_NAMES = {"main": "primary", "reads": "replica"}
_TAKEN = {"hikari", "tomcat", "dbcp2", "oracleucp", "url", "username", "password", "jdbcurl", "name", "type"}
_COUNTS = ("maximum_pool_size", "minimum_idle")
_TIMES = ("connection_timeout", "idle_timeout", "max_lifetime", "keepalive_time", "validation_timeout")


def spring_pools(plan: Plan, service: str) -> Mapping[str, Any]:
    """The pools of a service that Spring's properties have names for: all of them, or none."""
    pools = plan.section("services")[service].get("pools") or {}
    return pools if all(_is_sayable(name) for name in pools) else {}


def _is_sayable(name: str) -> bool:
    plain = uniform(name)
    short = plain.removesuffix("datasource").removesuffix("db") or plain
    return name in _NAMES or not (short in MAIN or short in READS or plain in _TAKEN or "." in name)


def data_source(plan: Plan, service: str) -> dict[str, Any]:
    """What stands under spring.datasource."""
    pools = spring_pools(plan, service)
    if list(pools) == ["main"]:
        return _pool(pools["main"])
    return {_NAMES.get(name, name): _pool(pool) for name, pool in pools.items()}


def _pool(said: Mapping[str, Any]) -> dict[str, Any]:
    hikari: dict[str, Any] = {_spring(key): said.get(key) for key in _COUNTS}
    hikari |= {_spring(key): milliseconds(said[key]) for key in _TIMES if said.get(key) is not None}
    if "initialization_fail_timeout" in said:
        limit = said["initialization_fail_timeout"]
        hikari["initialization-fail-timeout"] = -1 if limit is None else milliseconds(limit)
    options = [
        f"prepareThreshold={said['prepare_threshold']}" if said.get("prepare_threshold") is not None else None,
        f"socketTimeout={whole_seconds(said['socket_timeout'])}"
        if said.get("socket_timeout") is not None and whole_seconds(said["socket_timeout"]) is not None else None,
    ]  # fmt: skip
    rest = "&".join(option for option in options if option)
    return kept({
        "url": f"jdbc:postgresql://{said['database']}:5432/app{'?' if rest else ''}{rest}",
        "username": "postgres", "password": "${POSTGRES_PASSWORD}", "hikari": kept(hikari),
    })  # fmt: skip


def _spring(name: str) -> str:
    return name.replace("_", "-")
