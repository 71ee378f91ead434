"""Whole systems, from client to outcome: a scenario's own way through assembly, against exact queueing theory.

Closed users in front of one processor-sharing core are the machine-repairman model; with a delay behind it the network
is still of product form. An open Poisson stream into the core is M/M/1-PS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from experiments.figures import figures
from experiments.runner import Task, replicate
from experiments.validation.check import Component, Disagreement, expect_near
from models.system import SystemSpec

SYSTEMS = Component(
    "Whole systems",
    version="closed forms",
    source="Reiser and Lavenberg 1980, doi:10.1145/322186.322195; machine repairman; M/M/1-PS; Erlang C",
)

REPLICATIONS = 12
WARM_UP_S = 20.0
AGREEMENT = "the 99.9 % interval over 12 replications holds it"


def exponential(mean_s: float) -> dict[str, str]:
    return {"kind": "exponential", "mean": f"{mean_s}s"}


def system(traffic: dict[str, Any], demand_s: float, delay_s: float = 0.0, **service: Any) -> dict[str, Any]:
    """One core that everybody shares, and perhaps a wait behind it. So many threads that nobody waits for one."""
    steps: list[dict[str, Any]] = [{"kind": "cpu", "demand": exponential(demand_s)}]
    if delay_s:
        steps.append({"kind": "delay", "duration": exponential(delay_s)})
    workers = {"kind": "tomcat", "threads": 10_000, "max_connections": 10_000}
    api = {"machine": "vm", "workers": workers, "endpoints": {"get": {"steps": steps}}, **service}
    return {
        "machines": {"vm": {"cores": 1, "memory": "4G"}},
        "services": {"api": api},
        "routes": {"get": {"service": "api", "endpoint": "get"}},
        "traffic": {**traffic, "mix": {"get": 1}},
    }


def measured(document: dict[str, Any], duration_s: float) -> list[dict[str, Any]]:
    spec = SystemSpec.model_validate(document)
    text = spec.model_dump_json()
    tasks = [Task(text, None, 20, number, duration_s, WARM_UP_S, 10.0) for number in range(REPLICATIONS)]
    return [figures(replicate(task), spec) for task in tasks]


def compare(what: str, values: Sequence[float], truth: float) -> None:
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1)) / len(values) ** 0.5
    reach = float(stats.t.ppf(0.9995, len(values) - 1)) * error
    expect_near(mean, truth, reach, what)
    if reach >= 0.16 * truth:
        raise Disagreement(f"{what}: {mean:.6g} +- {reach:.6g} is too wide to say anything")


def response_s(found: list[dict[str, Any]]) -> list[float]:
    return [tree["latency_ms"]["all"]["mean"] / 1000 for tree in found]


@dataclass(frozen=True)
class Exact:
    """Mean values of a closed network of one queue, a delay and thinking users."""

    throughput_per_s: float
    response_s: float
    utilisation: float


def mean_values(users: int, think_s: float, demand_s: float, delay_s: float) -> Exact:
    """The recursion over the number of users: who arrives sees the network with one user less."""
    queue = throughput = response = 0.0
    for number in range(1, users + 1):
        response = demand_s * (1.0 + queue) + delay_s
        throughput = number / (think_s + response)
        queue = throughput * demand_s * (1.0 + queue)
    return Exact(throughput, response, throughput * demand_s)


def repairman(users: int) -> None:
    """Think 500 ms, 40 ms of CPU."""
    exact = mean_values(users, 0.5, 0.04, 0.0)
    found = measured(system({"users": {"population": users, "think_time": exponential(0.5)}}, 0.04), 140.0)
    compare("throughput", [tree["throughput_per_s"] for tree in found], exact.throughput_per_s)
    compare("response time", response_s(found), exact.response_s)
    used = [tree["machines"]["machines.vm"]["cpu_utilisation"] for tree in found]
    compare("utilisation", used, exact.utilisation)


@SYSTEMS.check("machine repairman, 4 users", "closed users on a shared core, lightly loaded", AGREEMENT)
def four_users() -> None:
    repairman(4)


@SYSTEMS.check("machine repairman, 12 users", "closed users on a shared core, well loaded", AGREEMENT)
def twelve_users() -> None:
    repairman(12)


@SYSTEMS.check("machine repairman, 25 users", "closed users on a shared core, fully loaded", AGREEMENT)
def twenty_five_users() -> None:
    repairman(25)


@SYSTEMS.check("closed users with a delay behind the core", "exact mean value analysis", AGREEMENT)
def with_a_delay() -> None:
    exact = mean_values(15, 0.4, 0.04, 0.15)
    found = measured(system({"users": {"population": 15, "think_time": exponential(0.4)}}, 0.04, 0.15), 140.0)
    compare("throughput", [tree["throughput_per_s"] for tree in found], exact.throughput_per_s)
    compare("response time", response_s(found), exact.response_s)


def open_stream(load: float) -> None:
    demand_s = 0.02
    found = measured(system({"open": {"rate": f"{load / demand_s}/s"}}, demand_s), 220.0)
    compare("response time", response_s(found), demand_s / (1.0 - load))
    compare("utilisation", [tree["machines"]["machines.vm"]["cpu_utilisation"] for tree in found], load)
    waiting = [tree["containers"]["services.api.replica-1"]["run_queue"] for tree in found]
    compare("threads without a core", waiting, load**2 / (1.0 - load))


@SYSTEMS.check("M/M/1-PS at 40 %", "an open Poisson stream into a shared core", AGREEMENT)
def forty_percent() -> None:
    open_stream(0.4)


@SYSTEMS.check("M/M/1-PS at 70 %", "an open Poisson stream into a shared core", AGREEMENT)
def seventy_percent() -> None:
    open_stream(0.7)


@SYSTEMS.check("M/M/2 by its threads", "two Tomcat threads on two cores, the others wait in order", AGREEMENT)
def threads() -> None:
    demand_s, rate = 0.04, 35.0
    document = system({"open": {"rate": f"{rate}/s"}}, demand_s, workers={"kind": "tomcat", "threads": 2})
    document["machines"]["vm"]["cores"] = 2
    found = measured(document, 220.0)
    rho = rate * demand_s / 2
    wait_s = 2 * rho**2 / (1 + rho) * demand_s / (2 * (1 - rho))
    compare("response time", response_s(found), wait_s + demand_s)
    waits = [tree["stations"]["services.api.replica-1.threads"]["mean_wait_ms"] / 1000 for tree in found]
    compare("wait for a thread", waits, wait_s)
