"""Circuit breaker: windows against brute force, no leaked permits, no state without its reason."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from models.circuit_breaker import CircuitBreakerRule, CircuitBreakerSpec, CountWindow, State, TimeWindow
from models.outcomes import CircuitOpen, ClientGone
from models.spec import Context
from sim.environment import Activity, Environment
from sim.probe import Count, NullProbe
from sim.streams import Streams

few = settings(max_examples=100, deadline=None, derandomize=True)
SECOND = 10**9
SLOW_NS = 10**8

results = st.lists(st.tuples(st.integers(0, 2 * SECOND), st.booleans(), st.booleans()), min_size=1, max_size=60)


@given(st.integers(1, 8), results)
@few
def test_a_count_window_has_the_last_results(size: int, recorded: list[tuple[int, bool, bool]]) -> None:
    window = CountWindow(size)
    for number, (_, is_failed, is_slow) in enumerate(recorded, start=1):
        window.record(0, is_failed, is_slow)
        last = recorded[max(0, number - size) : number]
        assert window.calls == len(last)
        assert (window.failed, window.slow) == (sum(r[1] for r in last), sum(r[2] for r in last))


@given(st.integers(1, 8), results)
@few
def test_a_time_window_has_the_last_seconds(size: int, recorded: list[tuple[int, bool, bool]]) -> None:
    window = TimeWindow(size)
    now_ns = 0
    past: list[tuple[int, bool, bool]] = []
    for gap_ns, is_failed, is_slow in recorded:
        now_ns += gap_ns
        window.record(now_ns, is_failed, is_slow)
        past.append((now_ns // SECOND, is_failed, is_slow))
        last = [r for r in past if r[0] > now_ns // SECOND - size]
        assert window.calls == len(last)
        assert (window.failed, window.slow) == (sum(r[1] for r in last), sum(r[2] for r in last))


specs = st.builds(
    lambda **fields: CircuitBreakerSpec(slow_call_duration_threshold="100ms", **fields),
    sliding_window_type=st.sampled_from(["count_based", "time_based"]),
    sliding_window_size=st.integers(1, 6),
    minimum_number_of_calls=st.integers(1, 6),
    failure_rate_threshold=st.sampled_from([1.0, 33.3, 50.0, 100.0]),
    slow_call_rate_threshold=st.sampled_from([50.0, 100.0]),
    wait_duration_in_open_state=st.sampled_from(["1ms", "1s", "3s"]),
    permitted_number_of_calls_in_half_open_state=st.integers(1, 4),
    max_wait_duration_in_half_open_state=st.sampled_from(["0s", "2s"]),
)
steps = st.lists(
    st.tuples(st.sampled_from(["ask", "ask", "succeed", "fail", "slow", "cancel"]), st.integers(0, SECOND)),
    min_size=1,
    max_size=80,
)


class Spell:
    """One half-open spell as an onlooker counts it."""

    def __init__(self) -> None:
        self.admitted = self.released = 0


@given(specs, steps)
@few
def test_states_keep_their_promises(spec: CircuitBreakerSpec, taken: list[tuple[str, int]]) -> None:
    rule = CircuitBreakerRule(spec)
    permitted = spec.permitted_number_of_calls_in_half_open_state
    now_ns = opened_at_ns = running = 0
    spell = Spell()
    for what, gap_ns in taken:
        now_ns += gap_ns
        before = rule.state
        if what == "ask":
            is_admitted = rule.acquire(now_ns)
            running += is_admitted
            if before is State.CLOSED:
                assert is_admitted
            elif before is State.OPEN:
                assert is_admitted is (now_ns > opened_at_ns + round(spec.wait_duration_in_open_state * SECOND))
                spell = Spell()
            if rule.state is State.HALF_OPEN:
                spell.admitted += is_admitted
        elif running and what == "cancel":
            running -= 1
            rule.release()
            spell.released += before is State.HALF_OPEN
        elif running:
            running -= 1
            rule.record(now_ns, what == "fail", SLOW_NS + 1 if what == "slow" else SLOW_NS)
        if rule.state is State.OPEN and before is not State.OPEN:
            opened_at_ns = now_ns
        if rule.state is State.HALF_OPEN:
            assert rule.permits_left == permitted - spell.admitted + spell.released >= 0
            assert rule.window.calls < min(spec.minimum_number_of_calls, permitted)
        if rule.state is State.CLOSED and rule.window.calls >= spec.minimum_number_of_calls:
            assert rule.window.failed * 100 < spec.failure_rate_threshold * rule.window.calls
            assert rule.window.slow * 100 < spec.slow_call_rate_threshold * rule.window.calls


class Counting(NullProbe):
    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.counts: dict[str, Count] = {}

    def count(self, path: str) -> Count:
        self.counts[path.rsplit(".", 1)[1]] = count = super().count(path)
        return count


calls = st.lists(
    st.tuples(
        st.integers(0, 4000).map(lambda ms: ms / 1024),  # begins
        st.integers(1, 2000).map(lambda ms: ms / 1024),  # takes
        st.booleans(),  # fails
        st.one_of(st.none(), st.integers(0, 2000).map(lambda ms: ms / 1024)),  # its client leaves
    ),
    min_size=1,
    max_size=40,
)


@given(specs, calls, st.booleans())
@few
def test_every_permit_is_accounted_for(spec: CircuitBreakerSpec, made: list[Any], is_automatic: bool) -> None:
    """Under any interleaving of results, refusals and clients that leave; and one probe after all that is let in."""
    spec = spec.model_copy(
        update={
            "automatic_transition_from_open_to_half_open_enabled": is_automatic,
            "max_wait_duration_in_half_open_state": 0.0,
        }
    )
    env = Environment()
    probe = Counting(env)
    breaker = spec.build(Context(env, Streams(7, 0), probe, "breaker"))
    refused = 0

    def call(takes_s: float, is_failed: bool) -> Activity:
        nonlocal refused
        began_at = env.now
        try:
            breaker.acquire()
        except CircuitOpen:
            refused += 1
            return
        try:
            yield takes_s
        except ClientGone:
            breaker.release()
        else:
            breaker.record(is_failed, env.now - began_at)

    def leave(light: Any) -> Activity:
        env.throw(light, ClientGone("client"))
        yield 0.0

    begun = 0
    for begins_s, takes_s, is_failed, leaves_s in made:
        light = env.start(call(takes_s, is_failed), delay=begins_s)
        begun += 1
        if leaves_s is not None:
            env.start(leave(light), delay=begins_s + leaves_s + 0.0001)
    env.run()
    total = {name: count.total for name, count in probe.counts.items()}
    assert total["permitted"] == total["succeeded"] + total["failed"] + total["cancelled"]
    assert total["not_permitted"] == refused
    assert total["permitted"] + refused == begun
    for earlier, later in zip(breaker.transitions, breaker.transitions[1:], strict=False):
        assert later.before == earlier.after
        assert later.t_s >= earlier.t_s
    # Nothing is in progress now, so a breaker that is half-open has a permit for whoever comes next.
    env.run(until=env.now + 10.0)
    breaker.acquire()
