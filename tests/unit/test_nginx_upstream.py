"""How requests go through an upstream: what counts, what goes on, what is let go when somebody interrupts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from models.load_balancer import LANES_PER_ATTEMPT, PeerSet, Upstream, UpstreamSpec, Worker
from models.outcomes import CallFailure, ClientGone, ConnectionRefused, Failed, InstanceDied, RateLimited
from models.request import Request, Visit
from models.spec import Context
from sim.environment import Activity, Environment
from sim.patience import TimeLimit, TimeLimitReached
from sim.probe import NullProbe
from sim.streams import Streams


class Backend:
    """A server that does as it is told and notes who asked, when and in which lane."""

    def __init__(self, env: Environment, name: str, mode: str | float = 0.0) -> None:
        self.env = env
        self.name = name
        self.host = SimpleNamespace(path=f"servers.{name}", is_up=True)
        self.mode: Any = mode
        self.asked: list[tuple[float, int]] = []
        self.ended: list[float] = []

    def handle(self, request: Request, visit: Visit) -> Activity:
        self.asked.append((self.env.now, visit.lane))
        mode = self.mode
        if isinstance(mode, float):
            yield mode
            self.ended.append(self.env.now)
        elif mode == "close":
            raise InstanceDied(self.host.path)
        elif mode == "hang":
            yield
        elif isinstance(mode, CallFailure):
            raise mode


class Answered(Failed):
    """An answer of the application with some status."""

    def __init__(self, status: int, path: str = "somewhere.else") -> None:
        super().__init__(path)
        self.status = status  # type: ignore[misc]


class PhasedStreams(Streams):
    """Streams whose whole seconds begin where a test says."""

    phase_s = 0.0

    def sequence(self, purpose: str, distribution: Any = None) -> Any:
        assert purpose in ("u.clock_phase", "u.random")
        return SimpleNamespace(next=lambda: self.phase_s)


class Stand:
    """An upstream of named backends, and the requests sent to it one by one."""

    def __init__(self, modes: dict[str, str | float], phase_s: float = 0.0, **spec: Any) -> None:
        self.env = Environment()
        self.backends = {name: Backend(self.env, name, mode) for name, mode in modes.items()}
        streams = PhasedStreams(1, 0)
        streams.phase_s = phase_s
        settings = UpstreamSpec.model_validate({"service": "s", "connect_time": 0, **spec})
        context = Context(self.env, streams, NullProbe(self.env), "u")
        self.upstream: Upstream = Upstream(context, settings, list(self.backends.values()), (1, 22, 1), Worker(510))
        self.sent = 0

    def send(self, idempotent: bool = True, lane: int = 0) -> SimpleNamespace:
        """Start a request now. Its result fills in when it ends."""
        request = Request(self.sent, self.sent, 0, 0, 0, self.env.now)
        self.sent += 1
        result = SimpleNamespace(status=None, failure=None, ended_s=None, light=None)

        def process() -> Activity:
            try:
                yield from self.upstream.handle(request, Visit("s", "e", lane, idempotent))
                result.status = 200
            except CallFailure as failure:
                result.status, result.failure = failure.status, failure
            result.ended_s = self.env.now

        result.light = self.env.start(process())
        return result

    def get(self, **how: Any) -> int:
        """Send a request and wait for its end; the status it got."""
        result = self.send(**how)
        while result.status is None:
            self.env.step()
        return result.status

    def at(self, when: float, **how: Any) -> int:
        """The status of a request sent at `when`."""
        if when > self.env.now:
            self.env.run(until=when)
        return self.get(**how)

    def tries(self) -> dict[str, int]:
        return {name: len(backend.asked) for name, backend in self.backends.items()}


def test_a_stall_is_a_504_at_the_read_timeout() -> None:
    stand = Stand({"u1": 1.5}, read_timeout="1s")
    assert stand.get() == 504
    assert stand.env.now == 1.0
    assert stand.backends["u1"].ended == []
    stand.env.run()
    assert stand.backends["u1"].ended == [1.5]  # the server works on


def test_all_down_is_an_immediate_502() -> None:
    stand = Stand({"u1": "close", "u2": "close"})
    assert stand.get() == 502
    for backend in stand.backends.values():
        backend.mode = 0.0
    result = stand.send()
    stand.env.run(until=1.0)
    assert (result.status, result.failure.reason, result.ended_s) == (502, "no_live_upstream", 0.0)
    assert stand.tries() == {"u1": 1, "u2": 1}


def test_a_server_with_lowered_weight_is_chosen_less() -> None:
    """Seen of nginx, too: tests/real/test_nginx_balancing.py."""
    stand = Stand({"u1": "close", "u2": 0.0}, weights=[4, 4], max_fails=2)
    stand.get()
    stand.backends["u1"].mode = 0.0
    order = []
    for _ in range(7):
        before = stand.tries()["u1"]
        stand.get()
        order.append(stand.tries()["u1"] - before)
    assert order == [0, 0, 1, 0, 1, 0, 1]


def test_a_single_server_learns_nothing() -> None:
    peers = PeerSet([3], "least_conn", 1, 10, 0.0)
    for _ in range(3):
        assert peers.pick(0.0, tried=1) == 0
        assert peers.free(0, True, 0.0) is None
    assert (peers.peers[0].fails, peers.peers[0].effective, peers.peers[0].connections) == (0, 3, 0)


def test_a_count_clears_only_after_fail_timeout() -> None:
    """Successes soon after a failure forget nothing: two failures in all are enough, 8 s apart."""
    stand = Stand({"u1": "close", "u2": 0.0}, max_fails=2)
    stand.get()
    stand.backends["u1"].mode = 0.0
    while len(stand.backends["u1"].asked) < 5:
        stand.at(4.0)
    stand.backends["u1"].mode = "close"
    while len(stand.backends["u1"].asked) < 6:
        stand.at(8.0)
    assert [stand.get() for _ in range(6)] == [200] * 6
    assert stand.tries()["u1"] == 6


def test_a_success_sent_after_fail_timeout_clears_the_count() -> None:
    stand = Stand({"u1": "close", "u2": 0.0}, max_fails=2)
    stand.get()
    stand.backends["u1"].mode = 0.0
    while len(stand.backends["u1"].asked) < 2:
        stand.at(11.0)
    stand.backends["u1"].mode = "close"
    while len(stand.backends["u1"].asked) < 3:
        stand.at(12.0)
    before = stand.tries()["u1"]
    for _ in range(4):
        stand.get()
    assert stand.tries()["u1"] == before + 1  # one failure was left to give; the second leaves it out


@pytest.mark.parametrize(
    ("break_it", "conditions", "idempotent", "status", "tries_of_second"),
    [
        ("refuse", ["error"], True, 200, 1),
        ("refuse", ["error"], False, 200, 1),  # nothing was sent
        ("refuse", ["timeout"], True, 502, 0),
        ("refuse", ["off"], True, 502, 0),
        ("refuse", ["error", "off"], True, 502, 0),  # off overrides
        ("close", ["error"], True, 200, 1),
        ("close", ["error", "non_idempotent"], False, 200, 1),
        ("close", ["timeout"], True, 502, 0),
        ("hang", ["timeout"], True, 200, 1),
        ("hang", ["timeout"], False, 504, 0),
        ("hang", ["timeout", "non_idempotent"], False, 200, 1),
        ("hang", ["error"], True, 504, 0),
    ],
)
def test_when_a_request_goes_on(
    break_it: str, conditions: list[str], idempotent: bool, status: int, tries_of_second: int
) -> None:
    stand = Stand({"u1": break_it, "u2": 0.0}, next_upstream=conditions, read_timeout="1s")
    if break_it == "refuse":
        stand.backends["u1"].host.is_up = False
    assert stand.get(idempotent=idempotent) == status
    assert stand.tries()["u2"] == tries_of_second
    before = stand.tries()["u1"]
    for _ in range(4):
        stand.get()
    assert stand.tries()["u1"] == before  # counted as a failure, listed or not


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_listed_status_goes_on_and_counts(status: int) -> None:
    stand = Stand({"u1": Answered(status), "u2": 0.0}, next_upstream=[f"http_{status}"])
    assert [stand.get() for _ in range(5)] == [200] * 5
    assert stand.tries() == {"u1": 1, "u2": 5}


@pytest.mark.parametrize("failure", [Answered(500), Answered(501), RateLimited("limiter"), InstanceDied("another")])
def test_an_answer_that_is_not_listed_passes_through_uncounted(failure: CallFailure) -> None:
    """An instance further down that died is an answer of this application, not a failure of this server."""
    stand = Stand({"u1": failure, "u2": 0.0}, next_upstream=["error", "timeout", "http_503"])
    assert [stand.get() for _ in range(6)] == [failure.status, 200] * 3
    assert stand.tries() == {"u1": 3, "u2": 3}


def test_tries_limit_the_attempts() -> None:
    modes: dict[str, str | float] = {"u1": "close", "u2": "close", "u3": 0.0}
    assert Stand(modes, next_upstream_tries=2).get() == 502
    assert Stand(modes, next_upstream_tries=3).get() == 200
    assert Stand(modes).get() == 200


def test_the_time_for_tries_is_looked_at_before_each_one() -> None:
    modes: dict[str, str | float] = {"u1": "hang", "u2": "hang", "u3": 0.0}
    assert Stand(modes, read_timeout="1s", next_upstream_timeout="2s").get() == 504
    assert Stand(modes, read_timeout="1s", next_upstream_timeout="2001ms").get() == 200


def test_a_slow_connect_is_a_timeout_and_nothing_was_sent() -> None:
    """As in nginx, 504 (`upstream timed out while connecting`), and even a POST goes on."""
    stand = Stand({"u1": 0.0}, connect_time="2s", connect_timeout="500ms")
    assert stand.get(idempotent=False) == 504
    assert stand.env.now == 0.5
    assert stand.tries() == {"u1": 0}
    stand = Stand({"u1": 0.0, "u2": 0.0}, connect_time="2s", connect_timeout="500ms")
    assert stand.get(idempotent=False) == 504
    assert stand.env.now == 1.0  # both were tried
    stand = Stand({"u1": 0.0}, connect_time="500ms", connect_timeout="500ms")
    assert (stand.get(), stand.env.now) == (200, 0.5)


def test_a_slow_send_is_a_timeout_and_something_was_sent() -> None:
    stand = Stand({"u1": 0.0, "u2": 0.0}, send_time="2s", send_timeout="500ms")
    assert stand.get(idempotent=False) == 504
    assert stand.env.now == 0.5
    assert stand.get() == 502  # the first was left out, the second is tried, and nobody is left
    assert stand.env.now == 1.0
    assert stand.tries() == {"u1": 0, "u2": 0}


def test_a_server_that_dies_while_being_sent_to_has_been_sent_to() -> None:
    stand = Stand({"u1": 0.0, "u2": 0.0}, send_time="1s")
    result = stand.send(idempotent=False)
    stand.env.run(until=0.5)
    stand.backends["u1"].host.is_up = False
    stand.env.run(until=2.0)
    assert (result.status, result.ended_s) == (502, 1.0)
    assert stand.tries() == {"u1": 0, "u2": 0}


def test_a_refused_connection_takes_the_time_to_connect_and_names_the_server() -> None:
    stand = Stand({"u1": 0.0}, connect_time="250ms", send_time="1s")
    stand.backends["u1"].host.is_up = False
    result = stand.send()
    stand.env.run()
    assert isinstance(result.failure, ConnectionRefused)
    assert (result.failure.path, result.ended_s) == ("servers.u1", 0.25)


def interruptions() -> list[tuple[str, Callable[[Stand, Any], None]]]:
    return [
        ("client gone", lambda stand, result: stand.env.throw(result.light, ClientGone("client"))),
        ("nginx killed", lambda stand, result: stand.env.throw(result.light, InstanceDied("nginx"))),
    ]


@pytest.mark.parametrize(("name", "interrupt"), interruptions())
@pytest.mark.parametrize(
    "spec", [{"connect_time": "1s"}, {"send_time": "1s"}, {}], ids=["connecting", "sending", "waiting"]
)
def test_an_interrupted_request_frees_its_connection_and_counts_nothing(
    name: str, interrupt: Callable[[Stand, Any], None], spec: dict[str, str]
) -> None:
    stand = Stand({"u1": 1.0, "u2": 1.0}, next_upstream=["error", "timeout", "http_502"], **spec)
    result = stand.send()
    stand.env.run(until=0.5)
    assert stand.upstream.connections == [1, 0]
    interrupt(stand, result)
    stand.env.run(until=0.6)
    assert stand.upstream.connections == [0, 0]
    assert result.status in (499, 502)
    assert stand.tries()["u2"] == 0
    stand.env.run()
    assert len(stand.backends["u1"].ended) == (not spec)  # what had begun is worked on
    assert [stand.get() for _ in range(4)] == [200] * 4
    assert stand.tries() == {"u1": 2 + (not spec), "u2": 2}


def test_a_caller_that_cancels_at_the_very_read_timeout_is_no_timeout_of_nginx() -> None:
    stand = Stand({"u1": "hang", "u2": 0.0}, read_timeout="1s")
    limit = TimeLimit(stand.env, 1.0, cancels=True)
    reached = []

    def caller() -> Activity:
        try:
            yield from limit.call(stand.upstream.handle(Request(0, 0, 0, 0, 0, 0.0), Visit("s", "e")))
        except TimeLimitReached:
            reached.append(stand.env.now)

    stand.env.start(caller())
    stand.env.run()
    assert reached == [1.0]
    assert stand.tries() == {"u1": 1, "u2": 0}
    assert stand.upstream.connections == [0, 0]


def test_attempts_have_lanes_of_their_own() -> None:
    stand = Stand({"u1": "close", "u2": "close", "u3": 0.0})
    stand.get(lane=7)
    lanes = [backend.asked[0][1] for backend in stand.backends.values()]
    assert lanes == [7, 7 + LANES_PER_ATTEMPT, 7 + 2 * LANES_PER_ATTEMPT]


def sequence(stand: Stand, instants: Sequence[float]) -> list[int]:
    return [stand.at(when) for when in instants]


def test_a_run_is_repeatable() -> None:
    def once() -> tuple[list[int], dict[str, int]]:
        stand = Stand({"u1": "close", "u2": 0.01, "u3": Answered(503)}, phase_s=0.4, fail_timeout="2s")
        return sequence(stand, [0.3 * step for step in range(40)]), stand.tries()

    assert once() == once()
