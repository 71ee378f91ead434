# cython: annotation_typing=True
"""A JVM at work: requests allocate, collections stop the world, heaps run out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from models.jvm.g1 import G1Heap
from models.jvm.heap import LEAST_ROOM_BYTES, Heap
from models.jvm.spec import Ergonomics, JvmSpec
from models.jvm.stoppable import StoppableCpu
from models.outcomes import ConnectionRefused, Failed, InstanceDied
from models.request import Request, Visit
from models.spec import Context
from sim.bins import BINS, bin_of
from sim.environment import Activity, Environment
from sim.environment.scheduled import Light

Work = Callable[..., Activity]


class OutOfMemory(Failed):
    """java.lang.OutOfMemoryError: thrown into the request that found no room; the process lives on."""

    reason = "out_of_memory"


class Host(Protocol):
    """The container a JVM runs in."""

    path: str
    cpu: Any
    base_bytes: int
    run: Callable[[float], Any]
    is_up: bool

    def enter(self) -> Any: ...
    def leave(self, light: Any) -> None: ...
    def use_memory(self, delta_bytes: int) -> None: ...
    def kill(self, reason: str, down_for_s: float | None = None) -> None: ...


class Jvm:
    """One JVM. Requests allocate in it: from `begin` to `end`, or all of it by `work_in`."""

    __slots__ = (
        "_allocated_bytes", "_at_work", "_bins", "_collections", "_env", "_full", "_has_thrown", "_heap_level",
        "_held_bytes", "_is_collecting", "_is_marking", "_marking", "_note", "_out_of_memory", "_spare", "_spec",
        "_thread_level", "_threads", "_waiters", "_young", "cpu", "ergonomics", "grows", "heap", "host",
    )  # fmt: skip

    def __init__(self, context: Context, spec: JvmSpec, host: Host, cpus: int, memory_bytes: int, threads: int) -> None:
        """`memory_bytes`: the container's limit, or the machine's memory. `threads`: those it begins with."""
        self._env: Environment = context.env
        self._spec = spec
        self._allocated_bytes = spec.allocation_per_request
        self.grows = False
        """Whether every request at work has a thread, made when it is needed."""
        self.host = host
        self.ergonomics = Ergonomics.of(spec, cpus, memory_bytes)
        self.cpu = StoppableCpu(context.env, host.cpu)
        host.run = self.cpu.run
        self.heap = self._new_heap()
        probe, path = context.probe, f"{context.path}.jvm"
        self._young = probe.tally(f"{path}.young_s")
        self._full = probe.tally(f"{path}.full_s")
        self._bins = [probe.count(f"{path}.pause_bins.{number}") for number in range(BINS)]
        self._marking = probe.tally(f"{path}.marking_s")
        self._out_of_memory = probe.count(f"{path}.out_of_memory")
        self._heap_level = probe.level(f"{path}.heap_bytes", float(self.heap.used))
        self._thread_level = probe.level(f"{path}.threads", float(threads))
        self._spare = self._threads = threads
        self._at_work = self._collections = 0
        self._note = probe.note
        self._has_thrown = False
        self._is_collecting = self._is_marking = False
        self._waiters: list[tuple[Light, int]] = []
        self._held_bytes = self.heap.touched
        start_bytes = self._held_bytes + threads * spec.thread_stack
        host.base_bytes += start_bytes
        host.use_memory(start_bytes)

    def _new_heap(self) -> Heap:
        return (G1Heap if self.ergonomics.collector == "g1" else Heap)(self._spec, self.ergonomics)

    # a request's way

    def begin(self) -> Heap | None:
        """A request is at work from now on and allocates at once: in the heap that this returns, which wants to know
        (`Heap.enter`). None: it has to wait for room (`make_room`). `end`, once it is done."""
        if self.grows:
            self._at_work += 1
            if self._at_work > self._threads:
                self._add_thread()
        heap = self.heap
        if self._is_collecting or not heap.take(self._allocated_bytes):
            return None
        return heap

    def make_room(self, request: Request) -> Activity:
        """Allocate for a request that found no room. Returns the heap where it did."""
        has_room = False
        try:
            yield from self._allocate(request, self._allocated_bytes)
            has_room = True
        finally:
            if not has_room and self.grows:
                self._at_work -= 1
        return self.heap

    def end(self) -> None:
        """A request that was at work is done, and has left the heap."""
        if self.grows:
            self._at_work -= 1

    def work_in(self, work: Work) -> Work:
        """`work` as it is done in this JVM."""

        def done_here(request: Request, *more: Any) -> Activity:
            heap: Heap = self.begin() or (yield from self.make_room(request))
            epoch = heap.enter()
            try:
                yield from work(request, *more)
            finally:
                heap.leave(epoch)
                self.end()

        return done_here

    def _add_thread(self) -> None:
        self._threads += 1
        self._thread_level.set(self._threads)
        self.host.use_memory(self._spec.thread_stack)

    def _allocate(self, request: Request, size: int) -> Activity:
        """Allocate what does not fit at once: fill what is left, have it collected, go on."""
        began_at_s = self._env.now
        has_collected = False
        least = max(self._spec.live_per_request, LEAST_ROOM_BYTES)
        try:
            while True:
                while self._is_collecting:
                    light = self._env.park(self)
                    self._waiters.append((light, light.ticket))
                    yield
                heap = self.heap
                part = min(size, max(0, heap.room))
                if has_collected and heap.is_full and part < min(size, least):
                    self._throw()
                heap.take(part)
                size -= part
                if not size:
                    return
                self._env.start_now(self._collect())
                has_collected = True
        finally:
            request.wait_s += self._env.now - began_at_s

    def withdraw(self, light: Light) -> None:
        """Who waits for a collection is interrupted: its entry is stale from now on."""

    def _throw(self) -> None:
        self._out_of_memory.add()
        if not self._has_thrown:
            self._has_thrown = True
            self._note(self.host.path, "java.lang.OutOfMemoryError: Java heap space")
        if self._spec.exit_on_out_of_memory:
            self.host.kill("out of memory: its heap is exhausted")
            raise InstanceDied(self.host.path)
        raise OutOfMemory(self.host.path)

    # the collector

    def _collect(self) -> Activity:
        """One pause: no thread of the application runs until it is over."""
        self._is_collecting = True
        self._collections += 1
        number, began_at_s = self._collections, self._env.now
        heap = self.heap
        self._heap_level.set(heap.used)
        self.cpu.stop()
        collection = heap.collect(began_at_s)
        yield from self._burn(collection.work_s, collection.threads)
        if number != self._collections:
            return  # the process has died meanwhile
        pause_s = self._env.now - began_at_s
        (self._full if collection.is_full else self._young).observe(pause_s)
        self._bins[bin_of(pause_s)].add()
        self._heap_level.set(heap.used)
        self._is_collecting = False
        self._hold(heap.touched)
        self.cpu.go_on()
        self._mark()
        waiters, self._waiters = self._waiters, []
        for light, ticket in waiters:
            if light.ticket == ticket:
                self._env.wake(light)

    def _burn(self, work_s: float, threads: int) -> Activity:
        """The collector's own threads, within the container's quota."""
        light = self._env.active
        assert light is not None
        left = threads

        def done() -> None:
            nonlocal left
            left -= 1
            if not left:
                self._env.wake(light)

        for _ in range(threads):
            self.cpu.cpu.start(work_s / threads, done)
        yield

    def _hold(self, touched: int) -> None:
        """The process holds what it has ever touched of its heap."""
        if touched > self._held_bytes:
            self.host.use_memory(touched - self._held_bytes)
            self._held_bytes = touched

    def _mark(self) -> None:
        heap = self.heap
        if isinstance(heap, G1Heap) and not self._is_marking and heap.marking_s:
            self._is_marking = True
            self._env.start(self._mark_beside(heap))

    def _mark_beside(self, heap: G1Heap) -> Activity:
        """Concurrent marking: a thread that takes CPU from the others."""
        began_at_s = self._env.now
        yield self.cpu.run(heap.marking_s)
        self._marking.observe(self._env.now - began_at_s)
        heap.end_marking()
        self._is_marking = False

    def die(self) -> None:
        """The container was killed: a new process begins with a new heap and few threads."""
        self.cpu.clear()
        self._collections += 1
        self._is_collecting = self._is_marking = self._has_thrown = False
        self._waiters.clear()
        self.heap = self._new_heap()
        self._heap_level.set(float(self.heap.used))
        self._held_bytes = self.heap.touched
        self._threads = self._spare
        self._thread_level.set(self._threads)


class JavaRoute:
    """A way through a process in a JVM: what goes this way allocates there first."""

    __slots__ = ("_jvm", "_route")

    def __init__(self, jvm: Jvm, route: Any) -> None:
        self._jvm = jvm
        self._route = route

    def handle(self, request: Request, visit: Visit) -> Activity:
        jvm = self._jvm
        host = jvm.host
        if not host.is_up:
            raise ConnectionRefused(host.path)
        light = host.enter()
        try:
            heap: Heap = jvm.begin() or (yield from jvm.make_room(request))
            epoch = heap.enter()
            try:
                yield from self._route.handle(request, visit)
            finally:
                heap.leave(epoch)
                jvm.end()
        finally:
            host.leave(light)
