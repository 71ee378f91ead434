"""Bulkhead with a thread pool: calls run on threads of its own, behind a queue of its own.

Models   java.util.concurrent.ThreadPoolExecutor: a call has a new thread while there are fewer than `core`; then one
         that is idle, a place in the queue, a new thread while there are fewer than `max`, in this order; else it is
         refused. So a call that finds the queue full overtakes those in it. Threads above `core` end when they have
         been idle for a while. A call whose caller has left runs nevertheless, and keeps its thread until it is done.
Units    Integer nanoseconds in the rule.
Source   Resilience4j 2.3, bulkhead/internal/FixedThreadPoolBulkhead.java, ThreadPoolBulkheadConfig.java; OpenJDK 17,
         java/util/concurrent/ThreadPoolExecutor.java; processors as the JVM counts them (cgroupUtil_linux.cpp).
Omits    The cost of a new thread; virtual threads; other handlers of what is refused.
Checked  experiments/validation/thread_pool_bulkhead.py, tests/unit/test_thread_pool_bulkhead_spec.py,
         tests/properties/test_guards.py
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Protocol

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from models.outcomes import ConcurrencyLimited, InstanceDied
from models.request import Request
from models.spec import Context, NonNegativeDuration, Spec
from sim.environment import Activity, Light
from sim.errors import Failure

_FROM = "(Resilience4j 2.3)"


class ThreadPoolBulkheadSpec(Spec):
    """Resilience4j's settings, under its own names."""

    core_thread_pool_size: PositiveInt | None = Field(
        default=None, description=f"Threads that stay. Default: processors of the JVM - 1, at least 1 {_FROM}."
    )
    max_thread_pool_size: PositiveInt | None = Field(
        default=None, description=f"Threads at most. Default: processors of the JVM {_FROM}."
    )
    queue_capacity: NonNegativeInt = Field(
        default=100, description=f"Calls that wait for a thread at most. Default 100 {_FROM}."
    )
    keep_alive_duration: NonNegativeDuration = Field(
        default=0.02,
        description=f"How long a thread above the core is idle before it ends, in whole ms. Default 20ms {_FROM}.",
    )

    @model_validator(mode="after")
    def _core_fits(self) -> ThreadPoolBulkheadSpec:
        core, most = self.core_thread_pool_size, self.max_thread_pool_size
        if core is not None and most is not None and core > most:
            raise ValueError(
                f"core_thread_pool_size must be at most max_thread_pool_size, got {core} and {most}. Lower it."
            )
        return self

    def sizes(self, processors: int) -> tuple[int, int]:
        """Core and largest number of threads in a JVM with so many processors; max below core is refused there."""
        core, most = self.core_thread_pool_size, self.max_thread_pool_size
        return (max(1, processors - 1) if core is None else core, processors if most is None else most)

    def build(self, context: Context, host: Host, processors: int) -> ThreadPoolBulkhead:
        return ThreadPoolBulkhead(context, self, host, processors)


class Fate(Enum):
    """What becomes of a call that is submitted."""

    RUNS = "runs"
    QUEUED = "queued"
    REFUSED = "refused"


class ThreadPoolRule:
    """Which calls run, wait or are refused. Decides; never waits. `now_ns` never falls."""

    __slots__ = ("_capacity", "_core", "_idle_since_ns", "_keep_alive_ns", "_most", "queued", "threads")

    def __init__(self, core: int, most: int, capacity: int, keep_alive_ns: int) -> None:
        self._core = core
        self._most = most
        self._capacity = capacity
        self._keep_alive_ns = keep_alive_ns
        self._idle_since_ns: deque[int] = deque()
        self.threads = 0
        """Threads there are, idle ones included."""
        self.queued = 0

    def submit(self, now_ns: int) -> Fate:
        self._end_idle(now_ns)
        if self.threads < self._core:
            self.threads += 1
            return Fate.RUNS
        if self._idle_since_ns:
            self._idle_since_ns.popleft()
            return Fate.RUNS
        if self.queued < self._capacity:
            self.queued += 1
            return Fate.QUEUED
        if self.threads < self._most:
            self.threads += 1
            return Fate.RUNS
        return Fate.REFUSED

    def finish(self, now_ns: int) -> bool:
        """A thread is done with its call. Returns whether it goes on with the longest waiting one."""
        if self.queued:
            self.queued -= 1
            return True
        self._idle_since_ns.append(now_ns)
        return False

    def _end_idle(self, now_ns: int) -> None:
        idle = self._idle_since_ns
        while idle and self.threads > self._core and idle[0] + self._keep_alive_ns <= now_ns:
            idle.popleft()
            self.threads -= 1


class Host(Protocol):
    """The container whose threads these are."""

    path: str

    def enter(self) -> Light: ...
    def leave(self, light: Light) -> None: ...


class _Task:
    """A call that was submitted, and who waits for it."""

    __slots__ = ("caller", "came_at_s", "failure", "is_done", "request", "work")

    def __init__(self, request: Request, work: Activity, came_at_s: float) -> None:
        self.request = request
        self.work = work
        self.came_at_s = came_at_s
        self.caller: Light | None = None
        self.failure: Failure | None = None
        self.is_done = False

    def withdraw(self, light: Light) -> None:
        """The caller leaves: the call stays where it is."""
        self.caller = None


class ThreadPoolBulkhead:
    """`yield from bulkhead.call(request, work)` runs `work` on one of its threads, or raises `ConcurrencyLimited`."""

    __slots__ = ("_env", "_host", "_queue", "_rule", "_sizes", "_station", "path")

    def __init__(self, context: Context, spec: ThreadPoolBulkheadSpec, host: Host, processors: int) -> None:
        core, most = spec.sizes(processors)
        if core > most:
            raise ValueError(f"{context.path}: {core} core threads are more than {most} at most")
        self.path = context.path
        self._env = context.env
        self._host = host
        keep_alive_ns = round(spec.keep_alive_duration * 1e9) // 1_000_000 * 1_000_000
        self._sizes = (core, most, spec.queue_capacity, keep_alive_ns)
        self._station = context.probe.station(context.path, most, "thread")
        self._rule = ThreadPoolRule(*self._sizes)
        self._queue: deque[_Task] = deque()

    def call(self, request: Request, work: Activity) -> Activity:
        """Run `work`, a process of this replica. Raises `ConcurrencyLimited`, or the failure that ended it."""
        env = self._env
        fate = self._rule.submit(self._now_ns())
        if fate is Fate.REFUSED:
            self._station.refuse()
            raise ConcurrencyLimited(self.path)
        task = _Task(request, work, env.now)
        if fate is Fate.RUNS:
            self._station.start()
            env.start_now(self._thread(task, self._rule, self._queue))
        else:
            self._station.wait()
            self._queue.append(task)
        if not task.is_done:
            task.caller = env.park(task)
            yield
        if task.failure is not None:
            raise task.failure

    def restart(self) -> None:
        """Its process has died: who waited is gone, who ran is being told, and the next one begins without threads."""
        for _ in self._queue:
            self._station.leave()
        self._rule = ThreadPoolRule(*self._sizes)
        self._queue = deque()

    def _thread(self, task: _Task, rule: ThreadPoolRule, queue: deque[_Task]) -> Activity:
        """A thread: one call after another while any wait; then it is idle, which needs no process."""
        light = self._host.enter()
        station = self._station
        try:
            while True:
                task.request.wait_s += self._env.now - task.came_at_s
                yield from self._carry(task)
                if not rule.finish(self._now_ns()):
                    return
                task = queue.popleft()
                station.pass_on()
        except InstanceDied:
            return  # the process it was a thread of; `restart` has seen to the rest
        finally:
            station.end()
            self._host.leave(light)

    def _carry(self, task: _Task) -> Activity:
        """One call, and word to whoever waits for it. Raises only when this process itself dies."""
        try:
            yield from task.work
        except Failure as failure:
            task.failure = failure
        task.is_done = True
        caller, task.caller = task.caller, None
        if caller is not None:
            self._env.wake(caller)
        end = task.failure
        if isinstance(end, InstanceDied) and end.path == self._host.path:
            raise end

    def _now_ns(self) -> int:
        return int(self._env.now * 1e9 + 0.5)
