"""Resilience4j's rate limiter: cycles, reservations, and callers that wait in vain."""

from __future__ import annotations

from typing import Any

from experiments.validation.check import Component, expect
from models.outcomes import RateLimited
from models.rate_limiter import RateLimiter, RateLimiterRule, RateLimiterSpec
from models.request import Request
from models.spec import Context
from sim.environment import Activity, Environment
from sim.probe import NullProbe
from sim.streams import Streams

RATE_LIMITER = Component(
    "Resilience4j RateLimiter",
    version="2.3.0",
    source="resilience4j: ratelimiter/internal/AtomicRateLimiter.java, RateLimiterConfig.java",
    section="2.2",
)
MS = 1_000_000


def rule_of(limit: int, period: str, patience: str) -> RateLimiterRule:
    spec = RateLimiterSpec(limit_for_period=limit, limit_refresh_period=period, timeout_duration=patience)
    return RateLimiterRule(spec, 0)


@RATE_LIMITER.check("RateLimiter 5/s: 5 at .90 s + 5 at 1.01 s", "10 within 110 ms: cycles are fixed")
def _across_a_boundary() -> None:
    rule = rule_of(5, "1s", "0s")
    at_end = [rule.ask(900 * MS)[0] for _ in range(6)]
    at_begin = [rule.ask(1010 * MS)[0] for _ in range(6)]
    expect((at_end, at_begin), ([True] * 5 + [False], [True] * 5 + [False]))


@RATE_LIMITER.check(
    "2/s with timeout 1.5 s, 8 reservations: 0, 0, 988, 988 ms, then refused",
    "two at once, two of the next cycle, nobody after that",
)
def _reservations() -> None:
    rule = rule_of(2, "1s", "1500ms")
    waits = [rule.ask(12 * MS) for _ in range(8)]
    expect([wait_ns // MS if granted else None for granted, wait_ns in waits], [0, 0, 988, 988, *[None] * 4])
    expect(rule.permits, -2, "what was refused is not reserved")


@RATE_LIMITER.check("RateLimiter 50 per 500 ns, timeout 5 s", "50 at once, the 51st in the next cycle")
def _defaults() -> None:
    rule = RateLimiterRule(RateLimiterSpec(), 0)
    expect([rule.ask(100) for _ in range(51)], [(True, 0)] * 50 + [(True, 400)])
    expect(rule.ask(500), (True, 0))


@RATE_LIMITER.check("fixed cycles from creation", "a cycle begins when the limiter was made, not at a whole second")
def _cycles() -> None:
    rule = RateLimiterRule(RateLimiterSpec(limit_for_period=1, limit_refresh_period="1s", timeout_duration="0s"), 300)
    expect([rule.ask(now)[0] for now in (300, 10**9 + 299, 10**9 + 300)], [True, False, True])


@RATE_LIMITER.check("permits can be reserved from future cycles", "and are gone when these cycles come")
def _reserved_are_gone() -> None:
    rule = rule_of(2, "1s", "5s")
    expect([rule.ask(0)[1] // MS for _ in range(6)], [0, 0, 1000, 1000, 2000, 2000])
    expect(rule.ask(1000 * MS), (True, 2000 * MS), "the cycle's two are reserved, and the next one's")
    expect(rule_of(2, "1s", "5s").ask(9000 * MS), (True, 0), "permits of past cycles do not add up")


@RATE_LIMITER.check("a doomed caller still blocks for its whole timeout", "refused after 1.5 s, not at once")
def _doomed() -> None:
    env = Environment()
    spec = RateLimiterSpec(limit_for_period=1, limit_refresh_period="1h", timeout_duration="1500ms")
    limiter: RateLimiter = spec.build(Context(env, Streams(1, 0), NullProbe(env), "limiter"))
    log: list[tuple[str, float]] = []
    waited: list[float] = []

    def call() -> Activity:
        request = Request(0, 0, 0, 0, 0, env.now)
        try:
            yield from limiter.check(request)
            log.append(("granted", env.now))
        except RateLimited:
            log.append(("refused", env.now))
        waited.append(request.wait_s)

    def start(at: Any) -> None:
        env.start(call(), delay=at)

    for at_s in (0.0, 0.25):
        start(at_s)
    env.run()
    expect((log, waited), ([("granted", 0.0), ("refused", 1.75)], [0.0, 1.5]))
