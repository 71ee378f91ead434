"""The way of a request through an upstream: connect, send, wait, and go on to the next server where that may help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, Protocol

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator

from models.distribution import DistributionSpec
from models.load_balancer.peers import Balancing, PeerSet
from models.outcomes import CallFailure, ConnectionRefused, InstanceDied, NoLiveUpstream, TimeLimitExceeded
from models.request import Request, Visit
from models.spec import Context, NonNegativeDuration, PositiveDuration, Spec
from sim.environment import Activity
from sim.patience import Cancelled, TimeLimit, TimeLimitReached

_FROM = "(nginx 1.22)"

Trouble = Literal["error", "timeout", "http_500", "http_502", "http_503", "http_504"]
Condition = Literal[Trouble, "non_idempotent", "off"]

LANES_PER_ATTEMPT: Final = 1 << 32
"""Attempt n of a visit draws from the visit's lane plus n times this: above every lane that callers hand down."""

_LISTED_AS: Final[dict[int, Trouble]] = {500: "http_500", 502: "http_502", 503: "http_503", 504: "http_504"}


class UpstreamSpec(Spec):
    """The servers behind one name and how nginx treats them, under nginx's own names."""

    service: str = Field(description="The service whose replicas are the servers.")
    balancing: Balancing = Field(
        default="round_robin",
        description=f"Weighted round robin, or fewest active connections by weight. Default round_robin {_FROM}.",
    )
    weights: list[PositiveInt] | None = Field(
        default=None, min_length=1, description=f"One weight per replica, in order. Default 1 each {_FROM}."
    )
    max_fails: NonNegativeInt = Field(
        default=1, description=f"Failures after which a server is left out; 0: it never is. Default 1 {_FROM}."
    )
    fail_timeout: NonNegativeDuration = Field(
        default=10.0,
        description="Whole seconds for which it is left out, and after which a success clears its failures. "
        f"Default 10s {_FROM}.",
    )
    connect_timeout: PositiveDuration = Field(default=60.0, description=f"proxy_connect_timeout. Default 60s {_FROM}.")
    send_timeout: PositiveDuration = Field(default=60.0, description=f"proxy_send_timeout. Default 60s {_FROM}.")
    read_timeout: PositiveDuration = Field(
        default=60.0,
        description="proxy_read_timeout: between two reads; answers come whole here, so it limits the response time. "
        f"Default 60s {_FROM}.",
    )
    next_upstream: list[Condition] = Field(
        default=["error", "timeout"],
        min_length=1,
        description=f"When a request goes on to the next server; off overrides. Default error, timeout {_FROM}.",
    )
    next_upstream_tries: NonNegativeInt = Field(
        default=0, description=f"Attempts at most; 0: each server once. Default 0 {_FROM}."
    )
    next_upstream_timeout: NonNegativeDuration = Field(
        default=0.0, description=f"Time after which no further attempt begins; 0: no limit. Default 0 {_FROM}."
    )
    connect_time: DistributionSpec = Field(
        default="100us", validate_default=True, description="Time to connect to a server. Default 100us (assumed)."
    )
    send_time: DistributionSpec = Field(
        default="0s", validate_default=True, description="Time to pass the request on. Default 0s (assumed)."
    )

    @field_validator("fail_timeout")
    @classmethod
    def _counts_whole_seconds(cls, value: float) -> float:
        if value != int(value):
            raise ValueError(f"must be whole seconds, as nginx counts them, got {value:g}s. Round it.")
        return value

    def build(self, context: Context, targets: Sequence[Target]) -> Upstream:
        return Upstream(context, self, targets)


class NginxSpec(Spec):
    """What nginx does; where it runs is its container's business."""

    cpu: DistributionSpec = Field(description="CPU time that nginx burns for one proxied request.")
    upstreams: dict[str, UpstreamSpec] = Field(min_length=1, description="Upstreams by name, one for a service.")

    @field_validator("upstreams")
    @classmethod
    def _one_for_a_service(cls, upstreams: dict[str, UpstreamSpec]) -> dict[str, UpstreamSpec]:
        names: dict[str, str] = {}
        for name, upstream in upstreams.items():
            first = names.setdefault(upstream.service, name)
            if first != name:
                raise ValueError(f"{first} and {name} both lead to {upstream.service}. Remove one of them.")
        return upstreams


class Server(Protocol):
    """The container behind a target. A failure with its `path` is its own; others are answers of its application."""

    @property
    def path(self) -> str: ...
    @property
    def is_up(self) -> bool: ...


class Target(Protocol):
    """A replica, as nginx sees it."""

    @property
    def name(self) -> str: ...
    @property
    def host(self) -> Server: ...
    def handle(self, request: Request, visit: Visit) -> Activity: ...


class Ending(NamedTuple):
    """How an attempt went wrong."""

    trouble: Trouble | None
    """None: an answer that no setting can list."""
    failure: CallFailure
    is_answer: bool
    is_sent: bool
    """Whether anything had been sent, so that the server may have begun."""


class Upstream:
    """Carries visits to the servers of one upstream."""

    __slots__ = (
        "_connect", "_connect_timeout_s", "_env", "_failures", "_listed", "_no_live", "_path", "_peers",
        "_probe", "_read", "_repeats_sent", "_retries", "_send", "_send_timeout_s", "_targets", "_time_for_tries_s",
        "_tries", "_tries_by_peer",
    )  # fmt: skip

    def __init__(self, context: Context, spec: UpstreamSpec, targets: Sequence[Target]) -> None:
        path, streams, probe = context.path, context.streams, context.probe
        if spec.weights is not None and len(spec.weights) != len(targets):
            raise ValueError(f"{path}.weights: must be one per server, got {len(spec.weights)} for {len(targets)}")
        self._env = context.env
        self._path = path
        self._targets = list(targets)
        # A run that began on a whole second of the wall clock would bring servers back at the same instants.
        phase_s = streams.sequence(f"{path}.clock_phase").next()
        weights = spec.weights or [1] * len(targets)
        self._peers = PeerSet(weights, spec.balancing, spec.max_fails, int(spec.fail_timeout), phase_s)
        self._connect = streams.draws(f"{path}.connect_time", spec.connect_time.distribution())
        self._send = streams.draws(f"{path}.send_time", spec.send_time.distribution())
        self._connect_timeout_s = spec.connect_timeout
        self._send_timeout_s = spec.send_timeout
        self._read = TimeLimit(context.env, spec.read_timeout)
        conditions = frozenset(spec.next_upstream)
        self._listed = frozenset[str]() if "off" in conditions else conditions
        self._repeats_sent = "non_idempotent" in self._listed
        self._tries = min(len(targets), spec.next_upstream_tries or len(targets))
        self._time_for_tries_s = spec.next_upstream_timeout or float("inf")
        self._probe = probe
        self._tries_by_peer = [probe.count(f"{path}.peers.{target.name}.tries") for target in targets]
        self._failures = [probe.count(f"{path}.peers.{target.name}.failures") for target in targets]
        self._retries = probe.count(f"{path}.retries")
        self._no_live = probe.count(f"{path}.no_live_upstream")

    @property
    def connections(self) -> list[int]:
        """Attempts in progress, by server."""
        return [peer.connections for peer in self._peers.peers]

    def handle(self, request: Request, visit: Visit) -> Activity:
        """Carry `visit` to a server, and on to others while that may help. Raises `CallFailure`."""
        env, peers = self._env, self._peers
        began_at_s, tried, left = env.now, 0, self._tries
        attempt = visit
        while True:
            index = peers.pick(env.now, tried)
            if index is None:
                self._no_live.add()
                raise NoLiveUpstream(self._path)
            tried |= 1 << index
            left -= 1
            may_go_on = counts = False  # an interrupted attempt is nobody's failure
            try:
                ending = yield from self._attempt(index, request, attempt)
                if ending is not None:
                    in_time = env.now - began_at_s < self._time_for_tries_s
                    may_go_on = left > 0 and in_time and self._is_listed(ending, visit)
                    counts = may_go_on or not ending.is_answer
            finally:
                self._free(index, counts)
            if ending is None:
                return
            if not may_go_on:
                raise ending.failure
            self._retries.add()
            attempt = Visit(visit.service, visit.endpoint, attempt.lane + LANES_PER_ATTEMPT, visit.idempotent)

    def _attempt(self, index: int, request: Request, visit: Visit) -> Activity:
        """Connect, send, wait for the answer. Returns None when it is good, else the `Ending`."""
        target = self._targets[index]
        self._tries_by_peer[index].add()
        connect_s = self._connect.at(request.identity, visit.lane)
        if connect_s > self._connect_timeout_s:
            yield self._connect_timeout_s
            return Ending("timeout", TimeLimitExceeded(self._path), False, False)
        if connect_s:
            yield connect_s
        if not target.host.is_up:
            return Ending("error", ConnectionRefused(target.host.path), False, False)
        send_s = self._send.at(request.identity, visit.lane)
        if send_s > self._send_timeout_s:
            yield self._send_timeout_s
            return Ending("timeout", TimeLimitExceeded(self._path), False, True)
        if send_s:
            yield send_s
            if not target.host.is_up:
                return Ending("error", InstanceDied(target.host.path), False, True)
        try:
            ending: Ending | None = yield from self._read.call(self._answer(target, request, visit))
        except Cancelled:
            raise
        except TimeLimitReached:
            return Ending("timeout", TimeLimitExceeded(self._path), False, True)
        return ending

    @staticmethod
    def _answer(target: Target, request: Request, visit: Visit) -> Activity:
        """The server's work, with its failures as values: what is raised while nginx waits comes from its caller."""
        try:
            yield from target.handle(request, visit)
        except CallFailure as failure:
            if failure.path == target.host.path and isinstance(failure, ConnectionRefused | InstanceDied):
                return Ending("error", failure, False, isinstance(failure, InstanceDied))
            return Ending(_LISTED_AS.get(failure.status), failure, True, True)
        return None

    def _is_listed(self, ending: Ending, visit: Visit) -> bool:
        return ending.trouble in self._listed and (visit.idempotent or not ending.is_sent or self._repeats_sent)

    def _free(self, index: int, counts: bool) -> None:
        if counts:
            self._failures[index].add()
        change = self._peers.free(index, counts, self._env.now)
        if change is not None:
            text = "left out after failures" if change == "down" else "back: a request succeeded"
            self._probe.note(f"{self._path}.peers.{self._targets[index].name}", text)
