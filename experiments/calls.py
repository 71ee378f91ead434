"""What services' guarded calls of one another came to: how many were made for how many visits, and what stopped others.

Figures of a call step are summed over the replicas of its service. Calls without any guard are not counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from models.service import CallStepSpec, walk
from models.system import SystemSpec
from sim.recorder import InstrumentFigures


def guarded_steps(spec: SystemSpec) -> Iterator[tuple[str, list[str], CallStepSpec]]:
    """Every call step with a guard: its path, its paths in the replicas of its service, its specification."""
    for service_name, service in spec.services.items():
        home = f"services.{service_name}"
        for endpoint_name, endpoint in service.endpoints.items():
            for step in walk(endpoint.steps):
                if isinstance(step, CallStepSpec) and step.is_guarded:
                    where = f"endpoints.{endpoint_name}.steps.{step.name}"
                    replicas = [f"{home}.replica-{number}.{where}" for number in range(1, service.replicas + 1)]
                    yield f"{home}.{where}", replicas, step


def call_limiters(spec: SystemSpec) -> list[str]:
    """Paths of all rate limiters around calls."""
    return [
        f"{path}.rate_limiter"
        for _, paths, step in guarded_steps(spec)
        if step.rate_limiter is not None
        for path in paths
    ]


def calls(instruments: InstrumentFigures, spec: SystemSpec) -> dict[str, Any]:
    """Figures of one replication, by the path of the step. `amplification`: calls made for a visit in the mean;
    `stopped`: attempts that were never sent, by the guard that refused them."""
    tree: dict[str, Any] = {}
    for path, replicas, step in guarded_steps(spec):

        def total(name: str, replicas: list[str] = replicas) -> int:
            return sum(instruments.counts.get(f"{replica}.{name}", 0) for replica in replicas)

        visits, sent = total("visits"), total("calls")
        tree[path] = {
            "visits": visits,
            "calls": sent,
            "amplification": sent / visits if visits else None,
            "retries": total("retry.retries"),
            "recovered": total("retry.recovered"),
            "exhausted": total("retry.exhausted"),
            "left": total("time_limiter.left") + total("read_timeout.left"),
            "stopped": {
                "breaker": total("breaker.not_permitted"),
                "rate_limiter": total("rate_limiter.refused"),
                "bulkhead": _turned_away(instruments, replicas, step),
            },
            "fallbacks": instruments.counts[f"{path}.fallbacks"],
        }
    return tree


def _turned_away(instruments: InstrumentFigures, replicas: list[str], step: CallStepSpec) -> int:
    """By a bulkhead of either kind: at once, or after a wait."""
    if step.bulkhead is None and step.thread_pool_bulkhead is None:
        return 0
    name = "bulkhead" if step.thread_pool_bulkhead is None else "thread_pool_bulkhead"
    stations = [instruments.stations[f"{replica}.{name}"] for replica in replicas]
    return sum(station.refused + station.expired for station in stations)
