"""From a specification to a running system: the only file that knows every component.

Nothing here models anything. Parts are built from the inside out (machines, then what runs on them, then what leads to
them), and every limit that can bind is noted with the setting that moves it, for the question "what breaks first".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from models.cache import Redis
from models.client import Client, build_client
from models.connection_pool import Hikari
from models.gateway import Connections, Gateway, GatewaySpec, Keyed, KeyResolver, PooledProxy, PooledService
from models.jvm import JavaRoute, Jvm, JvmSpec
from models.machine import Container, ContainerSpec
from models.proxy import Proxy
from models.replica import Replica, TomcatSpec
from models.request import Request, Visit
from models.service import CallStepSpec, Guards, Service, ServiceSpec, Source, compile_endpoint, walk
from models.spec import Context
from models.system import SystemSpec
from models.token_bucket import Bucket4jSpec, SpringRedisSpec
from models.topology import build_databases
from models.trouble import Disruptions, Network
from models.workload import Trace, Workload, build_workload
from sim.environment import Activity, Environment
from sim.patience import TimeLimit
from sim.recorder import Recorder
from sim.replication import Check, close
from sim.streams import Streams


@dataclass(frozen=True)
class Limit:
    """A limit that can bind: where its use is measured, and the setting that raises it."""

    station: str
    """Path of the station, container or machine whose figures show how hard the limit binds."""
    setting: str
    kind: str
    """station | container_cpu | machine_cpu | container_memory | machine_memory | rate"""


class System:
    """A deployment under traffic, ready to start."""

    def __init__(
        self, context: Context, spec: SystemSpec, recorder: Recorder, trace: Trace | None, steps_wanted: bool
    ) -> None:
        self.spec = spec
        self.env: Environment = context.env
        self._context = context
        self._is_over = False
        self.on_over: Callable[[], None] = _nothing
        """Called when no more requests will come and the last one has ended."""
        self.limits: list[Limit] = []
        self.breakers: dict[str, Any] = {}
        self.containers: dict[str, Container] = {}
        self._forgets: list[tuple[str, Callable[[], None]]] = []
        """What is lost beside the rest when a container is killed, by its path."""
        self._network = Network(context, spec)
        self._disruptions = Disruptions(context, spec, self._network)
        self.machines = {
            name: machine.build(context.at("machines").at(name)) for name, machine in spec.machines.items()
        }
        for name in spec.machines:
            self._limit(f"machines.{name}", f"machines.{name}.cores", "machine_cpu")
            self._limit(f"machines.{name}", f"machines.{name}.memory", "machine_memory")
        self.databases = build_databases(
            context.at("databases"), spec.databases, lambda name: self._database_host(f"databases.{name}")
        )
        for name, database in self.databases.items():
            host = self.containers[f"databases.{name}"]
            host.on_killed, host.on_start = database.reset, database.recover
        self.caches = {name: self._cache(name) for name in spec.caches}
        self.services = {
            name: Service(f"services.{name}", service.balancing) for name, service in spec.services.items()
        }
        for name in spec.services:  # services may call one another, so all names exist before any step is compiled
            self._staff(name)
        self._proxies = {name: self._proxy(name) for name in spec.load_balancers}
        self._connections: Connections | None = None
        self._gateway = self._build_gateway()
        for path, forget in self._forgets:
            self.containers[path].on_killed = _both(self.containers[path].on_killed, forget)
        self._disruptions.settle(self)
        self.client = self._build_client(recorder)
        self._workload: Workload = build_workload(
            context.at("traffic"), spec.traffic, list(spec.routes), trace, self.client.send, steps_wanted
        )
        self.client.tell(self._workload.ended)

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

    # building, from the inside out

    def _limit(self, station: str, setting: str, kind: str) -> None:
        self.limits.append(Limit(station, setting, kind))

    def _container(self, context: Context, spec: ContainerSpec, setting: str) -> Container:
        container = Container(self.machines[spec.machine], context, spec)
        self.containers[context.path] = container
        if spec.limits.cpus is not None:
            self._limit(context.path, f"{setting}.limits.cpus", "container_cpu")
        if spec.limits.memory is not None:
            self._limit(context.path, f"{setting}.limits.memory", "container_memory")
        return container

    def _database_host(self, path: str) -> Container:
        name = path.partition(".")[2]
        host = self._container(self._context.at(path), self.spec.databases[name], path)
        self._limit(f"{path}.connections", f"{path}.max_connections", "station")
        return host

    def _database(self, service: str, name: str) -> Any:
        """A database as a service reaches it."""
        return self._network.database(service, self.databases[name], name)

    def _cache(self, name: str) -> Redis:
        spec = self.spec.caches[name]
        context = self._context.at("caches").at(name)
        host = self._container(context, spec, context.path)
        cache = Redis(context, spec, host)
        cache.links = self._network.callers(context.path)
        host.on_killed = cache.clear
        host.on_start = cache.start
        if spec.maxmemory:
            self._limit(context.path, f"{context.path}.maxmemory", "cache_memory")
        return cache

    def _staff(self, name: str) -> None:
        """Give a service its replicas, which share its endpoints' steps."""
        spec = self.spec.services[name]
        context = self._context.at("services").at(name)
        parts = _Parts(self, context.path, spec)
        work = {}
        for endpoint, endpoint_spec in spec.endpoints.items():
            at = context.at("endpoints").at(endpoint)
            work[endpoint] = compile_endpoint(at, name, endpoint, endpoint_spec.steps, parts)
        work = self._disruptions.work(name, work)
        for number in range(1, spec.replicas + 1):
            replica = self._replica(context.at(f"replica-{number}"), spec, f"{name}-{number}", work)
            self.services[name].replicas.append(replica)

    def _replica(self, context: Context, spec: ServiceSpec, name: str, work: dict[str, Any]) -> Replica:
        setting = context.path.rpartition(".")[0]
        host = self._container(context, spec, setting)
        workers = spec.workers
        threads = workers.min_spare_threads if isinstance(workers, TomcatSpec) else workers.loops or host.cpus
        replica = Replica(context, spec, host, name, work, self._jvm(context, spec.jvm, host, threads))
        for pool_name, pool_spec in spec.pools.items():
            at = context.at("pools").at(pool_name)
            replica.pools[pool_name] = Hikari(at, pool_spec, self._database(setting, pool_spec.database))
            self._limit(at.path, f"{setting}.pools.{pool_name}.maximum_pool_size", "station")
        for endpoint_name, endpoint in spec.endpoints.items():
            for step in walk(endpoint.steps):
                if isinstance(step, CallStepSpec) and step.is_guarded:
                    self._guard(context, f"endpoints.{endpoint_name}.steps.{step.name}", spec, step, replica)
        is_tomcat = isinstance(spec.workers, TomcatSpec)
        self._limit(
            f"{context.path}.{'threads' if is_tomcat else 'loops'}",
            f"{setting}.workers.{'threads' if is_tomcat else 'loops'}", "station",
        )  # fmt: skip
        host.on_killed = replica.die
        host.on_start = replica.start
        return replica

    def _guard(self, context: Context, where: str, spec: ServiceSpec, step: CallStepSpec, replica: Replica) -> None:
        """Put what a call step has around its calls into a replica."""
        service, at = context.path.rpartition(".")[0], context.at(where)
        callee = self._network.service(service, self.services[step.service], step.service)
        guards = Guards(at, step, callee, replica.host, replica.host.cpus)
        replica.guards[f"{service}.{where}"] = guards
        if guards.breaker is not None:
            self.breakers[guards.breaker.path] = guards.breaker
        if step.bulkhead is not None:
            self._limit(f"{at.path}.bulkhead", f"{service}.{where}.bulkhead.permits", "station")
        if step.rate_limiter is not None:
            self._limit(f"{at.path}.rate_limiter", f"{service}.{where}.rate_limiter.limit_for_period", "rate")
        pool = step.thread_pool_bulkhead
        if pool is not None:
            given = f"{service}.{where}.thread_pool_bulkhead.max_thread_pool_size"
            default = f"machines.{spec.machine}.cores" if spec.limits.cpus is None else f"{service}.limits.cpus"
            setting = default if pool.max_thread_pool_size is None else given
            self._limit(f"{at.path}.thread_pool_bulkhead", setting, "station")

    def _jvm(self, context: Context, spec: JvmSpec | None, host: Container, threads: int) -> Jvm | None:
        if spec is None:
            return None
        memory = host.spec.limits.memory or self.machines[host.spec.machine].spec.memory
        return Jvm(context, spec, host, host.cpus, memory, threads)

    def _proxy(self, name: str) -> Proxy:
        spec = self.spec.load_balancers[name]
        context = self._context.at("load_balancers").at(name)
        targets = {
            name: self._network.replicas(context.path, service, name) for name, service in self.services.items()
        }
        proxy = Proxy(context, spec, self._container(context, spec, context.path), targets)
        self._forgets.append((context.path, proxy.forget))
        for zone in spec.limit_req:
            self._limit(f"{context.path}.limit_req.{zone}", f"{context.path}.limit_req.{zone}.rate", "rate")
        for zone in spec.limit_conn:
            self._limit(f"{context.path}.limit_conn.{zone}", f"{context.path}.limit_conn.{zone}.connections", "rate")
        for number in range(1, spec.workers + 1):
            self._limit(f"{context.path}.worker-{number}", f"{context.path}.workers", "station")
        self._limit(f"{context.path}.worker_connections", f"{context.path}.worker_connections", "rate")
        for upstream, upstream_spec in spec.upstreams.items():
            if upstream_spec.max_conns:
                at = f"{context.path}.upstreams.{upstream}.max_conns"
                self._limit(at, at, "rate")
        return proxy

    def _build_gateway(self) -> Gateway | None:
        spec = self.spec.gateway
        if spec is None:
            return None
        context = self._context.at("gateway")
        host = self._container(context, spec, "gateway")
        limiters = self._limiters(context, spec)
        bulkheads = {}
        for name, bulkhead in spec.concurrency.items():
            at = context.at("concurrency").at(name)
            bulkheads[name] = bulkhead.build(at)
            self._limit(at.path, f"{at.path}.permits", "station")
        self._limit("gateway.loops", "gateway.loops", "station")
        if spec.connections is not None:
            has_limit = spec.response_timeout is not None
            self._connections = Connections(context.at("connections"), spec.connections, has_limit)
        gateway = Gateway(context, spec, host, limiters, bulkheads)
        jvm = self._gateway_jvm = self._jvm(context, spec.jvm, host, spec.loops or host.cpus)
        host.on_killed = gateway.die if jvm is None else _both(gateway.die, jvm.die)
        self.breakers.update((each.path, each.breaker) for each in gateway.breakers.values())
        return gateway

    def _limiters(self, context: Context, spec: GatewaySpec) -> dict[str, Any]:
        """The gateway's rate limiters; those per user behind the resolver of their key."""
        resolver = None if spec.key_resolver is None else KeyResolver(context, spec.key_resolver)
        limiters: dict[str, Any] = {}
        host = self.containers["gateway"]
        for name, limiter in spec.rate_limits.items():
            at = context.at("rate_limits").at(name)
            cache = None if isinstance(limiter, Bucket4jSpec) else limiter.cache
            if isinstance(limiter, Bucket4jSpec):
                built: Any = limiter.build(at)
            elif isinstance(limiter, SpringRedisSpec):
                services = list(self.spec.services)
                routes = [services.index(route.service) for route in self.spec.routes.values()]
                built = limiter.build(at, self.caches[limiter.cache].scripts("gateway", host), routes)
            else:
                redis = None if limiter.cache is None else self.caches[limiter.cache].scripts("gateway", host)
                built = limiter.build(at, redis)
            self._forgets.append((context.path if cache is None else f"caches.{cache}", built.forget))
            self._limit(at.path, f"{at.path}.{limiter.raised_by}", "rate")
            limiters[name] = built
            if resolver is not None and limiter.key == "user":
                limiters[name] = Keyed(at, resolver, limiters[name])
        return limiters

    def _build_client(self, recorder: Recorder) -> Client:
        ways = [self._way(list(route.through), route.service, route.endpoint) for route in self.spec.routes.values()]
        return build_client(
            self._context.at("traffic").at("client"), self.spec.traffic.client, ways, recorder, self._wake, self._rest
        )

    def _way(self, through: list[str], service: str, endpoint: str) -> tuple[Any, Visit]:
        """Where a route's requests go first, each hop told where to go on."""
        endpoint_spec = self.spec.services[service].endpoints[endpoint]
        visit = Visit(service, endpoint, 0, endpoint_spec.is_idempotent, endpoint_spec.method)
        is_left = self.spec.traffic.client.leaves
        balancers = [name for name in through if name != "gateway"]
        target = f"load_balancers.{balancers[0]}" if balancers else f"services.{service}"
        caller = "gateway" if "gateway" in through else "client"
        if balancers:
            proxy = self._proxies[balancers[0]]
            hop: Any = self._network.hop(caller, target, proxy.for_gateway() if caller == "gateway" else proxy)
        else:
            hop = self._network.service(caller, self.services[service], service)
        if "gateway" in through:
            assert self._gateway is not None
            hop = self._pooled(hop, balancers[0] if balancers else None, service)
            route: Any = self._gateway.route_to(hop, service, target, bool(balancers), is_left)
            route = route if self._gateway_jvm is None else JavaRoute(self._gateway_jvm, route)
            return self._network.hop("client", "gateway", route), visit
        return (hop if balancers or not is_left else _Detached(self.env, hop)), visit

    def _pooled(self, hop: Any, balancer: str | None, service: str) -> Any:
        """The hop over the gateway's pool of connections, where it has a FIXED one."""
        connections = self._connections
        if connections is None:
            return hop
        if balancer is not None:
            hop = PooledProxy(connections, balancer, hop)
            names = [balancer]
        else:
            names = [replica.name for replica in self.services[service].replicas]
            hop = PooledService(connections, hop, names)
        for name in names:
            station = connections.pool(name).path
            if all(limit.station != station for limit in self.limits):
                self._limit(station, "gateway.connections.max_connections", "station")
        return hop


def _both(first: Callable[[], None], then: Callable[[], None]) -> Callable[[], None]:
    def call() -> None:
        first()
        then()

    return call


def _nothing() -> None:
    """Nobody wants to know that the traffic is over."""


class _Detached:
    """No proxy between client and service: the service works on when the client leaves."""

    __slots__ = ("_limit", "_service")

    def __init__(self, env: Environment, service: Service) -> None:
        self._limit = TimeLimit(env, None)
        self._service = service

    def handle(self, request: Request, visit: Visit) -> Activity:
        return self._limit.call(self._service.handle(request, visit))


class _Parts:
    """What the steps of one service use, by name."""

    def __init__(self, system: System, path: str, service: ServiceSpec) -> None:
        self._system = system
        self._path = path
        self._service = service

    def cache(self, name: str) -> Redis:
        return self._system.caches[name]

    def source(self, name: str) -> Source:
        return Source(name, self._service.data_sources.get(name))

    @property
    def open_in_view(self) -> bool:
        return self._service.open_in_view

    def service(self, name: str) -> Any:
        return self._system._network.service(self._path, self._system.services[name], name)

    def is_idempotent(self, service: str, endpoint: str) -> bool:
        return self._system.spec.services[service].endpoints[endpoint].is_idempotent


def assemble(
    spec: SystemSpec, env: Environment, streams: Streams, recorder: Recorder, trace: Trace | None = None,
    steps_wanted: bool = False,
) -> System:  # fmt: skip
    """Build the system that `spec` describes. `trace`: the recorded requests where traffic comes from a file;
    `steps_wanted`: note the time of every step on the requests."""
    return System(Context(env, streams, recorder, ""), spec, recorder, trace, steps_wanted)
