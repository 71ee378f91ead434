"""A scenario under a log's own arrivals: the same requests at the same instants, answered by the model.

Models   Arrivals, routes, users, addresses and (where paths tell) keys are the log's; what a request then needs is
         drawn by its number, so that two parameter sets meet the same draws (common random numbers).
Omits    That closed users would have asked at other instants had the answers come at other instants.
Checked  tests/unit/test_observed.py, tests/e2e/test_calibrate_cli.py
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.runner import Task, replicate
from experiments.scoring.observed import Floats, Integers
from experiments.trace import Trace
from models.system import SystemSpec, containers
from models.workload.spec import TraceSpec
from sim.recorder import LevelFigures, Recording


@dataclass(frozen=True)
class Simulated:
    """What became of the requests of a trace, in its order."""

    latency_s: Floats
    is_good: npt.NDArray[np.bool_]
    cache: npt.NDArray[np.int8]
    route: Integers
    most_waiting: dict[str, int]
    """By station that anybody came to: how many waited there at most."""
    cpu_s: dict[str, float]
    """By container (all replicas of a service are one): seconds of cores that it was busy for."""
    busiest: tuple[str, float]
    """The station, the container with a CPU limit or the machine that was busy most, and its share."""


class _Sink:
    """Keeps what is compared of every request."""

    steps: Sequence[str] = ()

    def __init__(self) -> None:
        self.parts: list[tuple[Floats, npt.NDArray[np.bool_], npt.NDArray[np.int8], list[str]]] = []

    def write(self, columns: dict[str, Any]) -> None:
        good = np.array([outcome == "succeeded" for outcome in columns["outcome"]])
        cache = np.array([1 if each == "hit" else 0 if each == "miss" else -1 for each in columns["cache"]], np.int8)
        self.parts.append((columns["latency_s"], good, cache, columns["endpoint"]))


def under_log(spec: SystemSpec) -> SystemSpec:
    """The system with a recorded log in place of its own traffic."""
    trace = TraceSpec(file="the log")
    traffic: dict[str, Any] = {"users": None, "open": None, "trace": trace, "shape": None, "surges": {}}
    return spec.model_copy(update={"traffic": spec.traffic.model_copy(update=traffic)})


def simulate(spec: SystemSpec, trace: Trace, seed: int, replication: int) -> Simulated:
    """Answer the requests of a trace. `spec` must come from `under_log`."""
    sink = _Sink()
    done = replicate(Task(spec.model_dump_json(), trace, seed, replication, None, 0.0, 1e6), sink)
    latency_s, good, cache = (np.concatenate([part[n] for part in sink.parts]) for n in range(3))
    numbers = {name: number for number, name in enumerate(spec.routes)}
    route = np.array([numbers[name] for part in sink.parts for name in part[3]], dtype=np.int64)
    stations = done.recording.whole.stations.values()
    waiting = {station.path: station.most_waiting for station in stations if station.arrivals}
    cpu_s = _cpu_s(spec, done.recording.whole.levels)
    return Simulated(latency_s, good, cache, route, waiting, cpu_s, _busiest(spec, cpu_s, done.recording))


def _cpu_s(spec: SystemSpec, levels: Mapping[str, LevelFigures]) -> dict[str, float]:
    found = dict.fromkeys((path for path, _ in containers(spec)), 0.0)
    speeds = {path: spec.machines[container.machine].speed for path, container in containers(spec)}
    for name, level in levels.items():
        path = name.removesuffix(".cpu_s")
        path = path if path in found else path.rpartition(".replica-")[0]
        if name.endswith(".cpu_s") and path in found:
            found[path] += level.area / speeds[path]
    return found


def _busiest(spec: SystemSpec, cpu_s: Mapping[str, float], recording: Recording) -> tuple[str, float]:
    span_s = max(recording.end_s, 1e-9)
    shares = {path: each.utilisation or 0.0 for path, each in recording.whole.stations.items()}
    machines = dict.fromkeys(spec.machines, 0.0)
    for path, container in containers(spec):
        machines[container.machine] += cpu_s[path]
        if container.limits.cpus is not None:
            shares[path] = cpu_s[path] / span_s / container.limits.cpus / _replicas(spec, path)
    for name, used_s in machines.items():
        shares[f"machines.{name}"] = used_s / span_s / spec.machines[name].cores
    return max(sorted(shares.items()), key=lambda each: each[1])


def _replicas(spec: SystemSpec, path: str) -> int:
    return spec.services[path.removeprefix("services.")].replicas if path.startswith("services.") else 1


def as_logged(latency_s: Floats, t_s: Floats, unit_s: float) -> Floats:
    """Durations as a writer with a clock of that unit sees them: the difference of two rounded-down instants."""
    if not unit_s:
        return latency_s
    within = t_s / unit_s - np.floor(t_s / unit_s)
    return np.asarray(np.floor(within + latency_s / unit_s) * unit_s)
