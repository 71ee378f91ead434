"""The topology: everything a scenario says of a system, and the rules that hold across its parts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, PositiveInt, model_validator

from models.cache import RedisSpec
from models.client import ClientSpec
from models.database import PostgresSpec
from models.edges import problems as disruption_problems
from models.faults import FaultSpec
from models.gateway import GatewaySpec
from models.jvm import cpu_count
from models.link import LinkSpec
from models.machine import ContainerSpec, LimitsSpec, MachineSpec
from models.proxy import LoadBalancerSpec
from models.service import CacheStepSpec, CallStepSpec, EvictStepSpec, ServiceSpec, walk
from models.spec import Duration, NonNegativeDuration, PositiveDuration, Spec
from models.topology import data_access_problems, database_problems
from models.workload import WorkloadSpec


class CacheSpec(ContainerSpec, RedisSpec):
    """Redis in a container."""


class DatabaseSpec(ContainerSpec, PostgresSpec):
    """PostgreSQL in a container."""


class TrafficSpec(WorkloadSpec):
    """The load, and how the clients behind it behave."""

    client: ClientSpec = Field(default_factory=ClientSpec, description="What clients do while they wait.")


class RouteSpec(Spec):
    """A public endpoint: what a client asks for, and the way its requests take."""

    service: str = Field(description="The service that answers.")
    endpoint: str = Field(description="Its endpoint.")
    path: str = Field(
        default="", description="URL path as a template, e.g. /api/places/{id}; maps lines of an access log."
    )
    through: list[str] = Field(
        default_factory=list,
        description="What stands before the service, in order: gateway, or a load balancer's name.",
    )


class ObjectiveSpec(Spec):
    """A bound on a figure of the result."""

    path: str = Field(description="JSON pointer into the result, e.g. /latency_ms/all/p95.")
    at_most: float | None = Field(default=None, description="The figure must not be higher.")
    at_least: float | None = Field(default=None, description="The figure must not be lower.")

    @model_validator(mode="after")
    def _one_bound(self) -> ObjectiveSpec:
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError(
                "must have exactly one of at_most and at_least. Split it into two objectives to have both."
            )
        return self


class AlertSpec(Spec):
    """An alert rule on a figure over time."""

    series: Literal["errors_per_s", "error_share", "failure_share", "cpu_share", "memory_share", "p95_s"] = Field(
        description="What is watched: 5xx answers a second, their share, the share of requests without success, the "
        "busiest machine's CPU or memory, the 95th percentile of response times."
    )
    above: float = Field(description="Fires while the series is above this.")
    window: PositiveDuration = Field(
        default=300.0, description="What the series is averaged over. Default 5m: the range of the guide's rule."
    )
    hold: NonNegativeDuration = Field(
        default=300.0, description="How long it must hold (Prometheus: for). Default 5m: the guide's rules."
    )
    every: PositiveDuration = Field(default=60.0, description="Evaluation interval. Prometheus' default: 1m.")


class SystemSpec(Spec):
    """A deployment under traffic, with what is expected of it."""

    description: str = Field(default="", description="What this scenario is.")
    duration: PositiveDuration = Field(
        default=600.0, description="Simulated time of a replication. Traces end by themselves."
    )
    warm_up: Literal["auto"] | Duration = Field(
        default="auto", description="Left out of the figures: auto (MSER-5 on a pilot run) or a duration."
    )
    replications: PositiveInt = Field(
        default=5, description="Independent reruns. Default: 5, the least that gives useful intervals (assumed)."
    )
    seed: int = Field(default=1, ge=0, description="Seed of all chance.")
    machines: dict[str, MachineSpec] = Field(min_length=1, description="Machines: what their containers share.")
    services: dict[str, ServiceSpec] = Field(
        min_length=1, description="Services, each with its replicas and endpoints."
    )
    gateway: GatewaySpec | None = Field(default=None, description="The API gateway. Default: none.")
    load_balancers: dict[str, LoadBalancerSpec] = Field(default_factory=dict, description="Nginx, with its upstreams.")
    caches: dict[str, CacheSpec] = Field(default_factory=dict, description="Redis, with its classes of data.")
    databases: dict[str, DatabaseSpec] = Field(
        default_factory=dict, description="PostgreSQL, with its classes of queries."
    )
    links: dict[str, LinkSpec] = Field(
        default_factory=dict, description="The network between two components. Default: none, which takes no time."
    )
    routes: dict[str, RouteSpec] = Field(min_length=1, description="What clients can ask for, and the way it takes.")
    traffic: TrafficSpec = Field(description="Who asks for what, and when.")
    faults: dict[str, FaultSpec] = Field(default_factory=dict, description="What goes wrong, where, and when.")
    objectives: dict[str, ObjectiveSpec] = Field(default_factory=dict, description="What is expected of the figures.")
    alerts: dict[str, AlertSpec] = Field(default_factory=dict, description="Alert rules to evaluate on what happens.")
    not_modelled: list[str] = Field(
        default_factory=list, description="What the real deployment has and this scenario leaves out."
    )

    @model_validator(mode="after")
    def _hangs_together(self) -> SystemSpec:
        problems = list(_problems(self))
        if problems:
            raise ValueError("\n".join(problems))
        return self


def _known(path: str, name: str, names: Any, what: str) -> Iterator[str]:
    if name not in names:
        have = ", ".join(names) or "none"
        yield f"{path}: must name one of the {what}, got {name!r}. There are: {have}."


def _problems(spec: SystemSpec) -> Iterator[str]:
    """Everything that no single part can see, one line each."""
    for path, container in containers(spec):
        yield from _known(f"{path}.machine", container.machine, spec.machines, "machines")
        yield from _quota_problems(spec, path, container)
    for name, machine in spec.machines.items():
        for resident, background in machine.background.items():
            yield from _too_many_cpus(f"machines.{name}.background.{resident}", background.limits, name, machine)
    for name, service in spec.services.items():
        yield from _service_problems(spec, f"services.{name}", service)
    for name, route in spec.routes.items():
        yield from _route_problems(spec, f"routes.{name}", route)
    for name, balancer in spec.load_balancers.items():
        for upstream_name, upstream in balancer.upstreams.items():
            path = f"load_balancers.{name}.upstreams.{upstream_name}"
            yield from _known(f"{path}.service", upstream.service, spec.services, "services")
            service_spec = spec.services.get(upstream.service)
            for misfit in upstream.misfits(service_spec.replicas) if service_spec else ():
                yield f"{path}.{misfit}"
    yield from _gateway_problems(spec)
    yield from database_problems(spec.databases)
    yield from disruption_problems(spec)
    for name in spec.traffic.mix:
        yield from _known(f"traffic.mix.{name}", name, spec.routes, "routes")
    yield from _cycle(spec)


def _quota_problems(spec: SystemSpec, path: str, container: ContainerSpec) -> Iterator[str]:
    machine = spec.machines.get(container.machine)
    if machine is not None:
        yield from _too_many_cpus(path, container.limits, container.machine, machine)


def _too_many_cpus(path: str, limits: LimitsSpec, name: str, machine: MachineSpec) -> Iterator[str]:
    """Docker refuses a container whose CPU limit is above the machine's cores (moby daemon/daemon_unix.go)."""
    if limits.cpus is not None and limits.cpus > machine.cores:
        yield (
            f"{path}.limits.cpus: must be at most the {machine.cores:g} cores of {name}, got {limits.cpus:g}. "
            f"Docker would not start it. Lower it, or raise machines.{name}.cores."
        )


def _gateway_problems(spec: SystemSpec) -> Iterator[str]:
    if spec.gateway is None:
        return
    for name in spec.gateway.concurrency:
        yield from _known(f"gateway.concurrency.{name}", name, spec.services, "services")
    for name, limiter in spec.gateway.rate_limits.items():
        cache = getattr(limiter, "cache", None)
        if cache is not None:
            yield from _known(f"gateway.rate_limits.{name}.cache", cache, spec.caches, "caches")
    for group in ("circuit_breakers", "retries"):
        for name, each in getattr(spec.gateway, group).items():
            for service in each.services or ():
                yield from _known(f"gateway.{group}.{name}.services", service, spec.services, "services")


def _service_problems(spec: SystemSpec, path: str, service: ServiceSpec) -> Iterator[str]:
    yield from data_access_problems(path, service, spec.databases)
    for name, endpoint in service.endpoints.items():
        for step in walk(endpoint.steps):
            at = f"{path}.endpoints.{name}.steps.{step.name}"
            if isinstance(step, CacheStepSpec | EvictStepSpec):
                yield from _known(f"{at}.cache", step.cache, spec.caches, "caches")
                if step.cache in spec.caches:
                    classes = spec.caches[step.cache].classes
                    yield from _known(f"{at}.data_class", step.data_class, classes, f"classes of {step.cache}")
            elif isinstance(step, CallStepSpec):
                yield from _known(f"{at}.service", step.service, spec.services, "services")
                if step.service in spec.services:
                    endpoints = spec.services[step.service].endpoints
                    yield from _known(f"{at}.endpoint", step.endpoint, endpoints, f"endpoints of {step.service}")
                if service.machine in spec.machines:
                    processors = cpu_count(service.limits.cpus, spec.machines[service.machine].cores)
                    yield from step.misfits(at, processors)


def _route_problems(spec: SystemSpec, path: str, route: RouteSpec) -> Iterator[str]:
    yield from _known(f"{path}.service", route.service, spec.services, "services")
    if route.service in spec.services:
        endpoints = spec.services[route.service].endpoints
        yield from _known(f"{path}.endpoint", route.endpoint, endpoints, f"endpoints of {route.service}")
    hops = list(route.through)
    if hops[:1] == ["gateway"]:
        hops = hops[1:]
        if spec.gateway is None:
            yield f"{path}.through: must name what exists, got 'gateway'. Add a gateway, or take it out of the way."
    if len(hops) > 1 or "gateway" in hops:
        yield (
            f"{path}.through: must be a gateway, a load balancer, or a gateway and then a load balancer, "
            f"got {route.through}. Shorten it."
        )
    elif hops:
        yield from _known(f"{path}.through", hops[0], spec.load_balancers, "load balancers")
        balancer = spec.load_balancers.get(hops[0])
        if balancer and route.service not in {upstream.service for upstream in balancer.upstreams.values()}:
            yield (
                f"{path}.through: must lead to {route.service}, got {hops[0]!r}, which has no upstream for it. "
                f"Add load_balancers.{hops[0]}.upstreams.{route.service}, or take {hops[0]} out of the way."
            )


def _cycle(spec: SystemSpec) -> Iterator[str]:
    """A call cycle would recurse without end."""
    calls: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for service_name, service in spec.services.items():
        for endpoint_name, endpoint in service.endpoints.items():
            calls[service_name, endpoint_name] = [
                (step.service, step.endpoint) for step in walk(endpoint.steps) if isinstance(step, CallStepSpec)
            ]
    finished: set[tuple[str, str]] = set()

    def visit(node: tuple[str, str], trail: list[tuple[str, str]]) -> list[tuple[str, str]] | None:
        if node in trail:
            return [*trail[trail.index(node) :], node]
        if node in finished:
            return None
        for callee in calls.get(node, ()):
            if found := visit(callee, [*trail, node]):
                return found
        finished.add(node)
        return None

    for node in calls:
        if found := visit(node, []):
            names = " -> ".join(".".join(step) for step in found)
            at = f"services.{found[0][0]}.endpoints.{found[0][1]}"
            yield f"{at}: must not call itself, got {names}. Remove one of these calls."
            return


def containers(spec: SystemSpec) -> Iterator[tuple[str, ContainerSpec]]:
    """Everything that runs in a container, with its path."""
    for name, service in spec.services.items():
        yield f"services.{name}", service
    if spec.gateway is not None:
        yield "gateway", spec.gateway
    for group in ("load_balancers", "caches", "databases"):
        for name, container in getattr(spec, group).items():
            yield f"{group}.{name}", container
