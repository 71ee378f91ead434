"""A whole system for vectors of its parts: requests at given instants, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments.trace import Trace
from models.assembly import System, assemble
from models.system import SystemSpec
from sim.environment import Environment
from sim.recorder import Recorder
from sim.streams import Streams


class Stand:
    """One service on one machine. `rows` has a dictionary for every request, in the order of their arrival."""

    steps: Sequence[str] = ()

    def __init__(
        self, service: dict[str, Any], times: Sequence[float], users: Sequence[int] | None = None, cores: float = 64,
        endpoints: Sequence[int] | None = None,
    ) -> None:  # fmt: skip
        self.env = Environment()
        self.rows: list[dict[str, Any]] = []
        document = {
            "machines": {"vm": {"cores": cores, "memory": "64G"}},
            "services": {"api": {"machine": "vm", **service}},
            "routes": {name: {"service": "api", "endpoint": name} for name in service["endpoints"]},
            "traffic": {"trace": {"file": "none"}, "mix": dict.fromkeys(service["endpoints"], 1)},
        }
        spec = SystemSpec.model_validate(document)
        self.recorder = Recorder(self.env, list(spec.routes), 0.0, 1.0, self)
        trace = Trace(
            np.array(times, dtype=np.float64),
            endpoint=None if endpoints is None else np.array(endpoints),
            user=None if users is None else np.array(users),
        )
        self.system: System = assemble(spec, self.env, Streams(1, 0), self.recorder, trace)
        self.system.start()

    def write(self, columns: dict[str, Any]) -> None:
        names = list(columns)
        self.rows += [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]

    def run(self) -> Stand:
        self.env.run()
        self.recording = self.recorder.result()
        self.rows.sort(key=lambda row: int(row["request"]))
        return self

    @property
    def ends_s(self) -> list[float]:
        return [round(float(row["t_s"] + row["latency_s"]), 6) for row in self.rows]

    @property
    def outcomes(self) -> set[str]:
        return {str(row["outcome"]) for row in self.rows}


def only(step: dict[str, Any], **service: Any) -> dict[str, Any]:
    """A service with one endpoint of one step."""
    return {"endpoints": {"get": {"steps": [step]}}, **service}


ONE_SECOND = {"kind": "delay", "duration": "1s"}
