"""Redis and what is cached in it.

Models   spring.redis.* (spring.data.redis.* from 3.0 on): host and the client's time limits; spring.cache.*: one
         TTL for all cache names. A team that gives each cache a TTL of its own does so with keys of its own, of which
         `<anything>.caches.<name>.time-to-live` (or ttl) is read.
Source   Spring Boot 2.7; Spring Data Redis 2.7; Lettuce 6
Checked  tests/unit/test_deploy_spring.py
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from experiments.deploy.spring.findings import DURATION, TRUTH, Findings
from experiments.deploy.spring.names import original, uniform
from experiments.deploy.spring.properties import Property, Value

ROOTS = ("spring.data.redis", "spring.redis")
_TTL = ("timetolive", "ttl", "expiration", "expireafterwrite")
_FRAMEWORKS = (
    "spring", "server", "management", "logging", "resilience4j", "eureka", "info", "springdoc", "feign", "hystrix",
    "ribbon", "zuul",
)  # fmt: skip


@dataclass(slots=True)
class Redis:
    """The Redis that an application is connected to, and its caches there."""

    host: str
    caches: list[str] = field(default_factory=list)


def read_caches(findings: Findings) -> Redis | None:
    """Facts about the Redis of an application: caches.<host>.client and caches.<host>.classes.<name>."""
    properties = findings.properties
    root = next((one for one in ROOTS if properties.has_below(one)), None)
    kind = properties.get("spring.cache.type")
    name = kind.text.strip().lower() if kind is not None else ""
    host = None if root is None else _host(findings, root)
    if kind is not None:
        if name in ("redis", "none", ""):
            if properties.items("spring.cache.cache-names") or any(_own(findings)):
                properties.models(kind)
            else:
                properties.harmless(kind.origin, "no cache is named: which ones there are stands in code")
        else:
            properties.leave(kind.origin)
            what = "only Redis is modelled: what it caches is left out"
            properties.problem(kind, f"spring.cache.type {name}: {what}.")
    if host is None:
        return None
    redis = Redis(host)
    client = Findings(properties, ("caches", host, "client"), findings.facts)
    if root is not None:
        if client.take("command_timeout", f"{root}.timeout", DURATION) is None:
            client.default("command_timeout", "60s", "Lettuce 6", f"{root}.timeout", DURATION)
        if client.take("connect_timeout", f"{root}.connect-timeout", DURATION) is None:
            client.default("connect_timeout", "10s", "Lettuce 6", f"{root}.connect-timeout", DURATION)
        kind = properties.get(f"{root}.client-type")
        if kind is not None and kind.text.strip().lower() == "jedis":
            properties.leave(kind.origin)
            what = "Jedis is not modelled: Lettuce's time limits and its one connection are taken"
            properties.problem(kind, f"{root}.client-type: {what}.")
        for where in ("sentinel", "cluster"):
            one = next(properties.below(f"{root}.{where}"), None)
            if one is not None and one.setting is not None:
                properties.ledger.problem(one.setting.place, f"{root}.{where}: one Redis is modelled, no {where}.")
    if name in ("redis", ""):
        _classes(findings, redis)
    return redis


def _host(findings: Findings, root: str) -> str | None:
    properties = findings.properties
    url = properties.get(f"{root}.url")
    if url is not None:
        match = re.match(r"rediss?://(?:[^@/]*@)?([^:/@?]+)", url.text)
        properties.models(url)
        return properties.known_as(match[1]) if match else None
    host = properties.take(f"{root}.host")
    return properties.known_as(host.text.strip()) or None if host is not None else None


def _classes(findings: Findings, redis: Redis) -> None:
    properties = findings.properties
    nulls = properties.get("spring.cache.redis.cache-null-values")
    common = properties.get("spring.cache.redis.time-to-live")
    own = dict(_own(findings))
    names = [value.text for value in properties.items("spring.cache.cache-names")]
    for value in properties.items("spring.cache.cache-names"):
        properties.models(value)
    for name in [*names, *(one for one in own if one not in names)]:
        cache = Findings(properties, ("caches", redis.host, "classes", name), findings.facts)
        ttl = own.get(name, common)
        if ttl is None:
            cache.default("ttl", None, "Spring Data Redis: none")
        elif cache.put("ttl", ttl, DURATION, "One for all caches." if ttl is common else "") is None:
            continue
        if nulls is None:
            cache.default("cache_nulls", True, "RedisCacheConfiguration")
        else:
            cache.put("cache_nulls", nulls, TRUTH, "One for all caches.")
        redis.caches.append(name)
    if not names and not own:
        for one in (common, nulls):
            if one is not None:
                properties.leave(one.origin)
                properties.problem(one, f"{one.key}: names no cache; which ones there are stands in code.")


def _own(findings: Findings) -> list[tuple[str, Value]]:
    """TTLs under keys of the team's own, by the cache's name."""
    properties = findings.properties
    found: dict[str, Property] = {}
    for source in properties.sources:
        for one in source.properties.values():
            name = _cache_named(one)
            if name is not None:
                found.setdefault(name, one)
    values = [(name, properties.read(one.key, properties.find(one.key) or one)) for name, one in found.items()]
    kept: list[tuple[str, Value]] = []
    for name, value in values:
        if value.text.strip().isdecimal():
            properties.leave(value.origin)
            hint = f"and only the code knows it. Write e.g. {value.text}s."
            properties.problem(value, f"{value.key}: '{value.text}' has no unit, {hint}")
        else:
            kept.append((name, value))
    return kept


def _cache_named(one: Property) -> str | None:
    """The cache whose TTL a key holds, where it is of the team's own."""
    parts = [uniform(element) for element in one.elements]
    if not parts or parts[0] in _FRAMEWORKS:
        return None
    if len(parts) >= 3 and parts[-1] in _TTL and parts[-3] in ("caches", "cache"):
        return original(one.elements[-2])
    if len(parts) >= 3 and parts[-2] in ("ttl", "ttls", "timetolive") and parts[-3] in ("caches", "cache"):
        return original(one.elements[-1])
    if len(parts) >= 2 and parts[-2] in ("cachettl", "cachettls"):
        return original(one.elements[-1])
    return None
