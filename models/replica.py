# cython: annotation_typing=True
"""One instance of a service: its worker threads or event loops, its memory, its cold start.

Models   Tomcat: a request holds a connection and one of `threads` from its first step to its last; the next ones wait
         in an unbounded queue, nobody is refused; beyond `max_connections` they wait in the kernel, then outside
         (`models.listener`). Event loops: a request waits only for its connection's loop, while it burns CPU; handlers
         and steps that block keep their loop (`models.event_loops`). A request to a replica that is down is refused;
         one that is in a replica when it dies fails. After a start the first bursts take more CPU, and compiler
         threads burn theirs beside them (cold start: JIT, caches). With `jvm`, requests allocate, and collections
         stop them (`models.jvm`).
Source   Tomcat 10.1 (200 threads, threads grow to the maximum before the queue is used; AbstractEndpoint, TaskQueue);
         Reactor Netty (max(4, CPUs) loops; LoopResources); OpenJDK 17 (compilation after 200 and 5000 calls).
Omits    Idle keep-alive connections; Tomcat's threads that end after a minute of idleness.
Checked  tests/unit/test_replica.py, experiments/validation/tomcat.py, experiments/validation/reactor_netty.py
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Protocol

from pydantic import Field, NonNegativeInt, PositiveInt

from models.event_loops import Loops, default_loops
from models.host import Host
from models.jvm import JvmSpec
from models.jvm.heap import Heap
from models.jvm.jvm import Jvm
from models.listener import Listener, SynBackoff
from models.outcomes import ConnectionRefused
from models.request import Request, Visit
from models.spec import Context, NonNegativeDuration, NonNegativeSize, Spec
from models.step import Endpoint, Step
from sim.environment import Activity
from sim.resources import Permits


class TomcatSpec(Spec):
    """A thread per request."""

    kind: Literal["tomcat"] = "tomcat"
    threads: PositiveInt = Field(
        default=200, description="Worker threads. Tomcat's default: 200 (server.tomcat.threads.max)."
    )
    min_spare_threads: NonNegativeInt = Field(
        default=10,
        description="Threads it begins with; where there is a jvm, further ones take memory once they are needed. "
        "Tomcat's default: 10 (server.tomcat.threads.min-spare).",
    )
    max_connections: PositiveInt = Field(
        default=8192,
        description="Connections accepted at once; a request in progress counts as one. Tomcat's default: 8192 "
        "(server.tomcat.max-connections).",
    )
    accept_count: NonNegativeInt = Field(
        default=100,
        description="Backlog of the listening socket beyond them, of which Linux grants 4096 at most; SYNs that find "
        "it full are dropped. Tomcat's default: 100 (server.tomcat.accept-count).",
    )
    syn_backoff: SynBackoff = Field(
        default="linear",
        description="When the caller's kernel sends a dropped SYN again: after 1, 2, 3, 4, 5, 7, 11 s (linear, Linux "
        "since 6.5) or 1, 3, 7, 15 s (exponential, before). Default linear.",
    )


class EventLoopSpec(Spec):
    """A few loops that never wait; a request holds one only while it burns CPU."""

    kind: Literal["event_loop"] = "event_loop"
    loops: PositiveInt | None = Field(
        default=None, description="Event loops. Default: max(4, CPUs that the JVM sees) (Reactor Netty)."
    )
    blocking: bool = Field(
        default=False,
        description="Handlers block (JDBC, RestTemplate): a request keeps its loop while it waits for databases, "
        "caches and calls, and stalls everybody else there. Default: they do not, except in steps that say so.",
    )


WorkersSpec = Annotated[TomcatSpec | EventLoopSpec, Field(discriminator="kind")]


class InstanceSpec(Spec):
    """What a replica needs to know of its service beyond its container."""

    workers: WorkersSpec = Field(default_factory=TomcatSpec, description="How requests are worked on.")
    memory_per_request: NonNegativeSize = Field(
        default=0, description="Memory a request holds while it is in the replica; with a jvm, beside its heap."
    )
    cold_factor: float = Field(
        default=1.0, ge=1.0, description="CPU of the first request after a restart, relative to a warm one (assumed)."
    )
    cold_requests: NonNegativeInt = Field(
        default=0, description="CPU bursts of requests until a restarted replica is warm (assumed)."
    )
    starts_cold: bool = Field(
        default=False, description="Whether replicas are cold at the very start, too. Default: they have long been up."
    )
    compile_cpu: NonNegativeDuration = Field(
        default=0.0,
        description="CPU time that the JIT compiler's threads burn beside requests while a replica is cold (assumed).",
    )
    jvm: JvmSpec | None = Field(
        default=None, description="Heap, collector and threads of the JVM it runs in. Default: not modelled."
    )


class Pool(Protocol):
    """A connection pool that lives and dies with the replica."""

    path: str

    def take_idle(self) -> Any:
        """A connection that can be lent at once, or None: then `borrow` is the way."""
        ...

    def borrow(self, request: Request, /) -> Activity: ...
    def give_back(self, connection: Any, /, broken: bool = False) -> None: ...
    def start(self) -> Activity: ...
    def start_warm(self) -> None: ...
    def close(self) -> None: ...


class Guards(Protocol):
    """Retry, breaker, bulkhead and so on around the calls of one step."""

    def call(self, request: Request, visit: Visit, /) -> Activity: ...
    def restart(self) -> None: ...


class Work(Protocol):
    """What a visit makes the replica do: the steps of an endpoint."""

    def __call__(self, request: Request, visit: Visit, replica: Replica, /) -> Activity: ...


class Replica:
    """One instance. `handle` is the request's way through it."""

    __slots__ = (
        "_bare", "_cold_left", "_compile_s", "_env", "_is_blocking", "_jvm", "_listener", "_loops", "_memory_bytes",
        "_path", "_spec", "_threads", "_work", "guards", "host", "in_progress", "name", "pools", "waste_cpu",
    )  # fmt: skip

    def __init__(
        self, context: Context, spec: InstanceSpec, host: Host, name: str, work: dict[str, Work], jvm: Jvm | None = None
    ) -> None:
        self._env = context.env
        self._path = context.path
        self._spec = spec
        self._memory_bytes: int = spec.memory_per_request
        self._jvm = jvm
        self._work: dict[str, Any] = dict(work)
        self._bare: dict[str, list[Step] | None] = {
            endpoint: each.steps if isinstance(each, Endpoint) else None for endpoint, each in work.items()
        }
        """The steps of the endpoints that are nothing but steps."""
        if jvm is not None:
            jvm.grows = isinstance(spec.workers, TomcatSpec)
            if not jvm.grows:
                self._work = {endpoint: jvm.work_in(each) for endpoint, each in work.items()}
        self.host = host
        self.name = name
        self.in_progress = 0
        self.pools: dict[str, Pool] = {}
        """This replica's own connection pools, by name; assembly fills them in."""
        self.guards: dict[str, Guards] = {}
        """What stands around this replica's calls of other services, by the path of the step."""
        self._cold_left = spec.cold_requests if spec.starts_cold else 0
        self._compile_s = spec.compile_cpu / spec.cold_requests if spec.cold_requests else 0.0
        self._threads: Permits | None = None
        self._loops: Loops | None = None
        self._is_blocking = False
        workers = spec.workers
        if isinstance(workers, TomcatSpec):
            station = context.probe.station(f"{context.path}.threads", workers.threads, "thread")
            self._threads = Permits(context.env, workers.threads, station)
            self._listener = Listener(context, workers.max_connections, workers.accept_count, workers.syn_backoff)
        else:
            loops = workers.loops or default_loops(host.cpus)
            station = context.probe.station(f"{context.path}.loops", loops, "loop")
            self._loops = Loops(context.env, loops, station)
            self._is_blocking = workers.blocking
        self.waste_cpu = context.probe.tally(f"{context.path}.waste_cpu_s")
        """CPU time burned for requests whose client had left."""

    def handle(self, request: Request, visit: Visit) -> Activity:
        """Work on a visit. Raises `CallFailure`."""
        host: Host = self.host
        if not host.is_up:
            raise ConnectionRefused(self._path)
        request.replica = self.name
        memory_bytes = self._memory_bytes
        light = host.enter()
        self.in_progress += 1
        if memory_bytes:
            host.use_memory(memory_bytes)
        try:
            threads = self._threads
            if threads is None:
                if self._is_blocking:
                    yield from self.block(request, self._work[visit.endpoint](request, visit, self))
                else:
                    yield from self._work[visit.endpoint](request, visit, self)
                return
            listener = self._listener
            if listener.accepted < listener.limit:
                listener.accepted += 1
            else:
                yield from listener.connect(request)
            try:
                if not threads.acquire():
                    queued_at_s = self._env.now
                    yield
                    request.wait_s += self._env.now - queued_at_s
                jvm = self._jvm
                heap: Heap | None = None
                epoch = 0
                try:
                    if jvm is not None:
                        heap = jvm.begin() or (yield from jvm.make_room(request))
                        epoch = heap.enter()
                    steps: list[Step] | None = self._bare[visit.endpoint]
                    if steps is None or request.steps_s is not None:
                        yield from self._work[visit.endpoint](request, visit, self)
                    else:
                        step: Step
                        for step in steps:  # `take`, and `burn` for a step that is nothing else
                            if step.luck is None or step.is_taken(request, visit):
                                if step.is_burst:
                                    demand_s: float = step.demand_s(request, visit)
                                    if self._cold_left:
                                        demand_s = self._burn_cold(demand_s)
                                    began_at_s: float = self._env.now
                                    throttled_s = yield host.run(demand_s)
                                    self._note_burst(request, demand_s, began_at_s, throttled_s)
                                else:
                                    yield from step.process(request, visit, self)
                finally:
                    if jvm is not None and heap is not None:
                        heap.leave(epoch)
                        jvm.end()
                    threads.release()
            finally:
                if listener.waiting:
                    listener.close()
                else:
                    listener.accepted -= 1
        finally:
            self.in_progress -= 1
            host.leave(light)
            if memory_bytes:
                host.use_memory(-memory_bytes)

    def block(self, request: Request, work: Activity) -> Activity:
        """Work on the loop of the request's connection, which is kept until that is done."""
        assert self._loops is not None
        loop = self._loops.of(request.user)
        if not loop.acquire():
            queued_at_s = self._env.now
            yield
            request.wait_s += self._env.now - queued_at_s
        try:
            yield from work
        finally:
            loop.release()

    def burn(self, request: Request, demand_s: float) -> Activity:
        """Burn CPU for a request: in its thread, or on its connection's loop, which it may have to wait for."""
        host: Host = self.host
        if self._cold_left:
            demand_s = self._burn_cold(demand_s)
        began_at_s = self._env.now
        loops = self._loops
        if loops is None or self._is_blocking:
            throttled_s = yield host.run(demand_s)
        else:
            loop = loops.of(request.user)
            _ = loop.acquire() or (yield)
            try:
                throttled_s = yield host.run(demand_s)
            finally:
                loop.release()
        self._note_burst(request, demand_s, began_at_s, throttled_s)

    def _burn_cold(self, demand_s: float) -> float:
        """What a burst takes in fact while the replica is cold: more, and compilers work beside it."""
        demand_s *= 1.0 + (self._spec.cold_factor - 1.0) * self._cold_left / self._spec.cold_requests
        self._cold_left -= 1
        if self._compile_s:
            self.host.burn_aside(self._compile_s)
        return demand_s

    def _note_burst(self, request: Request, demand_s: float, began_at_s: float, throttled_s: Any) -> None:
        """A burst is over: what of its time was work, and what was waiting."""
        burned_s: float = demand_s / self.host.speed
        request.cpu_s += burned_s
        waited_s: float = self._env.now - began_at_s - burned_s
        if throttled_s:
            request.throttled_s += throttled_s
            waited_s -= throttled_s
        if waited_s > 0.0:  # not the rounding of a burst that had its core to itself
            request.wait_s += waited_s
        if request.outcome is not None:
            self.waste_cpu.observe(demand_s)

    def die(self) -> None:
        """The container was killed: the replica's connections are gone with it, and what its guards knew."""
        for guards in self.guards.values():
            guards.restart()
        for pool in self.pools.values():
            pool.close()
        if self._jvm is not None:
            self._jvm.die()

    def start(self) -> Activity:
        """What a restart does once its process runs: fill the pools. The first requests will be slow."""
        for pool in self.pools.values():
            yield from pool.start()
        self._cold_left = self._spec.cold_requests
