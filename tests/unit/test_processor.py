"""The processor, case by case: what a burst takes, who gets what, what is on the books."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sim.environment import Environment, Light
from sim.errors import Failure, SimulationError
from sim.probe import Station
from sim.processor import Container, Processor, Quota
from sim.resources import Permits

MS = 0.001


def work(
    env: Environment, container: Container, demand_s: float, ends: dict[Any, Any], name: Any, at: float = 0.0
) -> Light:
    """A process with one burst, which notes when it ended and for how long it was throttled."""

    def process() -> Any:
        try:
            throttled_s = (yield container.run(demand_s)) or 0.0
        except Failure:
            ends[name] = (env.now, "interrupted")
        else:
            ends[name] = (env.now, throttled_s)

    return env.start(process(), delay=at)


def entries_processed(env: Environment, most: int = 100_000) -> int:
    """Run to the end, counting heap entries, stale ones included."""
    count = 0
    while env.peek() < float("inf"):
        env.step()
        count += 1
        assert count <= most, "the schedule never runs dry"
    return count


def at(env: Environment, when: float, what: Callable[[], Any]) -> None:
    def process() -> Any:
        what()
        return
        yield

    env.start(process(), delay=when)


class TestSharing:
    def test_a_burst_alone_takes_its_demand_over_the_speed(self) -> None:
        env, ends = Environment(), {}
        container = Processor(env, cores=2, speed=2.0).container("a", 1024.0)
        work(env, container, 0.5, ends, "x", at=1.0)
        env.run()
        assert ends == {"x": (1.25, 0.0)}

    def test_threads_of_a_container_share_its_cores_equally(self) -> None:
        env, ends = Environment(), {}
        container = Processor(env, cores=1).container("a", 1.0)
        work(env, container, 1.0, ends, "long")
        work(env, container, 0.5, ends, "short")
        env.run()
        assert ends == {"short": (1.0, 0.0), "long": (1.5, 0.0)}

    def test_three_threads_on_two_cores(self) -> None:
        env, ends = Environment(), {}
        container = Processor(env, cores=2).container("a", 1.0)
        for name in range(3):
            work(env, container, 1.0, ends, name)
        env.run()
        assert [ends[name][0] for name in range(3)] == pytest.approx([1.5] * 3, abs=1e-9)

    def test_weights_divide_the_cores_while_there_are_too_few(self) -> None:
        env, ends = Environment(), {}
        processor = Processor(env, cores=1)
        work(env, processor.container("heavy", 3.0), 3.0, ends, "heavy")
        work(env, processor.container("light", 1.0), 3.0, ends, "light")
        env.run()
        assert ends["heavy"][0] == pytest.approx(4.0, abs=1e-9)
        assert ends["light"][0] == pytest.approx(6.0, abs=1e-9), "the light one has the core to itself from 4 s on"

    def test_a_thread_uses_one_core_at_most_and_leaves_the_rest_to_others(self) -> None:
        env, ends = Environment(), {}
        processor = Processor(env, cores=2)
        work(env, processor.container("heavy", 1000.0), 1.0, ends, "heavy")
        light = processor.container("light", 1.0)
        for name in range(3):
            work(env, light, 1.0, ends, name)
        env.run()
        assert ends["heavy"][0] == pytest.approx(1.0, abs=1e-9)
        assert ends[0][0] == pytest.approx(2.0, abs=1e-9), "a third of a core for 1 s, then two thirds"

    def test_a_fraction_of_a_core(self) -> None:
        env, ends = Environment(), {}
        work(env, Processor(env, cores=0.5).container("a", 1.0), 1.0, ends, "x")
        env.run()
        assert ends["x"][0] == pytest.approx(2.0, abs=1e-9)

    def test_busy_containers_get_cpu_by_weight_however_many_threads_they_have(self) -> None:
        env = Environment()
        processor = Processor(env, cores=2)
        containers = [processor.container(str(weight), weight) for weight in (1.0, 2.0, 5.0)]

        def forever(container: Container) -> Any:
            while True:
                yield container.run(3 * MS)

        for container, threads in zip(containers, (9, 2, 4), strict=True):
            for _ in range(threads):
                env.start(forever(container))
        env.run(until=10.0)
        assert [container.cpu_s for container in containers] == pytest.approx([2.5, 5.0, 12.5], rel=1e-9)
        assert processor.cpu_s == pytest.approx(processor.capacity_s, rel=1e-9)

    def test_cores_stand_still_at_speed_zero(self) -> None:
        env, ends = Environment(), {}
        processor = Processor(env, cores=1)
        container = processor.container("a", 1.0)
        work(env, container, 1.0, ends, "x")
        work(env, container, 1.0, ends, "late", at=1.0)
        at(env, 0.5, lambda: processor.set_speed(0.0))
        at(env, 2.0, lambda: processor.set_speed(2.0))
        env.run()
        assert ends["x"][0] == pytest.approx(2.5, abs=1e-9)
        assert ends["late"][0] == pytest.approx(2.75, abs=1e-9)
        assert processor.capacity_s == pytest.approx(0.5 + 2.0 * 0.75, abs=1e-9)
        assert processor.speed == 2.0


class TestFreeze:
    """Stopped where they are until somebody lets them go on: a garbage collection, a hang."""

    def test_bursts_stay_where_they_are_and_go_on(self) -> None:
        env, ends = Environment(), {}
        container = Processor(env, cores=1).container("a", 1.0)
        work(env, container, 1.0, ends, "x")
        work(env, container, 1.0, ends, "late", at=1.0)
        at(env, 0.25, container.freeze)
        at(env, 2.0, container.thaw)
        env.run(until=1.5)
        assert (container.is_frozen, container.runnable, container.is_throttled) == (True, 2, False)
        assert container.cpu_s == pytest.approx(0.25, abs=1e-9)
        env.run()
        assert ends["x"] == (pytest.approx(3.5, abs=1e-9), 0.0)
        assert ends["late"] == (pytest.approx(3.75, abs=1e-9), 0.0)
        assert container.frozen_wall_s == pytest.approx(1.75, abs=1e-9)
        assert container.frozen_thread_s == pytest.approx(1.75 + 1.0, abs=1e-9)
        assert container.throttled_wall_s == 0.0

    def test_a_frozen_burst_can_be_cancelled_and_tells_what_it_had_left(self) -> None:
        env, container = Environment(), None
        container = Processor(env, cores=1).container("a", 1.0)
        burst = container.start(1.0, lambda: pytest.fail("it was cancelled"))
        at(env, 0.25, container.freeze)
        env.run(until=5.0)
        assert container.cancel(burst) == pytest.approx(0.75, abs=1e-9)
        assert container.runnable == 0
        assert container.is_frozen, "empty, but not thawed"

    def test_others_have_the_cores_of_a_frozen_container(self) -> None:
        env, ends = Environment(), {}
        processor = Processor(env, cores=1)
        one, other = processor.container("a", 1.0), processor.container("b", 1.0)
        work(env, one, 1.0, ends, "frozen")
        work(env, other, 1.0, ends, "other")
        at(env, 0.5, one.freeze)
        at(env, 1.0, one.thaw)
        env.run()
        assert ends["other"][0] == pytest.approx(1.5, abs=1e-9)
        assert ends["frozen"][0] == pytest.approx(2.0, abs=1e-9)

    def test_it_is_frozen_until_everybody_who_froze_it_has_thawed_it(self) -> None:
        env, ends = Environment(), {}
        container = Processor(env, cores=1).container("a", 1.0)
        work(env, container, 1.0, ends, "x")
        for when, what in ((0.5, container.freeze), (1.0, container.freeze), (2.0, container.thaw)):
            at(env, when, what)
        at(env, 3.0, container.thaw)
        env.run()
        assert ends["x"][0] == pytest.approx(3.5, abs=1e-9)
        with pytest.raises(SimulationError, match="thawed more often"):
            container.thaw()

    def test_quota_periods_go_on_and_frozen_time_is_not_throttled_time(self) -> None:
        env, ends = Environment(), {}
        container = Processor(env, cores=1).container("a", 1.0, Quota(50 * MS, 100 * MS, 0.0))
        work(env, container, 60 * MS, ends, "x")
        at(env, 60 * MS, container.freeze)  # throttled since 50 ms
        at(env, 250 * MS, container.thaw)  # in a period whose budget is whole
        env.run()
        assert ends["x"] == (pytest.approx(260 * MS, abs=1e-9), pytest.approx(10 * MS, abs=1e-9))
        assert container.frozen_wall_s == pytest.approx(190 * MS, abs=1e-9)

    def test_a_budget_that_was_spent_stays_spent_in_its_period(self) -> None:
        env, ends = Environment(), {}
        container = Processor(env, cores=1).container("a", 1.0, Quota(50 * MS, 100 * MS, 0.0))
        work(env, container, 60 * MS, ends, "x")
        at(env, 60 * MS, container.freeze)
        at(env, 80 * MS, container.thaw)
        env.run()
        assert ends["x"] == (pytest.approx(110 * MS, abs=1e-9), pytest.approx(30 * MS, abs=1e-9))

    def test_it_costs_no_events_while_it_lasts(self) -> None:
        env = Environment()
        container = Processor(env, cores=1).container("a", 1.0, Quota(50 * MS, 100 * MS, 0.0))
        container.start(1.0, lambda: None)
        container.freeze()
        assert entries_processed(env) <= 1


class TestSlow:
    def test_bursts_take_the_factor_more_cpu_which_is_on_the_books(self) -> None:
        env, ends = Environment(), {}
        container = Processor(env, cores=1).container("a", 1.0)
        work(env, container, 1.0, ends, "x")
        at(env, 0.5, lambda: container.slow_down(4.0))
        at(env, 1.5, lambda: container.slow_down(1.0))
        env.run()
        assert ends["x"][0] == pytest.approx(1.75, abs=1e-9)
        assert container.cpu_s == pytest.approx(1.75, abs=1e-9)
        assert container.slowed_s == pytest.approx(0.75, abs=1e-9)
        assert container.served_s == pytest.approx(1.0, abs=1e-9)

    def test_the_quota_pays_for_it(self) -> None:
        env, ends = Environment(), {}
        container = Processor(env, cores=1).container("a", 1.0, Quota(50 * MS, 100 * MS, 0.0))
        container.slow_down(2.0)
        work(env, container, 30 * MS, ends, "x")
        env.run()
        assert ends["x"] == (pytest.approx(110 * MS, abs=1e-9), pytest.approx(50 * MS, abs=1e-9))

    def test_nothing_is_faster_than_it_is(self) -> None:
        container = Processor(Environment(), cores=1).container("a", 1.0)
        with pytest.raises(ValueError, match="at least 1"):
            container.slow_down(0.5)


class TestBursts:
    def test_no_demand_takes_no_time_and_returns_no_throttling(self) -> None:
        env, ends = Environment(), {}
        container = Processor(env, cores=1).container("a", 1.0)
        work(env, container, 0.0, ends, "none", at=1.0)
        work(env, container, 1e-9, ends, "hardly any", at=1.0)
        env.run()
        assert ends == {"none": (1.0, 0.0), "hardly any": (1.0, 0.0)}
        assert container.cpu_s == container.served_s == 1e-9
        assert container.begun == 2

    @pytest.mark.parametrize("demand_s", [-1e-12, -1.0, float("nan"), float("inf")])
    def test_impossible_demands_are_errors_of_the_model(self, demand_s: float) -> None:
        env = Environment()
        container = Processor(env, cores=1).container("here", 1.0)
        with pytest.raises(SimulationError, match="here"):
            container.start(demand_s, lambda: None)
        work(env, container, demand_s, {}, "x")
        with pytest.raises(SimulationError, match="here"):
            env.run()

    @pytest.mark.parametrize("demand_s", [0.0, 1.0])
    def test_start_tells_at_the_end_and_never_inside_the_call(self, demand_s: float) -> None:
        env, told = Environment(), []
        container = Processor(env, cores=1).container("a", 1.0)
        container.start(demand_s, lambda: told.append(env.now))
        assert told == []
        env.run()
        assert told == [demand_s]

    @pytest.mark.parametrize("demand_s", [0.0, 1.0])
    def test_cancel_returns_what_was_left_and_nobody_is_told(self, demand_s: float) -> None:
        env, told, left = Environment(), [], []
        container = Processor(env, cores=1).container("a", 1.0)
        burst = container.start(demand_s, lambda: told.append(env.now))
        if demand_s:
            env.run(until=0.25)
        left += [container.cancel(burst), container.cancel(burst)]
        env.run()
        assert left == [demand_s and 0.75, 0.0]
        assert told == []
        assert container.served_s == container.cpu_s == (demand_s and 0.25)
        assert container.runnable == 0

    def test_cancelled_at_the_very_instant_of_its_end_nothing_is_left(self) -> None:
        """By the clock it has then had more than its demand: 0.1 + 0.2 - 0.1 > 0.2."""
        env, left = Environment(), []
        container = Processor(env, cores=1).container("a", 1.0)
        at(env, 0.1 + 0.2, lambda: left.append(container.cancel(burst)))
        env.run(until=0.1)
        burst = container.start(0.2, lambda: None)
        env.run()
        assert left == [0.0]
        assert container.cancelled_s == container.cpu_s > 0.2

    def test_a_queue_that_a_process_left_sees_that_it_does_not_wait_there(self) -> None:
        """By its ticket, which is not that with which it queued, in no burst that follows."""
        env, seen = Environment(), []
        container = Processor(env, cores=1).container("a", 1.0)
        queue = Permits(env, 1, Station(env, "queue", 1, "permit"), max_wait_s=0.5)

        def process() -> Any:
            light = env.active
            assert light is not None
            assert not queue.acquire()
            queued = light.ticket
            assert not (yield)
            for _ in range(3):
                waiting = container.run(1.0)
                seen.append(light.ticket == queued)
                yield waiting

        assert queue.try_acquire()
        env.start(process())
        env.run()
        assert seen == [False] * 3

    def test_an_interrupt_cancels_and_the_other_has_the_core_to_itself(self) -> None:
        env, ends = Environment(), {}
        container = Processor(env, cores=1).container("a", 1.0)
        victim = work(env, container, 5.0, ends, "victim")
        work(env, container, 1.0, ends, "other")
        at(env, 1.0, lambda: env.throw(victim, Failure("gone")))
        env.run()
        assert ends == {"victim": (1.0, "interrupted"), "other": (1.5, 0.0)}
        assert container.cancelled_s == 0.5
        assert container.demand_done_s == 1.0
        assert container.present_area == container.present_s == 2.5

    def test_the_next_to_end_is_cancelled_and_the_one_behind_it_ends_on_time(self) -> None:
        env, ends = Environment(), {}
        container = Processor(env, cores=4).container("a", 1.0)
        victims = [work(env, container, demand_s, ends, demand_s) for demand_s in (1.0, 2.0)]
        work(env, container, 3.0, ends, "last")
        at(env, 0.5, lambda: [env.throw(victim, Failure("gone")) for victim in reversed(victims)])
        env.run()
        assert ends["last"] == (3.0, 0.0)

    def test_who_ends_at_the_same_instant_may_interrupt_the_other(self) -> None:
        env, ends = Environment(), {}
        container = Processor(env, cores=4).container("a", 1.0)

        def first() -> Any:
            yield container.run(1.0)
            env.throw(second, Failure("too late to stop the burst, not the process"))
            assert container.cancel(third) == 0.0

        told: list[float] = []
        env.start_now(first())
        second = work(env, container, 1.0, ends, "second")
        third = container.start(1.0, lambda: told.append(env.now))
        env.run()
        assert ends == {"second": (1.0, "interrupted")}
        assert told == []
        assert container.cancelled_s == 0.0
        assert container.demand_done_s == 3.0

    def test_a_process_is_resumed_within_the_timer_and_its_next_burst_costs_one_entry(self) -> None:
        env = Environment()
        container = Processor(env, cores=1).container("a", 1.0)

        def process() -> Any:
            for _ in range(1000):
                yield container.run(MS)

        env.start(process())
        assert entries_processed(env) == 1 + 1000

    def test_who_goes_on_computing_on_a_full_machine_changes_nothing_for_the_others(self) -> None:
        env = Environment()
        processor = Processor(env, cores=2)

        def process(container: Container, demand_s: float) -> Any:
            for _ in range(1000):
                yield container.run(demand_s)

        for number in range(6):
            env.start(process(processor.container(str(number), 1.0), (100 + number) * MS))
        assert entries_processed(env) <= 6 * (1 + 1000) + 6

    def test_an_interrupted_process_leaves_no_trace_in_a_later_wait(self) -> None:
        env, log = Environment(), []
        container = Processor(env, cores=1).container("a", 1.0)

        def process() -> Any:
            for demand_s in (1.0, 2.0):
                try:
                    yield container.run(demand_s)
                except Failure:
                    log.append(("interrupted", env.now))
                else:
                    log.append(("done", env.now))

        light = env.start(process())
        at(env, 0.5, lambda: env.throw(light, Failure("gone")))
        env.run()
        assert log == [("interrupted", 0.5), ("done", 2.5)]


class TestQuota:
    """A budget of 50 ms every 100 ms; the next boundary after 0 is at 100 ms unless a phase says otherwise."""

    def make(self, cores: float = 4, quota_s: float = 50 * MS, phase_s: float = 0.0) -> tuple[Environment, Container]:
        env = Environment()
        return env, Processor(env, cores).container("a", 1024.0, Quota(quota_s, 100 * MS, phase_s))

    def test_a_burst_within_the_budget_runs_at_full_speed(self) -> None:
        env, container = self.make()
        ends: dict[Any, Any] = {}
        work(env, container, 20 * MS, ends, "x")
        env.run()
        assert ends["x"] == (20 * MS, 0.0)

    def test_threads_stop_together_when_the_budget_is_spent(self) -> None:
        env, container = self.make()
        ends: dict[Any, Any] = {}
        for name, demand_s in (("short", 20 * MS), ("long", 40 * MS)):
            work(env, container, demand_s, ends, name)
        env.run(until=60 * MS)
        assert container.is_throttled
        assert container.runnable == 1
        env.run()
        assert ends["short"] == (20 * MS, 0.0)
        assert ends["long"][0] == pytest.approx(110 * MS, abs=1e-9), "spent at 30 ms, 10 ms short"
        assert ends["long"][1] == pytest.approx(70 * MS, abs=1e-9)
        assert container.throttled_wall_s == pytest.approx(70 * MS, abs=1e-9)
        assert container.throttled_thread_s == pytest.approx(70 * MS, abs=1e-9)
        assert not container.is_throttled

    def test_throttled_time_is_counted_by_wall_and_by_thread(self) -> None:
        env, container = self.make()
        ends: dict[Any, Any] = {}
        for name in range(3):
            work(env, container, 20 * MS, ends, name)
        env.run(until=50 * MS)
        assert container.throttled_wall_s == pytest.approx((50 - 50 / 3) * MS, abs=1e-9)
        assert container.throttled_thread_s == pytest.approx(3 * (50 - 50 / 3) * MS, abs=1e-9)
        env.run()
        assert ends[0][1] == pytest.approx((100 - 50 / 3) * MS, abs=1e-9)

    def test_a_burst_that_begins_while_others_are_stopped_waits_with_them(self) -> None:
        env, container = self.make()
        ends: dict[Any, Any] = {}
        work(env, container, 60 * MS, ends, "first")
        work(env, container, 5 * MS, ends, "second", at=70 * MS)
        env.run()
        assert ends["second"][0] == pytest.approx(105 * MS, abs=1e-9)
        assert ends["second"][1] == pytest.approx(30 * MS, abs=1e-9)

    def test_a_spent_budget_stays_spent_when_the_container_empties(self) -> None:
        env, container = self.make()
        ends: dict[Any, Any] = {}
        work(env, container, 50 * MS, ends, "exactly")
        work(env, container, 5 * MS, ends, "next", at=60 * MS)
        env.run()
        assert ends["exactly"] == (50 * MS, 0.0)
        assert ends["next"][0] == pytest.approx(105 * MS, abs=1e-9)
        assert container.throttled_wall_s == pytest.approx(40 * MS, abs=1e-9), "nobody was stopped from 50 to 60 ms"

    def test_interrupting_all_who_are_stopped_ends_the_throttling(self) -> None:
        env, container = self.make()
        ends: dict[Any, Any] = {}
        light = work(env, container, 60 * MS, ends, "x")
        at(env, 70 * MS, lambda: env.throw(light, Failure("gone")))
        env.run()
        assert container.throttled_wall_s == pytest.approx(20 * MS, abs=1e-9)
        assert container.cancelled_s == pytest.approx(50 * MS, abs=1e-9)

    def test_what_is_left_of_a_budget_is_lost_at_the_boundary(self) -> None:
        env, container = self.make()
        ends: dict[Any, Any] = {}
        work(env, container, 80 * MS, ends, "x", at=1000 * MS)
        env.run()
        assert ends["x"][0] == pytest.approx(1130 * MS, abs=1e-9), "ten idle periods have saved nothing"

    def test_the_period_grid_does_not_wait_for_the_first_burst(self) -> None:
        env, container = self.make(phase_s=30 * MS)
        ends: dict[Any, Any] = {}
        work(env, container, 60 * MS, ends, "x")
        work(env, container, 60 * MS, ends, "y", at=1000 * MS)
        env.run()
        assert ends["x"][0] == pytest.approx(60 * MS, abs=1e-9), "30 ms before the boundary, 30 ms after it"
        assert ends["y"][0] == pytest.approx(1060 * MS, abs=1e-9)

    def test_a_budget_that_cannot_be_spent_costs_no_event(self) -> None:
        env, container = self.make(cores=1, quota_s=100 * MS)
        ends: dict[Any, Any] = {}
        work(env, container, 100.0, ends, "x")
        assert entries_processed(env) == 2
        assert ends["x"] == (100.0, 0.0)

    def test_a_boundary_at_which_nobody_is_stopped_costs_no_event(self) -> None:
        env, container = self.make(quota_s=150 * MS)

        def process() -> Any:
            for _ in range(50):
                yield container.run(40 * MS)

        env.start(process())
        assert entries_processed(env) == 1 + 50

    def test_limits_beyond_the_cores_throttle_and_queue(self) -> None:
        env, ends = Environment(), {}
        processor = Processor(env, cores=1)
        for name in "ab":
            work(env, processor.container(name, 1.0, Quota(60 * MS, 100 * MS, 0.0)), 70 * MS, ends, name)
        env.run()
        assert ends["a"][0] == pytest.approx(140 * MS, abs=1e-9), "50 ms each by 100 ms, below the quota"
        assert processor.cpu_s == pytest.approx(140 * MS, abs=1e-9)

    def test_a_throttled_container_leaves_its_cores_to_others(self) -> None:
        env, ends = Environment(), {}
        processor = Processor(env, cores=1)
        work(env, processor.container("limited", 1.0, Quota(10 * MS, 100 * MS, 0.0)), 20 * MS, ends, "limited")
        work(env, processor.container("free", 1.0), 100 * MS, ends, "free")
        env.run()
        assert ends["free"][0] == pytest.approx(120 * MS, abs=1e-9), "halves to 20 ms and again from 100 to 120 ms"
        assert ends["limited"][0] == pytest.approx(120 * MS, abs=1e-9)

    @pytest.mark.parametrize(
        ("quota_s", "period_s", "phase_s"),
        [(0.0, 0.1, 0.0), (-1.0, 0.1, 0.0), (0.0009, 0.1, 0.0), (0.05, 0.0009, 0.0), (0.05, 1.1, 0.0),
         (0.05, 0.1, float("nan")), (float("inf"), 0.1, 0.0), (float("nan"), 0.1, 0.0)],
    )  # fmt: skip
    def test_what_linux_refuses_is_refused(self, quota_s: float, period_s: float, phase_s: float) -> None:
        with pytest.raises(ValueError, match="CPU quota"):
            Quota(quota_s, period_s, phase_s)

    def test_a_hundredth_of_a_cpu_is_allowed(self) -> None:
        assert Quota(0.01 * 0.1, 0.1, 0.0).quota_s == 0.001


class TestLife:
    def test_clear_cancels_all_and_who_kills_interrupts_the_processes(self) -> None:
        env, ends = Environment(), {}
        processor = Processor(env, cores=2)
        container, other = processor.container("a", 1.0), processor.container("b", 1.0)
        lights = [work(env, container, 3.0, ends, name) for name in range(3)]
        work(env, other, 1.0, ends, "other")

        def kill() -> None:
            container.clear()
            for light in lights:
                env.throw(light, Failure("killed"))

        at(env, 0.5, kill)
        env.run()
        assert [ends[name] for name in range(3)] == [(0.5, "interrupted")] * 3
        assert container.runnable == processor.load == 0
        assert container.cpu_s == 0.5
        assert container.cancelled_s == pytest.approx(0.5, abs=1e-9)
        assert ends["other"][0] == 1.0
        work(env, container, 1.0, ends, "again")
        env.run()
        assert ends["again"][0] == pytest.approx(2.0, abs=1e-9)

    def test_nothing_happens_after_the_last_burst_was_cancelled(self) -> None:
        env = Environment()
        processor = Processor(env, cores=2)
        limited = processor.container("limited", 1.0, Quota(20 * MS, 100 * MS, 0.0))
        free = processor.container("free", 1.0)
        bursts = [(container, container.start(50.0, lambda: None)) for container in (limited, limited, free, free)]

        def cancel() -> None:
            for container, burst in bursts:
                container.cancel(burst)

        at(env, 30 * MS, cancel)
        env.run()
        assert env.now == 30 * MS

    def test_a_removed_container_is_forgotten_but_not_its_cpu_time(self) -> None:
        env, ends = Environment(), {}
        processor = Processor(env, cores=1)
        container, other = processor.container("a", 1.0), processor.container("b", 1.0)
        container.start(10.0, lambda: None)
        work(env, other, 1.0, ends, "other")
        at(env, 1.0, lambda: processor.remove(container))
        env.run()
        assert ends["other"][0] == 1.5
        assert container.cpu_s == 0.5
        assert processor.cpu_s == 1.5
        with pytest.raises(SimulationError, match="removed"):
            container.start(1.0, lambda: None)

    @pytest.mark.parametrize("cores", [0, -1, float("nan"), float("inf")])
    def test_impossible_cores(self, cores: float) -> None:
        with pytest.raises(ValueError, match="cores"):
            Processor(Environment(), cores)

    @pytest.mark.parametrize("speed", [-1.0, float("nan"), float("inf")])
    def test_impossible_speeds(self, speed: float) -> None:
        processor = Processor(Environment(), 1)
        with pytest.raises(ValueError, match="speed"):
            processor.set_speed(speed)
        assert processor.speed == 1.0

    @pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
    def test_impossible_weights(self, weight: float) -> None:
        with pytest.raises(ValueError, match="weight"):
            Processor(Environment(), 1).container("a", weight)


class TestTime:
    def test_a_day_of_silence_costs_nothing(self) -> None:
        env, ends = Environment(), {}
        processor = Processor(env, cores=1)
        containers = [
            processor.container(str(number), 1.0, Quota(10 * MS, 100 * MS, number * 7 * MS)) for number in range(12)
        ]
        for start_s in (0.0, 86400.0):
            for number, container in enumerate(containers):
                work(env, container, 15 * MS, ends, (start_s, number), at=start_s)
        env.run(until=43200.0)
        assert env.peek() >= 86400.0, "nothing is left to happen before the next burst"
        env.run()
        assert len(ends) == 24
        for number in range(12):
            assert ends[86400.0, number][0] - 86400.0 == pytest.approx(ends[0.0, number][0], abs=1e-8)

    def test_bursts_end_late_in_a_run_where_the_clock_is_coarse(self) -> None:
        env, ends = Environment(1e7), {}
        processor = Processor(env, cores=64)
        containers = [
            processor.container(str(number), 1.0 + number, quota)
            for number, quota in enumerate([None, Quota(20 * MS, 100 * MS, 33.3 * MS), Quota(900 * MS, 100 * MS, 0.0)])
        ]
        names = [(i, thread) for i in range(3) for thread in range(1, 40)]
        for i, thread in names:
            work(env, containers[i], thread * 1.1 * MS, ends, (i, thread), at=thread * 0.3 * MS)
        assert entries_processed(env) < 2000
        assert ends.keys() == set(names)
        for container in containers:
            assert container.cpu_s == pytest.approx(container.served_s + container.rounding_s, rel=1e-9)
            assert abs(container.rounding_s) < container.begun * 2e-8
            assert container.present_area == pytest.approx(container.present_s, rel=1e-9)

    def test_tiny_demands_and_many_threads_late_in_a_run(self) -> None:
        env, ends = Environment(1e7), {}
        container = Processor(env, cores=1).container("a", 1.0, Quota(1 * MS, 10 * MS, 0.0))
        for name in range(300):
            work(env, container, (1 + name) * 2e-9, ends, name, at=name * 1e-9)
        assert entries_processed(env) < 3000
        assert len(ends) == 300

    def test_reading_accounts_changes_nothing(self) -> None:
        def history(reads: bool) -> tuple[dict[Any, Any], int, float]:
            env, ends = Environment(), {}
            processor = Processor(env, cores=2, speed=1.1)
            containers = [
                processor.container(str(i), 1.0 + i, Quota((7 + 30 * i) * MS, 100 * MS, i * 13 * MS)) for i in range(4)
            ]
            for name in range(60):
                work(env, containers[name % 4], (3 + name % 7) * 1.7 * MS, ends, name, at=name * 2.3 * MS)

            def look() -> Any:
                for _ in range(2000):
                    for container in containers if reads else ():
                        assert container.cpu_s == pytest.approx(container.served_s + container.rounding_s, abs=1e-12)
                        assert container.present_area == pytest.approx(container.present_s, abs=1e-12)
                        assert 0.0 <= container.throttled_wall_s <= container.throttled_thread_s
                    assert not reads or processor.cpu_s <= processor.capacity_s + 1e-12
                    yield 0.37 * MS

            env.start(look())
            return ends, entries_processed(env), processor.cpu_s

        assert history(reads=True) == history(reads=False)
