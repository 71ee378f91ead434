"""A deployment under traffic: built from the inside out, started, brought to rest, audited."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from models.assembly.entrance import Entrance, proxy
from models.assembly.services import staff
from models.assembly.site import Site
from models.assembly.stores import cache, databases
from models.assembly.ways import way
from models.client import build_client
from models.service import Service
from models.spec import Context
from models.system import SystemSpec
from models.workload import Trace, Workload, build_workload
from sim.environment import Environment
from sim.recorder import Recorder
from sim.replication import Check, close


class System:
    """A deployment under traffic, ready to start."""

    def __init__(
        self, context: Context, spec: SystemSpec, recorder: Recorder, trace: Trace | None, steps_wanted: bool
    ) -> None:
        self.spec = spec
        self.env: Environment = context.env
        self._is_over = False
        self.on_over: Callable[[], None] = _nothing
        """Called when no more requests will come and the last one has ended."""
        site = Site(context, spec)
        self._build(site)
        self.limits, self.breakers, self.containers = site.limits, site.breakers, site.containers
        self.machines, self.databases, self.caches = site.machines, site.databases, site.caches
        self.services, self.proxies = site.services, site.proxies
        self._disruptions = site.disruptions
        self._disruptions.settle(self)
        ways = [way(site, self.entrance, route) for route in spec.routes.values()]
        self.client = build_client(
            context.at("traffic").at("client"), spec.traffic.client, ways, recorder, self._wake, self._rest
        )
        self._workload: Workload = build_workload(
            context.at("traffic"), spec.traffic, list(spec.routes), trace, self.client.send, steps_wanted
        )
        self.client.tell(self._workload.ended)

    def _build(self, site: Site) -> None:
        """Machines, what runs on them, what leads to them."""
        spec, context = site.spec, site.context
        for name, machine in spec.machines.items():
            site.machines[name] = machine.build(context.at("machines").at(name))
            site.limit(f"machines.{name}", f"machines.{name}.cores", "machine_cpu")
            site.limit(f"machines.{name}", f"machines.{name}.memory", "machine_memory")
        site.databases = databases(site)
        for name in spec.caches:
            site.caches[name] = cache(site, name)
        for name, service in spec.services.items():
            site.services[name] = Service(f"services.{name}", service.balancing)
        for name in spec.services:  # services may call one another, so all names exist before any step is compiled
            staff(site, name)
        for name in spec.load_balancers:
            site.proxies[name] = proxy(site, name)
        self.entrance = None if spec.gateway is None else Entrance(site, spec.gateway)
        for path, forget in site.forgets:
            site.on_killed(path, forget)

    # what a replication asks of a system

    @property
    def endpoints(self) -> Sequence[str]:
        return list(self.spec.routes)

    @property
    def in_flight(self) -> int:
        return self.client.in_flight

    def start(self) -> None:
        """Fill the pools as they are in a system that has been up, and put the first arrivals on the schedule."""
        for service in self.services.values():
            for replica in service.replicas:
                for pool in replica.pools.values():
                    pool.start_warm()
        self._disruptions.start()
        self._workload.start(self._over)

    def _over(self) -> None:
        """The last request has arrived."""
        self._is_over = True
        if not self.client.in_flight:
            self._rest()

    def _wake(self) -> None:
        for machine in self.machines.values():
            machine.wake()

    def _rest(self) -> None:
        for machine in self.machines.values():
            machine.rest(self._is_over)
        if self._is_over:
            for breaker in self.breakers.values():
                breaker.desert()
            for cache in self.caches.values():
                cache.desert()
            self._disruptions.desert()
            self.on_over()

    def checks(self) -> Iterator[Check]:
        """The audit of what only the models know: CPU time handed out is CPU work done."""
        for name, machine in self.machines.items():
            used_s = 0.0
            for cpu in machine.cpus():
                used_s += cpu.cpu_s
                yield close(
                    f"{cpu.path}: CPU time",
                    "handed out = work done",
                    cpu.cpu_s,
                    cpu.served_s + cpu.rounding_s + cpu.slowed_s,
                    self.env.now,
                )
                yield close(
                    f"{cpu.path}: threads", "integral of the number present = sum of the times present",
                    cpu.present_area, cpu.present_s, self.env.now,
                )  # fmt: skip
            handed_s = machine.processor.cpu_s
            yield close(
                f"machines.{name}: CPU time", "of the machine = of its containers", handed_s, used_s, self.env.now
            )


def _nothing() -> None:
    """Nobody wants to know that the traffic is over."""
