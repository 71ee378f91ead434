"""What a load test asks for, from a scenario: the load over time, routes, keys, users and pauses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from experiments.errors import InputError
from experiments.scenario import Scenario
from experiments.shapes.curve import Load, load_of
from models.service import CacheStepSpec, EvictStepSpec, walk
from models.system import SystemSpec
from sim.distributions import Constant, Distribution

ASSUMED_KEYS: Final = 1000
"""Ids behind a template whose data no cache knows (assumed), all alike."""
QUANTILES: Final = (*(number / 100 for number in range(100)), 0.995, 0.999, 0.9999)
"""Where a distribution of pauses is written down; between them it runs straight."""
_PLACEHOLDER: Final = re.compile(r"\{[^{}/]*\}|\*+")


@dataclass(frozen=True)
class PlannedRoute:
    """What a client can ask for."""

    name: str
    weight: float
    method: str
    path: str
    """`{}` stands for a key."""
    keys: int
    popularity: float
    is_assumed: bool
    """Whether the keys are."""


@dataclass(frozen=True)
class Pause:
    """How long a user pauses: quantiles, from shortest to longest, with the mean of the distribution."""

    mean_s: float
    shares: tuple[float, ...]
    values_s: tuple[float, ...]


@dataclass(frozen=True)
class Plan:
    """A load test."""

    name: str
    load: Load
    routes: tuple[PlannedRoute, ...]
    is_random: bool
    """Whether open arrivals come at random, not evenly."""
    users: int
    """Distinct users behind open arrivals; most at once of closed ones."""
    patience_s: float | None
    think: Pause | None
    away: Pause | None
    ends_share: float
    """Chance that a request is the last of its session."""
    omits: tuple[str, ...]
    """What the scenario has and a load test cannot do, in words."""


def plan_of(scenario: Scenario, duration_s: float | None) -> Plan:
    """The load test that a scenario means. Raises InputError where it cannot be one."""
    spec = scenario.spec
    traffic = spec.traffic
    if traffic.trace is not None:
        raise InputError(
            "traffic.trace: must be users or open to be exported, got a recorded trace. Fit a shape to its log: "
            "windtunnel traffic LOG --fit-shape bursty -o traffic.yaml."
        )
    load = load_of(traffic, spec.seed, spec.duration if duration_s is None else duration_s)
    closed = traffic.users
    session = None if closed is None else closed.session
    return Plan(
        name=scenario.name,
        load=load,
        routes=tuple(_routes(spec)),
        is_random=traffic.open is not None and traffic.open.kind == "poisson",
        users=traffic.open.users if traffic.open is not None else max(1, round(load.peak)),
        patience_s=traffic.client.patience,
        think=None if closed is None else pause_of(closed.think_time.distribution()),
        away=None if session is None else pause_of(session.gap.distribution()),
        ends_share=0.0 if session is None else 1 / session.requests,
        omits=tuple(_omitted(spec)),
    )


def _routes(spec: SystemSpec) -> list[PlannedRoute]:
    routes, problems = [], []
    for name, weight in spec.traffic.mix.items():
        if not weight or name not in spec.routes:
            continue
        route = spec.routes[name]
        if not route.path.startswith("/"):
            problems.append(
                f"routes.{name}.path: must be a URL path to be exported, got {route.path or 'none'}. "
                "Set it, e.g. /api/places/{id}."
            )
            continue
        endpoint = spec.services[route.service].endpoints[route.endpoint]
        path, has_key = _PLACEHOLDER.subn("{}", route.path)
        keys, popularity, is_assumed = _keys(spec, endpoint.steps) if has_key else (1, 0.0, False)
        routes.append(PlannedRoute(name, weight, endpoint.method, path, keys, popularity, is_assumed))
    if problems:
        raise InputError.of(problems)
    return routes


def _keys(spec: SystemSpec, steps: Sequence[object]) -> tuple[int, float, bool]:
    """How many keys an endpoint is asked for, how popular they are, and whether that is assumed."""
    for step in walk(steps):
        if isinstance(step, CacheStepSpec | EvictStepSpec):
            data = spec.caches[step.cache].classes[step.data_class]
            return data.keys, data.popularity, False
    return ASSUMED_KEYS, 0.0, True


def pause_of(distribution: Distribution) -> Pause:
    """A distribution as a table of quantiles that has its mean."""
    if isinstance(distribution, Constant):
        return Pause(distribution.mean, (0.0, 1.0), (distribution.mean, distribution.mean))
    values = np.asarray(distribution.ppf(np.array([*QUANTILES, 1 - 1e-6])), np.float64)
    shares = np.array([*QUANTILES, 1.0])
    mean = float((np.diff(shares) * (values[1:] + values[:-1]) / 2).sum())
    values = values * (distribution.mean / mean) if mean > 0 else values
    return Pause(distribution.mean, tuple(shares.tolist()), tuple(float(f"{value:.6g}") for value in values.tolist()))


def _omitted(spec: SystemSpec) -> list[str]:
    """What goes beyond a load test."""
    client, traffic = spec.traffic.client, spec.traffic
    found = ["All requests come from the address of whoever runs this: limits per IP see one client."]
    if client.retry is not None or client.reload is not None:
        found.append("Nobody tries again or reloads here: the scenario's clients do.")
    if traffic.shape is not None and traffic.shape.kind == "bursty":
        found.append(f"Bursts come when they do in the first replication of seed {spec.seed}.")
    return found
