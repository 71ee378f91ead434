"""gateway/application.yml: routes and filters, the HTTP client, breakers and bulkheads.

Models   Filters are default-filters, in the scenario's order. Where one is only for some services, all stand on the
         routes: default filters and those of a route take turns. Names of limits and retries are not written anywhere:
         a filter is written where import gives it the name that it has.
Source   Spring Cloud Gateway 3.1 to 4.2 (Bucket4j's limiter: 4.2); Resilience4j 2.3
Checked  tests/e2e/test_export_files.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from experiments.deploy.fresh.resilience import instances
from experiments.deploy.fresh.service import redis_client
from experiments.deploy.fresh.words import (
    SPRING_PORT,
    Plan,
    commented,
    dumped,
    kept,
    milliseconds,
    sources,
    spring_time,
)
from experiments.deploy.spring.filter_uses import CONCURRENCY, STATUSES, free_name
from experiments.deploy.spring.rate_limits import NAMES
from experiments.deploy.ways import beginning
from sim.quantities import format_duration, parse_rate

_WORDS = {number: name for name, number in STATUSES.items()}
_EXCEPTIONS = {"io": "java.io.IOException", "timeout": "org.springframework.cloud.gateway.support.TimeoutException"}
Filter = tuple[list[str] | None, dict[str, Any]]
"""The services whose routes have it (None: all), and its text."""


def gateway_yaml(plan: Plan) -> str:
    """Its text."""
    said = plan.section("gateway")
    filters = list(_filters(said))
    is_on_routes = any(services is not None for services, _ in filters)
    routes = []
    for (service, uri), paths in _routes(plan).items():
        mine = [one for services, one in filters if services is None or service in services]
        routes.append(kept({"id": service, "uri": uri, "predicates": [f"Path={','.join(paths)}"],
                            "filters": mine if is_on_routes and mine else None}))  # fmt: skip
    inside = kept({
        "httpclient": _client(said),
        "default-filters": None if is_on_routes else [one for _, one in filters] or None,
        "routes": routes,
    })  # fmt: skip
    cloud = {"gateway": inside, **_breaker_switch(said)}
    redis = next((str(one["cache"]) for one in (said.get("rate_limits") or {}).values()
                  if one.get("kind") == "spring_redis" and one.get("cache")), None)  # fmt: skip
    whole = kept({
        "server": {"port": SPRING_PORT},
        "spring": {"application": {"name": "gateway"}, **(redis_client(plan, redis) if redis else {}), "cloud": cloud},
        "resilience4j": _instances(said),
    })  # fmt: skip
    named = {f"{kind} {key}": ("gateway", kind, key)
             for kind in ("rate_limits", "concurrency", "circuit_breakers", "retries")
             for key in said.get(kind) or {}}  # fmt: skip
    head = ["The gateway, written from a scenario. A key resolver such as userKeyResolver is a bean of your own."]
    return commented([*head, *sources(plan, named)]) + dumped(whole)


def _routes(plan: Plan) -> dict[tuple[str, str], list[str]]:
    """Patterns by service and where they are sent."""
    found: dict[tuple[str, str], list[str]] = {}
    for route in plan.section("routes").values():
        through, service = list(route.get("through") or []), str(route["service"])
        if "gateway" in through:
            rest = through[through.index("gateway") + 1 :]
            uri = f"http://{rest[0]}:80" if rest else f"http://{service}:{plan.port(service)}"
            pattern = f"{beginning(route['path']).rstrip('/')}/**"
            patterns = found.setdefault((service, uri), [])
            patterns += [] if pattern in patterns else [pattern]
    return found


def _filters(said: Mapping[str, Any]) -> Iterator[Filter]:
    """All that have a place here, outermost first."""
    limits, breakers = said.get("rate_limits") or {}, said.get("circuit_breakers") or {}
    retries = said.get("retries") or {}
    taken: set[str] = set()
    for name in said.get("filters") or [*limits, *breakers, *retries]:
        if name in limits:
            limit = limits[name]
            if _takes(NAMES.get(str(limit.get("key")), ""), name, taken):
                args = _limit(limit)
                if args:
                    yield None, {"name": "RequestRateLimiter", "args": {**args, **_missing(said)}}
        elif name in breakers:
            if _takes(name, name, taken):
                yield breakers[name].get("services"), {"name": "CircuitBreaker", "args": _breaker(name, breakers[name])}
        elif name in retries and _takes("retry", name, taken):
            yield retries[name].get("services"), {"name": "Retry", "args": _retry(retries[name])}


def _takes(plain: str, wanted: str, taken: set[str]) -> bool:
    """Whether import would call a filter so."""
    before = set(taken)
    if free_name(plain, taken) == wanted:
        return True
    taken.clear()
    taken |= before
    return False


def _limit(limit: Mapping[str, Any]) -> dict[str, Any] | None:
    resolver = {"key-resolver": f"#{{@{limit['key']}KeyResolver}}"}
    kind = str(limit.get("kind"))
    if kind.startswith("bucket4j_"):
        refill = parse_rate(limit["refill"])
        period = spring_time(format_duration(refill.period_s))
        if refill.count != int(refill.count) or period is None:
            return None
        capacity = limit.get("capacity")
        return {**resolver, **_dotted("bucket4j-rate-limiter", {
            "capacity": capacity if capacity is not None else int(refill.count), "refillTokens": int(refill.count),
            "refillPeriod": period, "refillStyle": kind.removeprefix("bucket4j_").upper(),
        })}  # fmt: skip
    if kind == "spring_redis":
        return {**resolver, **_dotted("redis-rate-limiter", {
            "replenishRate": limit["replenish_rate"], "burstCapacity": limit.get("burst_capacity"),
            "requestedTokens": limit.get("requested_tokens"),
        })}  # fmt: skip
    return None


def _dotted(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{prefix}.{key}": value for key, value in values.items() if value is not None}


def _missing(said: Mapping[str, Any]) -> dict[str, Any]:
    answer = (said.get("key_resolver") or {}).get("on_missing")
    return {"deny-empty-key": answer == "deny"} if answer in ("deny", "pass") else {}


def _breaker(name: str, said: Mapping[str, Any]) -> dict[str, Any]:
    codes = [_WORDS.get(code, str(code)) for code in said.get("status_codes") or []]
    fallback = said.get("fallback")
    return kept({
        "name": name,
        "statusCodes": ",".join(codes) if codes else None,
        "fallbackUri": f"forward:/fallback/{name}" if fallback and fallback.get("status", 200) == 200 else None,
    })  # fmt: skip


def _retry(said: Mapping[str, Any]) -> dict[str, Any]:
    backoff = said.get("backoff") or {}
    texts = {key: spring_time(backoff[mine]) for key, mine in (("firstBackoff", "first"), ("maxBackoff", "maximum"))
             if backoff.get(mine) is not None}  # fmt: skip
    more = {"factor": backoff.get("factor"), "basedOnPreviousValue": backoff.get("based_on_previous_value")}
    spread = backoff.get("random_factor")
    return kept({
        "retries": said.get("retries", 3),
        "series": ",".join(one.upper() for one in said.get("series") or []) or None,
        "statuses": ",".join(_WORDS.get(one, str(one)) for one in said.get("statuses") or []) or None,
        "methods": ",".join(said.get("methods") or []) or None,
        "exceptions": ",".join(_EXCEPTIONS[one] for one in said.get("exceptions") or []) or None,
        "backoff": kept({**texts, **more}),
        "jitter": {"randomFactor": spread} if spread is not None else None,
        "timeout": spring_time(said["timeout"]) if said.get("timeout") is not None else None,
    })  # fmt: skip


def _client(said: Mapping[str, Any]) -> dict[str, Any]:
    limit, pool = said.get("response_timeout"), said.get("connections")
    size = None if pool is None else kept({
        "type": "FIXED", "max-connections": pool.get("max_connections"),
        "acquire-timeout": milliseconds(pool["acquire_timeout"]) if pool.get("acquire_timeout") is not None else None,
    })  # fmt: skip
    return kept({"response-timeout": spring_time(limit) if limit is not None else None, "pool": size})


def _breaker_switch(said: Mapping[str, Any]) -> dict[str, Any]:
    """The time limiter is switched off for all breakers or for none."""
    breakers = list((said.get("circuit_breakers") or {}).values())
    is_off = bool(breakers) and all("time_limit" in one and one["time_limit"] is None for one in breakers)
    return {"circuitbreaker": {"resilience4j": {"disable-time-limiter": True}}} if is_off else {}


def _instances(said: Mapping[str, Any]) -> dict[str, Any]:
    guards: dict[tuple[str, str], Mapping[str, Any]] = {}
    for name, one in (said.get("circuit_breakers") or {}).items():
        guards["breaker", name] = one
        if one.get("time_limit") is not None:
            guards["time_limiter", name] = {"limit": one["time_limit"]}
    for name, one in (said.get(CONCURRENCY) or {}).items():
        guards["bulkhead", name] = one
    return instances(guards)
