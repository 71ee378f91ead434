"""Connection pools: spring.datasource.*, one or several of them, and what routes between them.

Models   HikariCP, Spring Boot's choice. `spring.datasource.hikari.*` is the pool "main"; a team's own
         `spring.datasource.<name>.hikari.*` (or jdbcUrl and pool settings side by side) are pools of their own, of
         which primary, write and the like are "main", replica, read and the like are "reads". Two of these are routed.
Source   HikariCP 4.0.3; Spring Boot 2.7
Checked  tests/unit/test_deploy_spring.py
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from experiments.deploy.spring.findings import INTEGER, MILLISECONDS, Findings, Kind, write_milliseconds
from experiments.deploy.spring.names import uniform
from experiments.deploy.spring.properties import Value
from experiments.deploy.spring.urls import Address, jdbc
from sim.quantities import format_duration

ROOT = "spring.datasource"
HIKARI = "HikariCP 4.0.3"
MAIN = ("main", "primary", "master", "write", "writer", "default", "rw", "readwrite", "source")
READS = ("reads", "read", "reader", "replica", "readonly", "slave", "secondary", "ro", "standby", "follower")


def _fail_timeout(text: str) -> str | None:
    """How long a start tries; below 0 it does not try at all, which the scenario says with null."""
    if not re.fullmatch("-?[0-9]{1,15}", text.strip()):
        raise ValueError("must be a plain number of milliseconds")
    milliseconds = int(text)
    return "never" if milliseconds < 0 else format_duration(milliseconds / 1000)


def _write_fail_timeout(value: object, before: str) -> str:
    return "-1" if value is None else write_milliseconds(value, before)


_SETTINGS: tuple[tuple[str, str, Kind, object], ...] = (
    ("maximum_pool_size", "maximum-pool-size", INTEGER, 10),
    ("minimum_idle", "minimum-idle", INTEGER, None),
    ("connection_timeout", "connection-timeout", MILLISECONDS, "30s"),
    ("idle_timeout", "idle-timeout", MILLISECONDS, "10m"),
    ("max_lifetime", "max-lifetime", MILLISECONDS, "30m"),
    ("keepalive_time", "keepalive-time", MILLISECONDS, None),
    ("validation_timeout", "validation-timeout", MILLISECONDS, "5s"),
)
"""Names in the scenario and in HikariCP, and its defaults (None: it depends on others)."""


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool of the application."""

    name: str
    """In the scenario."""
    host: str
    """Of its database; empty where no address is given."""
    scheme: str
    """postgresql, mysql, h2 and so on."""
    database: str
    """The name that its address ends in."""
    url: Value | None


def read_pools(findings: Findings) -> list[Pool]:
    """The pools of an application, with their facts, in the order of the file."""
    properties = findings.properties
    prefixes: dict[str, str] = {}
    if _is_pool(findings, ROOT):
        prefixes["main"] = ROOT
    for name, key in properties.children(ROOT).items():
        if uniform(name) in ("hikari", "tomcat", "dbcp2", "oracleucp"):
            continue
        if _is_pool(findings, key):
            alias = _alias(name)
            prefixes[alias if alias not in prefixes else name] = key
    reactive = properties.get("spring.r2dbc.url")
    if reactive is not None:
        properties.problem(reactive, "spring.r2dbc: its pool is not HikariCP's, and is not modelled.")
    pools = [_pool(findings, name, prefix) for name, prefix in prefixes.items()]
    found = [pool for pool in pools if pool is not None]
    _route(findings, found)
    _other_pools(findings, list(prefixes.values()))
    return found


def _is_pool(findings: Findings, prefix: str) -> bool:
    properties = findings.properties
    return any(properties.find(f"{prefix}.{key}") is not None for key in ("url", "jdbc-url")) or properties.has_below(
        f"{prefix}.hikari"
    )


def _alias(name: str) -> str:
    plain = uniform(name).removesuffix("datasource").removesuffix("db") or uniform(name)
    return "main" if plain in MAIN else "reads" if plain in READS else name


def _pool(findings: Findings, name: str, prefix: str) -> Pool | None:
    properties = findings.properties
    url = next((v for key in ("hikari.jdbc-url", "jdbc-url", "url") if (v := properties.get(f"{prefix}.{key}"))), None)
    address = jdbc(url.text) if url is not None else None
    if url is not None and address is None:
        is_embedded = url.text.startswith(("jdbc:h2:", "jdbc:hsqldb:", "jdbc:derby:", "jdbc:sqlite:"))
        what = "an embedded database" if is_embedded else "an address that cannot be read"
        properties.problem(url, f"{url.key}: {what}, got '{url.text[:60]}': its pool is not modelled.")
        properties.leave(url.origin)
        return None
    pool = findings.below("pools", name)
    if url is not None and address is not None:
        pool.add("database", properties.known_as(address.host), url, None, "The host of its address.")
        _driver(pool, url, address)
    for path, key, kind, default in _SETTINGS:
        where = f"{prefix}.hikari.{key}"
        if properties.find(where) is None and properties.find(f"{prefix}.{key}") is not None:
            where = f"{prefix}.{key}"  # bound to a HikariDataSource of the team's own
        if pool.take(path, where, kind) is None and default is not None:
            pool.default(path, default, HIKARI, f"{prefix}.hikari.{key}", kind)
    value = properties.get(f"{prefix}.hikari.initialization-fail-timeout")
    if value is not None:
        read = pool.parse(value, Kind(_fail_timeout, None))
        if read is not None:
            pool.add("initialization_fail_timeout", None if read == "never" else read, value, _write_fail_timeout)
    if address is None:
        return Pool(name, "", "", "", url)
    return Pool(name, properties.known_as(address.host), address.scheme, address.path, url)


def _driver(pool: Findings, url: Value, address: Address) -> None:
    """What an address tells pgjdbc."""
    if address.scheme != "postgresql":
        return
    for option, path in (("prepareThreshold", "prepare_threshold"), ("socketTimeout", "socket_timeout")):
        match = re.search(rf"[?&]{option}=([0-9]{{1,9}})", address.options)
        if match is not None:
            read = int(match[1]) if path == "prepare_threshold" else format_duration(int(match[1]))
            pool.add(path, read, url, None, f"{option} in the address: change it there.")


def _route(findings: Findings, pools: list[Pool]) -> None:
    """Two pools, one of them for reads: something routes between them."""
    names = [pool.name for pool in pools]
    if "main" not in names or "reads" not in names:
        return
    routed = findings.below("data_sources", "routed")
    routed.assume(
        "style",
        "lazy_proxy",
        "Two data sources: read-only transactions go to the replica, through a lazy proxy. A bare "
        "AbstractRoutingDataSource would read the primary (style: routing_data_source).",
    )
    for path, name in (("primary", "main"), ("replica", "reads")):
        url = next(pool.url for pool in pools if pool.name == name)
        if url is not None:
            routed.add(path, name, url, None, "By the name of the data source.")
        else:
            routed.assume(path, name, "By the name of the data source.")


def _other_pools(findings: Findings, prefixes: list[str]) -> None:
    for prefix in prefixes:
        name = findings.properties.get(f"{prefix}.type")
        if name is not None and "hikari" not in name.text.lower():
            findings.properties.leave(name.origin)
            what = "only HikariCP is modelled, whose settings and defaults are taken"
            findings.properties.problem(name, f"{name.key}: {name.text[:80]}: {what}.")
        for kind in ("tomcat", "dbcp2", "oracleucp"):
            one = next(findings.properties.below(f"{prefix}.{kind}"), None)
            if one is not None and one.setting is not None:
                findings.properties.ledger.problem(
                    one.setting.place, f"{prefix}.{kind}: only HikariCP is modelled, whose defaults are taken."
                )
