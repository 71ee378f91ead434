"""CFS quotas and weights, by scanning the phase of the period grid.

What a burst takes depends on where in its period it begins. Two independent answers are compared: the processor's, and
that of walking from boundary to boundary with a fresh budget each.
"""

from __future__ import annotations

from typing import Any

from experiments.validation.check import Component, Disagreement, expect, expect_near
from models.machine import Container, ContainerSpec, LimitsSpec, MachineSpec
from models.spec import Context
from sim.environment import Environment
from sim.probe import NullProbe
from sim.processor import Processor, Quota
from sim.streams import Streams

CPU_QUOTA = Component(
    "Linux CFS quota",
    version="Linux, as in the kernel's documentation",
    source="linux: Documentation/scheduler/sched-bwc.rst; moby: daemon/daemon_unix.go",
    section="7",
)

MS, PERIOD_S, PHASES = 0.001, 0.1, 200
AGREEMENT = "with the rule exact (1e-9 s), at every phase; with the range to 0.5 ms"


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
    expect(len(ends), threads)
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


def by_phase(threads: int, demand_ms: float, least_ms: float, most_ms: float) -> None:
    takes = []
    for phase in range(1, PHASES + 1):
        to_boundary_s = phase * PERIOD_S / PHASES
        took_s, throttled_s = simulated(threads, demand_ms * MS, 50 * MS, to_boundary_s)
        should_s, stopped_s = walked(threads, demand_ms * MS, 50 * MS, to_boundary_s)
        expect_near(took_s, should_s, 1e-9, f"boundary after {to_boundary_s} s")
        expect_near(throttled_s, stopped_s, 1e-9, f"throttled, boundary after {to_boundary_s} s")
        takes.append(took_s / MS)
    expect_near(min(takes), least_ms, 0.5, "the least")
    expect_near(max(takes), most_ms, 0.5, "the most")


@CPU_QUOTA.check("1 thread, 60 ms CPU", "60 to 110 ms, by the phase in which it begins.", AGREEMENT)
def one_thread() -> None:
    by_phase(1, 60, 60, 110)


@CPU_QUOTA.check("1 thread, 120 ms", "170 to 220 ms.", AGREEMENT)
def one_thread_longer() -> None:
    by_phase(1, 120, 170, 220)


@CPU_QUOTA.check("2 threads × 40 ms, 2 cores", "40 to 115 ms.", AGREEMENT)
def two_threads() -> None:
    by_phase(2, 40, 40, 115)


@CPU_QUOTA.check(
    "The period grid has a random phase per cgroup",
    "60 ms pass unhindered at four phases in ten.",
    "within half a percent",
)
def spread() -> None:
    takes = [simulated(1, 60 * MS, 50 * MS, (phase + 0.5) * PERIOD_S / PHASES)[0] for phase in range(PHASES)]
    expect_near(sum(took_s < 60 * MS + 1e-9 for took_s in takes) / PHASES, 0.4, 0.005)


@CPU_QUOTA.check(
    "runs on regardless of activity",
    "Half a CPU is never a slower CPU: 20 ms take 20 ms at any phase.",
    "within 1e-9 s",
)
def full_speed() -> None:
    for phase_ms in (0, 1, 13, 50, 99.5):
        took_s, throttled_s = simulated(1, 20 * MS, 50 * MS, phase_ms * MS)
        expect_near(took_s, 20 * MS, 1e-9)
        expect(throttled_s, 0.0)


@CPU_QUOTA.check(
    "exhausted ⇒ every thread stops until the next period",
    "8 threads burn one CPU's quota in 12.5 ms.",
    "within 1e-9 s",
)
def all_stop() -> None:
    took_s, throttled_s = simulated(8, 25 * MS, 100 * MS, PERIOD_S, cores=8)
    expect_near(took_s, 112.5 * MS, 1e-9)
    expect_near(throttled_s, 87.5 * MS, 1e-9)


@CPU_QUOTA.check(
    "Unused quota is not saved", "A container that was idle for a day gets what a new one gets.", "within 1e-8 s"
)
def not_saved() -> None:
    for idle_periods in (1, 7, 864_000):
        env = Environment()
        container = Processor(env, 2).container("replica", 1024.0, Quota(50 * MS, PERIOD_S, 0.0))
        begun_s = idle_periods * PERIOD_S
        container.start(10 * MS, lambda: None)
        env.run(until=begun_s)
        container.start(120 * MS, lambda: None)
        env.run()
        expect_near(env.now - begun_s, 220 * MS, 1e-8, f"after {idle_periods} periods")


@CPU_QUOTA.check(
    "cpus: x ⇒ quota x·100 ms per 100 ms period", "In the long run a container gets its limit.", "within 1e-9"
)
def long_run() -> None:
    for cpus in (0.1, 0.5, 1.5, 2.0):
        env = Environment()
        machine_at = Context(env, Streams(1, 0), NullProbe(env), "machines.vm")
        machine = MachineSpec.model_validate({"cores": 4, "memory": "1G"}).build(machine_at)
        spec = ContainerSpec(machine="vm", limits=LimitsSpec(cpus=cpus))
        container = Container(machine, Context(env, Streams(1, 0), NullProbe(env), "a"), spec)
        quota = container.cpu.quota
        if quota is None:
            raise Disagreement("no quota")
        expect_near(quota.quota_s, cpus * 0.1, 1e-12)
        for _ in range(3):
            container.burn_aside(1e6)
        env.run(until=quota.phase_s + 0.1)
        before_s = container.cpu.cpu_s
        env.run(until=quota.phase_s + 20.1)
        expect_near(container.cpu.cpu_s - before_s, cpus * 20.0, 1e-6, f"{cpus} CPUs")


@CPU_QUOTA.check(
    "under contention, time is shared by weight (1024 per CPU requested) among runnable groups, work-conserving",
    "Three to one while both want the core, everything to one alone.", "within 1e-9 s",
)  # fmt: skip
def weights() -> None:
    env = Environment()
    processor = Processor(env, 1)
    heavy, light = processor.container("heavy", 3072.0), processor.container("light", 1024.0)
    ends: list[float] = []
    heavy.start(0.3, lambda: ends.append(env.now))
    light.start(0.3, lambda: ends.append(env.now))
    env.run()
    expect_near(ends[0], 0.4, 1e-9, "the heavy one")
    expect_near(ends[1], 0.6, 1e-9, "the light one")


@CPU_QUOTA.check(
    "Σ limits > cores ⇒ throttling and run-queue wait",
    "Two quotas of one CPU on one core: neither gets its own.",
    "within 1e-9 s",
)
def both() -> None:
    env = Environment()
    processor = Processor(env, 1)
    made = [processor.container(name, 1024.0, Quota(0.08, PERIOD_S, 0.0)) for name in ("a", "b")]
    for container in made:
        for _ in range(2):
            container.start(100.0, lambda: None)
    env.run(until=20.0)
    for container in made:
        expect_near(container.cpu_s, 10.0, 1e-6, "half of the core each, below the quota of 0.8")


CPU_QUOTA.leaves_out(
    "≤1 ms per CPU slack; 5 ms slices", "At most 1 ms a period and CPU; a budget is spent to the last microsecond."
)
