"""A scenario under a log's own arrivals: the same requests at the same instants, answered by the model.

Models   Arrivals, routes, users, addresses and (where paths tell) keys are the log's; what a request then needs is
         drawn by its number, so that two parameter sets meet the same draws (common random numbers).
Omits    That closed users would have asked at other instants had the answers come at other instants.
Checked  tests/unit/test_observed.py, tests/e2e/test_score_cli.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.runner import Task, replicate
from experiments.scoring.observed import Floats, Integers
from experiments.trace import Trace
from models.system import SystemSpec
from models.workload.spec import TraceSpec


@dataclass(frozen=True)
class Simulated:
    """What became of the requests of a trace, in its order."""

    latency_s: Floats
    is_good: npt.NDArray[np.bool_]
    cache: npt.NDArray[np.int8]
    route: Integers
    most_waiting: dict[str, int]
    """By station that anybody came to: how many waited there at most."""


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
    return Simulated(latency_s, good, cache, route, waiting)


def as_logged(latency_s: Floats, t_s: Floats, unit_s: float) -> Floats:
    """Durations as a writer with a clock of that unit sees them: the difference of two rounded-down instants."""
    if not unit_s:
        return latency_s
    within = t_s / unit_s - np.floor(t_s / unit_s)
    return np.asarray(np.floor(within + latency_s / unit_s) * unit_s)
