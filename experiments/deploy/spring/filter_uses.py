"""Filters of a gateway as they stand on its routes, and how their arguments become facts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from experiments.deploy.fact import Fact
from experiments.deploy.spring.definitions import Definition
from experiments.deploy.spring.findings import Findings, Kind
from experiments.deploy.spring.gateway import Gateway, Route, ServiceOf

FROM = "Spring Cloud Gateway 3.1"
CONCURRENCY = "concurrency"
STATUSES = {
    "BAD_REQUEST": 400, "UNAUTHORIZED": 401, "FORBIDDEN": 403, "NOT_FOUND": 404, "REQUEST_TIMEOUT": 408,
    "CONFLICT": 409, "TOO_MANY_REQUESTS": 429, "INTERNAL_SERVER_ERROR": 500, "NOT_IMPLEMENTED": 501, "BAD_GATEWAY": 502,
    "SERVICE_UNAVAILABLE": 503, "GATEWAY_TIMEOUT": 504,
}  # fmt: skip


@dataclass(slots=True)
class Use:
    """A filter that means the same wherever it stands."""

    definition: Definition
    routes: list[Route] = field(default_factory=list)
    """Empty for a default filter: all of them."""
    name: str = ""
    """In the scenario; empty where it is left out."""


def uses_of(gateway: Gateway) -> list[Use]:
    """Every filter once: those of routes that say the same are one."""
    uses = [Use(definition) for definition in gateway.default_filters]
    alike: dict[tuple[object, ...], Use] = {}
    for route in gateway.routes:
        for number, definition in enumerate(route.filters):
            own = [one.name for one in route.filters[:number]].count(definition.name)
            use = alike.setdefault((identity_of(definition), own), Use(definition))
            use.routes.append(route)
            if use not in uses:
                uses.append(use)
    return uses


def identity_of(definition: Definition) -> tuple[object, ...]:
    args = tuple(sorted((key, value.text) for key, value in definition.args.items()))
    return definition.name, args, tuple(value.text for value in definition.short)


def free_name(wanted: str, taken: set[str]) -> str:
    """A name that no other filter has."""
    name, number = wanted, 1
    while name in taken or name == CONCURRENCY:
        number += 1
        name = f"{wanted}_{number}"
    taken.add(name)
    return name


def models_all(findings: Findings, use: Use) -> None:
    """What the same filter says on further routes went in with the first."""
    properties = findings.properties
    mine = identity_of(use.definition)
    for route in use.routes:
        for definition in route.filters:
            if identity_of(definition) == mine:
                for one in definition.properties:
                    if not properties.is_done(one):
                        properties.models(properties.read(one.key, one))


def put(findings: Findings, path: str, definition: Definition, name: str, kind: Kind) -> object | None:
    value = definition.arg(name)
    return None if value is None else findings.put(path, value, kind)


def models_name(findings: Findings, use: Use) -> None:
    for one in use.definition.properties:
        if one.name[-1] == "name" and not findings.properties.is_done(one):
            findings.properties.models(findings.properties.read(one.key, one))


def put_services(findings: Findings, use: Use, service_of: ServiceOf) -> None:
    """Of which services the routes have the filter."""
    if not use.routes:
        return
    found = list(dict.fromkeys(service for route in use.routes if (service := service_of(route))))
    value = findings.properties.read(use.definition.properties[0].key, use.definition.properties[0])
    services = found or [route.id for route in use.routes]
    findings.add("services", services, value, None, "The routes that have the filter.")


def put_list(
    findings: Findings,
    path: str,
    definition: Definition,
    name: str,
    parse: Callable[[str], object],
    default: list[object],
) -> None:
    """A list of words that the scenario knows by others."""
    items = definition.listed(name)
    if not items:
        findings.default(path, default, FROM)
        return
    read: list[object] = []
    for item in items:
        try:
            read.append(parse(item.text))
        except ValueError as error:
            findings.properties.problem(item, f"{definition.name}.{name}: {error}, got '{item.text[:60]}'.")
    findings.add(path, read, items[0], None, "A list: change it in the file.")


def moved(findings: Findings, path: tuple[str, ...], fact: Fact) -> None:
    """A fact of Resilience4j's at its place in the gateway."""
    findings.facts.append(replace(fact, path=(*findings.at, *path)))


def status_of(text: str) -> int:
    name = text.strip().upper()
    number = STATUSES.get(name) or (int(name) if name.isdecimal() and len(name) == 3 else 0)
    if not 400 <= number < 600:
        raise ValueError("must be a status from 400 to 599")
    return number
