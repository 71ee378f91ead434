"""Docker: memory limits that kill, and restarts."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from experiments.validation.check import Component, Disagreement, expect, expect_failure
from experiments.validation.stand import ONE_SECOND, Stand, only
from models.machine import Container, ContainerSpec, LimitsSpec, MachineSpec
from models.outcomes import InstanceDied
from models.spec import Context
from sim.environment import Activity, Environment
from sim.probe import NullProbe
from sim.streams import Streams

DOCKER = Component(
    "Docker",
    version="moby b985e23",
    source="moby: daemon/internal/restartmanager/restartmanager.go, daemon/daemon_unix.go",
    section="7",
)


def _container(**fields: Any) -> tuple[Environment, Container]:
    env = Environment()
    context = Context(env, Streams(1, 0), NullProbe(env), "machines.vm")
    machine = MachineSpec.model_validate({"cores": 1, "memory": "1G"}).build(context)
    limits = LimitsSpec.model_validate({"memory": "150M"})
    spec = ContainerSpec.model_validate({"machine": "vm", "base_memory": "100M", "limits": limits, **fields})
    return env, Container(machine, Context(env, Streams(1, 0), NullProbe(env), "a"), spec)


def _downtimes_ms(lengths_s: list[float], **fields: Any) -> list[int]:
    """How long a container is down after each of its lives, which end with memory over the limit."""
    env, container = _container(**fields)
    pauses: list[int] = []

    def fate() -> Activity:
        for length_s in lengths_s:
            yield length_s
            died_at_s = env.now
            container.use_memory(100 << 20)
            yield 1e-9
            for _ in range(100_000):
                if container.is_up:
                    break
                yield 0.001
            pauses.append(round(1000 * (env.now - died_at_s) / 5) * 5)

    env.start(fate())
    env.run()
    return pauses


@DOCKER.check(
    "Memory limit: kernel SIGKILL, exit 137", "Whoever is served in the container goes with it, at that instant."
)
def limit_kills() -> None:
    env, container = _container()
    ends: list[tuple[str, float]] = []

    def guest() -> Activity:
        light = container.enter()
        try:
            yield 5.0
        except InstanceDied:
            ends.append(("died", env.now))
        finally:
            container.leave(light)

    def eat() -> Activity:
        yield 1.0
        container.use_memory(50 << 20)
        yield 1.0
        container.use_memory(1)

    env.start(guest())
    env.start(eat())
    env.run()
    expect(ends, [("died", 2.0)])


@DOCKER.check(
    "Docker restart: 100 ms doubling to 60 s", "Each short life makes the next pause longer.", agreement="within 5 ms"
)
def back_off() -> None:
    expected = [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000]
    expect(_downtimes_ms([20.0, *[1.0] * 11]), expected)


@DOCKER.check(
    "reset after a ≥10 s run",
    "The run begins when the container is started, not when it is up.",
    agreement="within 5 ms",
)
def reset() -> None:
    expect(_downtimes_ms([20.0, 1.0, 9.9, 10.0, 1.0]), [100, 200, 400, 100, 200])
    expect(_downtimes_ms([20.0, 1.0, 8.1], start_wait="2s"), [2100, 2200, 2100])


@DOCKER.check(
    "on-failure needs non-zero exit",
    "A kill is one; with a maximum, restarts are counted for good. `no` never restarts.",
)
def policies() -> None:
    for policy, comes_back in (("no", 0), ("on-failure:2", 2), ("on-failure", 3), ("unless-stopped", 3), ("always", 3)):
        env, container = _container(restart=policy)
        ups = 0
        for _ in range(3):
            container.kill("a bug")
            env.run(env.now + 100.0)
            ups += container.is_up
        expect(ups, comes_back, policy)


@DOCKER.check("Docker rejects cpus above the host's count", "The scenario is refused, with the path of the limit.")
def too_many_cpus() -> None:
    service = only(ONE_SECOND, limits={"cpus": 2.5})
    try:
        Stand(service, [0.0], cores=2)
    except ValidationError as refusal:
        if "services.api.limits.cpus" not in str(refusal):
            raise Disagreement(f"the refusal does not name the limit: {refusal}") from refusal
    else:
        raise Disagreement("2.5 CPUs of 2 were accepted")
    expect_failure(ValidationError, lambda: LimitsSpec(cpus=0.001), "less than Docker's least")


for _vector in ("Kubernetes does not", "Kubelet: 10 s doubling to 5 min"):
    DOCKER.leaves_out(_vector, "Restart policies are Docker's; of Kubernetes there are only the probes.")
