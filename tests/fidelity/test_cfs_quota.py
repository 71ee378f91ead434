"""CFS quotas, by scanning the phase of the period grid (FIDELITY: CPU, quota 50/100 ms).

What a burst takes depends on where in its period it begins. Two independent answers are compared: the processor's, and
that of walking from boundary to boundary with a fresh budget each.
"""

from __future__ import annotations

from typing import Any

import pytest

from sim.environment import Environment
from sim.processor import Processor, Quota

MS = 0.001
PERIOD_S = 100 * MS
PHASES = 400


def simulated(
    threads: int, demand_s: float, quota_s: float, to_boundary_s: float, cores: float = 2
) -> tuple[float, float]:
    """How long it takes until all threads have had `demand_s`, and the wall time for which they were throttled."""
    env = Environment()
    container = Processor(env, cores).container("replica", 1024.0, Quota(quota_s, PERIOD_S, to_boundary_s))
    ends: list[float] = []

    def thread() -> Any:
        yield container.run(demand_s)
        ends.append(env.now)

    for _ in range(threads):
        env.start(thread())
    env.run()
    assert len(ends) == threads
    return ends[-1], container.throttled_wall_s


def walked(threads: int, demand_s: float, quota_s: float, to_boundary_s: float) -> tuple[float, float]:
    """The same from period to period: run until the work, the budget or the period is used up."""
    left_s, now, boundary, throttled_s = threads * demand_s, 0.0, to_boundary_s, 0.0
    while True:
        usable_s = min(quota_s, threads * (boundary - now))
        if left_s <= usable_s + 1e-12:
            return now + left_s / threads, throttled_s
        left_s -= usable_s
        throttled_s += boundary - now - usable_s / threads
        now, boundary = boundary, boundary + PERIOD_S


@pytest.mark.parametrize(
    ("threads", "demand_ms", "least_ms", "most_ms"),
    [(1, 60, 60, 110), (1, 120, 170, 220), (2, 40, 40, 115)],
    ids=["1 thread, 60 ms", "1 thread, 120 ms", "2 threads, 40 ms"],
)
def test_quota_50_of_100_ms_by_phase(threads: int, demand_ms: float, least_ms: float, most_ms: float) -> None:
    takes = []
    for phase in range(1, PHASES + 1):
        to_boundary_s = phase * PERIOD_S / PHASES
        took_s, throttled_s = simulated(threads, demand_ms * MS, 50 * MS, to_boundary_s)
        should_s, stopped_s = walked(threads, demand_ms * MS, 50 * MS, to_boundary_s)
        assert took_s == pytest.approx(should_s, abs=1e-9), f"boundary after {to_boundary_s} s"
        assert throttled_s == pytest.approx(stopped_s, abs=1e-9), f"boundary after {to_boundary_s} s"
        takes.append(took_s / MS)
    assert min(takes) == pytest.approx(least_ms, abs=1e-6)
    assert max(takes) == pytest.approx(most_ms, abs=1e-6)


def test_the_spread_by_phase_is_that_of_a_uniform_phase() -> None:
    """60 ms of CPU pass unhindered where the boundary falls 10 to 50 ms into them: for four phases in ten."""
    takes = [simulated(1, 60 * MS, 50 * MS, (phase + 0.5) * PERIOD_S / PHASES)[0] for phase in range(PHASES)]
    unhindered = sum(took_s < 60 * MS + 1e-9 for took_s in takes)
    assert unhindered / PHASES == pytest.approx(0.4, abs=0.003)


@pytest.mark.parametrize("phase_ms", [0, 1, 13, 50, 99.5])
def test_half_a_cpu_runs_a_short_burst_at_full_speed(phase_ms: float) -> None:
    """Never a slower CPU: 20 ms take 20 ms, whatever the phase."""
    took_s, throttled_s = simulated(1, 20 * MS, 50 * MS, phase_ms * MS)
    assert took_s == pytest.approx(20 * MS, abs=1e-12)
    assert throttled_s == 0.0


def test_all_threads_stop_until_the_next_period() -> None:
    """Eight threads on eight cores with one CPU's quota burn it in an eighth of the period."""
    took_s, throttled_s = simulated(8, 25 * MS, 100 * MS, PERIOD_S, cores=8)
    assert took_s == pytest.approx(112.5 * MS, abs=1e-9)
    assert throttled_s == pytest.approx(87.5 * MS, abs=1e-9)


@pytest.mark.parametrize("idle_periods", [0, 1, 7, 864_000])
def test_unused_quota_is_not_saved(idle_periods: int) -> None:
    """A container that has been idle for a day gets what a new one gets."""
    env = Environment()
    container = Processor(env, 2).container("replica", 1024.0, Quota(50 * MS, PERIOD_S, 0.0))
    begun_s = idle_periods * PERIOD_S
    ends: list[float] = []
    container.start(10 * MS, lambda: None)
    env.run()
    if begun_s:
        env.run(until=begun_s)
        container.start(120 * MS, lambda: ends.append(env.now - begun_s))
        env.run()
        assert ends == [pytest.approx(220 * MS, abs=1e-8)]
    else:
        container.start(60 * MS, lambda: ends.append(env.now))
        env.run()
        assert ends == [pytest.approx(120 * MS, abs=1e-9)], "10 of the 50 ms were gone, 20 more after the boundary"


@pytest.mark.parametrize("cpus", [0.1, 0.25, 0.5, 1.0, 1.5, 2.0])
def test_in_the_long_run_a_limited_container_gets_its_limit(cpus: float) -> None:
    env = Environment()
    container = Processor(env, 4).container("replica", 1024.0, Quota(cpus * PERIOD_S, PERIOD_S, 37 * MS))

    def thread() -> Any:
        while True:
            yield container.run(3.3 * MS)

    for _ in range(3):
        env.start(thread())
    env.run(until=37 * MS)
    before_s = container.cpu_s
    env.run(until=37 * MS + 20.0)
    assert container.cpu_s - before_s == pytest.approx(cpus * 20.0, rel=1e-9)
