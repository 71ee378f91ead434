"""Bucket4j's buckets: greedy and intervally refilled."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from experiments.validation.check import Component, Disagreement, expect
from experiments.validation.limits import context_of, passes
from models.token_bucket import Bucket4jGreedySpec, Bucket4jIntervallySpec, GreedyRule, IntervallyRule
from sim.environment import Environment

BUCKET4J = Component(
    "Bucket4j",
    version="8.x, main of 2025 (731354a)",
    source="bucket4j-core/src/main/java/io/github/bucket4j/BucketState64BitsInteger.java",
    section="1.2",
)

MS = 1_000_000
SECOND = 1000 * MS


def takes(rule: GreedyRule | IntervallyRule, at_ms: Sequence[float], tries: int = 12) -> list[int]:
    """How many of `tries` requests pass at each instant."""
    return [sum(rule.take(round(ms * MS)) for _ in range(tries)) for ms in at_ms]


@BUCKET4J.check("greedy 10/1 s, drained at 0; 12 tries at 99, 100, 150, 199, 200, 1000 ms", "0,1,0,0,1,8")
def greedy_tokens_come_one_by_one() -> None:
    rule = GreedyRule(capacity=10, refill_tokens=10, refill_period_ns=SECOND, now_ns=0)
    expect(takes(rule, [0, 99, 100, 150, 199, 200, 1000]), [10, 0, 1, 0, 0, 1, 8])


@BUCKET4J.check("the same, through a limiter and simulated time", "10,0,1,0,0,1,8")
def greedy_in_a_running_system() -> None:
    env = Environment()
    limiter = Bucket4jGreedySpec(key="user", refill="10/1s").build(context_of(env))
    instants = [at_s for at_s in (0.0, 0.099, 0.1, 0.15, 0.199, 0.2, 1.0) for _ in range(12)]
    passed = passes(env, limiter, instants)
    expect([sum(passed[at : at + 12]) for at in range(0, len(passed), 12)], [10, 0, 1, 0, 0, 1, 8])


@BUCKET4J.check("intervally 10/1 s, drained at 0; tries at 500, 999, 1000, 1999, 2000", "0,0,10,0,10")
def intervally_comes_all_at_once() -> None:
    rule = IntervallyRule(capacity=10, refill_tokens=10, refill_period_ns=SECOND, now_ns=0)
    expect(takes(rule, [0, 500, 999, 1000, 1999, 2000]), [10, 0, 0, 10, 0, 10])


@BUCKET4J.check("intervally, idle until 900 ms then 12; again at 1000 ms", "10, then 10")
def intervally_keeps_to_its_periods() -> None:
    rule = IntervallyRule(capacity=10, refill_tokens=10, refill_period_ns=SECOND, now_ns=0)
    expect(takes(rule, [900, 1000]), [10, 10])


@BUCKET4J.check("intervally, a key away for 20 periods and a half", "its periods still begin when its bucket was made")
def intervally_keeps_to_its_periods_for_good() -> None:
    env = Environment()
    spec = Bucket4jIntervallySpec(key="user", refill="2/1s")
    limiter = spec.build(context_of(env))
    instants = [0.25, 20.75, 20.75, 20.75, 21.2, 21.25, 21.25, 21.25]
    expect(passes(env, limiter, instants), [1, 1, 1, 0, 0, 1, 1, 0])


@BUCKET4J.check("greedy 100/60 s, offered continuously for 60 s", "200 (100 burst + 100)")
def greedy_burst_and_rate_add_up() -> None:
    rule = GreedyRule(capacity=100, refill_tokens=100, refill_period_ns=60 * SECOND, now_ns=0)
    granted = takes(rule, [0], 101)[0] + sum(takes(rule, range(5, 60_001, 5), 1))
    expect(granted, 200)


@BUCKET4J.check("starts full; rejected requests cost nothing", "3 of 50, 0 after half a second, 1 after a second")
def greedy_refusals_cost_nothing() -> None:
    rule = GreedyRule(capacity=3, refill_tokens=1, refill_period_ns=SECOND, now_ns=7 * SECOND)
    expect(takes(rule, [7000, 7500, 8000], 50), [3, 0, 1])


@BUCKET4J.check("reaching capacity discards the remainder", "a token and a half's time is one token's")
def greedy_full_bucket_saves_nothing() -> None:
    rule = GreedyRule(capacity=1, refill_tokens=1, refill_period_ns=SECOND, now_ns=0)
    expect(takes(rule, [0, 1500, 2000, 2500], 1), [1, 1, 0, 1])


@BUCKET4J.check("refillTokens = capacity by default (Bucket4jRateLimiter)", "capacity follows the refill")
def capacity_follows_the_refill() -> None:
    for capacity, burst in ((None, 7), (3, 3)):
        for kind in (Bucket4jGreedySpec, Bucket4jIntervallySpec):
            env = Environment()
            spec = kind(key="global", refill="7/1s", capacity=capacity)
            expect(sum(passes(env, spec.build(context_of(env)), [0.0] * 100)), burst, spec.kind)


def recorded() -> list[tuple[list[int], list[tuple[int, int]]]]:
    """Blocks of the recording: the bucket's settings, then (instant, granted) of every request."""
    text = (files("experiments.validation") / "recordings" / "bucket4j.txt").read_text()
    blocks: list[tuple[list[int], list[tuple[int, int]]]] = []
    for line in text.splitlines():
        if line.startswith("B "):
            blocks.append(([int(field) for field in line.split()[1:]], []))
        elif not line.startswith("#"):
            command, answer = line.split(" => ")
            blocks[-1][1].append((int(command.split()[1]), int(answer)))
    return blocks


@BUCKET4J.check("recorded: seeded random requests to greedy buckets of the real library", "decision by decision")
def decides_as_the_recorded_library_did() -> None:
    blocks = recorded()
    for number, ((capacity, tokens, period_ns, start_ns), requests) in enumerate(blocks):
        rule = GreedyRule(capacity, tokens, period_ns, start_ns)
        for at_ns, granted in requests:
            expect(int(rule.take(at_ns)), granted, f"bucket {number} at {at_ns} ns")
    if len(blocks) < 20 or min(len(requests) for _, requests in blocks) < 10:
        raise Disagreement(f"the recording has only {len(blocks)} buckets, some of them short")


BUCKET4J.leaves_out(
    "gateway adapter: errors ⇒ denied (fail-closed)",
    "buckets are kept in the memory of the gateway, where nothing can fail; no store shared by gateways is modelled",
)
