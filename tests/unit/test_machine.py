"""Machines and containers: shared memory, the OOM killer, death and restart, background residents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from models.machine import BackgroundSpec, Container, ContainerSpec, LimitsSpec, Machine, MachineSpec
from models.outcomes import InstanceDied
from models.spec import Context
from sim.environment import Activity, Environment
from sim.recorder import Recorder
from sim.streams import Streams

M = 1 << 20


class World:
    def __init__(self, memory: str = "1G", cores: float = 1, **fields: Any) -> None:
        self.env = Environment()
        self.recorder = Recorder(self.env, ["x"], 0.0, 1.0)
        self.context = Context(self.env, Streams(1, 0), self.recorder, "machines.vm")
        self.machine: Machine = MachineSpec(cores=cores, memory=memory, **fields).build(self.context)

    def container(self, name: str, base: str = "100M", limit: str | None = None, **fields: Any) -> Container:
        spec = ContainerSpec(machine="vm", base_memory=base, limits=LimitsSpec(memory=limit), **fields)
        return Container(self.machine, Context(self.env, Streams(1, 0), self.recorder, name), spec)

    def count(self, path: str) -> int:
        return self.recorder.result().whole.counts[path]

    @property
    def notes(self) -> list[tuple[float, str, str]]:
        return list(self.recorder.result().notes.lines)


def guest(container: Container, duration_s: float, log: list[Any]) -> Activity:
    """Somebody who is served in a container."""
    light = container.enter()
    try:
        yield duration_s
        log.append("served")
    except InstanceDied as death:
        log.append(("died", death.path))
    finally:
        container.leave(light)


def at(env: Environment, delay_s: float, act: Callable[[], Any]) -> None:
    def later() -> Activity:
        yield delay_s
        act()

    env.start(later())


def test_a_container_over_its_limit_is_killed_at_that_instant() -> None:
    world = World()
    container = world.container("a", limit="150M")
    log: list[Any] = []
    world.env.start(guest(container, 5.0, log))
    at(world.env, 1.0, lambda: container.use_memory(50 * M))
    at(world.env, 2.0, lambda: container.use_memory(1))
    world.env.run(2.05)
    assert log == [("died", "a")]
    assert not container.is_up
    assert container.memory_bytes == 0
    world.env.run(3.0)
    assert container.is_up
    assert container.memory_bytes == container.base_bytes == 100 * M
    assert [(time, text) for time, _, text in world.notes] == [
        (2.0, "killed, out of memory: its limit is reached"),
        (2.1, "up again"),
    ]


def test_memory_that_comes_back_kills_nobody() -> None:
    world = World()
    container = world.container("a", limit="150M")
    container.use_memory(50 * M)
    container.use_memory(-20 * M)
    world.env.run(1.0)
    assert container.is_up


def test_over_the_machine_s_memory_the_largest_container_dies() -> None:
    world = World("1000M", system_memory="500M", background={"metrics": BackgroundSpec(memory="100M")})
    small, large = world.container("small", "100M"), world.container("large", "200M")
    at(world.env, 1.0, lambda: small.use_memory(100 * M))
    world.env.run(2.0)
    assert (small.is_up, large.is_up) == (True, True)
    at(world.env, 0.0, lambda: small.use_memory(1))
    world.env.run(2.05)
    assert (small.is_up, large.is_up) == (False, True)
    world.env.run(3.0)
    assert world.machine.memory_bytes == (500 + 100 + 100 + 200) * M
    result = world.recorder.result().whole
    assert result.counts["machines.vm.oom_kills"] == result.counts["small.deaths"] == 1
    assert result.levels["machines.vm.memory_bytes"].peak == 1000 * M, "more than there is is never handed out"


def test_a_background_resident_is_killed_like_anybody_else_and_comes_back() -> None:
    resident = BackgroundSpec(memory="500M", burst="100ms", every="1s")
    world = World("1000M", system_memory="100M", background={"metrics": resident})
    other = world.container("other", "300M")
    world.machine.wake()
    at(world.env, 3.0, lambda: other.use_memory(101 * M))
    at(world.env, 3.05, lambda: other.use_memory(-101 * M))
    world.env.run(5.0)
    assert other.is_up
    assert world.count("machines.vm.background.metrics.deaths") == 1
    assert [(time, text.split(",")[0]) for time, _, text in world.notes] == [(3.0, "killed"), (3.1, "up again")]
    assert world.machine.memory_bytes == (100 + 500 + 300) * M


def test_a_background_resident_has_limits() -> None:
    limits = LimitsSpec(cpus=0.1)
    world = World(background={"metrics": BackgroundSpec(memory="10M", burst="100s", every="10s", limits=limits)})
    world.machine.wake()
    world.env.run(20.0)
    (cpu,) = world.machine.cpus()
    before_s = cpu.cpu_s
    world.env.run(40.0)
    assert cpu.cpu_s - before_s == pytest.approx(2.0, abs=0.011)
    with pytest.raises(ValidationError, match="killed for ever"):
        BackgroundSpec(memory="10M", limits=LimitsSpec(memory="5M"))


def test_who_is_dying_already_is_killing_enough() -> None:
    """A container over its own limit takes nobody with it, where its death frees the machine."""
    world = World("1000M")
    greedy, other = world.container("greedy", "100M", limit="200M"), world.container("other", "500M")
    at(world.env, 1.0, lambda: greedy.use_memory(800 * M))
    world.env.run(1.05)
    assert (greedy.is_up, other.is_up) == (False, True)


def test_everyone_inside_hears_of_the_death_and_nobody_outside() -> None:
    world = World()
    container, other = world.container("a", limit="150M"), world.container("b")
    log: list[Any] = []
    for _ in range(3):
        world.env.start(guest(container, 5.0, log))
    world.env.start(guest(other, 5.0, log))
    world.env.start(guest(container, 0.5, log))
    at(world.env, 1.0, lambda: container.use_memory(60 * M))
    world.env.run()
    assert log == ["served", *[("died", "a")] * 3, "served"]


def test_a_restart_waits_and_burns_cpu_before_the_container_is_up() -> None:
    world = World(speed=2)
    container = world.container("a", limit="150M", start_wait="1s", start_cpu="4s")
    at(world.env, 1.0, lambda: container.use_memory(60 * M))
    world.env.run()
    assert world.notes[-1] == (pytest.approx(1.0 + 0.1 + 1.0 + 4.0 / 2), "a", "up again")
    assert container.cpu.cpu_s == pytest.approx(4.0)


def test_what_a_restart_has_to_do_can_fail_and_is_tried_again() -> None:
    world = World()
    container = world.container("a", limit="150M")
    begun: list[float] = []
    closed: list[float] = []

    def on_start() -> Activity:
        begun.append(world.env.now)
        yield 0.05
        if len(begun) < 3:
            raise InstanceDied("database")

    container.on_start = on_start
    container.on_killed = lambda: closed.append(world.env.now)
    at(world.env, 1.0, lambda: container.use_memory(60 * M))
    world.env.run()
    assert begun == pytest.approx([1.1, 1.1 + 0.05 + 0.2, 1.35 + 0.05 + 0.4])
    assert closed == pytest.approx([1.0, 1.15, 1.4]), "it lets go of everything each time it exits"
    assert container.is_up


def test_a_start_that_uses_too_much_memory_at_its_very_end_fails() -> None:
    world = World()
    container = world.container("a", limit="150M")
    starts: list[float] = []

    def on_start() -> Activity:
        yield 0.05
        starts.append(world.env.now)
        if len(starts) == 1:
            container.use_memory(60 * M)

    container.on_start = on_start
    at(world.env, 1.0, lambda: container.use_memory(60 * M))
    world.env.run()
    assert starts == pytest.approx([1.15, 1.4])
    assert container.is_up
    assert container.memory_bytes == 100 * M
    assert world.count("a.deaths") == 2


def test_a_container_that_dies_while_it_starts_starts_again() -> None:
    world = World("300M")
    slow, other = world.container("slow", "100M", limit="150M", start_wait="5s"), world.container("other", "90M")
    at(world.env, 1.0, lambda: slow.use_memory(60 * M))
    at(world.env, 3.0, lambda: other.use_memory(5 * M))
    at(world.env, 3.0, lambda: world.machine.use_memory(200 * M))
    at(world.env, 3.1, lambda: world.machine.use_memory(-200 * M))
    world.env.run()
    assert [(time, text.split(",")[0]) for time, path, text in world.notes if path == "slow"] == [
        (1.0, "killed"),
        (3.0, "killed"),
        (3.0, "did not start: slow"),
        (pytest.approx(3.2 + 5.0), "up again"),
    ]


def test_what_can_never_start_is_given_up_when_nobody_will_come() -> None:
    world = World()
    container = world.container("a", limit="150M")
    at(world.env, 1.0, lambda: container.use_memory(60 * M))

    def on_start() -> Activity:
        yield 0.0
        raise InstanceDied("database")

    container.on_start = on_start
    at(world.env, 30.0, lambda: world.machine.rest(is_deserted=True))
    world.env.run()
    assert world.env.now < 60.0
    assert not container.is_up
    assert container.memory_bytes == 0


def test_residents_burn_on_their_grid_only_while_somebody_is_served() -> None:
    world = World(background={"metrics": BackgroundSpec(memory="10M", burst="100ms", every="2s")})
    (cpu,) = world.machine.cpus()
    assert world.machine.memory_bytes == 10 * M
    world.env.run(10.0)
    assert cpu.cpu_s == 0
    world.machine.wake()
    world.env.run(20.0)
    assert cpu.cpu_s == pytest.approx(5 * 0.1)
    world.machine.rest(is_deserted=False)
    world.env.run(30.0)
    assert cpu.cpu_s == pytest.approx(5 * 0.1)
    world.machine.wake()
    world.machine.wake()
    world.env.run(34.0)
    assert cpu.cpu_s == pytest.approx(7 * 0.1), "the grid has gone on meanwhile"


def test_one_cpu_second_takes_less_on_a_faster_core() -> None:
    world = World(speed=2)
    container = world.container("a")
    ended: list[float] = []

    def burst() -> Activity:
        yield container.run(1.0)
        ended.append(world.env.now)

    world.env.start(burst())
    world.env.run()
    assert ended == [0.5]
    assert container.cpu.cpu_s == pytest.approx(1.0)


def test_who_crashes_comes_back_as_docker_says_or_after_the_time_that_is_asked_for() -> None:
    world = World()
    container = world.container("a")
    log: list[Any] = []
    world.env.start(guest(container, 50.0, log))
    at(world.env, 1.0, lambda: container.kill("a bug"))
    at(world.env, 20.0, lambda: container.kill("power cut", 5.0))
    at(world.env, 22.0, lambda: container.kill("power cut again", 5.0))
    at(world.env, 23.0, lambda: container.kill("it is down already"))
    world.env.run()
    assert log == [("died", "a")]
    assert [(time, text) for time, _, text in world.notes] == [
        (1.0, "killed, a bug"), (1.1, "up again"), (20.0, "killed, power cut"), (22.0, "stays down, power cut again"),
        (27.0, "up again"),
    ]  # fmt: skip
    assert world.count("a.deaths") == 2


@pytest.mark.parametrize(("policy", "restarts"), [("no", 0), ("on-failure:2", 2), ("on-failure", 4), ("always", 4)])
def test_a_restart_policy_says_how_often(policy: str, restarts: int) -> None:
    world = World()
    container = world.container("a", restart=policy)
    for n in range(4):
        at(world.env, 100.0 * n, lambda: container.kill("a bug"))
    world.env.run()
    assert [text for _, _, text in world.notes].count("up again") == restarts
    assert container.is_up == (restarts == 4)
    if policy != "no":
        return
    at(world.env, 1.0, lambda: container.kill("repaired by hand", 3.0))
    world.env.run()
    assert container.is_up, "somebody started it"
