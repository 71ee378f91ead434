"""Resilience4j's time limiter: the caller is freed, the worker and what is behind it are not."""

from __future__ import annotations

from typing import Any

from experiments.validation.check import Component, expect
from models.outcomes import TimeLimitExceeded
from models.spec import Context
from models.time_limiter import TimeLimiter, TimeLimiterSpec
from sim.environment import Activity, Environment
from sim.probe import NullProbe, Station
from sim.resources import Permits

TIME_LIMITER = Component(
    "Resilience4j TimeLimiter",
    version="2.3.0",
    source="resilience4j: timelimiter/internal/TimeLimiterImpl.java, TimeLimiterConfig.java",
    section="2.2",
)


def build(env: Environment, **settings: Any) -> TimeLimiter:
    return TimeLimiterSpec(**settings).build(Context(env, None, NullProbe(env), "limit"))  # type: ignore[arg-type]


def end_of(work_s: float, **settings: Any) -> tuple[str, float]:
    """How a call of work that takes `work_s` ends, and when."""
    env = Environment()
    limiter = build(env, **settings)
    ends: list[tuple[str, float]] = []

    def work() -> Activity:
        yield work_s
        return "answer"

    def call() -> Activity:
        try:
            ends.append(((yield from limiter.call(work())), env.now))
        except TimeLimitExceeded:
            ends.append(("left", env.now))

    env.start(call())
    env.run()
    return ends[0]


@TIME_LIMITER.check("TimeLimiter 1 s", "work of 0.999 s is answered, work of 1.001 s is left at 1 s")
def _default() -> None:
    expect([end_of(0.999), end_of(1.001)], [("answer", 0.999), ("left", 1.0)])


@TIME_LIMITER.check(
    "cancels the future (interrupt)", "the caller is freed; the worker and the database connection are not"
)
def _worker_stays_busy() -> None:
    env = Environment()
    limiter = build(env, limit="3s")
    connections = Permits(env, 1, Station(env, "pool", 1, "connection"))
    log: list[tuple[str, float]] = []

    def query(name: str) -> Activity:
        yield connections.hold(10.0)
        connections.release()
        log.append((f"{name} done", env.now))

    def caller(name: str) -> Activity:
        try:
            yield from limiter.call(query(name))
        except TimeLimitExceeded:
            log.append((f"{name} left", env.now))

    env.start(caller("first"))
    env.start(caller("second"), delay=1.0)
    env.run()
    expect(log, [("first left", 3.0), ("second left", 4.0), ("first done", 10.0), ("second done", 20.0)])


@TIME_LIMITER.check("getTimeoutDuration().toMillis()", "the limit is cut to whole milliseconds: 1.9 ms are 1 ms")
def _whole_milliseconds() -> None:
    expect(end_of(1.0, limit="1900us"), ("left", 0.001))
