"""How much is asked for at most, as far as a scenario says: what rules compare settings with."""

from __future__ import annotations

from models.service import CallStepSpec, walk
from models.system import SystemSpec


def requests_per_s(spec: SystemSpec) -> float | None:
    """Requests a second at most: closed users who never wait for an answer, or the rate of arrivals. None: a trace."""
    traffic = spec.traffic
    if traffic.users is not None:
        pause_s = traffic.users.think_time.distribution().mean
        return traffic.users.population / pause_s if pause_s else None
    return traffic.open.rate.per_second if traffic.open is not None else None


def endpoint_per_s(spec: SystemSpec, service: str, endpoint: str) -> float | None:
    """Visits of an endpoint a second at most: through routes, and through calls of other services, each made."""
    asked = requests_per_s(spec)
    if asked is None:
        return None
    mix = spec.traffic.mix or dict.fromkeys(spec.routes, 1.0)
    whole = sum(mix.values())
    found = 0.0
    for name, route in spec.routes.items():
        share = mix.get(name, 0.0) / whole if whole else 0.0
        found += asked * share * _visits(spec, (route.service, route.endpoint), (service, endpoint))
    return found


def _visits(spec: SystemSpec, start: tuple[str, str], target: tuple[str, str]) -> float:
    """How often one visit of `start` leads to `target`, at most."""
    number = float(start == target)
    for step in walk(spec.services[start[0]].endpoints[start[1]].steps):
        if isinstance(step, CallStepSpec):
            number += step.probability * _visits(spec, (step.service, step.endpoint), target)
    return number
