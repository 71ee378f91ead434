"""Open arrivals and recorded traces: requests that come whatever happens to the earlier ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from models.request import Request
from models.spec import Context
from models.workload.base import Send, Trace
from models.workload.shapes import segments_of
from models.workload.spec import WorkloadSpec
from sim.arrivals import Arrivals, Constant, Poisson, Segment
from sim.arrivals import Trace as Recorded
from sim.curves import Following, scaled, surged
from sim.environment import Activity, Environment
from sim.streams import Choices, Streams


def _nothing() -> None:
    """Until somebody wants to be told."""


class OpenArrivals:
    """Requests that come by themselves: one process walks through the instants and starts one process a request."""

    def __init__(
        self, context: Context, times: Iterator[float], make: Callable[[int, float], Request], send: Send
    ) -> None:
        self._env: Environment = context.env
        self._times = times
        self._make = make
        self._send = send
        self._on_over = _nothing

    def start(self, on_over: Callable[[], None]) -> None:
        self._on_over = on_over
        self._env.start(self._arrive())

    def ended(self, request: Request) -> None:
        """Nobody waits for it before the next request comes."""

    def _arrive(self) -> Activity:
        env, make, send, start_now = self._env, self._make, self._send, self._env.start_now
        for ordinal, time_s in enumerate(self._times):
            yield time_s - env.now if time_s > env.now else 0.0
            start_now(send(make(ordinal, time_s)))
        self._on_over()


def requests(
    context: Context, spec: WorkloadSpec, choose: Choices, users: int, steps_wanted: bool
) -> Callable[[int, float], Request]:
    """Make the requests of open arrivals: the user behind each is drawn."""
    draw_user = context.streams.uniforms(f"{context.path}.open.user")
    users_per_ip = spec.users_per_ip

    def make(ordinal: int, now_s: float) -> Request:
        user = int(draw_user.at(ordinal) * users)
        request = Request(ordinal, ordinal, choose.at(ordinal), user, user // users_per_ip, now_s)
        if steps_wanted:
            request.steps_s = {}
        return request

    return make


def recorded(spec: WorkloadSpec, trace: Trace, choose: Choices, steps_wanted: bool) -> Callable[[int, float], Request]:
    """Make the requests of a trace: what it does not say is drawn, or follows from its user."""
    endpoints = None if trace.endpoint is None else trace.endpoint.tolist()
    users = None if trace.user is None else trace.user.tolist()
    ips = None if trace.ip is None else trace.ip.tolist()
    keys = None if trace.key is None else trace.key.tolist()
    demands = {path: values.tolist() for path, values in trace.demands.items()}
    users_per_ip = spec.users_per_ip

    def make(ordinal: int, now_s: float) -> Request:
        endpoint = -1 if endpoints is None else endpoints[ordinal]
        if endpoint < 0:
            endpoint = choose.at(ordinal)
        user = ordinal if users is None else users[ordinal]
        ip = user // users_per_ip if ips is None else ips[ordinal]
        request = Request(ordinal, ordinal, endpoint, user, ip, now_s)
        if keys is not None and keys[ordinal] >= 0:
            request.key = keys[ordinal]
        if demands:
            given = {path: values[ordinal] for path, values in demands.items() if values[ordinal] == values[ordinal]}
            request.given = given or None
        if steps_wanted:
            request.steps_s = {}
        return request

    return make


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


def recorded_instants(context: Context, spec: WorkloadSpec, trace: Trace) -> Iterator[float]:
    """When the requests of a trace come."""
    assert spec.trace is not None
    times = Recorded((trace.t_s / spec.trace.speed).tolist())
    return times.instants(context.streams, f"{context.path}.trace")
