"""One instance of a service: its worker threads or event loops, its memory, its cold start.

Models   Tomcat: a request holds one of `threads` from its first step to its last; the next ones wait in an unbounded
         queue, nobody is refused. Event loops: a request waits only for the loop that burns its CPU. A request to a
         replica that is down is refused; one that is in a replica when it dies fails. After a restart the first
         requests burn more CPU (cold start: caches and JIT).
Source   Tomcat 10.1 (200 threads, threads grow to the maximum before the queue is used; AbstractEndpoint, TaskQueue);
         Reactor Netty (max(4, CPUs) loops; LoopResources).
Omits    The OS backlog beyond 8192 connections; spare-thread creation; garbage collection; keep-alive connections.
Checked  tests/unit/test_replica.py, tests/fidelity/test_tomcat.py
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Protocol

from pydantic import Field, NonNegativeInt, PositiveInt

from models.outcomes import ConnectionRefused
from models.request import Request, Visit
from models.spec import Context, NonNegativeSize, Spec
from sim.environment import Activity, Light
from sim.resources import Permits


class TomcatSpec(Spec):
    """A thread per request."""

    kind: Literal["tomcat"] = "tomcat"
    threads: PositiveInt = Field(
        default=200, description="Worker threads. Tomcat's default: 200 (server.tomcat.threads.max)."
    )


class EventLoopSpec(Spec):
    """A few loops that never wait; a request holds one only while it burns CPU."""

    kind: Literal["event_loop"] = "event_loop"
    loops: PositiveInt = Field(default=4, description="Event loops. Reactor Netty's default: max(4, CPUs).")


WorkersSpec = Annotated[TomcatSpec | EventLoopSpec, Field(discriminator="kind")]


class InstanceSpec(Spec):
    """What a replica needs to know of its service beyond its container."""

    workers: WorkersSpec = Field(default_factory=TomcatSpec, description="How requests are worked on.")
    memory_per_request: NonNegativeSize = Field(
        default=0, description="Memory a request holds while it is in the replica."
    )
    cold_factor: float = Field(
        default=1.0, ge=1.0, description="CPU of the first request after a restart, relative to a warm one (assumed)."
    )
    cold_requests: NonNegativeInt = Field(
        default=0, description="Requests until a restarted replica is warm (assumed)."
    )


class Host(Protocol):
    """The container a replica runs in."""

    is_up: bool
    is_listed: bool
    is_started: bool
    path: str
    speed: float

    def run(self, demand_s: float, /) -> Any: ...
    def use_memory(self, delta_bytes: int) -> None: ...
    def enter(self) -> Light: ...
    def leave(self, light: Light) -> None: ...


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
        "_busy_loops", "_cold_left", "_env", "_memory_bytes", "_path", "_spec", "_threads", "_work", "guards", "host",
        "in_progress", "name", "pools", "waste_cpu",
    )  # fmt: skip

    def __init__(self, context: Context, spec: InstanceSpec, host: Host, name: str, work: dict[str, Work]) -> None:
        self._env = context.env
        self._path = context.path
        self._spec = spec
        self._memory_bytes = spec.memory_per_request
        self._work = work
        self.host = host
        self.name = name
        self.in_progress = 0
        self.pools: dict[str, Pool] = {}
        """This replica's own connection pools, by name; assembly fills them in."""
        self.guards: dict[str, Guards] = {}
        """What stands around this replica's calls of other services, by the path of the step."""
        self._cold_left = 0
        self._threads: Permits | None = None
        self._busy_loops: Permits | None = None
        workers = spec.workers
        if isinstance(workers, TomcatSpec):
            station = context.probe.station(f"{context.path}.threads", workers.threads, "thread")
            self._threads = Permits(context.env, workers.threads, station)
        else:
            station = context.probe.station(f"{context.path}.loops", workers.loops, "loop")
            self._busy_loops = Permits(context.env, workers.loops, station)
        self.waste_cpu = context.probe.tally(f"{context.path}.waste_cpu_s")
        """CPU time burned for requests whose client had left."""

    def handle(self, request: Request, visit: Visit) -> Activity:
        """Work on a visit. Raises `CallFailure`."""
        host = self.host
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
                yield from self._work[visit.endpoint](request, visit, self)
                return
            if not threads.acquire():
                queued_at_s = self._env.now
                yield
                request.wait_s += self._env.now - queued_at_s
            try:
                yield from self._work[visit.endpoint](request, visit, self)
            finally:
                threads.release()
        finally:
            self.in_progress -= 1
            host.leave(light)
            if memory_bytes:
                host.use_memory(-memory_bytes)

    def burn(self, request: Request, demand_s: float) -> Activity:
        """Burn CPU for a request: in its thread, or on a loop it has to wait for."""
        env, host = self._env, self.host
        if self._cold_left:
            demand_s *= 1.0 + (self._spec.cold_factor - 1.0) * self._cold_left / self._spec.cold_requests
            self._cold_left -= 1
        began_at_s = env.now
        loops = self._busy_loops
        if loops is None:
            throttled_s = yield host.run(demand_s)
        else:
            _ = loops.acquire() or (yield)
            try:
                throttled_s = yield host.run(demand_s)
            finally:
                loops.release()
        burned_s = demand_s / host.speed
        request.cpu_s += burned_s
        waited_s = env.now - began_at_s - burned_s
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

    def start(self) -> Activity:
        """What a restart does once its process runs: fill the pools. The first requests will be slow."""
        for pool in self.pools.values():
            yield from pool.start()
        self._cold_left = self._spec.cold_requests
