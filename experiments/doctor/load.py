"""How much is asked for at most, as far as a scenario says: what rules compare settings with."""

from __future__ import annotations

from collections.abc import Sequence

from models.service import CallStepSpec, walk
from models.system import SystemSpec

Endpoint = tuple[str, str]


def requests_per_s(spec: SystemSpec) -> float | None:
    """Requests a second at most: closed users who never wait for an answer, or the rate of arrivals. None: a trace, or
    a load that changes over time."""
    traffic = spec.traffic
    if traffic.shape is not None or traffic.surges:
        return None
    if traffic.users is not None:
        pause_s = traffic.users.think_time.distribution().mean
        return traffic.users.population / pause_s if pause_s else None
    return traffic.open.rate.per_second if traffic.open is not None else None


def through_gateway_per_s(spec: SystemSpec, services: Sequence[str] | None) -> float | None:
    """Requests a second that pass the gateway to these services; None: to any."""
    asked = requests_per_s(spec)
    if asked is None:
        return None
    found = 0.0
    for name, share in shares(spec).items():
        route = spec.routes[name]
        if "gateway" in route.through and (services is None or route.service in services):
            found += asked * share
    return found


def endpoint_per_s(spec: SystemSpec, service: str, endpoint: str) -> float | None:
    """Visits of an endpoint a second at most: through routes, and through calls of other services, each made."""
    asked = requests_per_s(spec)
    if asked is None:
        return None
    visits: dict[Endpoint, float] = {}
    found = 0.0
    for name, share in shares(spec).items():
        route = spec.routes[name]
        found += asked * share * _visits(spec, (route.service, route.endpoint), (service, endpoint), visits)
    return found


def shares(spec: SystemSpec) -> dict[str, float]:
    """Part of all requests that each route gets."""
    whole = 0.0
    for weight in spec.traffic.mix.values():
        whole += weight
    return {name: weight / whole for name, weight in spec.traffic.mix.items()}


def _visits(spec: SystemSpec, start: Endpoint, target: Endpoint, known: dict[Endpoint, float]) -> float:
    """How often one visit of `start` leads to `target`, at most: every attempt of every call counts."""
    if start not in known:
        number = float(start == target)
        for step in walk(spec.services[start[0]].endpoints[start[1]].steps):
            if isinstance(step, CallStepSpec):
                attempts = step.retry.max_attempts if step.retry is not None else 1
                number += step.probability * attempts * _visits(spec, (step.service, step.endpoint), target, known)
        known[start] = number
    return known[start]
