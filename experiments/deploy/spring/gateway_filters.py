"""A gateway's filters as the limits, breakers and retries of a scenario, in the order in which Spring runs them.

Models   default-filters are numbered from 1, and so are each route's own; both are run by number, the default one first
         of two alike. A filter that stands on all routes alike is one for all.
Source   Spring Cloud Gateway 3.1, RouteDefinitionRouteLocator, RetryGatewayFilterFactory,
         SpringCloudCircuitBreakerFilterFactory
Checked  tests/unit/test_spring_gateway.py
"""

from __future__ import annotations

from itertools import pairwise

from experiments.deploy.spring.definitions import Definition
from experiments.deploy.spring.filter_uses import CONCURRENCY, Use, free_name, identity_of, models_all, moved, uses_of
from experiments.deploy.spring.findings import Findings
from experiments.deploy.spring.gateway import Gateway, ServiceOf
from experiments.deploy.spring.gateway_breaker import read_breaker
from experiments.deploy.spring.gateway_retry import read_retry
from experiments.deploy.spring.names import uniform
from experiments.deploy.spring.properties import Value
from experiments.deploy.spring.rate_limits import NAMES, key_of, read_rate_limit
from experiments.deploy.spring.resilience import Guards

HARMLESS = frozenset(
    {
        "AddRequestHeader", "AddRequestHeadersIfNotPresent", "AddRequestParameter", "AddResponseHeader",
        "DedupeResponseHeader", "FallbackHeaders", "MapRequestHeader", "PrefixPath", "PreserveHostHeader",
        "RemoveRequestHeader", "RemoveRequestParameter", "RemoveResponseHeader", "RequestHeaderSize",
        "RewriteLocationResponseHeader", "RewritePath", "RewriteRequestParameter", "RewriteResponseHeader",
        "SaveSession", "SecureHeaders", "SetPath", "SetRequestHeader", "SetRequestHostHeader", "SetResponseHeader",
        "StripPrefix", "TokenRelay", "CacheRequestBody", "RemoveJsonAttributesResponseBody",
    }
)  # fmt: skip
"""Filters that change paths and headers, which cost nothing here."""


def read_filters(
    findings: Findings, gateway: Gateway, guards: dict[str, Guards], redis: str, service_of: ServiceOf,
    hosts: frozenset[str] = frozenset(),
) -> list[str]:  # fmt: skip
    """The facts of all filters. Returns the names of the guards that belong to the gateway."""
    uses = uses_of(gateway)
    taken: set[str] = set()
    spent: list[str] = []
    for use in uses:
        kind = use.definition.name
        if kind == "RequestRateLimiter":
            _limit(findings, gateway, use, taken, redis)
        elif kind == "Retry":
            use.name = free_name("retry", taken)
            read_retry(findings.below("retries", use.name), use, service_of)
        elif kind == "CircuitBreaker":
            spent += read_breaker(findings, use, taken, guards, service_of)
        else:
            _other(findings, use.definition)
    spent += _concurrency(findings, gateway, guards, service_of, hosts)
    _order(findings, gateway, uses)
    return spent


# limits


def _limit(findings: Findings, gateway: Gateway, use: Use, taken: set[str], redis: str) -> None:
    if use.routes and len(use.routes) < len(gateway.routes):
        names = ", ".join(route.id for route in use.routes)
        findings.properties.ledger.problem(
            use.definition.place,
            f"RequestRateLimiter only on {names}: the scenario's limits are for all that passes the gateway. "
            "It is left out.",
        )
        return
    name = free_name(NAMES[key_of(use.definition)[0]], taken)
    if read_rate_limit(findings, use.definition, name, redis):
        use.name = name
        if use.routes:
            models_all(findings, use)
    else:
        taken.discard(name)


# the rest


def _other(findings: Findings, definition: Definition) -> None:
    properties = findings.properties
    if definition.name in HARMLESS:
        for one in definition.properties:
            properties.harmless(one, "changes paths and headers, which cost nothing here")
        return
    old = {"Hystrix": "Hystrix is long out of support"}.get(definition.name, "the simulator has no such filter")
    properties.ledger.problem(definition.place, f"the filter {definition.name} is not modelled: {old}.")
    for one in definition.properties:
        properties.leave(one)


def _concurrency(
    findings: Findings, gateway: Gateway, guards: dict[str, Guards], service_of: ServiceOf, hosts: frozenset[str]
) -> list[str]:
    """Bulkheads named after a service, or after a route that leads to one."""
    by_name: dict[str, str] = {uniform(host): host for host in sorted(hosts)}
    for route in gateway.routes:
        service = service_of(route)
        if service:
            by_name.setdefault(uniform(service), service)
            by_name.setdefault(uniform(route.id), service)
    spent: list[str] = []
    for name, mine in guards.items():
        service = by_name.get(uniform(name))
        if service is None or not mine.of("bulkhead"):
            continue
        bulkhead = findings.below(CONCURRENCY, service)
        for fact in mine.of("bulkhead"):
            moved(bulkhead, fact.path[1:], fact)
        spent.append(name)
    return spent


def _order(findings: Findings, gateway: Gateway, uses: list[Use]) -> None:
    """The order of the filters, where it is not the one that the scenario has by itself."""
    named = {identity_of(use.definition): use for use in uses if use.name}
    chains: list[list[str]] = []
    for own in [route.filters for route in gateway.routes] or [[]]:
        numbered = [(number, 0, one) for number, one in enumerate(gateway.default_filters)]
        numbered += [(number, 1, one) for number, one in enumerate(own)]
        ordered = sorted(numbered, key=lambda entry: entry[:2])
        names = [named[identity_of(one)].name for _, _, one in ordered if identity_of(one) in named]
        chains.append(list(dict.fromkeys(names)))
    merged = _merge(chains)
    by_kind = {use.name: use.definition.name for use in uses if use.name}
    if merged is None:
        findings.properties.ledger.problem(
            gateway.routes[0].place,
            "the routes have their filters in orders that contradict one another: the scenario has one for all, "
            "its default.",
        )
        return
    limits = [name for name in merged if by_kind[name] == "RequestRateLimiter"]
    breakers = [name for name in merged if by_kind[name] == "CircuitBreaker"]
    retries = [name for name in merged if by_kind[name] == "Retry"]
    has_concurrency = any(fact.path[len(findings.at)] == CONCURRENCY for fact in findings.facts
                          if fact.path[: len(findings.at)] == findings.at)  # fmt: skip
    if merged == [*limits, *breakers, *retries]:
        return
    if has_concurrency:  # where a team puts its own filter is not in the file: right behind the limits
        last = max((merged.index(name) for name in limits), default=-1)
        merged.insert(last + 1, CONCURRENCY)
    first = next(use for use in uses if use.name)
    value = _first_value(findings, first)
    findings.add("filters", merged, value, None, "The order of the filters in the file: move them there.")


def _first_value(findings: Findings, use: Use) -> Value:
    one = use.definition.properties[0]
    return findings.properties.read(one.key, one)


def _merge(chains: list[list[str]]) -> list[str] | None:
    """One order that agrees with all chains; None where there is none."""
    names = list(dict.fromkeys(name for chain in chains for name in chain))
    before: dict[str, set[str]] = {name: set() for name in names}
    for chain in chains:
        for first, second in pairwise(chain):
            before[second].add(first)
    merged: list[str] = []
    while len(merged) < len(names):
        ready = next((name for name in names if name not in merged and before[name] <= set(merged)), None)
        if ready is None:
            return None
        merged.append(ready)
    return merged
