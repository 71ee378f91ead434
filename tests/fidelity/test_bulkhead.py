"""Resilience4j's semaphore bulkhead, and the concurrency limits of the guide."""

from __future__ import annotations

from typing import Any

import pytest

from models.bulkhead import Bulkhead, BulkheadSpec
from models.outcomes import ConcurrencyLimited
from models.request import Request
from models.spec import Context
from sim.environment import Environment
from sim.probe import NullProbe

FIDELITY = "2.2"


def build(env: Environment, **settings: Any) -> Bulkhead:
    return BulkheadSpec(**settings).build(Context(env, None, NullProbe(env), "bulkhead"))  # type: ignore[arg-type]


def offer(env: Environment, bulkhead: Bulkhead, at_s: float, hold_s: float, log: list[tuple[str, float]]) -> None:
    """One request that keeps its permit for `hold_s`; `log` has what became of it, and when."""
    request = Request(0, 0, 0, 0, 0, at_s)

    def work() -> Any:
        try:
            if bulkhead.waits:
                yield from bulkhead.enter(request)
            else:
                bulkhead.take()
        except ConcurrencyLimited:
            log.append(("refused", env.now))
            return
        log.append(("admitted", env.now))
        assert request.wait_s == env.now - at_s
        try:
            yield hold_s
        finally:
            bulkhead.release()

    env.start(work(), delay=at_s)


def test_defaults() -> None:
    """FIDELITY 2.2: Bulkhead: 25 permits, maxWait 0: the 26th request in progress is refused at once."""
    env = Environment()
    bulkhead = build(env)
    assert not bulkhead.waits
    log: list[tuple[str, float]] = []
    for _ in range(27):
        offer(env, bulkhead, 0.0, 1.0, log)
    offer(env, bulkhead, 1.5, 1.0, log)
    env.run()
    assert log == [("admitted", 0.0)] * 25 + [("refused", 0.0)] * 2 + [("admitted", 1.5)]
    assert bulkhead.in_use == 0


def test_waiters_are_served_in_order() -> None:
    """FIDELITY 2.2: fair FIFO: who waits longest enters first, and nobody overtakes; a wait that is over is refused."""
    env = Environment()
    bulkhead = build(env, permits=1, max_wait="1s")
    log: list[tuple[str, float]] = []
    for at_s, hold_s in ((0.0, 0.5), (0.1, 0.5), (0.2, 0.5), (0.3, 0.5), (0.4, 0.5)):
        offer(env, bulkhead, at_s, hold_s, log)
    env.run()
    # Permits pass on at 0.5 and 1.0; at 1.3 and 1.4 the last two have waited a second.
    assert log == [
        ("admitted", 0.0),
        ("admitted", 0.5),
        ("admitted", 1.0),
        ("refused", 1.3),
        ("refused", 1.4),
    ]
    assert (bulkhead.in_use, bulkhead.waiting) == (0, 0)


def test_max_wait_is_cut_to_milliseconds() -> None:
    """FIDELITY 2.2 (SemaphoreBulkhead.tryEnterBulkhead): the wait is maxWaitDuration.toMillis(), so 900us is none."""
    env = Environment()
    assert not build(env, max_wait="900us").waits
    bulkhead = build(env, permits=1, max_wait="2900us")
    log: list[tuple[str, float]] = []
    for _ in range(2):
        offer(env, bulkhead, 0.0, 1.0, log)
    env.run()
    assert log == [("admitted", 0.0), ("refused", 0.002)]


@pytest.mark.parametrize(
    ("service", "permits"), [("user", 50), ("place", 100), ("recommendation", 30), ("community", 50)]
)
def test_the_guides_limits(service: str, permits: int) -> None:
    """The guide's requests in progress at most, per service."""
    env = Environment()
    bulkhead = build(env, permits=permits)
    log: list[tuple[str, float]] = []
    for _ in range(permits + 5):
        offer(env, bulkhead, 0.0, 0.25, log)
    env.run()
    assert [what for what, _ in log] == ["admitted"] * permits + ["refused"] * 5
