"""JVMs under any interleaving of collections, deaths, people who leave and quotas: nothing is lost, nobody is left."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.trace import Trace
from models.assembly import System, assemble
from models.system import SystemSpec
from sim.environment import Activity, Environment
from sim.recorder import Recorder
from sim.replication import audit
from sim.streams import Streams

jvms = st.fixed_dictionaries(
    {
        "live_set": st.sampled_from(["5M", "25M"]),
        "allocation_per_request": st.sampled_from(["1M", "8M", "40M"]),
        "live_per_request": st.sampled_from(["0B", "1M"]),
        "tenured_per_request": st.just("0B"),
        "leak_per_request": st.just("0B"),
        "max_heap": st.sampled_from(["16M", "32M", "64M"]),
        "initial_heap": st.sampled_from(["8M", "16M"]),
        "collector": st.sampled_from(["serial", "g1"]),
        "pause_cpu": st.sampled_from(["0s", "3ms", "80ms"]),
        "exit_on_out_of_memory": st.booleans(),
        "thread_stack": st.sampled_from(["0B", "1M"]),
    }
)
steps = st.lists(
    st.sampled_from(
        [{"kind": "cpu", "demand": "1ms"}, {"kind": "cpu", "demand": "60ms"}, {"kind": "delay", "duration": "20ms"}]
    ),
    min_size=1,
    max_size=3,
)
workers = st.sampled_from(
    [
        {"kind": "tomcat", "threads": 2, "min_spare_threads": 0},
        {"kind": "tomcat", "threads": 20},
        {"kind": "event_loop", "loops": 2},
        {"kind": "event_loop", "loops": 2, "blocking": True},
    ]
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    service: dict[str, Any] = {
        "machine": "vm",
        "base_memory": "30M",
        "workers": draw(workers),
        "jvm": draw(jvms),
        "limits": {"cpus": draw(st.sampled_from([None, 0.3, 1.5])), "memory": draw(st.sampled_from([None, "110M"]))},
        "endpoints": {"get": {"steps": draw(steps)}},
    }
    document: dict[str, Any] = {
        "machines": {"vm": {"cores": 2, "memory": "4G"}},
        "services": {"api": service},
        "routes": {"get": {"service": "api", "endpoint": "get"}},
        "traffic": {"trace": {"file": "none"}, "mix": {"get": 1}},
    }
    if draw(st.booleans()):
        document["gateway"] = {"machine": "vm", "cpu": "1ms", "jvm": service["jvm"]}
        document["routes"]["get"]["through"] = ["gateway"]
    if draw(st.booleans()):
        document["traffic"]["client"] = {"patience": "50ms"}
    return document


def run(document: dict[str, Any], gaps: list[float], kills: list[float]) -> System:
    env = Environment()
    spec = SystemSpec.model_validate(document)
    recorder = Recorder(env, list(spec.routes), 0.0, 1.0)
    system = assemble(spec, env, Streams(1, 0), recorder, Trace(np.cumsum(np.array(gaps))))
    system.start()

    def fate() -> Activity:
        for pause_s in kills:
            yield pause_s
            for container in system.containers.values():
                container.kill("a bug")

    env.start(fate())
    env.run(500.0)
    failed = [check for check in audit(env, recorder, system) if not check.passed]
    assert not failed, failed
    assert recorder.result().in_flight == 0
    return system


@given(
    documents(),
    st.lists(st.sampled_from([0.0, 0.001, 0.02, 0.3]), min_size=1, max_size=25),
    st.lists(st.sampled_from([0.0, 0.05, 0.4]), max_size=2),
)
@settings(max_examples=120)
def test_everybody_ends_and_nothing_is_held(document: dict[str, Any], gaps: list[float], kills: list[float]) -> None:
    system = run(document, gaps, kills)
    (replica,) = system.services["api"].replicas
    for jvm in (replica._jvm, system.entrance.jvm if system.entrance is not None else None):
        if jvm is not None:
            assert not jvm.cpu.tasks
            assert not jvm.cpu.is_stopped
            assert not jvm._is_collecting
            assert jvm._at_work == 0
            assert (jvm.heap._fresh, jvm.heap._aged) == (0, 0)
            assert 0 <= jvm.heap._promoted <= 25, "whole bytes of a request that was moved in parts"
    for container in system.containers.values():
        assert container.cpu.runnable == 0
    assert replica.in_progress == 0
