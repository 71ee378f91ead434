"""Resilience4j's semaphore bulkhead, and the concurrency limits of the guide."""

from __future__ import annotations

from typing import Any

from experiments.validation.check import Component, expect
from models.bulkhead import Bulkhead, BulkheadSpec
from models.outcomes import ConcurrencyLimited
from models.request import Request
from models.spec import Context
from sim.environment import Activity, Environment
from sim.probe import NullProbe

BULKHEAD = Component(
    "Resilience4j Bulkhead",
    version="2.3.0",
    source="resilience4j: bulkhead/internal/SemaphoreBulkhead.java, BulkheadConfig.java",
    section="2.2",
)
Log = list[tuple[str, float]]


def build(env: Environment, **settings: Any) -> Bulkhead:
    return BulkheadSpec(**settings).build(Context(env, None, NullProbe(env), "bulkhead"))  # type: ignore[arg-type]


def offer(env: Environment, bulkhead: Bulkhead, at_s: float, hold_s: float, log: Log) -> None:
    """One request that keeps its permit for `hold_s`; `log` has what became of it, and when."""
    request = Request(0, 0, 0, 0, 0, at_s)

    def work() -> Activity:
        try:
            if bulkhead.waits:
                yield from bulkhead.enter(request)
            else:
                bulkhead.take()
        except ConcurrencyLimited:
            log.append(("refused", env.now))
            return
        log.append(("admitted", env.now))
        expect(request.wait_s, env.now - at_s)
        try:
            yield hold_s
        finally:
            bulkhead.release()

    env.start(work(), delay=at_s)


@BULKHEAD.check("Bulkhead 25 permits, maxWait 0", "the 26th request in progress is refused at once")
def _defaults() -> None:
    env = Environment()
    bulkhead = build(env)
    expect(bulkhead.waits, False)
    log: Log = []
    for _ in range(27):
        offer(env, bulkhead, 0.0, 1.0, log)
    offer(env, bulkhead, 1.5, 1.0, log)
    env.run()
    expect(log, [("admitted", 0.0)] * 25 + [("refused", 0.0)] * 2 + [("admitted", 1.5)])
    expect(bulkhead.in_use, 0)


@BULKHEAD.check("Bulkhead fair FIFO", "who waits longest enters first; a wait that is over is refused")
def _fair() -> None:
    env = Environment()
    bulkhead = build(env, permits=1, max_wait="1s")
    log: Log = []
    for at_s in (0.0, 0.1, 0.2, 0.3, 0.4):
        offer(env, bulkhead, at_s, 0.5, log)
    env.run()
    # Permits pass on at 0.5 and 1.0; at 1.3 and 1.4 the last two have waited a second.
    expect(log, [("admitted", 0.0), ("admitted", 0.5), ("admitted", 1.0), ("refused", 1.3), ("refused", 1.4)])
    expect((bulkhead.in_use, bulkhead.waiting), (0, 0))


@BULKHEAD.check("maxWaitDuration.toMillis()", "the wait is cut to whole milliseconds: 900us is none, 2.9 ms are 2")
def _whole_milliseconds() -> None:
    env = Environment()
    expect(build(env, max_wait="900us").waits, False)
    bulkhead = build(env, permits=1, max_wait="2900us")
    log: Log = []
    for _ in range(2):
        offer(env, bulkhead, 0.0, 1.0, log)
    env.run()
    expect(log, [("admitted", 0.0), ("refused", 0.002)])


@BULKHEAD.check("the guide's limits: 50, 100, 30, 50", "as many requests in progress, and not one more")
def _the_guides() -> None:
    for permits in (50, 100, 30, 50):
        env = Environment()
        bulkhead = build(env, permits=permits)
        log: Log = []
        for _ in range(permits + 5):
            offer(env, bulkhead, 0.0, 0.25, log)
        env.run()
        expect([what for what, _ in log], ["admitted"] * permits + ["refused"] * 5)
