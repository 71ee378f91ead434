"""What is being built: everything that stands already, and every limit that can bind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.cache import Redis
from models.jvm import Jvm, JvmSpec
from models.machine import Container, ContainerSpec, Machine
from models.service import Service
from models.spec import Context
from models.system import SystemSpec
from models.trouble import Disruptions, Network

if TYPE_CHECKING:
    from models.database import Postgres
    from models.proxy import Proxy


@dataclass(frozen=True)
class Limit:
    """A limit that can bind: where its use is measured, and the setting that raises it."""

    station: str
    """Path of the station, container or machine whose figures show how hard the limit binds."""
    setting: str
    kind: str
    """station | container_cpu | machine_cpu | container_memory | machine_memory | rate | cache_memory | heap"""


class Site:
    """A system under construction: its parts by name, as far as they stand."""

    def __init__(self, context: Context, spec: SystemSpec) -> None:
        self.context = context
        self.spec = spec
        self.limits: list[Limit] = []
        self.breakers: dict[str, Any] = {}
        self.containers: dict[str, Container] = {}
        self.forgets: list[tuple[str, Callable[[], None]]] = []
        """What is lost beside the rest when a container is killed, by its path."""
        self.network = Network(context, spec)
        self.disruptions = Disruptions(context, spec, self.network)
        self.machines: dict[str, Machine] = {}
        self.databases: dict[str, Postgres] = {}
        self.caches: dict[str, Redis] = {}
        self.services: dict[str, Service] = {}
        self.proxies: dict[str, Proxy] = {}

    def limit(self, station: str, setting: str, kind: str) -> None:
        """Note a limit that can bind."""
        self.limits.append(Limit(station, setting, kind))

    def container(self, context: Context, spec: ContainerSpec, setting: str) -> Container:
        """Put a container on its machine. `setting`: where the scenario speaks of it."""
        container = Container(self.machines[spec.machine], context, spec)
        self.containers[context.path] = container
        if spec.limits.cpus is not None:
            self.limit(context.path, f"{setting}.limits.cpus", "container_cpu")
        if spec.limits.memory is not None:
            self.limit(context.path, f"{setting}.limits.memory", "container_memory")
        return container

    def jvm(self, context: Context, spec: JvmSpec | None, host: Container, threads: int) -> Jvm | None:
        """The JVM in a container, where the scenario speaks of one. `threads`: those it begins with."""
        if spec is None:
            return None
        memory = host.spec.limits.memory or self.machines[host.spec.machine].spec.memory
        at = context.path.partition(".replica-")[0]
        on = f"machines.{host.spec.machine}.memory"
        setting = on if host.spec.limits.memory is None else f"{at}.limits.memory"
        self.limit(context.path, setting if spec.max_heap is None else f"{at}.jvm.max_heap", "heap")
        return Jvm(context, spec, host, host.cpus, memory, threads)

    def on_killed(self, path: str, forget: Callable[[], None]) -> None:
        """What else is lost when the container at `path` is killed."""
        self.containers[path].on_killed = both(self.containers[path].on_killed, forget)


def both(first: Callable[[], None], then: Callable[[], None]) -> Callable[[], None]:
    """Two callbacks as one."""

    def call() -> None:
        first()
        then()

    return call
