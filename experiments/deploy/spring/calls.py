"""Which other services an application names, and with which time limits it would call them.

Models   Properties of the team's own whose value is http://host:port, and OpenFeign's clients. How often a call is
         made, and by which endpoint, stands in code.
Source   Spring Cloud OpenFeign 3.1 (10 s to connect, 60 s to read where nothing is said; default beside named clients)
Checked  tests/unit/test_deploy_spring.py
"""

from __future__ import annotations

from dataclasses import dataclass, field

from experiments.deploy.fact import Fact
from experiments.deploy.place import Place
from experiments.deploy.spring.findings import DURATION, MILLISECONDS, Findings
from experiments.deploy.spring.names import original, uniform
from experiments.deploy.spring.properties import Properties
from experiments.deploy.spring.urls import http

FEIGN = ("spring.cloud.openfeign.client.config", "feign.client.config")
_NOT_CALLED = (
    "spring", "server", "management", "logging", "resilience4j", "eureka", "info", "springdoc", "ribbon", "zuul",
    "hystrix",
)  # fmt: skip


@dataclass(slots=True)
class Call:
    """An address of another service among the properties."""

    name: str
    """The part of the key before its last, or the Feign client's name."""
    host: str
    port: int | None
    place: Place
    facts: list[Fact] = field(default_factory=list)
    """Of the call step: read_timeout, where a client has one."""


def read_calls(properties: Properties) -> list[Call]:
    """All of them, in the order of the files."""
    found: dict[str, Call] = {}
    for source in properties.sources:
        if source.is_environment:
            continue
        for one in source.properties.values():
            if not one.elements or uniform(one.elements[0]) in _NOT_CALLED or one.key in found:
                continue
            value = properties.get(one.key)
            address = http(value.text) if value is not None and value.text.startswith("http") else None
            if value is None or address is None or address.host in ("localhost", "127.0.0.1", "0.0.0.0"):
                continue
            name = original(one.elements[-2]) if len(one.elements) > 1 else original(one.elements[0])
            found[one.key] = Call(name, properties.known_as(address.host), address.port, value.where)
    calls = list(found.values())
    for root in FEIGN:
        calls += _feign(properties, root, calls)
    return calls


def called(properties: Properties, calls: list[Call], hosts: frozenset[str]) -> list[Call]:
    """Those that lead to a service of the deployment; their addresses are part of the model."""
    kept = [call for call in calls if call.host in hosts]
    places = {call.place for call in kept}
    for source in properties.sources:
        for one in source.properties.values():
            if one.setting is not None and one.setting.place in places:
                properties.models(properties.read(one.key, one))
    return kept


def _feign(properties: Properties, root: str, known: list[Call]) -> list[Call]:
    clients = properties.children(root)
    common = next((key for name, key in clients.items() if uniform(name) == "default"), None)
    found: list[Call] = []
    for name, key in clients.items():
        findings = Findings(properties)
        value = properties.get(f"{key}.read-timeout") or (properties.get(f"{common}.read-timeout") if common else None)
        if value is None:
            findings.default("read_timeout", "60s", "Spring Cloud OpenFeign")
        else:
            findings.put("read_timeout", value, MILLISECONDS)
        url = properties.get(f"{key}.url")
        address = http(url.text) if url is not None else None
        place = next(iter(properties.below(key))).setting
        if place is None:
            continue
        if uniform(name) == "default":
            for call in known:
                call.facts += findings.facts
            continue
        same = next((call for call in known if uniform(call.name) == uniform(name)), None)
        if same is not None:
            same.facts = findings.facts
        else:
            host = properties.known_as(address.host if address else name)
            found.append(Call(name, host, address.port if address else None, place.place, findings.facts))
    return found


def client_limits(properties: Properties) -> list[Fact]:
    """What holds for calls by RestTemplate, RestClient and WebClient without settings of their own (from 3.4 on)."""
    findings = Findings(properties)
    for key in ("spring.http.clients.read-timeout", "spring.http.client.read-timeout",
                "spring.http.reactiveclient.read-timeout"):  # fmt: skip
        if not findings.facts:
            findings.take("read_timeout", key, DURATION)
    return findings.facts
