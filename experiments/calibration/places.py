"""What of a scenario a log can speak of: the durations on the way of the requests that it has.

Models   Walks from each route of the log through gateway, load balancer, links, endpoint, steps and calls. CPU steps of
         one endpoint that are all taken by every request run one after another on the same CPU: response times only
         know their sum, so they are one parameter, and their split stays as the scenario has it.
Omits    Values the scenario does not write (defaults stay), and durations of 0, which no factor changes.
Checked  tests/unit/test_calibration_places.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from experiments.calibration.shapes import distribution_of, family_of, spread_of
from experiments.scenario.paths import at_path, format_path, heard
from models.service import CacheStepSpec, CallStepSpec, DatabaseStepSpec, TransactionStepSpec
from models.system import SystemSpec


@dataclass(frozen=True)
class Place:
    """One distribution that a scenario writes."""

    said: str
    """Its path as people write it."""
    path: tuple[str | int, ...]
    value: Any
    """As written."""
    kind: str
    mean_s: float
    spread: float


@dataclass
class Group:
    """Places that only their sum is known of; most groups have one."""

    name: str
    places: list[Place]
    routes: dict[int, float] = field(default_factory=dict)
    """By route: how often a request passes here, as far as the scenario's probabilities tell (misses count as 1)."""

    @property
    def mean_s(self) -> float:
        total = 0.0
        for place in self.places:
            total += place.mean_s
        return total

    @property
    def spread(self) -> float:
        """Of the sum."""
        variance = 0.0
        for place in self.places:
            variance += (place.spread * place.mean_s) ** 2
        return float(variance**0.5 / self.mean_s)

    @property
    def family(self) -> str:
        """The family of its longest place."""
        return family_of(max(self.places, key=lambda place: place.mean_s).kind)


@dataclass(frozen=True)
class CacheClass:
    """A class of data whose hits the log may tell of."""

    cache: str
    name: str
    routes: tuple[int, ...]
    path: tuple[str | int, ...]
    popularity: float

    @property
    def said(self) -> str:
        return format_path((*self.path, "popularity"))


class Finder:
    """Collects groups over the ways of routes."""

    def __init__(self, document: Mapping[str, Any], spec: SystemSpec) -> None:
        self._document = document
        self._spec = spec
        self.groups: dict[str, Group] = {}
        self.classes: dict[tuple[str, str], list[int]] = {}
        """Routes by cache and class."""

    def visit_route(self, number: int) -> None:
        route = list(self._spec.routes.values())[number]
        for hop in route.through:
            at = ("gateway",) if hop == "gateway" else ("load_balancers", hop)
            self._add(format_path((*at, "cpu")), [(*at, "cpu")], number, 1.0)
        self._links(number, route)
        self._visit_endpoint(number, route.service, route.endpoint, 1.0, 0)

    def _links(self, number: int, route: Any) -> None:
        ends = ["client", *("gateway" if hop == "gateway" else f"load_balancers.{hop}" for hop in route.through)]
        ends.append(f"services.{route.service}")
        pairs = [{one, other} for one, other in pairwise(ends)]
        for name, link in self._spec.links.items():
            if set(link.between) in pairs:
                self._add(f"links.{name}.delay", [("links", name, "delay")], number, 2.0)

    def _visit_endpoint(self, number: int, service: str, endpoint: str, weight: float, depth: int) -> None:
        steps = self._spec.services[service].endpoints[endpoint].steps
        at = ("services", service, "endpoints", endpoint, "steps")
        if depth < 8:
            self._visit_steps(number, service, at, steps, weight, "", depth)

    def _visit_steps(
        self, number: int, service: str, at: tuple[str, ...], steps: Sequence[Any], weight: float, inside: str,
        depth: int,
    ) -> None:  # fmt: skip
        burned: list[tuple[str, ...]] = []
        for step in steps:
            often = weight * step.probability
            where = (*at, step.name)
            if step.kind == "cpu" and step.probability == 1:
                burned.append((*where, "demand"))
            elif step.kind in ("cpu", "delay"):
                name = "demand" if step.kind == "cpu" else "duration"
                self._add(format_path((*where, name)), [(*where, name)], number, often)
            elif isinstance(step, DatabaseStepSpec):
                self._visit_query(number, service, step, often)
            elif isinstance(step, CacheStepSpec):
                self._visit_cache(number, step, often)
                self._visit_steps(number, service, at, step.on_miss, often, f"{inside}{step.name} misses ", depth)
            elif isinstance(step, TransactionStepSpec):
                self._visit_steps(number, service, at, step.steps, often, inside, depth)
            elif isinstance(step, CallStepSpec):
                self._visit_endpoint(number, step.service, step.endpoint, often, depth + 1)
        if burned:
            many = format_path(at[:4]) + (f" where {inside.strip()}" if inside else "") + ": cpu"
            name = format_path(burned[0]) if len(burned) == 1 else many
            self._add(name, burned, number, weight)

    def _visit_query(self, number: int, service: str, step: DatabaseStepSpec, often: float) -> None:
        spec = self._spec.services[service]
        pool = spec.data_sources[step.pool].primary if step.pool in spec.data_sources else step.pool
        name = spec.pools[pool].database
        name = self._spec.databases[name].standby_of or name
        for part in ("cpu", "io"):
            path = ("databases", name, "queries", step.query, part)
            self._add(format_path(path), [path], number, often)

    def _visit_cache(self, number: int, step: CacheStepSpec, often: float) -> None:
        routes = self.classes.setdefault((step.cache, step.data_class), [])
        if number not in routes:
            routes.append(number)
        for part in ("round_trip", "command_cpu"):
            path = ("caches", step.cache, part)
            self._add(format_path(path), [path], number, often)

    def _add(self, name: str, paths: Sequence[tuple[str, ...]], number: int, often: float) -> None:
        group = self.groups.get(name)
        if group is None:
            places = [place for path in paths if (place := self._place(path)) is not None]
            if not places:
                return
            if len(places) == 1:
                name = places[0].said
            group = self.groups.setdefault(name, Group(name, places))
        group.routes[number] = group.routes.get(number, 0.0) + often

    def _place(self, path: tuple[str, ...]) -> Place | None:
        at = heard(path, self._document)
        value = at_path(self._document, at)
        if value is None:
            return None
        kind, distribution = distribution_of(value)
        if not distribution.mean > 0:
            return None
        return Place(format_path(path), at, value, kind, distribution.mean, spread_of(distribution))

    def cache_classes(self) -> Iterator[CacheClass]:
        for (cache, name), routes in self.classes.items():
            path = ("caches", cache, "classes", name)
            popularity = self._spec.caches[cache].classes[name].popularity
            yield CacheClass(cache, name, tuple(routes), path, popularity)


def find_places(document: Mapping[str, Any], spec: SystemSpec, routes: Sequence[int]) -> Finder:
    """The durations and caches on the way of these routes."""
    finder = Finder(document, spec)
    for number in routes:
        finder.visit_route(number)
    return finder
