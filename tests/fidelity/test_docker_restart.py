"""Docker's restart manager: 100 ms doubling to 60 s, reset after a run of 10 s."""

from __future__ import annotations

from typing import Any

import pytest

from models.machine import Container, ContainerSpec, LimitsSpec, MachineSpec
from models.spec import Context
from sim.environment import Activity, Environment
from sim.probe import NullProbe
from sim.streams import Streams

FIDELITY = "7"


def lives(lengths_s: list[float], **fields: Any) -> list[float]:
    """How long a container is down after each of its lives, which end with memory over the limit."""
    env = Environment()
    context = Context(env, Streams(1, 0), NullProbe(env), "machines.vm")
    machine = MachineSpec(cores=1, memory="1G").build(context)
    spec = ContainerSpec(machine="vm", base_memory="100M", limits=LimitsSpec(memory="150M"), **fields)
    container = Container(machine, Context(env, Streams(1, 0), NullProbe(env), "a"), spec)
    pauses: list[float] = []

    def fate() -> Activity:
        for length_s in lengths_s:
            yield length_s
            died_at_s = env.now
            container.use_memory(100 << 20)
            yield 1e-9
            while not container.is_up:
                yield 0.001
            pauses.append(env.now - died_at_s)

    env.start(fate())
    env.run()
    return pauses


def test_the_wait_doubles_from_100_ms_to_60_s() -> None:
    """FIDELITY 7: "Docker restart: 100 ms doubling to 60 s" (restartmanager.go)."""
    expected = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60.0, 60.0]
    assert lives([20.0, *[1.0] * 11]) == pytest.approx(expected, abs=0.0021)


def test_a_life_of_10_s_resets_it() -> None:
    """FIDELITY 7: "reset after a >= 10 s run"; the run begins when the container is started, not when it is up."""
    assert lives([20.0, 1.0, 9.9, 10.0, 1.0]) == pytest.approx([0.1, 0.2, 0.4, 0.1, 0.2], abs=0.0021)
    assert lives([20.0, 1.0, 8.1], start_wait="2s") == pytest.approx([2.1, 2.2, 2.1], abs=0.0021)
