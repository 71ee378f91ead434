# cython: annotation_typing=True
"""The way of a request through an upstream: connect, send, wait, and go on to the next server where that may help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from models.load_balancer.keepalive import IdleLinks, Link, Worker
from models.load_balancer.keys import AddressOf, BeginSearch, begin_search, client_address
from models.load_balancer.peers import PeerSet
from models.load_balancer.search import Address
from models.load_balancer.spec import Trouble, UpstreamSpec
from models.load_balancer.target import Target, Wire
from models.outcomes import (
    CallFailure,
    ConnectionRefused,
    InstanceDied,
    NoLiveUpstream,
    NoWorkerConnection,
    TimeLimitExceeded,
    Unreachable,
)
from models.request import Request, Visit
from models.spec import Context
from sim.environment import Activity
from sim.patience import Cancelled, TimeLimit, TimeLimitReached

LANES_PER_ATTEMPT: Final = 1 << 32
"""Attempt n of a visit draws from the visit's lane plus n times this: above every lane that callers hand down."""

_LISTED_AS: Final[dict[int, Trouble]] = {
    403: "http_403", 404: "http_404", 429: "http_429", 500: "http_500", 502: "http_502", 503: "http_503",
    504: "http_504",
}  # fmt: skip
_NO_FAILURES: Final = ("http_403", "http_404")
"""Answers that another server may be asked about, but that say nothing against the one that gave them."""


class Ending(NamedTuple):
    """How an attempt went wrong."""

    trouble: Trouble | None
    """None: an answer that no setting can list."""
    failure: CallFailure
    is_answer: bool
    is_sent: bool
    """Whether anything had been sent, so that the server may have begun."""


class Upstream:
    """Carries visits to the servers of one upstream, in one worker process."""

    __slots__ = (
        "_begin", "_chance", "_connect", "_connect_timeout_s", "_env", "_failures", "_found_room",
        "_full", "_idle", "_kept", "_listed", "_no_live", "_path", "_peers", "_phase_s", "_probe", "_read",
        "_repeats_sent", "_retries", "_reused", "_send", "_send_timeout_s", "_spec", "_targets", "_time_for_tries_s",
        "_tries", "_tries_by_peer", "_wires", "_worker",
    )  # fmt: skip

    def __init__(
        self, context: Context, spec: UpstreamSpec, targets: Sequence[Target], release: tuple[int, ...], worker: Worker
    ) -> None:
        path, streams, probe = context.path, context.streams, context.probe
        for misfit in spec.misfits(len(targets)):
            raise ValueError(f"{path}.{misfit}")
        self._env = context.env
        self._path = path
        self._spec = spec
        self._targets = list(targets)
        wires: list[Any] = [getattr(target, "link", None) for target in targets]
        self._wires: list[Wire] | None = wires if any(wires) else None
        self._connect = streams.draws(f"{path}.connect_time", spec.connect_time.distribution())
        self._send = streams.draws(f"{path}.send_time", spec.send_time.distribution())
        self._connect_timeout_s = spec.connect_timeout
        self._send_timeout_s = spec.send_timeout
        self._read = TimeLimit(context.env, spec.read_timeout)
        conditions = frozenset(spec.next_upstream)
        self._listed = frozenset[str]() if "off" in conditions else conditions
        self._repeats_sent = "non_idempotent" in self._listed
        self._time_for_tries_s = spec.next_upstream_timeout or float("inf")
        self._probe = probe
        self._tries_by_peer = [probe.count(f"{path}.peers.{target.name}.tries") for target in targets]
        self._failures = [probe.count(f"{path}.peers.{target.name}.failures") for target in targets]
        self._retries = probe.count(f"{path}.retries")
        self._no_live = probe.count(f"{path}.no_live_upstream")
        self._found_room = probe.count(f"{path}.max_conns.granted") if spec.max_conns else None
        self._full = probe.count(f"{path}.max_conns.refused") if spec.max_conns else None
        self._kept = spec.kept(release)
        self._reused = probe.count(f"{path}.reused") if self._kept[0] else None
        # A run that began on a whole second of the wall clock would bring servers back at the same instants.
        self._phase_s = streams.sequence(f"{path}.clock_phase").next()
        self._peers = self._new_peers()
        self._tries = min(self._peers.tries, spec.next_upstream_tries or len(targets))
        self._chance = streams.sequence(f"{path}.random").next
        self._begin = self._searches(client_address)
        self._join(worker)

    def _new_peers(self) -> PeerSet:
        spec = self._spec
        backup, down = [{number - 1 for number in numbers} for numbers in (spec.backup, spec.down)]
        weights = spec.weights or [1] * len(self._targets)
        return PeerSet(
            weights, spec.balancing, spec.max_fails, int(spec.fail_timeout), self._phase_s, spec.max_conns, backup, down
        )

    def _searches(self, address_of: AddressOf) -> BeginSearch | None:
        names, weights = [target.name for target in self._targets], [peer.weight for peer in self._peers.peers]
        return begin_search(self._spec, names, weights, address_of, self._chance)

    def _join(self, worker: Worker) -> None:
        spec, (kept, requests) = self._spec, self._kept
        self._worker = worker
        self._idle = IdleLinks(worker, kept, requests, spec.keepalive_timeout, spec.keepalive_time) if kept else None

    def beside(self, worker: Worker) -> Upstream:
        """The same upstream in another worker process, which knows of the servers what it has seen itself."""
        other = self._copy()
        if not self._spec.zone:
            other._peers = self._new_peers()
        other._join(worker)
        return other

    def seen_from(self, address: Address) -> Upstream:
        """The same upstream for requests that all come from one address: all but their key is shared."""
        if self._spec.balancing != "ip_hash" and self._spec.hash_key != "ip":
            return self
        other = self._copy()
        other._begin = self._searches(lambda request: address)
        return other

    def _copy(self) -> Upstream:
        other = Upstream.__new__(Upstream)
        for name in Upstream.__slots__:
            setattr(other, name, getattr(self, name))
        return other

    @property
    def connections(self) -> list[int]:
        """Attempts in progress, by server."""
        return [peer.connections for peer in self._peers.peers]

    @property
    def idle_links(self) -> Sequence[Link]:
        """Connections kept here, those included that timed out and that nobody has looked at since."""
        return () if self._idle is None else self._idle.links

    def forget(self) -> None:
        """Nginx was killed: what it had learnt of the servers, and its connections to them, are gone."""
        self._peers.forget()
        if self._idle is not None:
            self._idle.close()

    def handle(self, request: Request, visit: Visit) -> Activity:
        """Carry `visit` to a server, and on to others while that may help. Raises `CallFailure`."""
        env, peers = self._env, self._peers
        began_at_s, tried, left = env.now, 0, self._tries
        search = None if self._begin is None else self._begin(request, visit)
        attempt = visit
        while True:
            index = peers.pick(env.now, tried, search)
            if index is None:
                raise self._nobody()
            tried |= 1 << index
            left -= 1
            may_go_on = counts = is_kept = False
            link = self._open(index)
            is_reused = link is not None and link.requests > 1
            try:
                ending = yield from self._attempt(index, request, attempt, is_reused)
                if ending is not None:
                    if is_reused and ending.trouble == "error":
                        left += 1  # the server may just have closed what was kept: that costs no try
                    in_time = env.now - began_at_s < self._time_for_tries_s
                    may_go_on = left > 0 and in_time and self._is_listed(ending, visit)
                    counts = ending.trouble not in _NO_FAILURES if may_go_on else not ending.is_answer
                is_kept = ending is None or (ending.is_answer and not may_go_on)
            finally:
                self._free(index, counts)
                self._let_go(link, is_kept)
            if ending is None:
                return
            if not may_go_on:
                raise ending.failure
            self._retries.add()
            attempt = visit.again(attempt.lane + LANES_PER_ATTEMPT)

    def _nobody(self) -> NoLiveUpstream:
        self._no_live.add()
        if self._full is not None and self._peers.is_crowded:
            self._full.add()
        return NoLiveUpstream(self._path)

    def _open(self, index: int) -> Link | None:
        """A connection to a server, kept or new; None: a new one, and none is ever kept."""
        self._tries_by_peer[index].total += 1
        if self._found_room is not None:
            self._found_room.total += 1
        worker, idle, now_s = self._worker, self._idle, self._env.now
        link = None if idle is None else idle.take(index, now_s)
        if link is not None:
            assert self._reused is not None
            self._reused.add()
        elif worker.free > 0:
            worker.free -= 1
        elif not worker.take(now_s):
            self._free(index, False)
            raise NoWorkerConnection(self._path)
        if idle is None:
            return None
        link = link or Link(index, self._targets[index].host, now_s)
        link.requests += 1
        return link

    def _let_go(self, link: Link | None, is_kept: bool) -> None:
        """An attempt is over: its connection is kept or closed."""
        if link is None or not is_kept or self._idle is None:
            self._worker.free += 1
        else:
            self._idle.keep(link, self._env.now)

    def _attempt(self, index: int, request: Request, visit: Visit, is_connected: bool) -> Activity:
        """Connect, send, wait for the answer. Returns None when it is good, else the `Ending`."""
        target = self._targets[index]
        if not is_connected:
            connect_s = self._connect.at(request.identity, visit.lane)
            if connect_s > self._connect_timeout_s:
                yield self._connect_timeout_s
                request.delay_s += self._connect_timeout_s
                return Ending("timeout", TimeLimitExceeded(self._path), False, False)
            if connect_s:
                yield connect_s
                request.delay_s += connect_s
            if self._wires is not None and not (yield from self._reach(self._wires[index], request)):
                return Ending("timeout", TimeLimitExceeded(self._path), False, False)
            if not target.host.is_up:
                return Ending("error", ConnectionRefused(target.host.path), False, False)
        send_s = self._send.at(request.identity, visit.lane)
        if send_s > self._send_timeout_s:
            yield self._send_timeout_s
            request.delay_s += self._send_timeout_s
            return Ending("timeout", TimeLimitExceeded(self._path), False, True)
        if send_s:
            yield send_s
            request.delay_s += send_s
            if not target.host.is_up:
                return Ending("error", InstanceDied(target.host.path), False, True)
        try:
            ending: Ending | None = yield from self._read.call(self._answer(target, request, visit))
        except Cancelled:
            raise
        except TimeLimitReached:
            return Ending("timeout", TimeLimitExceeded(self._path), False, True)
        return ending

    def _reach(self, wire: Wire, request: Request) -> Activity:
        """Shake hands across the network. Returns whether that came about within the time limit."""
        began_at_s = self._env.now
        try:
            yield from wire.connect(self._connect_timeout_s)
        except Unreachable:
            return False
        finally:
            request.delay_s += self._env.now - began_at_s
        return True

    @staticmethod
    def _answer(target: Target, request: Request, visit: Visit) -> Activity:
        """The server's work, with its failures as values: what is raised while nginx waits comes from its caller."""
        try:
            yield from target.handle(request, visit)
        except CallFailure as failure:
            wire = getattr(target, "link", None)
            if wire is not None and failure.path == wire.path:
                return Ending("error", failure, False, True)  # TCP gave up: that is no answer
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
