"""Tomcat's worker threads: an unbounded queue, nobody refused."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.trace import Trace
from models.assembly import assemble
from models.replica import EventLoopSpec, TomcatSpec
from models.system import SystemSpec
from sim.environment import Environment
from sim.recorder import Recorder
from sim.streams import Streams

FIDELITY = "7"


def response_times(workers: dict[str, Any], requests: int, step: dict[str, Any]) -> list[float]:
    """Of requests that come at once, in order of arrival; those that did not succeed are missing."""
    spec = SystemSpec.model_validate(
        {
            "machines": {"vm": {"cores": 64, "memory": "4G"}},
            "services": {"api": {"machine": "vm", "workers": workers, "endpoints": {"get": {"steps": [step]}}}},
            "routes": {"get": {"service": "api", "endpoint": "get"}},
            "traffic": {"trace": {"file": "none"}, "mix": {"get": 1}},
        }
    )
    env = Environment()
    kept: list[float] = []

    class Rows:
        steps = ()

        def write(self, columns: dict[str, Any]) -> None:
            kept.extend(
                s for s, how in zip(columns["latency_s"], columns["outcome"], strict=True) if how == "succeeded"
            )

    recorder = Recorder(env, ["get"], 0.0, 1.0, Rows())
    assemble(spec, env, Streams(1, 0), recorder, Trace(np.zeros(requests))).start()
    env.run()
    recorder.result()
    return [round(float(latency_s), 9) for latency_s in kept]


def test_two_threads_and_ten_requests_of_one_second() -> None:
    """FIDELITY 7 [M]: 2 threads/8192/100, ten 1 s requests: all succeed, at 1,1,2,2,...,5,5 s."""
    times = response_times({"kind": "tomcat", "threads": 2}, 10, {"kind": "delay", "duration": "1s"})
    assert times == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_the_201st_request_waits() -> None:
    """FIDELITY 7: 200 threads; "the 201st request waits in an unbounded queue"."""
    assert TomcatSpec().threads == 200
    times = response_times({"kind": "tomcat"}, 1001, {"kind": "delay", "duration": "1s"})
    assert times == [float(1 + n // 200) for n in range(1001)]


def test_event_loops_stall_on_cpu_and_not_on_waiting() -> None:
    """FIDELITY 7: Reactor Netty: max(4, CPUs) loops; one blocking call stalls 1/N of all traffic."""
    assert EventLoopSpec().loops == 4
    loops = {"kind": "event_loop", "loops": 4}
    assert response_times(loops, 8, {"kind": "cpu", "demand": "1s"}) == [1] * 4 + [2] * 4
    assert response_times(loops, 500, {"kind": "delay", "duration": "1s"}) == [1.0] * 500
