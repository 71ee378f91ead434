"""A Spring Cloud Gateway: its routes, filters and HTTP client, as the gateway of a scenario.

Models   Routes and default-filters under spring.cloud.gateway and, from 4.3 on, spring.cloud.gateway.server.webflux.
         The scenario has one list of limits, breakers and retries: a filter that only some routes have goes in with
         their services where the scenario can say that, and is reported where it cannot.
Source   Spring Cloud Gateway 3.1 to 4.3
Omits    Routes that are made in code or by discovery; metadata of routes.
Checked  tests/unit/test_spring_gateway.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from experiments.deploy.place import Place
from experiments.deploy.spring.definitions import Definition, read_definitions
from experiments.deploy.spring.findings import DURATION, INTEGER, MILLISECONDS, Findings
from experiments.deploy.spring.properties import Properties
from experiments.deploy.spring.urls import http

PREFIXES = ("spring.cloud.gateway.server.webflux", "spring.cloud.gateway")
MVC_PREFIXES = ("spring.cloud.gateway.server.webmvc", "spring.cloud.gateway.mvc")


@dataclass(slots=True)
class Route:
    """A route, as it is written."""

    id: str
    scheme: str
    """http, https, lb (a service's name), forward."""
    host: str
    port: int | None
    paths: tuple[str, ...]
    methods: tuple[str, ...]
    filters: list[Definition]
    place: Place
    predicates: tuple[str, ...] = ()
    """Names of other predicates, which are not modelled."""


ServiceOf = Callable[[Route], "str | None"]
"""The service that a route leads to in the end, e.g. behind an nginx."""


@dataclass(slots=True)
class Gateway:
    """What an application's properties say of the gateway that it is."""

    prefix: str
    routes: list[Route] = field(default_factory=list)
    default_filters: list[Definition] = field(default_factory=list)


def read_gateway(properties: Properties) -> Gateway | None:
    """The gateway's routes; None where the application is none."""
    prefix = next((one for one in PREFIXES if properties.has_below(f"{one}.routes")), None)
    if prefix is None:
        prefix = next((one for one in MVC_PREFIXES if properties.has_below(f"{one}.routes")), None)
        if prefix is None:
            if not properties.has_below(PREFIXES[1]):
                return None
            prefix = PREFIXES[0] if properties.has_below(PREFIXES[0]) else PREFIXES[1]
    gateway = Gateway(prefix)
    for number in range(properties.length(f"{prefix}.routes")):
        route = _route(properties, f"{prefix}.routes[{number}]", number)
        if route is not None:
            gateway.routes.append(route)
    gateway.default_filters = read_definitions(properties, f"{prefix}.default-filters")
    _remarks(properties, prefix)
    return gateway


def _route(properties: Properties, key: str, number: int) -> Route | None:
    name, uri = properties.get(f"{key}.id"), properties.take(f"{key}.uri")
    if name is not None:
        properties.harmless(name.origin, "a route's name")
    if uri is None:
        return None
    identity = name.text.strip() if name is not None else f"route-{number}"
    address = http(uri.text)
    if address is None and not uri.text.startswith(("forward:", "no://")):
        properties.problem(uri, f"route {identity}: no host in its uri, got '{uri.text[:60]}'.")
    paths: list[str] = []
    methods: list[str] = []
    others: list[str] = []
    for predicate in read_definitions(properties, f"{key}.predicates"):
        if predicate.name == "Path":
            paths += _texts(predicate, "patterns", "pattern")
        elif predicate.name == "Method":
            methods += _texts(predicate, "methods", "method")
        else:
            others.append(predicate.name)
            properties.ledger.problem(
                predicate.place, f"route {identity}: the predicate {predicate.name} is not modelled."
            )
            for one in predicate.properties:
                properties.leave(one)
            continue
        for one in predicate.properties:
            properties.models(properties.read(one.key, one))
    order = properties.find(f"{key}.order")
    if order is not None:
        properties.models(properties.read(order.key, order))
    return Route(
        identity, address.scheme if address else uri.text.partition(":")[0],
        properties.known_as(address.host) if address else "",
        address.port if address else None, tuple(paths), tuple(methods), read_definitions(properties, f"{key}.filters"),
        uri.where, tuple(others),
    )  # fmt: skip


def _texts(predicate: Definition, *names: str) -> list[str]:
    if predicate.short:
        return [value.text for value in predicate.short]
    for name in names:
        values = predicate.listed(name)
        if values:
            return [value.text for value in values]
    return [value.text for key, value in predicate.args.items() if key and key[0].startswith("genkey")]


def _remarks(properties: Properties, prefix: str) -> None:
    located = properties.get(f"{prefix}.discovery.locator.enabled")
    if located is not None and located.text.strip().lower() == "true":
        properties.leave(located.origin)
        properties.problem(located, "routes that discovery makes are known only to the running gateway.")
    if prefix in MVC_PREFIXES:
        first = next(properties.below(f"{prefix}.routes"))
        if first.setting is not None:
            properties.ledger.problem(
                first.setting.place, "a gateway on servlets (webmvc) has threads; the scenario's has event loops."
            )


def read_client(findings: Findings, prefix: str) -> None:
    """The HTTP client with which the gateway calls services."""
    properties = findings.properties
    client = f"{prefix}.httpclient"
    if findings.take("response_timeout", f"{client}.response-timeout", DURATION) is None:
        note, key = "Spring Cloud Gateway: none", f"{client}.response-timeout"
        findings.default("response_timeout", None, note, key, DURATION)
    kind = properties.get(f"{client}.pool.type")
    if kind is None or kind.text.strip().upper() == "ELASTIC":
        if kind is not None:
            properties.models(kind)
        return
    if kind.text.strip().upper() != "FIXED":
        properties.leave(kind.origin)
        properties.problem(kind, f"httpclient.pool.type {kind.text[:20]}: only ELASTIC and FIXED are modelled.")
        return
    properties.models(kind)
    connections = findings.below("connections")
    if connections.take("max_connections", f"{client}.pool.max-connections", INTEGER) is None:
        note = "Reactor Netty: twice the CPUs, of at least 8"
        connections.default("max_connections", 16, note, f"{client}.pool.max-connections", INTEGER)
    if connections.take("acquire_timeout", f"{client}.pool.acquire-timeout", MILLISECONDS) is None:
        key = f"{client}.pool.acquire-timeout"
        connections.default("acquire_timeout", "45s", "Reactor Netty", key, MILLISECONDS)
