# cython: annotation_typing=True
"""Open arrivals and recorded traces: requests that come whatever happens to the earlier ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

import numpy as np

from models.request import Request
from models.spec import Context
from models.workload.base import Send, Trace, TraceBlock
from models.workload.shapes import segments_of
from models.workload.spec import WorkloadSpec
from sim.arrivals import Arrivals, Constant, Poisson, Segment
from sim.arrivals import Trace as Recorded
from sim.curves import Following, scaled, surged
from sim.environment import Activity
from sim.streams import Streams
from sim.streams.keyed import Choices, Draws


def _nothing() -> None:
    """Until somebody wants to be told."""


class OpenArrivals:
    """Requests that come by themselves: one process walks through them and starts one process each."""

    __slots__ = ("_env", "_on_over", "_requests", "_send")

    def __init__(self, context: Context, requests: Iterator[Request], send: Send) -> None:
        self._env = context.env
        self._requests = requests
        self._send = send
        self._on_over = _nothing

    def start(self, on_over: Callable[[], None]) -> None:
        self._on_over = on_over
        self._env.start(self._arrive())

    def ended(self, request: Request) -> None:
        """Nobody waits for it before the next request comes."""

    def _arrive(self) -> Activity:
        request: Request
        for request in self._requests:
            wait_s: float = request.arrived_at_s - self._env.now
            yield wait_s if wait_s > 0.0 else 0.0
            self._env.start_now(self._send(request))
        self._on_over()


def requests(
    context: Context, spec: WorkloadSpec, times: Iterator[float], choose: Choices, users: int, steps_wanted: bool
) -> Iterator[Request]:
    """The requests of open arrivals: the user behind each is drawn."""
    who = whole(context.streams.uniforms(f"{context.path}.open.user"), users)
    users_per_ip: int = spec.users_per_ip
    for ordinal, (now_s, endpoint, user) in enumerate(zip(times, whole(choose), who, strict=False)):
        request = Request(ordinal, ordinal, endpoint, user, user // users_per_ip, now_s)
        if steps_wanted:
            request.steps_s = {}
        yield request


def whole(draws: Draws | Choices, times: int = 1) -> Iterator[int]:
    """The values of identities 0, 1, 2, ..., so many times, as whole numbers."""
    return chain.from_iterable((values * times).astype(np.int64).tolist() for values in draws.in_order())


class Recording:
    """Walks through a trace: its instants, and in step with them its requests, a block of it in memory."""

    def __init__(self, context: Context, spec: WorkloadSpec, trace: Trace, choose: Choices, steps_wanted: bool) -> None:
        assert spec.trace is not None
        self._context = context
        self._trace = trace
        self._speed = spec.trace.speed
        self._users_per_ip = spec.users_per_ip
        self._choose = choose
        self._steps_wanted = steps_wanted
        self._first = 0
        self._endpoints: list[int] | None = None
        self._users: list[int] | None = None
        self._ips: list[int] | None = None
        self._keys: list[int] | None = None
        self._demands: dict[str, list[float]] = {}

    def instants(self) -> Iterator[float]:
        """When the requests come. `make` knows those of the block that the last instant was of."""
        streams, purpose = self._context.streams, f"{self._context.path}.trace"
        for block in self._trace.blocks():
            self._look_at(block)
            yield from Recorded(block.t_s / self._speed).instants(streams, purpose)
            self._first += len(block.t_s)

    def requests(self) -> Iterator[Request]:
        """The requests of the trace."""
        for ordinal, now_s in enumerate(self.instants()):
            yield self.make(ordinal, now_s)

    def _look_at(self, block: TraceBlock) -> None:
        columns = (block.endpoint, block.user, block.ip, block.key)
        self._endpoints, self._users, self._ips, self._keys = (
            None if column is None else column.tolist() for column in columns
        )
        self._demands = {path: values.tolist() for path, values in block.demands.items()}

    def make(self, ordinal: int, now_s: float) -> Request:
        """The request of an instant: what the trace does not say is drawn, or follows from its user."""
        row = ordinal - self._first
        endpoint = -1 if self._endpoints is None else self._endpoints[row]
        if endpoint < 0:
            endpoint = self._choose.at(ordinal)
        user = ordinal if self._users is None else self._users[row]
        ip = user // self._users_per_ip if self._ips is None else self._ips[row]
        request = Request(ordinal, ordinal, endpoint, user, ip, now_s)
        if self._keys is not None and self._keys[row] >= 0:
            request.key = self._keys[row]
        if self._demands:
            given = {path: values[row] for path, values in self._demands.items() if values[row] == values[row]}
            request.given = given or None
        if self._steps_wanted:
            request.steps_s = {}
        return request


def arrivals(spec: WorkloadSpec) -> Arrivals:
    """When the requests of open arrivals come."""
    open_spec = spec.open
    assert open_spec is not None
    rate = open_spec.rate
    if spec.shape is None and not spec.surges:
        return Poisson(rate) if open_spec.kind == "poisson" else Constant(rate)
    surges = spec.all_surges()

    def curve(streams: Streams, purpose: str) -> Iterator[Segment]:
        return surged(scaled(segments_of(spec.shape, streams, purpose), rate.per_second), surges)

    return Following(curve, open_spec.kind == "constant")
