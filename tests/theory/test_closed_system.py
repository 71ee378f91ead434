"""A whole system, from client to outcome, against exact queueing theory.

Closed users in front of one processor-sharing core are the machine-repairman model; with a delay behind it the network
is still of product form, whose exact mean values come by mean value analysis (Reiser and Lavenberg 1980,
doi:10.1145/322186.322195). An open Poisson stream into the core is M/M/1-PS. Seeds are fixed; the bounds are those of
intervals at 99.9 %, so that a right program passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy import stats

from experiments.figures import figures
from experiments.runner import Task, replicate
from models.system import SystemSpec

REPLICATIONS = 12
WARM_UP_S = 20.0


def exponential(mean_s: float) -> dict[str, str]:
    return {"kind": "exponential", "mean": f"{mean_s}s"}


def system(traffic: dict[str, Any], demand_s: float, delay_s: float = 0.0) -> SystemSpec:
    """One core that everybody shares, and perhaps a wait behind it. So many loops that nobody waits for one."""
    steps: list[dict[str, Any]] = [{"kind": "cpu", "demand": exponential(demand_s)}]
    if delay_s:
        steps.append({"kind": "delay", "duration": exponential(delay_s)})
    service = {
        "machine": "vm",
        "workers": {"kind": "event_loop", "loops": 10_000},
        "endpoints": {"get": {"steps": steps}},
    }
    return SystemSpec.model_validate(
        {
            "machines": {"vm": {"cores": 1, "memory": "4G"}},
            "services": {"api": service},
            "routes": {"get": {"service": "api", "endpoint": "get"}},
            "traffic": {**traffic, "mix": {"get": 1}},
        }
    )


def measured(spec: SystemSpec, duration_s: float) -> list[dict[str, Any]]:
    text = spec.model_dump_json()
    tasks = [Task(text, None, 20, number, duration_s, WARM_UP_S, 10.0) for number in range(REPLICATIONS)]
    return [figures(replicate(task), spec) for task in tasks]


def assert_mean(values: list[float], truth: float) -> None:
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1)) / len(values) ** 0.5
    reach = float(stats.t.ppf(0.9995, len(values) - 1)) * error
    assert abs(mean - truth) <= reach, f"{mean} +- {reach}, theory says {truth}"
    assert reach < 0.16 * truth, "too wide to say anything"


@dataclass(frozen=True)
class Exact:
    """Mean values of a closed network of one queue, a delay and thinking users."""

    throughput_per_s: float
    response_s: float
    utilisation: float


def mean_values(users: int, think_s: float, demand_s: float, delay_s: float) -> Exact:
    """The recursion over the number of users: who arrives sees the network with one user less."""
    queue = throughput = response_s = 0.0
    for number in range(1, users + 1):
        response_s = demand_s * (1.0 + queue) + delay_s
        throughput = number / (think_s + response_s)
        queue = throughput * demand_s * (1.0 + queue)
    return Exact(throughput, response_s, throughput * demand_s)


def repairman(users: int, think_s: float, demand_s: float) -> float:
    """Throughput of the machine-repairman model, in closed form."""
    ratio = demand_s / think_s
    weight = total = 1.0
    for number in range(1, users + 1):
        weight *= (users - number + 1) * ratio
        total += weight
    return (1.0 - 1.0 / total) / demand_s


def test_the_recursion_agrees_with_the_closed_form() -> None:
    for users in (1, 5, 20):
        assert mean_values(users, 0.5, 0.05, 0.0).throughput_per_s == pytest.approx(repairman(users, 0.5, 0.05))


@pytest.mark.parametrize("users", [4, 12, 25])
def test_closed_users_on_a_shared_core(users: int) -> None:
    """Machine repairman: think 500 ms, 40 ms of CPU: lightly, well and fully loaded."""
    exact = mean_values(users, 0.5, 0.04, 0.0)
    spec = system({"users": {"population": users, "think_time": exponential(0.5)}}, 0.04)
    found = measured(spec, 140.0)
    assert_mean([tree["throughput_per_s"] for tree in found], exact.throughput_per_s)
    assert_mean([tree["latency_ms"]["all"]["mean"] / 1000 for tree in found], exact.response_s)
    assert_mean([tree["machines"]["machines.vm"]["cpu_utilisation"] for tree in found], exact.utilisation)


def test_closed_users_with_a_delay_behind_the_core() -> None:
    exact = mean_values(15, 0.4, 0.04, 0.15)
    spec = system({"users": {"population": 15, "think_time": exponential(0.4)}}, 0.04, 0.15)
    found = measured(spec, 140.0)
    assert_mean([tree["throughput_per_s"] for tree in found], exact.throughput_per_s)
    assert_mean([tree["latency_ms"]["all"]["mean"] / 1000 for tree in found], exact.response_s)


@pytest.mark.parametrize("load", [0.4, 0.7])
def test_open_poisson_arrivals_on_a_shared_core(load: float) -> None:
    """M/M/1-PS: the mean response time is that of M/M/1, and the number present is geometric."""
    demand_s = 0.02
    spec = system({"open": {"rate": f"{load / demand_s}/s"}}, demand_s)
    found = measured(spec, 220.0)
    assert_mean([tree["latency_ms"]["all"]["mean"] / 1000 for tree in found], demand_s / (1.0 - load))
    assert_mean([tree["machines"]["machines.vm"]["cpu_utilisation"] for tree in found], load)
    assert_mean([tree["containers"]["services.api.replica-1"]["run_queue"] for tree in found], load**2 / (1.0 - load))


def test_two_cores_and_threads_in_front() -> None:
    """M/M/2 by its threads: two Tomcat threads on two cores, the others wait in order (Erlang C)."""
    demand_s, rate = 0.04, 35.0
    spec = system({"open": {"rate": f"{rate}/s"}}, demand_s)
    document = spec.model_dump(mode="json")
    document["machines"]["vm"]["cores"] = 2
    document["services"]["api"]["workers"] = {"kind": "tomcat", "threads": 2}
    found = measured(SystemSpec.model_validate(document), 220.0)
    rho = rate * demand_s / 2
    waits = 2 * rho**2 / (1 + rho)
    wait_s = waits * demand_s / (2 * (1 - rho))
    assert_mean([tree["latency_ms"]["all"]["mean"] / 1000 for tree in found], wait_s + demand_s)
    assert_mean([tree["stations"]["services.api.replica-1.threads"]["mean_wait_ms"] / 1000 for tree in found], wait_s)
