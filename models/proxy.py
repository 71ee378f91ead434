"""Nginx in its container: what it burns for a request, and which of its upstreams gets it.

Models   A request burns nginx's CPU, then goes to a server of the upstream of its service.
Source   nginx 1.22.1; the upstream's behaviour is `models.load_balancer`'s.
Checked  tests/unit/test_assembly.py, tests/e2e/test_fields.py
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from models.load_balancer import NginxSpec, Target
from models.machine import ContainerSpec
from models.outcomes import ConnectionRefused
from models.request import Request, Visit
from models.spec import Context
from sim.environment import Activity


class LoadBalancerSpec(ContainerSpec, NginxSpec):
    """Nginx in a container."""


class Host(Protocol):
    """The container nginx runs in."""

    is_up: bool
    speed: float

    def run(self, demand_s: float, /) -> Any: ...
    def enter(self) -> Any: ...
    def leave(self, light: Any) -> None: ...


class Proxy:
    """A load balancer's container: its CPU first, then the upstream of the service."""

    __slots__ = ("_cpu", "_env", "_host", "_path", "_upstreams")

    def __init__(
        self, context: Context, spec: LoadBalancerSpec, host: Host, targets: Mapping[str, Sequence[Target]]
    ) -> None:
        """`targets`: the replicas of every service."""
        self._env = context.env
        self._path = context.path
        self._host = host
        self._cpu = context.streams.draws(f"{context.path}.cpu", spec.cpu.distribution())
        self._upstreams = {
            upstream.service: upstream.build(context.at("upstreams").at(name), targets[upstream.service])
            for name, upstream in spec.upstreams.items()
        }

    def handle(self, request: Request, visit: Visit) -> Activity:
        host = self._host
        if not host.is_up:
            raise ConnectionRefused(self._path)
        light = host.enter()
        try:
            began_at_s = self._env.now
            demand_s = self._cpu.at(request.identity)
            throttled_s = (yield host.run(demand_s)) or 0.0
            burned_s = demand_s / host.speed
            request.cpu_s += burned_s
            request.throttled_s += throttled_s
            request.wait_s += max(0.0, self._env.now - began_at_s - burned_s - throttled_s)
            yield from self._upstreams[visit.service].handle(request, visit)
        finally:
            host.leave(light)
