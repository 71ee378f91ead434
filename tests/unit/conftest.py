"""`play`: a small system, the requests it is sent, and what becomes of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from experiments.trace import Trace
from models.assembly import System, assemble
from models.system import SystemSpec
from sim.environment import Environment
from sim.recorder import Recorder
from sim.replication import audit
from sim.streams import Streams


class Rows:
    """Takes the row of every request."""

    steps: Sequence[str] = ()

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def write(self, columns: dict[str, Any]) -> None:
        names = list(columns)
        for values in zip(*columns.values(), strict=True):
            self.rows.append(
                {
                    name: value.item() if isinstance(value, np.generic) else value
                    for name, value in zip(names, values, strict=True)
                }
            )


class Play:
    """A system that has been run, with its rows; `until` pauses it, to be looked at and gone on with."""

    def __init__(self, document: dict[str, Any], trace: Trace | None, seed: int, block: int = 1024) -> None:
        self.env = Environment()
        self._rows = Rows()
        spec = SystemSpec.model_validate(document)
        self.recorder = Recorder(self.env, list(spec.routes), 0.0, 1.0, self._rows)
        self.system: System = assemble(spec, self.env, Streams(seed, 0, block), self.recorder, trace)
        self.system.start()

    def until(self, time_s: float | None) -> Play:
        self.env.run(time_s)
        return self

    def end(self) -> list[dict[str, Any]]:
        """Audit, and the rows of all requests."""
        failed = [check for check in audit(self.env, self.recorder, self.system) if not check.passed]
        assert not failed, failed
        self.recording = self.recorder.result()
        return self._rows.rows

    @property
    def notes(self) -> list[tuple[float, str, str]]:
        return list(self.recording.notes.lines)


@pytest.fixture
def play() -> Callable[..., Play]:
    """`play(document, times)` starts a system under a trace of requests at `times` (s), or, without times, under its
    own traffic. `users`, `keys`, `demands` say more of each request."""

    def start(
        document: dict[str, Any],
        times: Sequence[float] | None = None,
        *,
        users: Sequence[int] | None = None,
        endpoints: Sequence[int] | None = None,
        keys: Sequence[int] | None = None,
        demands: dict[str, Sequence[float]] | None = None,
        seed: int = 1,
        block: int = 1024,
    ) -> Play:
        if times is None:
            return Play(document, None, seed, block)
        trace = Trace(
            t_s=np.array(times, dtype=np.float64),
            endpoint=None if endpoints is None else np.array(endpoints),
            user=None if users is None else np.array(users),
            key=None if keys is None else np.array(keys),
            demands={path: np.array(values, dtype=np.float64) for path, values in (demands or {}).items()},
        )
        traffic = {key: value for key, value in document.get("traffic", {}).items() if key not in ("users", "open")}
        mix = traffic.get("mix") or dict.fromkeys(document["routes"], 1)
        return Play({**document, "traffic": {**traffic, "mix": mix, "trace": {"file": "none"}}}, trace, seed, block)

    return start
