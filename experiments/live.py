"""What can be said while a run goes on: figures of what has ended so far, and said to be no more than that."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from experiments.figures import headline
from sim.statistics import t_interval

if TYPE_CHECKING:
    from experiments.result import RunResult
    from sim.recorder import Recorder
    from sim.replication import Replication

FEW = 20
"""Of fewer requests no p95 is shown."""


class Watcher(Protocol):
    """Told what can be known while a run goes on."""

    def running(self, recorder: Recorder) -> None:
        """A replication that runs in this process, the pilot for one, has got on."""

    def ended(self, replication: Replication, wanted: int) -> None:
        """A replication has ended, one of so many."""


class Stopped(KeyboardInterrupt):
    """Somebody stopped a run that had something to show: `result`, which says in `stopped` what it lacks."""

    def __init__(self, result: RunResult) -> None:
        super().__init__()
        self.result = result


class Live:
    """Watches a run and adds figures to what is told of its progress.

    `stream`: told of every replication as it ends, what a program may want to know.
    """

    def __init__(
        self, tell: Callable[[float, str], None], stream: Callable[[dict[str, Any]], None] | None = None
    ) -> None:  # fmt: skip
        self._tell = tell
        self._stream = stream
        self._said = (0.0, "")
        self._figures = ""
        self._p95_ms: list[float] = []
        self._ended = 0

    def tell(self, share: float, text: str) -> None:
        """Progress, as the runner tells of it."""
        self._said = (share, text)
        self._tell(share, text + self._figures)

    def running(self, recorder: Recorder) -> None:
        """A replication has got on; it runs in this process."""
        ended = recorder.pending
        if self._ended or len(ended) < FEW:
            return
        p95_s = float(np.quantile(ended["ended_at_s"] - ended["arrived_at_s"], 0.95))
        share, text = self._said
        self._tell(share, f"{text}, {len(ended):,} requests so far: p95 {1000 * p95_s:,.1f} ms")

    def ended(self, replication: Replication, wanted: int) -> None:
        """A replication has ended; of the others nothing is known."""
        self._ended += 1
        found = headline(replication)
        p95_ms = found["latency_ms"]["all"]["p95"]
        if p95_ms is not None:
            self._p95_ms.append(p95_ms)
        so_far: dict[str, Any] = {"p95_ms": None, "interval": None}
        if self._p95_ms:
            estimate = t_interval(self._p95_ms)
            so_far["p95_ms"] = estimate.mean
            self._figures = f": p95 so far {estimate.mean:,.1f} ms"
            if estimate.low is not None and estimate.high is not None:
                so_far["interval"] = [estimate.low, estimate.high]
                self._figures += f" ({max(0.0, estimate.low):,.1f} to {estimate.high:,.1f})"
        if self._stream is not None:
            told = {"kind": "replication", "replication": replication.replication, "ended": self._ended, "of": wanted}
            self._stream({**told, "digest": replication.digest, **found, "so_far": so_far})
