"""What every workload is, and what a recorded trace brings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from models.request import Request
from sim.environment import Activity

Send = Callable[[Request], Activity]


class TraceBlock(Protocol):
    """Requests of a trace that follow each other; arrays have one entry a request, ordered by time."""

    t_s: np.ndarray
    endpoint: np.ndarray | None
    """Route numbers; -1 where the mix decides."""
    user: np.ndarray | None
    ip: np.ndarray | None
    key: np.ndarray | None
    """Cache keys; -1 where they are drawn."""
    demands: dict[str, np.ndarray]
    """By step path (service.endpoint.step), in seconds; NaN where drawn."""


class Trace(Protocol):
    """A recorded trace, wherever it is kept: never more than a block of it is looked at."""

    def __len__(self) -> int: ...
    @property
    def last_s(self) -> float:
        """When the last request comes."""

    def blocks(self) -> Iterator[TraceBlock]:
        """All requests in order, from the first one each time this is asked for."""


class Workload(Protocol):
    """Whoever brings requests."""

    def start(self, on_over: Callable[[], None]) -> None:
        """Put the first arrivals on the schedule. `on_over` is called when the last one has come."""

    def ended(self, request: Request) -> None: ...
