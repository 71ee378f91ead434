"""The real nginx beside the model: limit_req and limit_conn, request by request.

Nginx' debug log says what every request owed in every zone, in the order in which they were taken up, and, by the
timers set in the same turn of its loop, at which millisecond of its clock. The model is given the very same instants,
so that no machine can be too slow for a decision to come out alike.
"""

from __future__ import annotations

import random
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.connection_limit import ConnectionLimits, LimitConnSpec
from models.leaky_bucket import LeakyBuckets, LeakyZone, LimitReqSpec

pytestmark = pytest.mark.real

ZONES: dict[str, str] = {
    "brisk": "rate=50r/s",
    "minutes": "rate=1300r/m",
    "paced": "rate=20r/s",
    "partly": "rate=30r/s",
    "slow": "rate=25r/s",
    "fast": "rate=40r/s",
    "each": "rate=60r/s",
    "all": "rate=90r/s",
    "dry": "rate=20r/s",
    "small": "rate=1r/m",
    "first": "rate=2r/s",
}
KEYED = {"each": 10, "small": 32}
"""Zones with a bucket per key, and their size in K."""

PLACES: dict[str, list[tuple[str, str]]] = {
    "none": [("brisk", "")],
    "nodelay": [("minutes", "burst=4 nodelay")],
    "burst": [("paced", "burst=6")],
    "delay": [("partly", "burst=8 delay=3")],
    "two_waits": [("slow", "burst=9"), ("fast", "burst=5 delay=1")],
    "two_keys": [("each", "burst=2 nodelay"), ("all", "burst=5 nodelay")],
    "dry_run": [("dry", "burst=3 delay=1")],
    "full": [("small", "")],
}
"""Locations, each with the zones that it asks."""


def spec_of(zone: str, use: str = "") -> LimitReqSpec:
    """The same settings for the model."""
    fields: dict[str, Any] = {"key": "user" if zone in KEYED else "global", "zone": "32K"}
    for word in f"{ZONES[zone]} {use}".split():
        name, _, value = word.partition("=")
        fields[name] = value if name == "rate" else (int(value) if value else True)
    return LimitReqSpec.model_validate(fields)


class Seen:
    """What nginx did with a request, in the order in which it took requests up."""

    def __init__(self, number: int, key: int) -> None:
        self.number = number
        self.key = key
        self.owed: list[int] = []
        """What the request owed in each zone that was asked, in thousandths of a request."""
        self.at_ms = 0
        self.kind = "passed"
        self.zone = ""
        """The one that held or refused it."""
        self.hold_ms = 0


class Nginx:
    """One nginx with one worker, its requests and its log."""

    def __init__(self, binary: str, home: Path, backend: int) -> None:
        self.home = home
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        (home / "file").write_text("x" * 100_000)
        (home / "nginx.conf").write_text(configuration(home, self.port, backend))
        self._process = subprocess.Popen(
            [binary, "-p", str(home), "-c", str(home / "nginx.conf")], stderr=subprocess.DEVNULL
        )
        self._number = 0

    def wait_until_it_listens(self) -> None:
        for _ in range(250):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        pytest.fail((self.home / "error.log").read_text())

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(5)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def send(self, client: socket.socket, place: str, key: int = 0) -> None:
        """Ask, without waiting for the answer."""
        self._number += 1
        client.sendall(f"GET /{place}?n={self._number}&k=key{key} HTTP/1.1\r\nHost: h\r\n\r\n".encode())

    def ask(self, client: socket.socket, place: str, key: int = 0) -> int:
        """The status of the answer."""
        self.send(client, place, key)
        return status_of(client)

    def logged(self, place: str, number: int) -> list[Seen]:
        """What the log says of the requests to a place. All answers have arrived; the last lines may follow."""
        for _ in range(250):
            seen = self._logged(place)
            if len(seen) >= number:
                break
            time.sleep(0.02)
        assert len(seen) == number
        return seen

    def _logged(self, place: str) -> list[Seen]:
        seen: list[Seen] = []
        pending: dict[str, Seen] = {}
        for line in (self.home / "error.log").read_text().splitlines():
            said = re.match(r"\S+ \S+ \S+ \S+ \*(\d+) (.*)", line)
            if said is None:
                continue
            connection, text = said[1], said[2]
            if asked := re.match(rf'http request line: "GET /{place}\?n=(\d+)&k=key(\d+) ', text):
                pending[connection] = Seen(int(asked[1]), int(asked[2]))
            each = pending.get(connection)
            if each is None:
                continue
            if owed := re.match(r"limit_req\[\d+\]: -?\d+ (\d+)\.(\d+)", text):
                each.owed.append(int(owed[1]) * 1000 + int(owed[2]))
            elif decided := re.match(r'(limit|delay)ing.* by zone "(\w+)"', text):
                each.kind, each.zone = {"limit": "refused", "delay": "held"}[decided[1]], decided[2]
            elif timer := re.match(r"event timer add: \d+: (\d+):(\d+)", text):
                each.at_ms = int(timer[2]) - int(timer[1])
                each.hold_ms = int(timer[1]) if each.kind == "held" and place != "dry_run" else 0
                seen.append(pending.pop(connection))
        return seen


def status_of(client: socket.socket) -> int:
    """Read one answer of known length: its status."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += client.recv(4096)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", head)
    while length and len(body) < int(length[1]):
        body += client.recv(4096)
    return int(head.split()[1])


def read_all(client: socket.socket) -> bytes:
    """The answer, up to when nginx closes: then the request is over for it, too."""
    answer = b""
    while part := client.recv(4096):
        answer += part
    client.close()
    return answer


def configuration(home: Path, port: int, backend: int) -> str:
    zones = [
        f"limit_req_zone {'$arg_k' if name in KEYED else name} zone={name}:{max(32, KEYED.get(name, 32))}k {rate};"
        for name, rate in ZONES.items()
    ]
    places = []
    for name, used in PLACES.items():
        limits = " ".join(f"limit_req zone={zone} {use};" for zone, use in used)
        dry = "limit_req_dry_run on;" if name == "dry_run" else ""
        places.append(f"location = /{name} {{ {limits} {dry} empty_gif; }}")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {home}/{kind};" for kind in kinds)
    return f"""
daemon off; master_process off; worker_processes 1; pid {home}/pid; error_log {home}/error.log debug;
events {{ worker_connections 1000; }}
http {{
  {temporary}
  access_log off;
  limit_req_status 429;
  limit_conn_zone $arg_k zone=each_c:32k;
  limit_conn_zone all zone=all_c:32k;
  limit_conn_zone $arg_k zone=small_c:32k;
  limit_conn_zone all zone=one_c:32k;
  {" ".join(zones)}
  server {{
    listen 127.0.0.1:{port} backlog=1024; lingering_close off; root {home};
    {" ".join(places)}
    location = /busy {{ limit_conn each_c 2; limit_conn all_c 5; keepalive_timeout 0;
      proxy_pass http://127.0.0.1:{backend}; }}
    location = /file {{ limit_conn small_c 1; limit_conn_status 598; limit_rate 300; }}
    location = /both {{ limit_conn one_c 1; limit_req zone=first burst=5; empty_gif; }}
  }}
}}
"""


class Backend:
    """Takes requests, and answers when it is told to."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.taken: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.recv(4096)
            self.taken.append(connection)

    def answer(self) -> None:
        """Answer the request that has been here longest."""
        connection = self.taken.pop(0)
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")
        connection.close()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self.taken:
            connection.close()


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    server = Backend()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def server(nginx: str, backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    built = subprocess.run([nginx, "-V"], capture_output=True, text=True, check=True).stderr
    if "--with-debug" not in built:
        pytest.skip("nginx was built without --with-debug: it does not say when it decides")
    running = Nginx(nginx, tmp_path_factory.mktemp("limits"), backend.port)
    try:
        running.wait_until_it_listens()
        yield running
    finally:
        running.stop()


class Watched(LeakyZone):
    """Remembers what the request at hand owes."""

    __slots__ = ("owed",)

    def excess(self, key: int, now_ms: int) -> int:
        self.owed = super().excess(key, now_ms)
        return self.owed


def watched(spec: LimitReqSpec) -> Watched:
    zone = spec.build()
    return Watched(zone.rate, zone.burst // 1000, zone.delay // 1000, zone.capacity)


def compare(server: Nginx, place: str, number: int) -> dict[str, int]:
    """Request by request: what was owed in every zone that was asked, which one decided, and for how long it held."""
    seen = server.logged(place, number)
    names = [zone for zone, _ in PLACES[place]]
    zones = [watched(spec_of(zone, use)) for zone, use in PLACES[place]]
    rule = LeakyBuckets(zones)
    counts = {"passed": 0, "held": 0, "refused": 0}
    for each in seen:
        decider, hold_ms = rule.ask([each.key if zone in KEYED else 0 for zone in names], each.at_ms)
        kind = "refused" if hold_ms is None else "held" if hold_ms else "passed"
        counts[kind] += 1
        told = f"request {each.number} of {place} at {each.at_ms} ms"
        assert (kind, "" if kind == "passed" else names[decider]) == (each.kind, each.zone), told
        assert [zone.owed for zone in zones[: len(each.owed)]] == each.owed, told
        assert place == "dry_run" or (hold_ms or 0) == each.hold_ms, told
    return counts


@pytest.mark.parametrize("place", ["none", "nodelay", "two_keys"])
def test_refusals_one_after_the_other(server: Nginx, place: str) -> None:
    """Each request waits for the answer to the one before; now and then there is a pause."""
    chance = random.Random(place)
    client = server.connect()
    statuses = []
    for _ in range(300):
        statuses.append(server.ask(client, place, chance.randrange(3)))
        if chance.random() < 0.25:
            time.sleep(chance.random() * 0.03)
    client.close()
    counts = compare(server, place, 300)
    assert counts == {"passed": statuses.count(200), "held": 0, "refused": statuses.count(429)}
    assert min(counts["passed"], counts["refused"]) > 20


@pytest.mark.parametrize("place", ["burst", "delay", "two_waits", "dry_run"])
def test_requests_that_are_held(server: Nginx, place: str) -> None:
    """Bursts of requests that do not wait for one another."""
    chance = random.Random(place)
    clients = []
    for _ in range(14):
        for _ in range(chance.randrange(1, 13)):
            clients.append(server.connect())
            server.send(clients[-1], place)
        time.sleep(chance.random() * 0.2)
    statuses = [status_of(client) for client in clients]
    for client in clients:
        client.close()
    counts = compare(server, place, len(clients))
    assert statuses.count(429) == (0 if place == "dry_run" else counts["refused"])
    assert statuses.count(200) == len(clients) - statuses.count(429)
    assert counts["passed"] and min(counts["held"], counts["refused"]) > 10, counts


def test_a_full_zone_drops_the_key_that_has_rested_longest(server: Nginx) -> None:
    """The smallest zone holds 191 keys, of which each may ask once a minute."""
    chance = random.Random("full")
    keys = [*range(192), 1, 0, 2, *(chance.randrange(230) for _ in range(400))]
    client = server.connect()
    statuses = [server.ask(client, "full", key) for key in keys]
    client.close()
    counts = compare(server, "full", len(keys))
    assert statuses[:195] == [200] * 192 + [429, 200, 200]
    assert min(counts["passed"] - 194, counts["refused"]) > 20


def test_requests_in_progress(server: Nginx, backend: Backend) -> None:
    """Two per key and five in all; requests begin and end in random order, one at a time."""
    chance = random.Random("busy")
    rule = ConnectionLimits([zone_of("user", 2), zone_of("global", 5)])
    in_progress: list[tuple[int, socket.socket]] = []
    decisions = []
    for _ in range(250):
        if in_progress and chance.random() < 0.45:
            key, client = in_progress.pop(0)
            backend.answer()
            assert b" 200 OK" in read_all(client)  # to the end: then nginx does not count it any more
            rule.leave([key, 0])
            continue
        key = chance.randrange(4)
        client = server.connect()
        server.send(client, "busy", key)
        is_admitted = rule.enter([key, 0]) is None
        decisions.append(is_admitted)
        if is_admitted:
            for _ in range(500):
                if len(backend.taken) == len(in_progress) + 1:
                    break
                time.sleep(0.01)
            assert len(backend.taken) == len(in_progress) + 1, "the model admits what nginx refuses"
            in_progress.append((key, client))
        else:
            assert b" 503 " in read_all(client), "the model refuses what nginx admits"
    while in_progress:
        backend.answer()
        read_all(in_progress.pop(0)[1])
    assert 20 < sum(decisions) < len(decisions) - 20


def zone_of(key: str, connections: int) -> Any:
    return LimitConnSpec.model_validate({"key": key, "connections": connections, "zone": "32K"}).build()


def test_a_full_zone_of_connections_refuses(server: Nginx) -> None:
    """The smallest zone holds 383 keys at a time: the next one finds no room, whoever it is."""
    rule = ConnectionLimits([zone_of("user", 1)])
    clients, statuses = [], []
    for key in range(390):
        client = server.connect()
        server.send(client, "file", key)
        statuses.append(int(client.recv(12)[-3:]))
        clients.append(client)
    assert statuses == [200 if rule.enter([key]) is None else 598 for key in range(390)]
    assert statuses.count(598) == 390 - 383
    for client in clients:
        client.close()


def test_what_is_held_is_not_in_progress(server: Nginx) -> None:
    """limit_req comes first: of four at once with one connection allowed, three are held in turn and all pass."""
    clients = [server.connect() for _ in range(4)]
    for client in clients:
        server.send(client, "both")
    assert [status_of(client) for client in clients] == [200] * 4
    for client in clients:
        client.close()
    assert [each.kind for each in server.logged("both", 4)].count("held") >= 2
