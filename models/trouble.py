"""Links, faults and health checks of a system, put where they belong when it is built.

`Network` stands between the parts while they are put together: where nothing is declared it hands back what it was
given, so that a link that is not there costs nothing. `Disruptions` then gets the parts that faults hit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from models.edges import containers, edges
from models.faults import (
    Clock,
    ClockStepSpec,
    Crash,
    CrashSpec,
    Errors,
    ErrorSpec,
    Fault,
    Hang,
    HangSpec,
    Lag,
    NetworkSpec,
    PartitionSpec,
    Refuse,
    RefuseSpec,
    ReplicaLagSpec,
    RollingRestartSpec,
    Slow,
    SlowSpec,
    Steal,
    StealSpec,
    Troubles,
)
from models.faults import (
    Network as NetworkTrouble,
)
from models.health import HEALTH, Checker, RollingRestart, work
from models.link import Link, LinkedDatabase, LinkedHop, LinkedReplica, LinkedService, LinkSpec, Trouble
from models.spec import Context
from models.system import SystemSpec
from sim.gate import Gate


class Built(Protocol):
    """The parts of a system that has been put together."""

    @property
    def containers(self) -> Mapping[str, Any]: ...
    @property
    def machines(self) -> Mapping[str, Any]: ...
    @property
    def services(self) -> Mapping[str, Any]: ...
    @property
    def caches(self) -> Mapping[str, Any]: ...
    @property
    def databases(self) -> Mapping[str, Any]: ...


class Network:
    """The links of a system, and what stands at their ends."""

    def __init__(self, context: Context, spec: SystemSpec) -> None:
        self._links: dict[frozenset[str], Link] = {}
        self._gates: dict[str, list[Gate]] = {}
        for name, declared in spec.links.items():
            self._links[frozenset(declared.between)] = Link(context.at("links").at(name), declared)
        for pair in self._troubled(spec):
            ends = frozenset(pair)
            if ends not in self._links:
                at = context.at("links").at("~".join(pair).replace(".", "-"))
                self._links[ends] = Link(at, LinkSpec(between=list(pair)))
        for caller, callee in edges(spec):
            link = self.link(caller, callee)
            if link is not None:
                self._gates.setdefault(callee, []).append(link.gate)

    @staticmethod
    def _troubled(spec: SystemSpec) -> list[tuple[str, str]]:
        """Pairs that have a link because a fault needs one: cut by it, or before something that hangs."""
        hung = {fault.target for fault in spec.faults.values() if isinstance(fault, HangSpec)}
        between = {
            frozenset(fault.between) for fault in spec.faults.values() if isinstance(fault, NetworkSpec | PartitionSpec)
        }
        return [edge for edge in edges(spec) if frozenset(edge) in between or edge[1] in hung - services(spec)]

    def link(self, caller: str, callee: str) -> Link | None:
        return self._links.get(frozenset((caller, callee)))

    def gates(self, callee: str) -> list[Gate]:
        """Gates that shut when `callee` hangs. Those of services are in their replicas."""
        return [] if callee.startswith("services.") else self._gates.get(callee, [])

    def hop(self, caller: str, callee: str, hop: Any) -> Any:
        link = self.link(caller, callee)
        return hop if link is None else LinkedHop(link, caller, hop)

    def service(self, caller: str, service: Any, name: str) -> Any:
        link = self.link(caller, f"services.{name}")
        return service if link is None else LinkedService(link, caller, service)

    def replicas(self, caller: str, service: Any, name: str) -> Sequence[Any]:
        """Of a service, as nginx sees them: it shakes hands itself, by its own rules."""
        link = self.link(caller, f"services.{name}")
        if link is None:
            return service.replicas  # type: ignore[no-any-return]
        return [LinkedReplica(link, caller, each, opens=False) for each in service.replicas]

    def database(self, caller: str, database: Any, name: str) -> Any:
        link = self.link(caller, f"databases.{name}")
        return database if link is None else LinkedDatabase(link, caller, database)

    def callers(self, callee: str) -> dict[str, Link]:
        """The links of those who ask `callee`, by their paths."""
        found = {}
        for ends, link in self._links.items():
            if callee in ends:
                (caller,) = ends - {callee}
                found[caller] = link
        return found


def services(spec: SystemSpec) -> set[str]:
    """Paths of services and their replicas."""
    found = set()
    for name in spec.services:
        found.add(f"services.{name}")
        found.update(containers(spec, f"services.{name}"))
    return found


class Disruptions:
    """Faults and health checks: told when a run starts and when nobody will come any more."""

    def __init__(self, context: Context, spec: SystemSpec, network: Network) -> None:
        self._context = context
        self._spec = spec
        self._network = network
        self._faults: list[Fault] = []
        self._checkers: dict[str, Checker] = {}
        self._troubles: dict[str, Troubles] = {}
        for fault in spec.faults.values():
            if isinstance(fault, ErrorSpec | HangSpec) and fault.target in services(spec):
                name = fault.target.split(".")[1]
                self._troubles.setdefault(name, Troubles(context.env, f"services.{name}"))

    def work(self, service: str, by_endpoint: dict[str, Any]) -> dict[str, Any]:
        """What the replicas of a service do: probes, too, and what faults make of it."""
        health = self._spec.services[service].health
        if health is not None:
            by_endpoint = {**by_endpoint, HEALTH: work(health.cpu)}
        troubles = self._troubles.get(service)
        if troubles is None:
            return by_endpoint
        return {endpoint: troubles.around(each) for endpoint, each in by_endpoint.items()}

    def settle(self, built: Built) -> None:
        """The system has been put together: find what faults and probes are about."""
        for name, service in self._spec.services.items():
            for replica in built.services[name].replicas if service.health is not None else ():
                path = replica.host.path
                at = self._context.at(path).at("health")
                assert service.health is not None
                self._checkers[path] = Checker(at, service.health, service.shutdown, name, replica)
        for name, fault in self._spec.faults.items():
            at = self._context.at("faults").at(name)
            self._faults.append(Fault(at, fault, self._effect(at, fault, built)))

    def start(self) -> None:
        for checker in self._checkers.values():
            checker.start()
        for fault in self._faults:
            fault.start()

    def desert(self) -> None:
        for checker in self._checkers.values():
            checker.desert()
        for fault in self._faults:
            fault.desert()

    def _effect(self, context: Context, fault: Any, built: Built) -> Any:
        if isinstance(fault, NetworkSpec | PartitionSpec):
            return self._network_effect(context, fault)
        target = fault.target
        paths = containers(self._spec, target)
        hit = [built.containers[path] for path in paths]
        kind, _, name = target.partition(".")
        match fault:
            case CrashSpec():
                return Crash(target, hit)
            case HangSpec():
                return Hang(target, hit, [self._gates(path, built) for path in paths])
            case SlowSpec():
                return Slow(target, hit, fault.factor)
            case RefuseSpec():
                return Refuse(target, hit)
            case ErrorSpec():
                service = name.partition(".")[0]
                names = [each.name for each in built.services[service].replicas if each.host.path in paths]
                return Errors(
                    context, target, self._troubles[service], names, fault.probability, fault.status, fault.after_work
                )
            case StealSpec():
                return Steal(target, built.machines[name], fault.share)
            case ReplicaLagSpec():
                return Lag(target, built.databases[name], fault.lag)
            case ClockStepSpec():
                return Clock(target, built.caches[name], fault.by_s)
            case RollingRestartSpec():
                return self._rolling(target, built.services[name].replicas, self._spec.services[name])
        raise TypeError(f"unknown fault {kind} {fault!r}")

    def _rolling(self, target: str, replicas: Sequence[Any], service: Any) -> RollingRestart:
        effect = RollingRestart(self._context.env, target, replicas, service.shutdown)
        for replica in replicas:
            checker = self._checkers.get(replica.host.path)
            if checker is not None:
                checker.on_ready = _telling(effect.is_ready, replica)
        return effect

    def _gates(self, path: str, built: Built) -> list[Gate]:
        """What is shut while the container at `path` hangs."""
        if not path.startswith("services."):
            return self._network.gates(path)
        service = path.split(".")[1]
        names = [each.name for each in built.services[service].replicas if each.host.path == path]
        return [self._troubles[service].of(name).gate for name in names]

    def _network_effect(self, context: Context, fault: NetworkSpec | PartitionSpec) -> NetworkTrouble:
        link = self._network.link(*fault.between)
        assert link is not None
        ends = " and ".join(fault.between)
        if isinstance(fault, PartitionSpec):
            return NetworkTrouble(f"nothing gets through between {ends}", link, Trouble(is_cut=True))
        delay = fault.delay.distribution()
        drawn = context.streams.sequence(f"{context.path}.delay", delay) if delay.mean else None
        return NetworkTrouble(f"the network between {ends} is bad", link, Trouble(drawn, fault.loss))


def _telling(tell: Callable[[Any], None], replica: Any) -> Callable[[], None]:
    return lambda: tell(replica)
