"""A gate: who comes while it is shut waits, in order, and can be interrupted there."""

from __future__ import annotations

from typing import Any

import pytest

from sim.environment import Environment
from sim.errors import Failure, SimulationError
from sim.gate import Gate


def passing(env: Environment, gate: Gate, passed: list[Any], name: str) -> Any:
    try:
        while gate.is_shut:
            yield from gate.wait()
    except Failure:
        passed.append((name, env.now, "interrupted"))
    else:
        passed.append((name, env.now))


def test_an_open_gate_takes_no_time() -> None:
    env, passed = Environment(), []
    env.start(passing(env, Gate(env), passed, "a"), delay=1.0)
    env.run()
    assert passed == [("a", 1.0)]


def test_who_waits_goes_on_in_order_when_the_last_one_opens_it() -> None:
    env, passed = Environment(), []
    gate = Gate(env)
    gate.shut()
    gate.shut()
    for name in "abc":
        env.start(passing(env, gate, passed, name))
    env.run(1.0)
    gate.open()
    env.run(2.0)
    assert not passed
    gate.open()
    env.run()
    assert passed == [("a", 2.0), ("b", 2.0), ("c", 2.0)]
    with pytest.raises(SimulationError, match="opened more often"):
        gate.open()


def test_who_is_interrupted_there_leaves_nothing_behind() -> None:
    env, passed = Environment(), []
    gate = Gate(env)
    gate.shut()
    light = env.start(passing(env, gate, passed, "a"))
    env.run(1.0)
    env.throw(light, Failure("gone"))
    env.run(2.0)
    gate.open()
    env.run()
    assert passed == [("a", 1.0, "interrupted")]


def test_one_that_shuts_again_at_once_lets_nobody_through() -> None:
    env, passed = Environment(), []
    gate = Gate(env)
    gate.shut()
    env.start(passing(env, gate, passed, "a"))
    env.run(1.0)
    gate.open()
    gate.shut()
    env.run(2.0)
    assert not passed
    gate.open()
    env.run()
    assert passed == [("a", 2.0)]
