"""What holds for every upstream, whatever its servers do."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from models.load_balancer import PeerSet, Upstream, UpstreamSpec, Worker
from models.outcomes import CallFailure, ClientGone, ConnectionRefused, Failed, InstanceDied
from models.request import Request, Visit
from models.spec import Context
from sim.environment import Activity, Environment, Light
from sim.probe import Count, NullProbe
from sim.streams import Streams

weights = st.lists(st.integers(1, 9), min_size=2, max_size=6)
balancings = st.sampled_from(["round_robin", "least_conn"])
methods = st.sampled_from(
    [
        {"balancing": "round_robin"}, {"balancing": "least_conn"}, {"balancing": "random"}, {"balancing": "random_two"},
        {"balancing": "ip_hash"}, {"balancing": "hash", "hash_key": "user"},
        {"balancing": "hash_consistent", "hash_key": "ip"},
    ]
)  # fmt: skip


@settings(max_examples=60, derandomize=True, deadline=None)
@given(weights, balancings)
def test_whole_rounds_are_shared_exactly_by_weight(weights: list[int], balancing: Any) -> None:
    peers = PeerSet(weights, balancing, 1, 10, 0.0)
    counts = [0] * len(weights)
    for _ in range(3 * sum(weights)):
        index = peers.pick(0.0)
        assert index is not None
        counts[index] += 1
        if balancing == "round_robin" or sum(counts) % sum(weights) == 0:
            for held, peer in enumerate(peers.peers):
                for _ in range(peer.connections):
                    peers.free(held, False, 0.0)
        assert sum(peer.current for peer in peers.peers) == 0
    assert counts == [3 * weight for weight in weights]


@settings(max_examples=60, derandomize=True, deadline=None)
@given(weights, st.data())
def test_least_conn_never_passes_by_a_less_loaded_server(weights: list[int], data: st.DataObject) -> None:
    peers = PeerSet(weights, "least_conn", 1, 10, 0.0)
    for _ in range(40):
        loads = [peer.connections / peer.weight for peer in peers.peers]
        index = peers.pick(0.0)
        assert index is not None
        assert loads[index] == min(loads)
        held = [number for number, peer in enumerate(peers.peers) if peer.connections]
        if data.draw(st.booleans()):
            peers.free(data.draw(st.sampled_from(held)), False, 0.0)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(
    st.integers(2, 40), st.integers(1, 3), balancings, st.integers(0, 2),
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 1 << 30)), max_size=150),
)  # fmt: skip
def test_a_heap_chooses_as_a_look_at_all_of_them(
    servers: int, weight: int, balancing: Any, failures: int, events: list[tuple[int, int]]
) -> None:
    """Picks, ends, now and then a second try, a failure, a start of nginx: of many servers and, here, of few."""
    heap, look = (PeerSet([weight] * servers, balancing, 2, 10, 0.0) for _ in range(2))
    heap._weight, look._weight = weight, 0
    held: list[int] = []
    now = 0.0
    for kind, number in events:
        now += number % 7 / 4
        if kind < 55 or not held:
            tried = 1 << number % servers if kind < 2 else 0
            index = heap.pick(now, tried)
            assert index == look.pick(now, tried)
            held += [] if index is None else [index]
        elif kind < 99:
            index, failed = held.pop(number % len(held)), kind < 55 + failures
            assert heap.free(index, failed, now) == look.free(index, failed, now)
        else:
            heap.forget()
            look.forget()
        assert [peer.connections for peer in heap.peers] == [peer.connections for peer in look.peers]
    heap._settle()
    assert [peer.current for peer in heap.peers] == [peer.current for peer in look.peers]


class Glancing(PeerSet):
    """Fails where it looks at all of its servers once it `has_begun`."""

    has_begun = False

    def _in_turn(self, candidates: Any) -> Any:
        assert not self.has_begun
        return super()._in_turn(candidates)


def test_of_many_servers_few_are_looked_at() -> None:
    """Choices among a thousand servers, without a look at all of them once turns have begun."""
    peers = Glancing([1] * 1000, "least_conn", 1, 10, 0.0)
    first = peers.pick(0.0)
    peers.has_begun = True
    assert [first, *(peers.pick(0.0) for _ in range(999))] == list(range(1000))
    peers.free(500, False, 0.0)
    assert peers.pick(0.0) == 500


@settings(max_examples=80, derandomize=True, deadline=None)
@given(
    weights, balancings, st.integers(0, 3), st.integers(0, 4), st.floats(0, 0.99),
    st.lists(st.tuples(st.floats(0, 3), st.booleans(), st.integers(0, 63)), max_size=80),
)  # fmt: skip
def test_servers_that_failed_are_left_out_for_as_long_as_they_should(
    weights: list[int],
    balancing: Any,
    max_fails: int,
    fail_timeout_s: int,
    phase_s: float,
    events: list[tuple[float, bool, int]],
) -> None:
    """Against the words of the manual, written down a second time without any of the rule's state."""
    peers = PeerSet(weights, balancing, max_fails, fail_timeout_s, phase_s)
    down_since: dict[int, int] = {}  # second of the last failure, or of the last probe, of each that is left out
    now = 0.0
    for gap_s, fails, tried in events:
        now += gap_s
        second = int(now + phase_s)
        allowed = {
            index
            for index in range(len(weights))
            if not tried >> index & 1 and not (index in down_since and second - down_since[index] <= fail_timeout_s)
        }
        index = peers.pick(now, tried)
        assert (index in allowed) if allowed else index is None
        if index is None:
            continue
        if index in down_since:
            down_since[index] = second  # its one probe
        change = peers.free(index, fails, now)
        peer = peers.peers[index]
        assert peer.connections == 0
        assert 0 <= peer.effective <= peer.weight
        if change == "down":
            assert peer.fails == max_fails > 0
            down_since[index] = second
        elif fails and index in down_since:
            down_since[index] = second
        elif change == "up":
            assert not fails
            del down_since[index]
        assert (index in down_since) == (0 < max_fails <= peer.fails)


class Flaky:
    """A server that does what the plan says, visit by visit."""

    def __init__(self, env: Environment, name: str, plan: list[str]) -> None:
        self.env = env
        self.name = name
        self.host: Any = SimpleNamespace(path=name, is_up=True, deaths=SimpleNamespace(total=0))
        self.plan = plan
        self.visits = 0

    def handle(self, request: Request, visit: Visit) -> Activity:
        action = self.plan[self.visits % len(self.plan)]
        self.visits += 1
        if action == "refuse":
            raise ConnectionRefused(self.name)
        yield {"quick": 0.05, "slow": 3.0}.get(action, 0.2)
        if action == "die":
            raise InstanceDied(self.name)
        if action == "500":
            raise Failed("application")


class CountingProbe(NullProbe):
    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.counts: dict[str, Count] = {}

    def count(self, path: str) -> Count:
        assert path not in self.counts
        return self.counts.setdefault(path, Count(path))


actions = st.sampled_from(["quick", "quick", "slow", "refuse", "die", "500"])
conditions = st.lists(
    st.sampled_from(["error", "timeout", "http_500", "non_idempotent", "off"]), min_size=1, max_size=4
)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    st.lists(st.lists(actions, min_size=1, max_size=5), min_size=1, max_size=4),
    methods, conditions, st.integers(0, 3), st.integers(0, 2), st.integers(0, 3), st.integers(2, 8),
    st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.none() | st.floats(0, 2)), min_size=1, max_size=30),
)  # fmt: skip
def test_connections_and_attempts_balance_under_any_interleaving(
    plans: list[list[str]],
    method: dict[str, str],
    conditions: list[str],
    tries: int,
    max_conns: int,
    keepalive: int,
    connections: int,
    requests: list[tuple[float, bool, float | None]],
) -> None:
    env = Environment()
    probe = CountingProbe(env)
    servers = [Flaky(env, f"s{number}", plan) for number, plan in enumerate(plans)]
    spec = UpstreamSpec.model_validate(
        {
            "service": "s", **method, "max_conns": max_conns, "keepalive": keepalive,
            "next_upstream": conditions, "next_upstream_tries": tries,
            "read_timeout": "1s", "fail_timeout": "2s", "connect_time": {"kind": "exponential", "mean": "100ms"},
            "connect_timeout": "300ms", "send_time": {"kind": "exponential", "mean": "50ms"}, "send_timeout": "200ms",
        }
    )  # fmt: skip
    worker = Worker(connections)
    upstream = Upstream(Context(env, Streams(3, 0), probe, "u"), spec, servers, (1, 22, 1), worker)
    ends: list[str] = []

    def send(ordinal: int, idempotent: bool) -> Activity:
        try:
            request = Request(ordinal, ordinal, 0, ordinal % 7, ordinal % 5 * 300, env.now)
            yield from upstream.handle(request, Visit("s", "e", 0, idempotent))
            ends.append("ok")
        except CallFailure as failure:
            ends.append(failure.reason)

    def leave(light: Light, after_s: float) -> Activity:
        yield after_s
        env.throw(light, ClientGone("client"))

    when = 0.0
    for ordinal, (gap_s, idempotent, leaves_after_s) in enumerate(requests):
        when += gap_s
        light = env.start(send(ordinal, idempotent), when)
        if leaves_after_s is not None:
            env.start(leave(light, leaves_after_s), when)
    checks = 0
    while env.peek() != float("inf"):
        env.step()
        assert min(upstream.connections) >= 0
        assert not max_conns or max(upstream.connections) <= max_conns
        assert 0 <= worker.free <= connections
        assert connections - worker.free == sum(upstream.connections) + len(upstream.idle_links)
        checks += 1
    assert checks
    assert upstream.connections == [0] * len(servers)
    assert len(upstream.idle_links) <= keepalive
    assert len(ends) == len(requests)
    counts = {path: count.total for path, count in probe.counts.items()}
    attempts = sum(total for path, total in counts.items() if path.endswith(".tries"))
    no_live = counts["u.no_live_upstream"]
    assert ends.count("no_live_upstream") == no_live
    assert counts.get("u.max_conns.refused", 0) <= no_live
    # every request begins one attempt and each retry one more, but for those that find nobody
    assert attempts == len(requests) + counts["u.retries"] - no_live
    unconnected = ends.count("worker_connections")
    assert sum(server.visits for server in servers) <= attempts - unconnected
    reused = counts.get("u.reused", 0)
    most = min(len(servers), tries or len(servers))
    assert len(requests) - no_live <= attempts <= len(requests) * most + reused  # what was kept grants a try more
    assert reused == 0 if not keepalive else reused <= attempts
    if "off" in conditions:
        assert counts["u.retries"] == 0
