"""Resilience4j's bulkhead with a thread pool: the growth of java.util.concurrent.ThreadPoolExecutor."""

from __future__ import annotations

from typing import Any

from experiments.validation.check import Component, expect
from models.outcomes import ConcurrencyLimited
from models.request import Request
from models.spec import Context
from models.thread_pool_bulkhead import Fate, ThreadPoolBulkheadSpec, ThreadPoolRule
from sim.environment import Activity, Environment, Light
from sim.probe import NullProbe

THREAD_POOL_BULKHEAD = Component(
    "Resilience4j ThreadPoolBulkhead",
    version="2.3.0 on OpenJDK 17",
    source="resilience4j: bulkhead/internal/FixedThreadPoolBulkhead.java, ThreadPoolBulkheadConfig.java; "
    "java/util/concurrent/ThreadPoolExecutor.java",
    section="2.2",
)
MS = 1_000_000


class Host:
    """A container in which nothing dies."""

    path = "host"

    def __init__(self, env: Environment) -> None:
        self._env = env

    def enter(self) -> Light:
        assert self._env.active is not None
        return self._env.active

    def leave(self, light: Light) -> None:
        return None


def run(times_s: list[float], work_s: float, processors: int = 1, **settings: Any) -> list[tuple[int, str, float]]:
    """What becomes of calls made at `times_s` that work for `work_s`: number, what, when, in order of time."""
    env = Environment()
    context = Context(env, None, NullProbe(env), "pool")  # type: ignore[arg-type]
    pool = ThreadPoolBulkheadSpec(**settings).build(context, Host(env), processors)
    log: list[tuple[int, str, float]] = []

    def work(number: int) -> Activity:
        log.append((number, "runs", env.now))
        yield work_s

    def call(number: int) -> Activity:
        try:
            yield from pool.call(Request(0, 0, 0, 0, 0, env.now), work(number))
        except ConcurrencyLimited:
            log.append((number, "refused", env.now))

    for number, at_s in enumerate(times_s):
        env.start(call(number), delay=at_s)
    env.run()
    return log


@THREAD_POOL_BULKHEAD.check(
    "ThreadPoolBulkhead: core = max(1, CPUs−1), max = CPUs, queue 100",
    "4 CPUs: 3 run, 100 wait, then a 4th thread, then refused",
)
def _defaults() -> None:
    expect([ThreadPoolBulkheadSpec().sizes(cpus) for cpus in (1, 2, 4)], [(1, 1), (1, 2), (3, 4)])
    rule = ThreadPoolRule(*ThreadPoolBulkheadSpec().sizes(4), 100, 20 * MS)
    fates = [rule.submit(0) for _ in range(105)]
    expect(fates, [Fate.RUNS] * 3 + [Fate.QUEUED] * 100 + [Fate.RUNS, Fate.REFUSED])
    expect(ThreadPoolBulkheadSpec().keep_alive_duration, 0.02)


@THREAD_POOL_BULKHEAD.check(
    "core 1, max 2, queue 1: four calls at once", "runs, waits, overtakes the waiting one, refused"
)
def _growth() -> None:
    log = run([0.0] * 4, 1.0, core_thread_pool_size=1, max_thread_pool_size=2, queue_capacity=1)
    expect(log, [(0, "runs", 0.0), (2, "runs", 0.0), (3, "refused", 0.0), (1, "runs", 1.0)])


@THREAD_POOL_BULKHEAD.check("queue 0 (SynchronousQueue)", "a call needs a thread at once: core, then max, then refused")
def _no_queue() -> None:
    log = run([0.0] * 3 + [1.5], 1.0, core_thread_pool_size=1, max_thread_pool_size=2, queue_capacity=0)
    expect(log, [(0, "runs", 0.0), (1, "runs", 0.0), (2, "refused", 0.0), (3, "runs", 1.5)])


@THREAD_POOL_BULKHEAD.check("keepAliveDuration 20 ms", "idle threads above the core serve within it, and end after it")
def _keep_alive() -> None:
    for later_ms, fate in ((19, Fate.RUNS), (20, Fate.QUEUED)):
        rule = ThreadPoolRule(1, 2, 1, 20 * MS)
        for _ in range(3):
            rule.submit(0)
        for _ in range(3):
            rule.finish(0)
        expect((rule.threads, rule.submit(later_ms * MS)), (2, Fate.RUNS))
        expect(rule.submit(later_ms * MS), fate, f"{later_ms} ms later")
        expect(rule.threads, 2 if fate is Fate.RUNS else 1)
