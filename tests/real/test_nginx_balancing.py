"""The real nginx beside the model: the same requests to servers in the same state, compared decision by decision."""

from __future__ import annotations

import http.client
import random
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.validation.nginx_failures import crowd
from experiments.validation.nginx_stand import Stand
from models.load_balancer import (
    HashSearch,
    IpSearch,
    PeerSet,
    Ring,
    RingSearch,
    Shares,
    Upstream,
    UpstreamSpec,
    Worker,
)
from models.outcomes import CallFailure, ConnectionRefused, Failed, InstanceDied
from models.request import Request, Visit
from models.spec import Context
from sim.environment import Activity, Environment
from sim.probe import NullProbe
from sim.streams import Streams

NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")

pytestmark = [pytest.mark.real, pytest.mark.skipif(NGINX is None, reason="nginx is not installed")]


class RealServer:
    """A server on a loopback port that answers, answers 500, closes, holds, or does not listen."""

    def __init__(self) -> None:
        self.mode = "ok"
        self.hold = threading.Event()
        self.asked = 0
        self.listener = self._listen(0)
        self.port: int = self.listener.getsockname()[1]
        self.is_closing = False
        threading.Thread(target=self._serve, daemon=True).start()

    @staticmethod
    def _listen(port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(64)
        return listener

    def set(self, mode: str) -> None:
        if mode == "refuse" and self.mode != "refuse":
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
        elif mode != "refuse" and self.mode == "refuse":
            self.listener = self._listen(self.port)
        self.mode = mode

    def stop(self) -> None:
        self.is_closing = True
        self.hold.set()
        self.set("refuse")

    def _serve(self) -> None:
        while not self.is_closing:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                time.sleep(0.001)
                continue
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            read = b""
            while b"\r\n\r\n" not in read:
                part = connection.recv(4096)
                if not part:
                    return
                read += part
            self.asked += 1
            if self.mode == "hold":
                self.hold.wait(10)
            if self.mode != "close":
                status = b"%b Oops" % self.mode.encode() if self.mode.isdigit() else b"200 OK"
                connection.sendall(b"HTTP/1.0 " + status + b"\r\nContent-Length: 0\r\n\r\n")


class RealUpstream:
    """One upstream of the real nginx."""

    def __init__(self, port: int, name: str, servers: list[RealServer]) -> None:
        self.port = port
        self.name = name
        self.servers = servers
        self._index = {f"127.0.0.1:{server.port}": index for index, server in enumerate(servers)}

    def send(self, method: str = "GET", key: str = "", source: str = "127.0.0.1") -> tuple[int, list[int]]:
        """The status, and the servers tried, in order. `source`: the client's address."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10, source_address=(source, 0))
        connection.request(method, f"/{self.name}?key={key}")
        response = connection.getresponse()
        response.read()
        tried = (response.getheader("X-Tried") or "").split(", ")
        connection.close()
        return response.status, [self._index[address] for address in tried if address in self._index]


class ModelServer:
    """The model's idea of the same server."""

    def __init__(self, index: int) -> None:
        self.name = str(index)
        self.host = SimpleNamespace(path=f"servers.{index}", is_up=True)
        self.mode = "ok"
        self.tried: list[int] = []

    def set(self, mode: str) -> None:
        self.mode = mode

    def handle(self, request: Request, visit: Visit) -> Activity:
        self.tried.append(int(self.name))
        if self.mode == "refuse":
            raise ConnectionRefused(self.host.path)
        if self.mode == "close":
            raise InstanceDied(self.host.path)
        if self.mode.isdigit():
            raise Failed("application", int(self.mode))
        yield 0.0


class WallClock(Streams):
    """Whole seconds begin when those of this machine do."""

    def sequence(self, purpose: str, distribution: Any = None) -> Any:
        return SimpleNamespace(next=lambda: 0.0)


class ModelUpstream:
    """The model of one upstream, at the time of the wall clock."""

    def __init__(self, spec: dict[str, Any], servers: int) -> None:
        self.env = Environment(initial_time=time.time())
        self.tried: list[int] = []
        self.servers = [ModelServer(index) for index in range(servers)]
        for server in self.servers:
            server.tried = self.tried
        settings = UpstreamSpec.model_validate({"service": "s", "connect_time": 0, **spec})
        context = Context(self.env, WallClock(1, 0), NullProbe(self.env), "u")
        self.upstream = Upstream(context, settings, self.servers, (1, 22, 1), Worker(510))

    def send(self, method: str, when: float) -> tuple[int, list[int]]:
        if when > self.env.now:
            self.env.run(until=when)
        self.tried.clear()
        statuses = []

        def process() -> Activity:
            try:
                yield from self.upstream.handle(Request(0, 0, 0, 0, 0, 0.0), Visit("s", "e", 0, method != "POST"))
                statuses.append(200)
            except CallFailure as failure:
                statuses.append(failure.status)

        self.env.start(process())
        while not statuses:
            self.env.step()
        return statuses[0], list(self.tried)


class Pair:
    """The real upstream and its model, sent the same requests at the same time."""

    def __init__(self, real: RealUpstream, spec: dict[str, Any]) -> None:
        self.real = real
        self.model = ModelUpstream(spec, len(real.servers))
        self.decisions = 0

    def set(self, *modes: str) -> None:
        for index, mode in enumerate(modes):
            self.real.servers[index].set(mode)
            self.model.servers[index].set(mode)

    def send(self, method: str = "GET") -> tuple[int, list[int]]:
        """Send to both, compare, and say what both did."""
        fraction = time.time() % 1
        if not 0.1 < fraction < 0.7:  # away from the turn of a second, which the two may see differently
            time.sleep((1.2 - fraction) % 1)
        real = self.real.send(method)
        model = self.model.send(method, time.time())
        self.decisions += 1
        assert model == real, f"request {self.decisions} to {self.real.name}"
        return real


SPECS: dict[str, tuple[int, dict[str, Any]]] = {
    "weighted": (3, {"weights": [5, 1, 1]}),
    "least": (2, {"weights": [3, 1], "balancing": "least_conn"}),
    "closed": (2, {}),
    "single": (1, {}),
    "posts": (2, {}),
    "listed": (2, {"next_upstream": ["error", "timeout", "http_500"]}),
    "climbing": (2, {"weights": [4, 4], "max_fails": 2}),
    "checks": (2, {"max_fails": 2, "fail_timeout": "1s"}),
    "mixed_rr": (3, {"weights": [4, 2, 1], "max_fails": 2, "fail_timeout": "1s",
                     "next_upstream": ["error", "timeout", "http_500"], "next_upstream_tries": 2}),
    "mixed_least": (3, {"weights": [2, 2, 3], "balancing": "least_conn", "max_fails": 2, "fail_timeout": "1s",
                        "next_upstream": ["error", "http_500", "non_idempotent"]}),
    "connecting": (1, {"connect_time": "1s", "connect_timeout": "200ms"}),
    "client_errors": (2, {"next_upstream": ["error", "http_403", "http_404", "http_429"]}),
    "backup": (3, {"backup": [3], "weights": [2, 1, 1], "max_fails": 2, "fail_timeout": "1s",
                   "next_upstream": ["error", "http_500"]}),
    "down": (3, {"down": [2], "next_upstream": ["error", "http_500"]}),
    "full": (2, {"max_conns": 2}),
    "stalling": (2, {"read_timeout": "1s"}),
    "hash": (3, {"balancing": "hash", "hash_key": "user", "weights": [2, 1, 3]}),
    "ring": (3, {"balancing": "hash_consistent", "hash_key": "user", "weights": [2, 1, 1]}),
    "ip_hash": (3, {"balancing": "ip_hash", "weights": [1, 2, 1]}),
    "two": (2, {"balancing": "random_two"}),
}  # fmt: skip
METHODS = {"least_conn": "least_conn;", "ip_hash": "ip_hash;", "hash": "hash $arg_key;",
           "hash_consistent": "hash $arg_key consistent;", "random_two": "random two least_conn;"}  # fmt: skip


def configuration(name: str, spec: dict[str, Any], ports: list[int]) -> tuple[str, str]:
    """nginx's upstream and location blocks for a spec."""
    options = f" max_fails={spec.get('max_fails', 1)} fail_timeout={spec.get('fail_timeout', '10s')}"
    weights = spec.get("weights", [1] * len(ports))
    if "max_conns" in spec:
        options += f" max_conns={spec['max_conns']}"
    lines = []
    for number, (port, weight) in enumerate(zip(ports, weights, strict=True), 1):
        marks = "".join(f" {mark}" for mark in ("backup", "down") if number in spec.get(mark, ()))
        lines.append(f"server 127.0.0.1:{port} weight={weight}{options}{marks};")
    if "balancing" in spec:
        lines.insert(0, METHODS[spec["balancing"]])
    place = [
        f"proxy_pass http://{name};",
        f"proxy_connect_timeout {spec.get('connect_timeout', '60s')};",
        f"proxy_read_timeout {spec.get('read_timeout', '60s')};",
        f"proxy_next_upstream {' '.join(spec.get('next_upstream', ['error', 'timeout']))};",
        f"proxy_next_upstream_tries {spec.get('next_upstream_tries', 0)};",
    ]
    return f"upstream {name} {{ {' '.join(lines)} }}", f"location /{name} {{ {' '.join(place)} }}"


def started(home: Path, port: int, text: str) -> subprocess.Popen[bytes]:
    """A real nginx with this configuration, once it answers."""
    (home / "nginx.conf").write_text(text)
    assert NGINX is not None
    process = subprocess.Popen([NGINX, "-p", str(home), "-c", str(home / "nginx.conf")], stderr=subprocess.DEVNULL)
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process
        time.sleep(0.02)
    process.terminate()
    process.wait(5)
    pytest.fail((home / "error.log").read_text())


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def temporary(home: Path) -> str:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return " ".join(f"{kind}_temp_path {home}/{kind};" for kind in kinds)


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RealUpstream]]:
    """One nginx with one worker and every upstream of `SPECS`."""
    home = Path(tmp_path_factory.mktemp("nginx"))
    servers = {name: [RealServer() for _ in range(number)] for name, (number, _) in SPECS.items()}
    port = free_port()
    blocks = [configuration(name, spec, [server.port for server in servers[name]]) for name, (_, spec) in SPECS.items()]
    text = (
        f"daemon off; master_process off; worker_processes 1; pid {home}/pid; error_log {home}/error.log;\n"
        "events { worker_connections 256; }\n"
        f"http {{ access_log off; {temporary(home)}\n" + "\n".join(upstream for upstream, _ in blocks) + "\n"
        f"server {{ listen 127.0.0.1:{port}; add_header X-Tried $upstream_addr always;\n"
        + "\n".join(location for _, location in blocks) + "\n} }\n"
    )  # fmt: skip
    process = started(home, port, text)
    try:
        yield {name: RealUpstream(port, name, servers[name]) for name in SPECS}
    finally:
        process.terminate()
        process.wait(5)
        for group in servers.values():
            for server in group:
                server.stop()


@pytest.fixture
def pair(nginx: dict[str, RealUpstream], request: pytest.FixtureRequest) -> Pair:
    return Pair(nginx[request.param], SPECS[request.param][1])


@pytest.mark.parametrize("pair", ["weighted"], indirect=True)
def test_weighted_round_robin(pair: Pair) -> None:
    order = [pair.send()[1][0] for _ in range(14)]
    assert order == [0, 0, 1, 0, 2, 0, 0] * 2


@pytest.mark.parametrize("pair", ["least"], indirect=True)
def test_least_conn(nginx: dict[str, RealUpstream], pair: Pair) -> None:
    assert [pair.send()[1][0] for _ in range(8)] == [0, 0, 1, 0] * 2
    real = pair.real
    for server in real.servers:
        server.asked = 0
        server.mode = "hold"
    peers = PeerSet([3, 1], "least_conn", 1, 10, 0.0)
    chosen = [peers.pick(0.0) for _ in range(12)]
    with ThreadPoolExecutor(12) as pool:
        waiting = [pool.submit(real.send) for _ in range(12)]
        for _ in range(500):
            if sum(server.asked for server in real.servers) == 12:
                break
            time.sleep(0.01)
        for server in real.servers:
            server.hold.set()
        assert [answer.result()[0] for answer in waiting] == [200] * 12
    assert [server.asked for server in real.servers] == [chosen.count(0), chosen.count(1)] == [9, 3]


@pytest.mark.parametrize("pair", ["closed"], indirect=True)
def test_a_closed_port_is_skipped_after_one_failure(pair: Pair) -> None:
    pair.set("refuse", "ok")
    assert [pair.send() for _ in range(6)] == [(200, [0, 1])] + [(200, [1])] * 5


@pytest.mark.parametrize("pair", ["single"], indirect=True)
def test_a_single_server_is_never_left_out(pair: Pair) -> None:
    pair.set("close")
    assert [pair.send() for _ in range(3)] == [(502, [0])] * 3
    pair.set("refuse")
    assert pair.send("POST") == (502, [0])
    pair.set("ok")
    assert pair.send() == (200, [0])


@pytest.mark.parametrize("pair", ["posts"], indirect=True)
def test_a_post_is_repeated_only_if_nothing_was_sent(pair: Pair) -> None:
    pair.set("close", "ok")
    assert pair.send("POST") == (502, [0])
    pair.set("ok", "refuse")
    assert pair.send("POST")[0] == 502  # the first is left out and the second refuses: nobody is left


@pytest.mark.parametrize("pair", ["listed"], indirect=True)
def test_both_servers_500_with_http_500_listed(pair: Pair) -> None:
    pair.set("500", "500")
    assert [pair.send() for _ in range(3)] == [(500, [0, 1]), (502, [1]), (502, [])]


@pytest.mark.parametrize("pair", ["climbing"], indirect=True)
def test_weight_lost_by_a_failure_is_regained(pair: Pair) -> None:
    pair.set("close", "ok")
    assert pair.send() == (200, [0, 1])
    pair.set("ok", "ok")
    assert [pair.send()[1] for _ in range(7)] == [[1], [1], [0], [1], [0], [1], [0]]


@pytest.mark.parametrize("pair", ["checks"], indirect=True)
def test_failures_add_up_and_are_forgotten_as_in_nginx(pair: Pair) -> None:
    """Two failures in all leave the first server out, for 1 to 2 s; after that successes clear its count."""
    began = time.time()
    pair.set("close", "ok")
    failures = 0
    while time.time() - began < 3.5:
        _, tried = pair.send()
        failures += tried[0] == 0 and len(tried) == 2
        if time.time() - began > 1.0:
            pair.set("ok", "ok")
        time.sleep(0.08)
    assert failures >= 2
    assert pair.decisions > 10
    assert 0 in [pair.send()[1][0] for _ in range(2)]


@pytest.mark.parametrize("pair", ["mixed_rr", "mixed_least"], indirect=True)
def test_changing_servers(pair: Pair) -> None:
    """Servers answer, fail, close and refuse at random; GET and POST; 3 s, so that some come back."""
    chance = random.Random(5)
    began = time.time()
    seen = set()
    while time.time() - began < 3.0:
        if chance.random() < 0.2:
            pair.set(*(chance.choice(["ok", "ok", "500", "close", "refuse"]) for _ in range(3)))
        seen.add(pair.send("POST" if chance.random() < 0.2 else "GET")[0])
        time.sleep(0.02)
    assert {200, 502} <= seen
    assert pair.decisions > 20


@pytest.mark.parametrize("pair", ["connecting"], indirect=True)
def test_a_connect_that_takes_too_long_is_a_504(pair: Pair) -> None:
    """A full backlog drops the first packet of a connection, so connecting hangs."""
    real = pair.real.servers[0]
    real.set("refuse")
    crowd = []
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", real.port))
        listener.listen(0)
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", real.port))
            crowd.append(client)
        began = time.monotonic()
        assert pair.real.send("POST") == (504, [0])
        assert time.monotonic() - began < 5
        assert pair.model.send("POST", time.time())[0] == 504
        for client in crowd:
            client.close()


@pytest.mark.parametrize("pair", ["client_errors"], indirect=True)
def test_client_errors_listed(pair: Pair) -> None:
    """403 and 404 go on and count nothing; 429 leaves the server out."""
    pair.set("404", "ok")
    assert [pair.send()[0] for _ in range(4)] == [200] * 4
    pair.set("403", "404")
    assert {pair.send()[0] for _ in range(4)} == {403, 404}
    pair.set("429", "ok")
    assert [pair.send()[0] for _ in range(4)] == [200] * 4
    pair.set("429", "429")
    assert [pair.send()[0] for _ in range(2)] == [502, 502]  # 429 by the one that is left, and nobody; then nobody


@pytest.mark.parametrize("pair", ["backup"], indirect=True)
def test_backup_servers_stand_in(pair: Pair) -> None:
    chance = random.Random(7)
    began = time.time()
    used = set()
    while time.time() - began < 3.0:
        if chance.random() < 0.2:
            pair.set(*(chance.choice(["ok", "500", "close", "refuse"]) for _ in range(3)))
        used.update(pair.send()[1])
        time.sleep(0.02)
    assert used == {0, 1, 2}
    assert pair.decisions > 20


@pytest.mark.parametrize("pair", ["down"], indirect=True)
def test_a_server_marked_down(pair: Pair) -> None:
    assert {pair.send()[1][0] for _ in range(6)} == {0, 2}
    pair.set("500", "ok", "500")
    pair.send()


@pytest.mark.parametrize("pair", ["stalling"], indirect=True)
def test_a_stall_goes_on_to_the_next_server(pair: Pair) -> None:
    """The model's server hangs as long as the real one does."""
    pair.real.servers[0].set("hold")
    began = time.monotonic()
    assert pair.real.send() == (200, [0, 1])
    assert pair.real.send("POST") == (200, [1])
    assert time.monotonic() - began >= 1.0
    stand = Stand({"u1": "hang", "u2": 0.0}, read_timeout="1s")
    assert (stand.get(), stand.env.now, stand.get(idempotent=False), stand.tries()) == (200, 1.0, 200, [1, 2])


def held(real: RealUpstream, number: int) -> list[int]:
    """The statuses of so many requests at once, whose servers answer when all have come."""
    for server in real.servers:
        server.hold.clear()
        server.set("hold")
    with ThreadPoolExecutor(number) as pool:
        waiting = [pool.submit(real.send) for _ in range(number)]
        time.sleep(0.5)
        for server in real.servers:
            server.hold.set()
        return sorted(answer.result()[0] for answer in waiting)


@pytest.mark.parametrize("pair", ["full"], indirect=True)
def test_max_conns(pair: Pair) -> None:
    stand = Stand({"u1": 1.0, "u2": 1.0}, max_conns=2)
    assert held(pair.real, 7) == sorted(stand.together(7)) == [200] * 4 + [502] * 3


@pytest.mark.parametrize("name", ["hash", "ring", "ip_hash"])
def test_hash_methods_key_by_key(nginx: dict[str, RealUpstream], name: str) -> None:
    """200 keys with all servers well; then one that refuses, until it is left out, and 200 keys more."""
    real, (_, spec) = nginx[name], SPECS[name]
    weights = spec["weights"]
    peers = PeerSet(weights, spec["balancing"], 1, 10, 0.0)
    shares = Shares(weights)
    ring = Ring([f"127.0.0.1:{server.port}" for server in real.servers], weights)
    chance = random.Random(3)

    def search(key: str, source: str) -> Any:
        if name == "ip_hash":
            return IpSearch(shares, tuple(int(part) for part in source.split(".")))  # type: ignore[arg-type]
        return HashSearch(shares, key.encode()) if name == "hash" else RingSearch(ring, key.encode())

    def model(key: str, source: str, refusing: int | None) -> list[int]:
        tried: list[int] = []
        how = search(key, source)
        while not tried or tried[-1] == refusing:
            index = peers.pick(0.0, sum(1 << each for each in tried), how)
            assert index is not None
            tried.append(index)
            peers.free(index, index == refusing, 0.0)
        return tried

    seen = set()
    for refusing in (None, 1):
        if refusing is not None:
            real.servers[refusing].set("refuse")
        for number in range(200):
            key, source = f"key{number}", f"127.{chance.randrange(256)}.{chance.randrange(256)}.{number + 1}"
            status, tried = real.send(key=key, source=source)
            assert (status, tried) == (200, model(key, source, refusing)), (key, source)
            seen.add(tuple(tried))
    assert {(0,), (1,), (2,)} <= seen
    assert any(len(tried) == 2 for tried in seen)


@pytest.mark.parametrize("pair", ["two"], indirect=True)
def test_random_two_goes_where_fewer_connections_are(pair: Pair) -> None:
    """Of two servers both are drawn, sooner or later, and the idle one gets every request."""
    first, second = pair.real.servers
    first.set("hold")
    second.set("hold")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(pair.real.send)
        while not first.asked + second.asked:
            time.sleep(0.01)
        busy, idle = (first, second) if first.asked else (second, first)
        idle.set("ok")
        assert {pair.real.send()[1][0] for _ in range(10)} == {pair.real.servers.index(idle)}
        busy.hold.set()
        assert waiting.result()[0] == 200


@pytest.mark.parametrize("worker_connections", [11, 12])
def test_worker_connections(tmp_path: Path, worker_connections: int) -> None:
    """Requests that come one by one and hold what they have, to a worker under a master process."""
    tmp_path.chmod(0o755)
    server, port = RealServer(), free_port()
    server.set("hold")
    text = (
        f"daemon off; worker_processes 1; pid {tmp_path}/pid; error_log {tmp_path}/error.log;\n"
        f"events {{ worker_connections {worker_connections}; }}\n"
        f"http {{ access_log off; {temporary(tmp_path)} upstream u {{ server 127.0.0.1:{server.port}; }}\n"
        f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://u; }} }} }}\n"
    )
    process = started(tmp_path, port, text)
    time.sleep(0.2)  # the connection that looked whether it answers is closed by then

    def send() -> int:
        try:
            return RealUpstream(port, "u", [server]).send()[0]
        except (http.client.RemoteDisconnected, ConnectionResetError):
            return 502  # closed without an answer: what a proxy before it would say

    try:
        with ThreadPoolExecutor(8) as pool:
            waiting = []
            for _ in range(8):
                waiting.append(pool.submit(send))
                time.sleep(0.1)
            server.hold.set()
            statuses = [answer.result() for answer in waiting]
    finally:
        process.terminate()
        process.wait(5)
        server.stop()
    assert statuses == crowd(8, worker_connections)[0]


class KeepingServer(RealServer):
    """One that keeps connections open, and counts them."""

    def __init__(self) -> None:
        self.connections = 0
        super().__init__()

    def _answer(self, connection: socket.socket) -> None:
        self.connections += 1
        with connection:
            read = b""
            while not self.is_closing:
                while b"\r\n\r\n" not in read:
                    part = connection.recv(4096)
                    if not part:
                        return
                    read += part
                read = b""
                self.asked += 1
                if self.mode == "close":
                    return
                if self.mode == "hold":
                    self.hold.wait(10)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def test_connections_that_are_kept(tmp_path: Path) -> None:
    """keepalive 2, 3 requests over each, 1 s idle: connections opened, and tries, as in the model."""
    tmp_path.chmod(0o755)
    server, port = KeepingServer(), free_port()
    text = (
        f"daemon off; master_process off; worker_processes 1; pid {tmp_path}/pid; error_log {tmp_path}/error.log;\n"
        f"events {{ }} http {{ access_log off; {temporary(tmp_path)}\n"
        f"upstream u {{ server 127.0.0.1:{server.port}; keepalive 2; keepalive_requests 3; keepalive_timeout 1s; }}\n"
        f"server {{ listen 127.0.0.1:{port}; add_header X-Tried $upstream_addr always; location / {{ "
        'proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; } } }\n'
    )
    process = started(tmp_path, port, text)
    real = RealUpstream(port, "u", [server])
    stand = Stand({"u1": 0.0}, keepalive=2, keepalive_requests=3, keepalive_timeout="1s", connect_time="1s")

    def both() -> tuple[int, int]:
        """Connections opened for 4 requests one after the other: really, and in the model, where each takes 1 s."""
        opened, began_at_s = server.connections, stand.env.now
        for _ in range(4):
            assert (real.send()[0], stand.get()) == (200, 200)
        return server.connections - opened, round(stand.env.now - began_at_s)

    try:
        assert both() == (2, 2)
        time.sleep(1.3)
        stand.env.run(until=stand.env.now + 1.3)
        assert both() == (2, 2)
        server.mode = stand.backends["u1"].mode = "close"
        asked, tries = server.asked, sum(stand.tries())
        assert real.send() == (502, [0, 0])  # one over what was kept, one more over a new one
        assert stand.get() == 502
        assert (server.asked - asked, sum(stand.tries()) - tries) == (2, 2)
        server.mode, stand.backends["u1"].mode = "ok", 0.0
        assert real.send()[0] == stand.get() == 200
        server.mode = stand.backends["u1"].mode = "close"
        assert real.send("POST") == (502, [0])
        assert stand.get(idempotent=False) == 502
    finally:
        process.terminate()
        process.wait(5)
        server.stop()
