"""Resilience4j's retry: how often, after which pauses, and what it multiplies to."""

from __future__ import annotations

from typing import Any

from experiments.validation.check import Component, expect
from models.outcomes import CallFailure, Failed
from models.resilience import grown_ms, spread_ms
from models.retry import Retry, RetryRule, RetrySpec
from models.spec import Context
from sim.environment import Activity, Environment
from sim.probe import NullProbe
from sim.streams import Streams

RETRY = Component(
    "Resilience4j Retry",
    version="2.3.0",
    source="resilience4j: retry/internal/RetryImpl.java, RetryConfig.java, core/IntervalFunction.java",
    section="2.2",
)
SERVER_ERROR = frozenset(("500", "5xx"))


def retry_of(env: Environment, **settings: Any) -> Retry:
    return RetrySpec(**settings).build(Context(env, Streams(1, 0), NullProbe(env), "retry"))


def failing(env: Environment, calls: list[float]) -> Activity:
    """A call that fails at once."""
    calls.append(env.now)
    raise Failed("far.away")
    yield


def retried(retry: Retry, call: Any) -> Activity:
    """`call()` made again as often as `retry` says."""
    failures = 0
    while True:
        try:
            yield from call()
            return
        except CallFailure:
            failures += 1
            pause_s = retry.pause_s(failures, SERVER_ERROR)
            if pause_s is None:
                raise
        yield pause_s


def calls_of(**settings: Any) -> list[float]:
    """When the calls are made if all fail."""
    env = Environment()
    calls: list[float] = []
    retry = retry_of(env, **settings)

    def run() -> Activity:
        try:
            yield from retried(retry, lambda: failing(env, calls))
        except Failed:
            calls.append(env.now)

    env.start(run())
    env.run()
    return calls


@RETRY.check(
    "Retry default: 3 calls, 1014 ms",
    "3 calls, the first included, 500 ms apart",
    agreement="1000 ms of pauses exactly; the other 14 ms were the calls and the machine",
)
def _default() -> None:
    *calls, end_s = calls_of()
    expect((calls, end_s), ([0.0, 0.5, 1.0], 1.0))


@RETRY.check("Backoff 500×1.5: 500, 750, 1125, 1687, 2530", "cut to whole milliseconds at every step")
def _backoff() -> None:
    expect([grown_ms(500, 1.5, number) for number in range(1, 6)], [500, 750, 1125, 1687, 2530])
    rule = RetryRule(RetrySpec(max_attempts=6, exponential_backoff_multiplier=1.5))
    expect([rule.pause_ms(number) for number in range(1, 6)], [500, 750, 1125, 1687, 2530])


@RETRY.check("500×2, attempt 3, factor .5: 1000–3000", "the pause of 2000 ms, evenly spread over both sides")
def _spread() -> None:
    rule = RetryRule(RetrySpec(exponential_backoff_multiplier=2, randomized_wait_factor=0.5))
    expect([rule.pause_ms(3, uniform) for uniform in (0.0, 0.5, 1 - 2**-30)], [1000, 2000, 3000])
    chance = Streams(7, 0).sequence("jitter")
    pauses = [rule.pause_ms(3, chance.next()) for _ in range(2000)]
    expect(1000 <= min(pauses) < 1010 and 2990 < max(pauses) <= 3000, True)


@RETRY.check("exponentialMaxWaitDuration", "no pause is longer, spread ones included")
def _bounded() -> None:
    rule = RetryRule(RetrySpec(exponential_backoff_multiplier=2, exponential_max_wait_duration="1500ms"))
    expect([rule.pause_ms(number) for number in (1, 2, 3, 4)], [500, 1000, 1500, 1500])
    rule = RetryRule(
        RetrySpec(exponential_backoff_multiplier=2, exponential_max_wait_duration="1500ms", randomized_wait_factor=0.5)
    )
    expect([rule.pause_ms(3, uniform) for uniform in (0.0, 0.9)], [1000, 1500])
    expect(spread_ms(1, 0.9, 0.0), 1, "never less than a millisecond")


@RETRY.check("maxAttempts 3 including the first", "maxAttempts 1 makes one call and no other")
def _including_the_first() -> None:
    expect(len(calls_of(max_attempts=1)) - 1, 1)
    expect(len(calls_of(max_attempts=5, wait_duration="0s")) - 1, 5)


@RETRY.check("CallNotPermitted is itself retried unless excluded", "an open breaker is a failure as any other")
def _not_permitted() -> None:
    names = frozenset(("circuit_open",))
    expect(RetryRule(RetrySpec()).is_retried(names), True)
    expect(RetryRule(RetrySpec(ignore_exceptions=["circuit_open"])).is_retried(names), False)


@RETRY.check("retryExceptions and ignoreExceptions", "only what is listed, and never what is ignored")
def _lists() -> None:
    rule = RetryRule(RetrySpec(retry_exceptions=["5xx", "time_limit"], ignore_exceptions=["501"]))
    expect(
        [rule.is_retried(frozenset(names)) for names in (("500", "5xx"), ("501", "5xx"), ("404", "4xx"))],
        [True, False, False],
    )


@RETRY.check(
    "amplification multiplies per layer (3 attempts at 3 layers = 27)", "27 calls reach the innermost", section="10"
)
def _amplification() -> None:
    env = Environment()
    retries = [retry_of(env) for _ in range(3)]
    calls: list[float] = []

    def layer(depth: int) -> Activity:
        inner = (lambda: failing(env, calls)) if depth == 2 else (lambda: layer(depth + 1))
        yield from retried(retries[depth], inner)

    def client() -> Activity:
        try:
            yield from layer(0)
        except Failed:
            calls.append(-1.0)

    env.start(client())
    env.run()
    expect((len(calls) - 1, calls[-1]), (27, -1.0))
