"""Nginx's worker processes: who gets a connection, what counts against it, and what a death of nginx leaves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from models.load_balancer import NginxSpec, Worker, address_of
from models.outcomes import CallFailure, ClientGone, ConnectionClosed, ConnectionRefused, NoWorkerConnection
from models.proxy import GATEWAY_ADDRESS, OWN_CONNECTIONS, LoadBalancerSpec, Proxy
from models.request import Request, Visit
from models.spec import Context
from sim.environment import Activity, Environment, Light
from sim.probe import NullProbe
from sim.streams import Streams


class Server:
    """Answers after a second."""

    def __init__(self, env: Environment, name: str) -> None:
        self.name = name
        self.host: Any = SimpleNamespace(path=name, is_up=True, deaths=SimpleNamespace(total=0))
        self.users: list[int] = []

    def handle(self, request: Request, visit: Visit) -> Activity:
        self.users.append(request.user)
        yield 1.0


class Stand:
    """An nginx before two servers."""

    def __init__(self, cpu: Any = "0s", upstream: dict[str, Any] | None = None, **settings: Any) -> None:
        self.env = Environment()
        self.servers = [Server(self.env, f"s-{number}") for number in (1, 2)]
        document = {"machine": "vm", "cpu": cpu, "upstreams": {"u": {"service": "s", "connect_time": 0}}, **settings}
        document["upstreams"]["u"] |= upstream or {}
        self.host: Any = SimpleNamespace(
            is_up=True, speed=1.0, run=lambda demand_s: demand_s, enter=lambda: None, leave=lambda light: None
        )
        context = Context(self.env, Streams(1, 0), NullProbe(self.env), "nginx")
        self.proxy = Proxy(context, LoadBalancerSpec.model_validate(document), self.host, {"s": self.servers})
        self.ends: list[tuple[int, float, str]] = []

    def send(self, user: int, at_s: float = 0.0, by_gateway: bool = False) -> Light:
        hop = self.proxy.for_gateway() if by_gateway else self.proxy

        def client() -> Activity:
            try:
                yield from hop.handle(Request(user, user, 0, user, user, at_s), Visit("s", "e"))
                self.ends.append((user, self.env.now, ""))
            except CallFailure as failure:
                self.ends.append((user, self.env.now, type(failure).__name__))

        return self.env.start(client(), max(0.0, at_s - self.env.now))

    @property
    def free(self) -> list[int]:
        return [process.worker.free for process in self.proxy._processes]


def test_a_worker_is_one_thread() -> None:
    """Requests that come together wait for it; a second worker takes those that chance sends there."""
    stand = Stand(cpu="125ms")
    for user in range(4):
        stand.send(user)
    stand.env.run()
    assert [when for _, when, _ in stand.ends] == [1.125, 1.25, 1.375, 1.5]
    stand = Stand(cpu="125ms", workers=4)
    for user in range(4):
        stand.send(user)
    stand.env.run()
    assert max(when for _, when, _ in stand.ends) < 1.5


def test_every_try_of_a_caller_burns_what_it_draws_itself() -> None:
    stand = Stand(cpu={"kind": "exponential", "mean": "100ms"})
    request, visit = Request(0, 0, 0, 0, 0, 0.0), Visit("s", "e")
    ends: list[float] = []

    def client() -> Activity:
        for attempt in (visit, visit.again(1 << 40), visit):
            yield from stand.proxy.handle(request, attempt)
            ends.append(stand.env.now)

    stand.env.start(client())
    stand.env.run()
    first, second, third = (end - start for start, end in zip([0.0, *ends], ends, strict=False))
    assert first == pytest.approx(third) and first != pytest.approx(second)


def test_connections_come_back_however_a_request_ends() -> None:
    stand = Stand(worker_connections=6)
    gone = stand.send(0)
    stand.send(1)
    stand.send(2, 0.1)
    stand.env.run(0.5)
    assert stand.ends == [(2, 0.1, ConnectionClosed.__name__)]
    assert stand.free == [0]
    stand.env.throw(gone, ClientGone("client"))
    stand.env.run()
    assert stand.free == [6 - OWN_CONNECTIONS]


def test_no_connection_for_the_server_is_an_answer_of_nginx() -> None:
    stand = Stand(worker_connections=5)
    for user, at_s in enumerate((0.0, 0.1, 1.5)):
        stand.send(user, at_s)
    stand.env.run()
    assert stand.ends == [(1, 0.1, NoWorkerConnection.__name__), (0, 1.0, ""), (2, 2.5, "")]
    assert NoWorkerConnection("nginx").status == 500
    assert (ConnectionClosed("nginx").status, ConnectionClosed.reason) == (502, NoWorkerConnection.reason)
    assert stand.free == [3]
    assert [sum(upstream.connections) for upstream in stand.proxy._processes[0].upstreams.values()] == [0]


def test_workers_have_their_own_connections_and_turns() -> None:
    stand = Stand(workers=3, worker_connections=7)
    for user in range(60):
        stand.send(user, user / 1000)
    stand.env.run()
    outcomes = [outcome for _, _, outcome in stand.ends]
    assert outcomes.count("") == 3 * 2  # 5 left of each: two requests, and one whose server cannot be reached
    assert set(outcomes) == {"", NoWorkerConnection.__name__}
    assert stand.free == [5] * 3


def test_kept_connections_take_room_until_they_time_out() -> None:
    stand = Stand(worker_connections=6, upstream={"keepalive": 4, "keepalive_timeout": "10s"})
    for user in range(2):
        stand.send(user)
    stand.env.run(4.0)
    assert stand.free == [2]  # two are kept
    for number, user in enumerate(range(2, 5)):
        stand.send(user, 5.0 + number / 10)
    stand.env.run(8.0)
    assert [outcome for _, _, outcome in stand.ends[2:]] == [ConnectionClosed.__name__, "", ""]
    for user in range(5, 7):
        stand.send(user, 20.0)
    stand.env.run()
    assert [outcome for _, _, outcome in stand.ends[5:]] == ["", ""]


def test_a_death_of_nginx_forgets_servers_and_connections() -> None:
    stand = Stand(upstream={"keepalive": 4})
    stand.servers[0].host.is_up = False
    for user in range(4):
        stand.send(user, float(user))
    stand.env.run()
    assert [len(server.users) for server in stand.servers] == [0, 4]
    assert stand.free == [509]
    stand.servers[0].host.is_up = True
    stand.proxy.forget()
    assert stand.free == [510]
    for user in range(4, 6):
        stand.send(user, 5.0)
    stand.env.run()
    assert [len(server.users) for server in stand.servers] == [1, 5]
    stand.host.is_up = False
    stand.send(9)
    stand.env.run()
    assert (stand.ends[-1][0], stand.ends[-1][2]) == (9, ConnectionRefused.__name__)


@pytest.mark.parametrize("method", [{"balancing": "ip_hash"}, {"balancing": "hash", "hash_key": "ip"}])
def test_behind_a_gateway_all_clients_have_its_address(method: dict[str, Any]) -> None:
    users = [number * 256 for number in range(40)]
    spread = {}
    for real_ip in (False, True):
        for by_gateway in (False, True):
            stand = Stand(upstream=method, real_ip=real_ip)
            for user in users:
                stand.send(user, by_gateway=by_gateway)
            stand.env.run()
            spread[real_ip, by_gateway] = [server.users for server in stand.servers]
    assert spread[False, False] == spread[True, True] == spread[True, False]
    assert all(spread[False, False])
    assert sorted(map(len, spread[False, True])) == [0, 40]


def test_addresses() -> None:
    assert address_of(0) == (10, 0, 0, 0)
    assert address_of(0x010203) == (10, 1, 2, 3)
    assert address_of(255)[:3] == address_of(7)[:3] != address_of(256)[:3]
    assert GATEWAY_ADDRESS[0] != 10


def test_a_release_decides_what_is_kept() -> None:
    def kept(version: str, **upstream: Any) -> tuple[int, int]:
        upstreams = {"u": {"service": "s", **upstream}}
        spec = NginxSpec.model_validate({"cpu": 0, "version": version, "upstreams": upstreams})
        return spec.upstreams["u"].kept(spec.release)

    assert kept("1.22.1") == kept("1.29.6") == (0, 1000)
    assert kept("1.29.7") == kept("1.30.0") == (32, 1000)
    assert kept("1.19.9") == (0, 100)
    assert kept("1.29.7", keepalive=0) == (0, 1000)
    assert kept("1.19.9", keepalive=5, keepalive_requests=7) == (5, 7)
    for version in ("1.15.2", "1.29", "mainline"):
        with pytest.raises(ValidationError):
            kept(version)


def test_a_worker_without_connections_asks_who_can_spare_some() -> None:
    worker = Worker(1)
    assert worker.take(0.0)
    assert not worker.take(0.0)
    assert worker.free == 0
