"""Bucket4j's greedy bucket: every measured vector, and recorded decisions of the real library."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.outcomes import RateLimited
from models.request import Request
from models.spec import Context
from models.token_bucket import Bucket4jGreedySpec, GreedyRule
from sim.environment import Environment
from sim.probe import NullProbe
from sim.streams import Streams

FIDELITY = "1.2"

MS = 1_000_000
SECOND = 1000 * MS
RECORDING = Path(__file__).parent / "recordings" / "bucket4j.txt"


def takes(rule: GreedyRule, at_ns: int, tries: int) -> int:
    return sum(rule.take(at_ns) for _ in range(tries))


def test_tokens_appear_one_by_one() -> None:
    """FIDELITY 1.2: greedy 10/1 s, drained at 0; 12 tries at 99, 100, 150, 199, 200, 1000 ms give 0, 1, 0, 0, 1, 8."""
    rule = GreedyRule(capacity=10, refill_tokens=10, refill_period_ns=SECOND, now_ns=0)
    assert takes(rule, 0, 12) == 10
    assert [takes(rule, ms * MS, 12) for ms in (99, 100, 150, 199, 200, 1000)] == [0, 1, 0, 0, 1, 8]


def test_burst_and_rate_add_up_over_a_period() -> None:
    """FIDELITY 1.2: greedy 100/60 s, offered continuously for 60 s, passes 200: a burst of 100 and 100 refilled."""
    rule = GreedyRule(capacity=100, refill_tokens=100, refill_period_ns=60 * SECOND, now_ns=0)
    granted = takes(rule, 0, 101) + sum(rule.take(at_ns) for at_ns in range(5 * MS, 60 * SECOND + 1, 5 * MS))
    assert granted == 200


def test_a_bucket_starts_full_and_refusals_cost_nothing() -> None:
    """FIDELITY 1.2: starts full; rejected requests cost nothing."""
    rule = GreedyRule(capacity=3, refill_tokens=1, refill_period_ns=SECOND, now_ns=7 * SECOND)
    assert takes(rule, 7 * SECOND, 50) == 3
    assert takes(rule, 7 * SECOND + SECOND // 2, 50) == 0
    assert takes(rule, 8 * SECOND, 50) == 1


def test_reaching_capacity_discards_the_remainder() -> None:
    """FIDELITY 1.2: reaching capacity discards the remainder, so a token and a half's time is one token's."""
    rule = GreedyRule(capacity=1, refill_tokens=1, refill_period_ns=SECOND, now_ns=0)
    assert rule.take(0)
    assert rule.take(SECOND * 3 // 2)
    assert not rule.take(2 * SECOND)
    assert rule.take(SECOND * 5 // 2)


def test_the_adapter_ties_capacity_to_the_refill() -> None:
    """FIDELITY 1.2: the Gateway's adapter has refillTokens = capacity by default; here capacity follows the refill."""
    assert burst_of(Bucket4jGreedySpec(key="global", refill="7/1s")) == 7
    assert burst_of(Bucket4jGreedySpec(key="global", refill="7/1s", capacity=3)) == 3


def burst_of(spec: Bucket4jGreedySpec) -> int:
    env = Environment()
    limiter = spec.build(Context(env, Streams(1, 0), NullProbe(env), "limit"))
    granted = 0
    try:
        while granted < 100:
            limiter.take(Request(0, 0, 0, 0, 0, env.now))
            granted += 1
    except RateLimited:
        return granted
    raise AssertionError("nothing was refused")


def test_the_vector_holds_in_a_running_system() -> None:
    """FIDELITY 1.2: the first vector again, through the limiter and simulated time."""
    env = Environment()
    spec = Bucket4jGreedySpec(key="user", refill="10/1s")
    limiter = spec.build(Context(env, Streams(1, 0), NullProbe(env), "limit"))
    granted: list[int] = []

    def offer() -> object:
        for at_s in (0.0, 0.099, 0.1, 0.15, 0.199, 0.2, 1.0):
            yield at_s - env.now
            passed = 0
            for _ in range(12):
                try:
                    limiter.take(Request(0, 0, 0, user=5, ip=1, arrived_at_s=env.now))
                    passed += 1
                except RateLimited:
                    pass
            granted.append(passed)

    env.start(offer())  # type: ignore[arg-type]
    env.run()
    assert granted == [10, 0, 1, 0, 0, 1, 8]


def recorded() -> list[tuple[str, list[str]]]:
    """Blocks of the recording: a line `B ...` for a new bucket, then lines `command => answer`."""
    blocks: list[tuple[str, list[str]]] = []
    for line in RECORDING.read_text().splitlines():
        if line.startswith("B "):
            blocks.append((line, []))
        elif not line.startswith("#"):
            blocks[-1][1].append(line)
    return blocks


BLOCKS = recorded()


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_decides_as_the_recorded_library_did(number: int) -> None:
    """FIDELITY 1.2: decision by decision as Bucket4j decided when the recording was made (recordings/README.md)."""
    head, lines = BLOCKS[number]
    capacity, tokens, period_ns, start_ns = (int(field) for field in head.split()[1:])
    rule = GreedyRule(capacity, tokens, period_ns, start_ns)
    commands = [line.split(" => ")[0] for line in lines]
    assert [f"{command} => {int(rule.take(int(command.split()[1])))}" for command in commands] == lines
    assert len(lines) >= 10
