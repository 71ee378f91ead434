"""A hundred requests per 60 s: four algorithms, told apart by what each lets through."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.validation.check import Component, expect
from experiments.validation.limits import Redis, context_of, passes
from models.window_limit import (
    AnchoredWindowSpec,
    FixedWindowSpec,
    SlidingCounterSpec,
    SlidingLogSpec,
    WindowSpec,
)
from sim.environment import Environment

WINDOWS = Component(
    "Window limits",
    version="by algorithm",
    source="envoyproxy/ratelimit src/limiter/cache_key.go (fixed window); widespread scripts (the others)",
    section="1.3",
)


def passed(kind: type[WindowSpec], bursts: Sequence[tuple[float, int]], phase: float = 0.0) -> list[int]:
    """How many of each burst (instant in s, requests) pass a limit of 100/60s; in memory and in Redis alike."""
    found = []
    for cache in (None, "redis"):
        env = Environment()
        spec = kind(key="user", limit="100/60s", cache=cache)
        limiter = spec.build(context_of(env, phase), None if cache is None else Redis(env))
        decisions = iter(passes(env, limiter, [at_s for at_s, number in bursts for _ in range(number)]))
        found.append([sum(next(decisions) for _ in range(number)) for _, number in bursts])
    expect(found[0], found[1], "in memory, in Redis")
    return found[0]


@WINDOWS.check("Fixed, clock-aligned", "100 before a boundary and 100 after it: at most 200 within a moment")
def fixed_window() -> None:
    expect(passed(FixedWindowSpec, [(59.99, 150), (60.0, 150), (119.99, 1), (120.0, 101)]), [100, 100, 0, 100])
    expect(passed(FixedWindowSpec, [(29.99, 150), (30.0, 150)], phase=0.5), [100, 100], "half a period's phase")


@WINDOWS.check("Fixed, anchored at first request (INCR+EXPIRE)", "the window lives for 60 s from a key's first request")
def anchored_window() -> None:
    expect(passed(AnchoredWindowSpec, [(7.0, 60), (66.9, 60), (67.0, 150), (126.9, 1)]), [60, 40, 100, 0])


@WINDOWS.check("Sliding log", "exact: never more than 100 in any 60 s")
def sliding_log() -> None:
    expect(passed(SlidingLogSpec, [(59.0, 60), (60.0, 60), (118.9, 9), (119.0, 70), (120.0, 60)]), [60, 40, 0, 60, 40])


@WINDOWS.check("limit 100, prev 100, 25% into window", "25 allowed now")
def sliding_counter() -> None:
    expect(passed(SlidingCounterSpec, [(0.0, 150), (75.0, 150)]), [100, 25])


@WINDOWS.check("Sliding counter", "deny when prev·(1−elapsed fraction)+current ≥ limit; prev is 0 after an idle window")
def sliding_counter_weighs() -> None:
    expect(passed(SlidingCounterSpec, [(30.0, 80), (60.0, 30), (90.0, 90)]), [80, 20, 40])
    expect(passed(SlidingCounterSpec, [(30.0, 80), (120.0, 150)]), [80, 100], "an idle window between")
