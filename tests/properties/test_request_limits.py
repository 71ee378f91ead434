"""Windows, leaky buckets and counts of requests in progress: what they promise holds for any traffic."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.connection_limit import ConnectionLimits, ConnectionZone
from models.leaky_bucket import LeakyBuckets, LeakyZone
from models.outcomes import RateLimited
from models.request import Request
from models.spec import Context
from models.token_bucket import Bucket4jIntervallySpec, IntervallyRule, RecentBuckets
from models.window_limit import (
    AnchoredWindow,
    AnchoredWindowSpec,
    FixedWindow,
    FixedWindowSpec,
    SlidingCounter,
    SlidingCounterSpec,
    SlidingLog,
    SlidingLogSpec,
)
from sim.environment import Activity, Environment
from sim.probe import NullProbe
from sim.streams import Streams

few = settings(max_examples=80, deadline=None, derandomize=True)

PERIOD = 1000
gaps = st.lists(
    st.one_of(st.integers(0, 3), st.integers(0, 400), st.just(PERIOD), st.integers(0, 3000)), min_size=1, max_size=80
)
limits = st.integers(1, 8)
zones = st.tuples(st.integers(1, 50), st.integers(0, 8), st.integers(0, 8))
"""Rate per second, burst, delay."""


def admitted(window: Any, gaps_ns: list[int]) -> list[int]:
    return [now for now in accumulate(gaps_ns, initial=5 * PERIOD) if window.admit(now)]


def most_within(instants: list[int], length: int) -> int:
    """The most in any half-open span of `length`."""
    within: deque[int] = deque()
    most = 0
    for now in instants:
        within.append(now)
        while within[0] <= now - length:
            within.popleft()
        most = max(most, len(within))
    return most


@given(limits, gaps)
@few
def test_a_fixed_window_passes_its_limit_per_period_and_twice_it_around_a_boundary(limit: int, gaps: list[int]) -> None:
    passed = admitted(FixedWindow(limit, PERIOD), gaps)
    periods = [now // PERIOD for now in passed]
    assert all(periods.count(number) <= limit for number in periods)
    assert most_within(passed, PERIOD) <= 2 * limit


@given(limits, gaps)
@few
def test_an_anchored_window_begins_with_what_it_passes_first(limit: int, gaps: list[int]) -> None:
    passed = admitted(AnchoredWindow(limit, PERIOD), gaps)
    while passed:
        inside = [now for now in passed if now < passed[0] + PERIOD]
        assert len(inside) <= limit
        passed = passed[len(inside) :]


@given(limits, gaps)
@few
def test_a_sliding_log_is_exact(limit: int, gaps: list[int]) -> None:
    """Never more in any period, and never fewer than could have passed."""
    log, passed = SlidingLog(limit, PERIOD), []
    for now in accumulate(gaps, initial=5 * PERIOD):
        has_room = sum(then > now - PERIOD for then in passed) < limit
        assert log.admit(now) is has_room
        if has_room:
            passed.append(now)
        assert len(log.passed_at_ns) <= limit
    assert most_within(passed, PERIOD) <= limit


@given(limits, gaps)
@few
def test_a_sliding_counter_weighs_two_periods(limit: int, gaps: list[int]) -> None:
    counter, passed = SlidingCounter(limit, PERIOD), []
    for now in accumulate(gaps, initial=5 * PERIOD):
        number = now // PERIOD
        this = sum(then // PERIOD == number for then in passed)
        last = sum(then // PERIOD == number - 1 for then in passed)
        weighed = last * (1 - Fraction(now % PERIOD, PERIOD)) + this
        assert counter.admit(now) is (weighed < limit)
        if weighed < limit:
            passed.append(now)
    assert most_within(passed, PERIOD) <= 2 * limit


@given(st.integers(1, 20), st.integers(1, 20), gaps)
@few
def test_intervally_refills_whole_periods_since_the_beginning(capacity: int, tokens: int, gaps: list[int]) -> None:
    rule, level, seen = IntervallyRule(capacity, tokens, PERIOD, 300), capacity, 0
    for now in accumulate(gaps, initial=300):
        periods = (now - 300) // PERIOD
        level = min(capacity, level + (periods - seen) * tokens)
        seen = periods
        assert rule.take(now) is (level > 0)
        level -= level > 0


class Everything(RecentBuckets):
    """Books that never forget."""

    def __init__(self) -> None:
        super().__init__(1)

    def get(self, key: int, now: int) -> Any:
        return self._young.get(key)


LIMITERS = [
    Bucket4jIntervallySpec(key="user", refill="3/2s", capacity=4),  # type: ignore[arg-type]
    FixedWindowSpec(key="user", limit="3/2s"),  # type: ignore[arg-type]
    AnchoredWindowSpec(key="user", limit="3/2s"),  # type: ignore[arg-type]
    SlidingLogSpec(key="user", limit="3/2s"),  # type: ignore[arg-type]
    SlidingCounterSpec(key="user", limit="3/2s"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("spec", LIMITERS, ids=lambda spec: spec.kind)
@given(visits=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3 * 10**9)), min_size=1, max_size=60))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_forgetting_changes_no_decision(spec: Any, visits: list[tuple[int, int]]) -> None:
    """A limiter that forgets who rests decides like one that keeps everybody: users are nobody else's concern."""
    env = Environment()
    forgetful, keeping = (spec.build(Context(env, Streams(1, 0), NullProbe(env), "limit")) for _ in range(2))
    books = Everything()
    if isinstance(spec, Bucket4jIntervallySpec):
        keeping._buckets = books
    else:
        keeping._books._windows = books
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


@pytest.mark.parametrize("spec", LIMITERS, ids=lambda spec: spec.kind)
@given(
    visits=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 10**9)), min_size=1, max_size=60),
    user=st.integers(0, 3),
)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_nobody_pays_for_others(spec: Any, visits: list[tuple[int, int]], user: int) -> None:
    """What a user is granted does not depend on what others ask for."""

    def granted(is_alone: bool) -> list[bool]:
        env = Environment()
        limiter = spec.build(Context(env, Streams(1, 0), NullProbe(env), "limit"))
        passed: list[bool] = []

        def visit() -> Activity:
            for who, gap_ns in visits:
                yield gap_ns * 1e-9
                if is_alone and who != user:
                    continue
                try:
                    limiter.take(Request(0, 0, 0, who, 0, env.now))
                except RateLimited:
                    is_granted = False
                else:
                    is_granted = True
                if who == user:
                    passed.append(is_granted)

        env.start(visit())
        env.run()
        return passed

    assert granted(is_alone=True) == granted(is_alone=False)


def zone_of(settings: tuple[int, int, int], capacity: int = 1000) -> LeakyZone:
    rate, burst, delay = settings
    return LeakyZone(rate * 1000, burst, delay, capacity)


@given(zones, st.lists(st.integers(0, 300), min_size=1, max_size=80))
@few
def test_a_leaky_bucket_s_envelope(settings: tuple[int, int, int], gaps_ms: list[int]) -> None:
    """Of what comes within t seconds, at most 1 + burst + rate x t is let in; of what leaves the bucket, at most
    1 + delay + rate x t goes on, up to the milliseconds that nginx rounds away."""
    rate, burst, delay = settings
    rule = LeakyBuckets([zone_of(settings)])
    came, went = [], []
    for now in accumulate(gaps_ms):
        hold_ms = rule.ask([0], now)[1]
        if hold_ms is not None:
            came.append(now)
            went.append(now + hold_ms)
    for instants, allowance, slack_ms in ((came, burst, 0), (sorted(went), min(delay, burst), 2)):
        for first, begin in enumerate(instants):
            for last in range(first, len(instants)):
                assert last - first <= allowance + Fraction(rate * (instants[last] - begin + slack_ms), 1000)


@given(zones, zones, st.lists(st.tuples(st.integers(0, 3), st.integers(0, 200)), min_size=1, max_size=60))
@few
def test_several_zones_let_in_what_each_would(
    one: tuple[int, int, int], other: tuple[int, int, int], visits: list[tuple[int, int]]
) -> None:
    """Whatever passes both is what passes each of them alone, had only that come; the longer wait counts."""
    both, alone = (
        LeakyBuckets([zone_of(one), zone_of(other)]),
        (LeakyBuckets([zone_of(one)]), LeakyBuckets([zone_of(other)])),
    )
    now = 0
    for key, gap_ms in visits:
        now += gap_ms
        decider, hold_ms = both.ask([key, 0], now)
        if hold_ms is not None:
            waits = [rule.ask([key if rule is alone[0] else 0], now)[1] for rule in alone]
            assert None not in waits
            assert hold_ms == max(waits)
            assert waits[decider] == hold_ms or not hold_ms


@given(zones, st.lists(st.tuples(st.integers(0, 3), st.integers(0, 200)), min_size=1, max_size=60))
@few
def test_a_leaky_bucket_is_its_key_s_own(settings: tuple[int, int, int], visits: list[tuple[int, int]]) -> None:
    """With room for all keys, each is held and refused as if it were alone."""
    together, alone, now = LeakyBuckets([zone_of(settings)]), [LeakyBuckets([zone_of(settings)]) for _ in range(4)], 0
    for key, gap_ms in visits:
        now += gap_ms
        assert together.ask([key], now) == alone[key].ask([key], now)


@given(
    st.integers(1, 6), st.integers(1, 20), st.lists(st.tuples(st.integers(0, 9), st.integers(0, 40_000)), max_size=80)
)
@few
def test_a_zone_never_holds_more_keys_than_fit(capacity: int, rate: int, visits: list[tuple[int, int]]) -> None:
    """It forgets who has rested longest first, and whoever it remembers owes what came of late."""
    zone = LeakyZone(rate, 2, 2, capacity)
    rule, lately, now = LeakyBuckets([zone]), [], 0
    for key, gap_ms in visits:
        now += gap_ms
        rule.ask([key], now)
        lately = [each for each in lately if each != key] + [key]
        assert len(zone.states) <= capacity
        assert list(zone.states) == lately[-len(zone.states) :]


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 5)), min_size=1, max_size=3),
    st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 30)), max_size=80),
)
@few
def test_requests_in_progress_are_counted_in_all_zones_or_none(
    settings: list[tuple[int, int]], events: list[tuple[bool, int, int]]
) -> None:
    rule = ConnectionLimits([ConnectionZone(connections, capacity) for connections, capacity in settings])
    inside: list[list[int]] = []
    for is_end, key, which in events:
        if is_end and inside:
            rule.leave(inside.pop(which % len(inside)))
            continue
        keys = [key] * len(settings)
        full = rule.enter(keys)
        here = sum(each[0] == key for each in inside)
        known = {each[0] for each in inside}
        rooms = [here < connections if here else len(known) < capacity for connections, capacity in settings]
        assert full == (None if all(rooms) else rooms.index(False))
        if full is None:
            inside.append(keys)
        for zone in rule.zones:
            assert sum(zone.in_progress.values()) == len(inside)
            assert min(zone.in_progress.values(), default=1) >= 1
            assert len(zone.in_progress) <= zone.capacity
