"""Resilience4j's time limiter: the caller is freed, the worker and what is behind it are not."""

from __future__ import annotations

from typing import Any

from models.outcomes import TimeLimitExceeded
from models.spec import Context
from models.time_limiter import TimeLimiter, TimeLimiterSpec
from sim.environment import Environment
from sim.probe import NullProbe, Station
from sim.resources import Permits

FIDELITY = "2.2"


def build(env: Environment, **settings: Any) -> TimeLimiter:
    return TimeLimiterSpec(**settings).build(Context(env, None, NullProbe(env), "limit"))  # type: ignore[arg-type]


def test_the_default_is_one_second() -> None:
    """FIDELITY 2.2: TimeLimiter 1 s: work of 0.999 s is answered, of 1.001 s is left at 1 s with an error."""
    ends = []
    for work_s in (0.999, 1.001):
        env = Environment()
        limiter = build(env)

        def work(env: Environment = env, work_s: float = work_s) -> Any:
            yield work_s
            return "answer"

        def call(limiter: TimeLimiter = limiter, env: Environment = env, work: Any = work) -> Any:
            try:
                ends.append(((yield from limiter.call(work())), env.now))
            except TimeLimitExceeded:
                ends.append(("left", env.now))

        env.start(call())
        env.run()
    assert ends == [("answer", 0.999), ("left", 1.0)]


def test_the_worker_and_its_connection_stay_busy() -> None:
    """FIDELITY 2.2: cancelling the future frees the caller; the worker and the database connection are not freed."""
    env = Environment()
    limiter = build(env, limit="3s")
    connections = Permits(env, 1, Station(env, "pool", 1, "connection"))
    log: list[tuple[str, float]] = []

    def query(name: str) -> Any:
        yield connections.hold(10.0)
        connections.release()
        log.append((f"{name} done", env.now))

    def caller(name: str) -> Any:
        try:
            yield from limiter.call(query(name))
        except TimeLimitExceeded:
            log.append((f"{name} left", env.now))

    env.start(caller("first"))
    env.start(caller("second"), delay=1.0)
    env.run()
    assert log == [("first left", 3.0), ("second left", 4.0), ("first done", 10.0), ("second done", 20.0)]


def test_the_limit_is_cut_to_milliseconds() -> None:
    """FIDELITY 2.2 (TimeLimiterImpl: getTimeoutDuration().toMillis()): 1.9 ms are 1 ms."""
    env = Environment()
    limiter = build(env, limit="1900us")
    left: list[float] = []

    def work() -> Any:
        yield 1.0

    def caller() -> Any:
        try:
            yield from limiter.call(work())
        except TimeLimitExceeded:
            left.append(env.now)

    env.start(caller())
    env.run()
    assert left == [0.001]
