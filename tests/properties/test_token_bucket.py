"""Token buckets: envelopes that hold for any traffic, and forgetting that nobody can notice."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from models.outcomes import RateLimited
from models.request import Request
from models.spec import Context
from models.token_bucket import Bucket4jGreedySpec, GreedyRule, RecentBuckets, RedisBucketRule
from sim.environment import Activity, Environment
from sim.probe import NullProbe
from sim.streams import Streams

few = settings(max_examples=100, deadline=None, derandomize=True)

limits = st.tuples(
    st.integers(1, 30),  # capacity
    st.integers(1, 50),  # tokens per period
    st.sampled_from([50, 997, 10**6, 10**9, 60 * 10**9]),  # period in ns
)
gaps = st.lists(st.one_of(st.integers(0, 3), st.integers(0, 10**8), st.integers(0, 10**11)), min_size=1, max_size=60)


@given(limits, gaps)
@few
def test_greedy_is_a_real_valued_bucket_exactly(limit: tuple[int, int, int], gaps_ns: list[int]) -> None:
    """The carried remainder makes integers as good as fractions: refusals in between lose and mint nothing."""
    capacity, tokens, period_ns = limit
    rule = GreedyRule(capacity, tokens, period_ns, 0)
    level = Fraction(capacity)
    now_ns = 0
    for gap_ns in gaps_ns:
        now_ns += gap_ns
        level = min(Fraction(capacity), level + Fraction(gap_ns * tokens, period_ns))
        assert rule.take(now_ns) is (level >= 1)
        if level >= 1:
            level -= 1


@given(limits, gaps)
@few
def test_greedy_envelope(limit: tuple[int, int, int], gaps_ns: list[int]) -> None:
    """In any window of length t, at most capacity + rate x t pass."""
    capacity, tokens, period_ns = limit
    rule = GreedyRule(capacity, tokens, period_ns, 0)
    granted = [now_ns for now_ns in accumulate(gaps_ns) if rule.take(now_ns)]
    for first, begin_ns in enumerate(granted):
        for last in range(first, len(granted)):
            assert last - first + 1 <= capacity + Fraction((granted[last] - begin_ns) * tokens, period_ns)


@given(limits, st.integers(0, 10**15), st.integers(1, 200))
@few
def test_greedy_never_refuses_its_own_rate(limit: tuple[int, int, int], start_ns: int, arrivals: int) -> None:
    """Arrivals at the refill rate, to the nanosecond, all pass, whatever the capacity."""
    capacity, tokens, period_ns = limit
    rule = GreedyRule(capacity, tokens, period_ns, start_ns)
    gap_ns = -(-period_ns // tokens)
    assert all(rule.take(start_ns + number * gap_ns) for number in range(arrivals))


@given(st.integers(2, 5), st.integers(1, 1000), st.integers(0, 2 * 10**9))
@few
def test_greedy_gives_out_its_rate_under_overload(capacity: int, rate: int, offered_for_ns: int) -> None:
    """Offered twice its rate for t seconds, exactly capacity + floor(rate x t) pass: no fraction is lost.

    (A bucket of 1 does lose fractions, in reality too: its every token fills it up.)
    """
    rule = GreedyRule(capacity, rate, 10**9, 0)
    granted = sum(rule.take(0) for _ in range(capacity + 1))
    step_ns = 10**9 // (2 * rate)
    end_ns = min(offered_for_ns, 500 * step_ns)
    for now_ns in [*range(step_ns, end_ns, step_ns), end_ns]:
        granted += rule.take(now_ns)
    assert granted == capacity + end_ns * rate // 10**9


class Everything(RecentBuckets):
    """What `RecentBuckets` would be if it never forgot."""

    def __init__(self) -> None:
        super().__init__(1)

    def get(self, key: int, now: int) -> Any:
        return self._young.get(key)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3 * 10**9)), min_size=1, max_size=80), st.integers(1, 6))
@few
def test_forgetting_changes_no_decision(visits: list[tuple[int, int]], capacity: int) -> None:
    """A limiter that forgets full buckets decides like one that keeps all of them, and keeps few."""
    env = Environment()
    spec = Bucket4jGreedySpec(key="user", refill="3/2s", capacity=capacity)  # type: ignore[arg-type]
    forgetful, keeping = (spec.build(Context(env, Streams(1, 0), NullProbe(env), name)) for name in "ab")
    keeping._buckets = Everything()
    decided: list[list[bool]] = [[], []]

    def visit() -> Activity:
        for user, gap_ns in visits:
            yield gap_ns * 1e-9
            for limiter, log in zip((forgetful, keeping), decided, strict=True):
                try:
                    limiter.take(Request(0, 0, 0, user, 0, env.now))
                    log.append(True)
                except RateLimited:
                    log.append(False)

    env.start(visit())
    env.run()
    assert decided[0] == decided[1]
    assert forgetful.buckets_kept <= keeping.buckets_kept


@given(st.integers(1, 20), st.lists(st.tuples(st.integers(0, 9), st.integers(0, 15)), min_size=1, max_size=100))
@few
def test_what_is_forgotten_was_idle_long_enough(keep: int, visits: list[tuple[int, int]]) -> None:
    buckets: RecentBuckets[list[int]] = RecentBuckets(keep)
    asked_at: dict[int, int] = {}
    now = 0
    for key, gap in visits:
        now += gap
        bucket = buckets.get(key, now)
        if bucket is None:
            assert key not in asked_at or now - asked_at[key] >= keep
            buckets.put(key, [key])
        else:
            assert bucket == [key]
        asked_at[key] = now
        assert len(buckets) <= len(asked_at)


redis_limits = st.tuples(st.integers(1, 20), st.integers(0, 60), st.integers(1, 5))
seconds = st.lists(st.integers(0, 6), min_size=1, max_size=60)


@given(redis_limits, seconds)
@few
def test_redis_envelope(limit: tuple[int, int, int], gaps_s: list[int]) -> None:
    """Where it stores at all: from one second to another, both included, at most cap + rate x difference pass."""
    rate, capacity, cost = limit
    rule = RedisBucketRule(rate, capacity, cost)
    granted = [now_s for now_s in accumulate(gaps_s, initial=1000) if rule.check(now_s)[0]]
    if rule.ttl_s == 0:
        assert len(granted) == (len(gaps_s) + 1 if capacity >= cost else 0)
        return
    for first, begin_s in enumerate(granted):
        for last in range(first, len(granted)):
            assert (last - first + 1) * cost <= capacity + rate * (granted[last] - begin_s)


@given(redis_limits, seconds)
@few
def test_what_redis_expires_is_full(limit: tuple[int, int, int], gaps_s: list[int]) -> None:
    """A bucket untouched for its TTL answers like a new one, so the model may forget it when Redis does."""
    rate, capacity, cost = limit
    rule = RedisBucketRule(rate, capacity, cost)
    now_s = 1000
    for now_s in accumulate(gaps_s, initial=1000):
        rule.check(now_s)
    assert rule.check(now_s + rule.ttl_s) == RedisBucketRule(rate, capacity, cost).check(now_s + rule.ttl_s)
