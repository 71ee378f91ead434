"""The workload: who sends which request when.

Models   Closed users think, send a request, wait for its end (success, failure, refusal or giving up), think again;
         after a session of requests comes a longer gap. Open arrivals come whatever happens: at random (Poisson) or
         evenly. A recorded trace brings its own instants and, where it has them, endpoints, users, keys and demands.
         What a request wants is drawn by its identity (user and ordinal, or ordinal), so that every configuration
         meets the same wishes.
Source   Schroeder, Wierman, Harchol-Balter: Open versus closed, NSDI 2006, for the two families.
Omits    Ramps and other shapes over time; retries by users.
Checked  tests/unit/test_workload.py, tests/theory/test_closed_system.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import inf
from typing import Annotated, Literal, Protocol

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from models.distribution import DistributionSpec
from models.request import Request
from models.spec import Context, PositiveRate, Spec
from sim.arrivals import Constant, Poisson, SessionRule
from sim.arrivals import Trace as Recorded
from sim.environment import Activity, Environment
from sim.errors import SimulationError
from sim.streams import USERS_LIMIT, Choices, closed_identity


class SessionSpec(Spec):
    """A user's visit: some requests, then a pause."""

    requests: float = Field(ge=1, description="Mean number of requests in a session (geometric).")
    gap: DistributionSpec = Field(
        description="Time between a session's last answer and the next session's first request."
    )


class UsersSpec(Spec):
    """Closed users: each sends its next request only after the last one has ended."""

    population: PositiveInt = Field(le=USERS_LIMIT, description="Users at once.")
    think_time: DistributionSpec = Field(description="Time between an answer and the next request.")
    session: SessionSpec | None = Field(default=None, description="Sessions. Default: one that never ends.")


class OpenSpec(Spec):
    """Open arrivals: requests come whatever happens to the earlier ones."""

    kind: Literal["poisson", "constant"] = Field(default="poisson", description="At random, or evenly spaced.")
    rate: PositiveRate = Field(description="Arrival rate, e.g. 700/s.")
    users: PositiveInt = Field(
        default=1000, description="Distinct users behind the requests, equally likely (assumed)."
    )


class TraceSpec(Spec):
    """A recorded trace: CSV or Parquet with a column t_s and optionally endpoint, user, ip, key, demand.*."""

    file: str = Field(description="The file, relative to the scenario.")
    speed: PositiveFloat = Field(default=1.0, description="Time scaling: 2 replays in half the time.")


class WorkloadSpec(Spec):
    """The load: exactly one of users, open and trace."""

    users: UsersSpec | None = Field(
        default=None, description="Closed users, who wait for an answer before they ask again."
    )
    open: OpenSpec | None = Field(default=None, description="Open arrivals, which come whatever happens.")
    trace: TraceSpec | None = Field(default=None, description="A recorded trace.")
    users_per_ip: PositiveInt = Field(
        default=1, description="Users behind one IP address (NAT). Default: each has its own (assumed)."
    )
    mix: dict[str, Annotated[float, Field(ge=0)]] = Field(min_length=1, description="Weight of each route.")

    @model_validator(mode="after")
    def _one_kind(self) -> WorkloadSpec:
        kinds = [name for name in ("users", "open", "trace") if getattr(self, name) is not None]
        if len(kinds) != 1:
            raise ValueError(f"must have exactly one of users, open and trace, got {' and '.join(kinds) or 'none'}.")
        if not any(self.mix.values()):
            raise ValueError("must have a route with a positive weight in mix, got none. Raise one.")
        return self


class Trace(Protocol):
    """What a recorded trace brings; arrays have one entry a request, ordered by time."""

    t_s: np.ndarray
    endpoint: np.ndarray | None
    """Route numbers; -1 where the mix decides."""
    user: np.ndarray | None
    ip: np.ndarray | None
    key: np.ndarray | None
    """Cache keys; -1 where they are drawn."""
    demands: dict[str, np.ndarray]
    """By step path (service.endpoint.step), in seconds; NaN where drawn."""


Send = Callable[[Request], Activity]


class ClosedUsers:
    """Users who think, ask and wait."""

    def __init__(self, context: Context, spec: WorkloadSpec, choose: Choices, send: Send, steps_wanted: bool) -> None:
        users = spec.users
        assert users is not None
        self._env: Environment = context.env
        self._send = send
        self._choose = choose
        self._users_per_ip = spec.users_per_ip
        self._steps_wanted = steps_wanted
        session = users.session
        away = None if session is None else session.gap.distribution()
        requests = inf if session is None else session.requests
        think = users.think_time.distribution()
        self._rule = SessionRule(context.streams, f"{context.path}.users", think, away, requests)
        self._ordinals = [0] * users.population
        self._arrivals = 0

    def start(self, on_over: Callable[[], None]) -> None:
        """Every user starts by thinking. Nobody is ever the last to ask."""
        for user in range(len(self._ordinals)):
            self._next(user)

    def ended(self, request: Request) -> None:
        """A request has its outcome: its user goes on."""
        self._ordinals[request.user] += 1
        self._next(request.user)

    def _next(self, user: int) -> None:
        ordinal = self._ordinals[user]
        pause_s = self._rule.pause_s(user, ordinal)
        self._env.start(self._ask(user, closed_identity(user, ordinal)), pause_s)

    def _ask(self, user: int, identity: int) -> Activity:
        endpoint = self._choose.at(identity)
        request = Request(self._arrivals, identity, endpoint, user, user // self._users_per_ip, self._env.now)
        if self._steps_wanted:
            request.steps_s = {}
        self._arrivals += 1
        yield from self._send(request)


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


def _requests(
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


def _recorded(spec: WorkloadSpec, trace: Trace, choose: Choices, steps_wanted: bool) -> Callable[[int, float], Request]:
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


class Workload(Protocol):
    """Whoever brings requests."""

    def start(self, on_over: Callable[[], None]) -> None:
        """Put the first arrivals on the schedule. `on_over` is called when the last one has come."""

    def ended(self, request: Request) -> None: ...


def build_workload(
    context: Context, spec: WorkloadSpec, routes: Sequence[str], trace: Trace | None, send: Send, steps_wanted: bool
) -> Workload:
    """The workload that `spec` describes. `trace` must be given where traffic comes from a file."""
    choose = context.streams.choices(f"{context.path}.mix", [spec.mix.get(route, 0.0) for route in routes])
    if spec.users is not None:
        return ClosedUsers(context, spec, choose, send, steps_wanted)
    if spec.open is not None:
        process = Poisson if spec.open.kind == "poisson" else Constant
        times = process(spec.open.rate).instants(context.streams, f"{context.path}.open")
        return OpenArrivals(context, times, _requests(context, spec, choose, spec.open.users, steps_wanted), send)
    assert spec.trace is not None
    if trace is None:
        raise SimulationError("the traffic is a trace, but no trace was handed in")
    times = Recorded((trace.t_s / spec.trace.speed).tolist()).instants(context.streams, f"{context.path}.trace")
    return OpenArrivals(context, times, _recorded(spec, trace, choose, steps_wanted), send)
