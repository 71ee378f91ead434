"""Guards of calls: whatever times out, is cancelled, dies or is tried again, no permit is lost and none is forged."""

from __future__ import annotations

from collections import deque
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from models.circuit_breaker import State
from models.outcomes import CallFailure, ClientGone, Failed, InstanceDied
from models.rate_limiter import RateLimiterRule, RateLimiterSpec
from models.request import Request, Visit
from models.retry import RetryRule, RetrySpec
from models.service import CallStepSpec, Guards
from models.spec import Context
from models.thread_pool_bulkhead import Fate, ThreadPoolRule
from sim.environment import Activity, Environment, Light
from sim.probe import Count, Level, NullProbe, Station
from sim.streams import Streams

few = settings(max_examples=100, deadline=None, derandomize=True)
PATH = "services.front.replica-1.endpoints.get.steps.ask"


def eighths(most: int) -> st.SearchStrategy[float]:
    return st.integers(0, most).map(lambda number: number / 8)


class Keeping(NullProbe):
    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.counts: dict[str, Count] = {}
        self.stations: dict[str, Station] = {}
        self.levels: dict[str, Level] = {}

    def level(self, path: str, value: float = 0.0) -> Level:
        self.levels[path.removeprefix(f"{PATH}.")] = level = super().level(path, value)
        return level

    def count(self, path: str) -> Count:
        self.counts[path.removeprefix(f"{PATH}.")] = count = super().count(path)
        return count

    def station(self, path: str, servers: float, kind: str) -> Station:
        self.stations[path.removeprefix(f"{PATH}.")] = station = super().station(path, servers, kind)
        return station


class Replica:
    """A container that dies now and then, its guards, and a callee that takes what it is told to."""

    path = "services.front.replica-1"

    def __init__(self, guards: dict[str, Any], works: list[tuple[float, bool]]) -> None:
        self.env = Environment()
        self.probe = Keeping(self.env)
        self.residents: dict[Light, None] = {}
        self.works = deque(works)
        spec = CallStepSpec.model_validate({"service": "back", "endpoint": "get", "name": "ask", **guards})
        self.guards = Guards(Context(self.env, Streams(3, 0), self.probe, PATH), spec, self, self, 2)  # type: ignore[arg-type]

    def enter(self) -> Light:
        light = self.env.active
        assert light is not None
        self.residents[light] = None
        return light

    def leave(self, light: Light) -> None:
        self.residents.pop(light, None)

    def die(self) -> Activity:
        residents, self.residents = self.residents, {}
        for light in residents:
            self.env.throw(light, InstanceDied(self.path))
        self.guards.restart()
        yield 0.0

    def handle(self, request: Request, visit: Visit) -> Activity:
        self.works.rotate(-1)
        takes_s, fails = self.works[0]
        for station in self.probe.stations.values():
            assert station.busy <= station.servers
        if takes_s:
            yield takes_s
        if fails:
            raise Failed("services.back.inside", 500)

    def visit(self) -> Activity:
        light = self.enter()
        try:
            yield from self.guards.call(Request(0, 0, 0, 0, 0, self.env.now), Visit("back", "get", 1))
        except CallFailure:
            pass
        finally:
            self.leave(light)

    def leave_early(self, light: Light) -> Activity:
        self.env.throw(light, ClientGone("client"))
        yield 0.0


breakers = st.fixed_dictionaries(
    {
        "sliding_window_size": st.integers(1, 3),
        "wait_duration_in_open_state": st.just("1s"),
        "permitted_number_of_calls_in_half_open_state": st.integers(1, 3),
        "ignore_exceptions": st.sampled_from([[], ["concurrency_limited"], ["time_limit"], ["5xx"]]),
    }
)
retries = st.fixed_dictionaries({"max_attempts": st.integers(1, 3), "wait_duration": st.sampled_from(["0s", "500ms"])})
semaphores = st.fixed_dictionaries({"permits": st.integers(1, 3), "max_wait": st.sampled_from(["0s", "750ms"])})
pools = st.fixed_dictionaries(
    {
        "core_thread_pool_size": st.just(1),
        "max_thread_pool_size": st.integers(1, 2),
        "queue_capacity": st.integers(0, 2),
    }
)
limits = st.sampled_from(["250ms", "1s"]).map(lambda limit: {"limit": limit})
rates = st.just({"limit_for_period": 2, "limit_refresh_period": "500ms", "timeout_duration": "1s"})


@st.composite
def guarded(draw: st.DrawFn) -> dict[str, Any]:
    style = draw(st.sampled_from(["annotations", "spring_cloud_blocking", "spring_cloud_reactive"]))
    guards: dict[str, Any] = {"style": style, "breaker": draw(breakers)}
    optional = {"retry": retries, "time_limiter": limits, "read_timeout": st.sampled_from(["375ms", "2s"])}
    if style == "annotations":
        optional["rate_limiter"] = rates
    for name, strategy in optional.items():
        if draw(st.booleans()):
            guards[name] = draw(strategy)
    which = draw(st.sampled_from(["none", "bulkhead", "thread_pool_bulkhead"]))
    if which == "bulkhead" or (which == "thread_pool_bulkhead" and style == "spring_cloud_reactive"):
        guards["bulkhead"] = draw(semaphores)
    elif which == "thread_pool_bulkhead":
        guards["thread_pool_bulkhead"] = draw(pools)
    return guards


visits = st.lists(st.tuples(eighths(48), st.one_of(st.none(), eighths(16))), min_size=1, max_size=25)
works = st.lists(st.tuples(eighths(24), st.booleans()), min_size=1, max_size=6)
deaths = st.lists(eighths(64), max_size=3)


@given(guarded(), works, visits, deaths)
@few
def test_no_interleaving_leaks_a_permit(
    guards: dict[str, Any], work: list[tuple[float, bool]], made: list[tuple[float, float | None]], died: list[float]
) -> None:
    """At rest every station is empty, nobody is resident, and a half-open breaker has all its permits, or more where
    the reactive order hands them back beside an error."""
    replica = Replica(guards, work)
    env = replica.env
    for at_s, stays_s in made:
        light = env.start(replica.visit(), delay=at_s)
        if stays_s is not None:
            env.start(replica.leave_early(light), delay=at_s + stays_s)
    for at_s in died:
        env.start(replica.die(), delay=at_s)
    env.run()
    for station in replica.probe.stations.values():
        assert (station.busy, station.waiting) == (0, 0)
        assert station.arrivals == station.started + station.refused + station.expired
    assert not replica.residents
    unattended = replica.probe.levels.get("time_limiter.unattended")
    assert unattended is None or unattended.value == 0.0
    breaker, counts = replica.guards.breaker, replica.probe.counts
    assert breaker is not None
    permitted = counts["breaker.permitted"].total
    ended = sum(counts[f"breaker.{name}"].total for name in ("succeeded", "failed", "cancelled"))
    if not died and guards["style"] != "spring_cloud_reactive":
        assert permitted == ended
    if breaker.state is State.HALF_OPEN:
        rule = breaker._rule
        allowed = guards["breaker"]["permitted_number_of_calls_in_half_open_state"]
        if not died:
            assert rule.permits_left >= allowed - rule.window.calls, "nothing runs: what is out has a result"
    # It works as on the first day, once an open state is over and for somebody who fails nothing.
    env.run(until=env.now + 20.0)
    replica.works = deque([(0.0, False)])
    for number in range(8):
        env.start(replica.visit(), delay=5.0 * number)
    env.run()
    assert breaker.state is State.CLOSED


submissions = st.lists(st.tuples(st.booleans(), st.integers(0, 30)), min_size=1, max_size=80)


@given(st.integers(1, 3), st.integers(0, 2), st.integers(0, 3), submissions)
@few
def test_a_thread_pool_runs_no_more_than_it_may(
    core: int, more: int, capacity: int, steps: list[tuple[bool, int]]
) -> None:
    rule = ThreadPoolRule(core, core + more, capacity, 20)
    now_ns = busy = queued = 0
    for is_submitted, gap_ns in steps:
        now_ns += gap_ns
        if is_submitted:
            fate = rule.submit(now_ns)
            assert (fate is Fate.REFUSED) == (busy == core + more and queued == capacity)
            assert fate is not Fate.QUEUED or busy >= core
            busy += fate is Fate.RUNS
            queued += fate is Fate.QUEUED
        elif busy:
            if rule.finish(now_ns):
                queued -= 1
            else:
                assert queued == 0
                busy -= 1
        assert rule.queued == queued <= capacity
        assert busy <= rule.threads <= core + more


gaps_ns = st.lists(st.integers(0, 60), min_size=1, max_size=60)


@given(st.integers(1, 4), st.integers(1, 50), st.integers(0, 200), gaps_ns)
@few
def test_no_cycle_has_more_permits_than_it_may(limit: int, period: int, patience: int, gaps: list[int]) -> None:
    """Counted at the instants at which callers go on, reservations included, and in order of arrival."""
    spec = RateLimiterSpec.model_construct(
        limit_for_period=limit, limit_refresh_period=period * 1e-9, timeout_duration=patience * 1e-9
    )
    rule = RateLimiterRule(spec, 0)
    now_ns = 0
    by_cycle: dict[int, int] = {}
    last_ns = 0
    for gap in gaps:
        now_ns += gap
        granted, wait_ns = rule.ask(now_ns)
        if granted:
            assert 0 <= wait_ns <= patience
            goes_ns = now_ns + wait_ns
            assert goes_ns >= last_ns
            last_ns = goes_ns
            by_cycle[goes_ns // period] = by_cycle.get(goes_ns // period, 0) + 1
        else:
            assert wait_ns == patience
            assert by_cycle.get(now_ns // period, 0) == limit, "refused although permits of the cycle were left"
    assert max(by_cycle.values(), default=0) <= limit


@given(
    st.integers(1, 5000), st.sampled_from([None, 1.0, 1.5, 2.0, 10.0]), st.sampled_from([None, 0.1, 0.5, 0.9]),
    st.integers(1, 12), st.floats(0, 1, exclude_max=True),
)  # fmt: skip
@few
def test_pauses_stay_within_their_bounds(
    wait_ms: int, factor: float | None, share: float | None, number: int, uniform: float
) -> None:
    fields = {"wait_duration": f"{wait_ms}ms", "max_attempts": 64}
    exact = RetryRule(RetrySpec.model_validate({**fields, "exponential_backoff_multiplier": factor}))
    spread = RetryRule(
        RetrySpec.model_validate({**fields, "exponential_backoff_multiplier": factor, "randomized_wait_factor": share})
    )
    middle_ms = exact.pause_ms(number)
    assert middle_ms >= wait_ms
    if number > 1:
        assert middle_ms >= exact.pause_ms(number - 1)
    reach_ms = (share or 0.0) * middle_ms
    assert max(1.0, middle_ms - reach_ms - 1) <= spread.pause_ms(number, uniform) <= middle_ms + reach_ms + 1
