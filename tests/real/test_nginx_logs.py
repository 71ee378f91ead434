"""The real nginx writes its logs; what is read of them is what it was asked and what it did."""

from __future__ import annotations

import base64
import socket
import subprocess
import time
from pathlib import Path

import pytest

from experiments.logs import Batch, Reading, read_logs
from experiments.logs.batch import NS, joined

pytestmark = pytest.mark.real

FORMATS = r"""
log_format timed '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" '
                 '"$http_user_agent" $msec rt=$request_time uct="$upstream_connect_time" '
                 'urt="$upstream_response_time" ua="$upstream_addr" us="$upstream_status" cs=$upstream_cache_status '
                 '"$http_x_user"';
log_format lines escape=json '{"msec":"$msec","request":"$request","status":$status,"user":"$http_x_user",'
                 '"request_time":$request_time,"upstream_response_time":"$upstream_response_time",'
                 '"upstream_addr":"$upstream_addr","upstream_cache_status":"$upstream_cache_status"}';
log_format bare '$msec|$request_method|$uri$is_args$args|$status|$request_time';
"""


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def configuration(home: Path, port: int, live: int, dead: int) -> str:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {home}/{kind};" for kind in kinds)
    logs = " ".join(f"access_log {home}/{name}.log {name};" for name in ("combined", "timed", "lines", "bare"))
    return f"""
daemon off; master_process off; worker_processes 1; pid {home}/pid; error_log {home}/error.log;
events {{ worker_connections 64; }}
http {{
{temporary}
{FORMATS}
proxy_cache_path {home}/cache keys_zone=c:1m;
upstream u {{ server 127.0.0.1:{dead} max_fails=0; server 127.0.0.1:{live} max_fails=0; }}
server {{ listen 127.0.0.1:{live}; access_log off; location / {{ return 200 hello; }} }}
server {{ listen 127.0.0.1:{port}; {logs}
  location / {{ return 204; }}
  location /tried {{ proxy_pass http://u; }}
  location /kept {{ proxy_pass http://u; proxy_cache c; proxy_cache_valid 200 1m; }}
}} }}
"""


REQUESTS = [
    (b"GET /a?b=c HTTP/1.1\r\nUser-Agent: Moz\"illa\\ \xc3\xa9\r\nX-User: ann \"x\" \\ \xc3\xa9\r\n", 204),
    (b"POST /caf%C3%A9 HTTP/1.1\r\nContent-Length: 0\r\nReferer: a b\r\n", 204),
    (b"GET /tried/1 HTTP/1.1\r\n", 200),
    (b"GET /tried/2 HTTP/1.1\r\n", 200),
    (b"GET /kept HTTP/1.1\r\n", 200),
    (b"GET /kept HTTP/1.1\r\n", 200),
    (b"HEAD /x\"y HTTP/1.0\r\n", 204),
    (b"GET http://other/abs HTTP/1.1\r\n", 204),
    (b"\x16\x03\x01\x00 bad\r\n", 400),
    (b"GET /nul HTTP/1.1\r\nContent-Length: x\r\n", 400),
]  # fmt: skip
AUTHORIZED = (
    b"Host: h\r\nConnection: close\r\nAuthorization: Basic " + base64.b64encode(b"ann lee:secret") + b"\r\n\r\n"
)


@pytest.fixture(scope="module")
def written(nginx: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float, float]:
    """The folder with the logs of `REQUESTS`, and when the first was sent and the last was answered."""
    home = Path(tmp_path_factory.mktemp("logs"))
    port, live, dead = free_port(), free_port(), free_port()
    conf = home / "nginx.conf"
    conf.write_text(configuration(home, port, live, dead))
    process = subprocess.Popen([nginx, "-p", str(home), "-c", str(conf)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        begun = time.time()
        assert [send(port, head) for head, _ in REQUESTS] == [status for _, status in REQUESTS]
        ended = time.time()
    finally:
        process.terminate()
        process.wait(5)
    return home, begun, ended


def send(port: int, head: bytes) -> int:
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(head + AUTHORIZED)
        answer = b""
        while piece := client.recv(4096):
            answer += piece
    return int(answer.split(b" ")[1])


def read(home: Path, name: str, log_format: str | None, **fields: str) -> tuple[Reading, Batch]:
    reading = read_logs([str(home / f"{name}.log")], format=log_format, fields=fields)
    return reading, joined(list(reading.batches()))


def targets(reading: Reading, batch: Batch) -> list[tuple[str, str]]:
    return [reading.names.targets[number] for number in batch.target]


GOOD = [
    ("GET", "/a"), ("POST", "/caf%C3%A9"), ("GET", "/tried/1"), ("GET", "/tried/2"), ("GET", "/kept"), ("GET", "/kept"),
    ("HEAD", "/x\\x22y"), ("GET", "/abs"), ("GET", "/nul"),
]  # fmt: skip


def test_combined_lines_of_the_real_one(written: tuple[Path, float, float]) -> None:
    home, begun, ended = written
    reading, batch = read(home, "combined", None)
    assert reading.format_name == "combined"
    assert targets(reading, batch) == GOOD
    assert (reading.requests, reading.bad) == (9, 1)
    assert batch.status.tolist() == [204, 204, 200, 200, 200, 200, 204, 204, 400]
    assert int(begun) * NS <= batch.at_ns.min() <= batch.at_ns.max() <= ended * NS
    assert {reading.names.users.text(number) for number in batch.user[:8]} == {"ann lee"}
    assert reading.names.ips.texts == ["127.0.0.1"]


def test_a_log_format_of_the_real_one(written: tuple[Path, float, float]) -> None:
    home, begun, ended = written
    reading, batch = read(home, "timed", f"{home}/nginx.conf", user="http_x_user")
    assert "'timed' of nginx.conf" in reading.format
    assert targets(reading, batch) == GOOD
    assert (reading.requests, reading.bad) == (9, 1)
    assert reading.resolution_ns == NS // 1000
    assert (begun - 0.01) * NS <= batch.at_ns.min() <= batch.at_ns.max() <= (ended + 0.01) * NS
    tried = batch.tries[2:6].tolist()
    assert set(tried[:2]) == {1, 2}  # round robin begins with the one that is dead every other time
    assert tried[2] in (1, 2)
    assert tried[3] == 0  # from the cache
    assert batch.cache.tolist() == [-1, -1, -1, -1, 0, 1, -1, -1, -1]
    assert bool((batch.upstream_s[2:5] <= batch.response_s[2:5] + 0.002).all())
    assert bool((batch.connect_s[2:5] >= 0).all())
    assert reading.names.users.text(int(batch.user[0])) == "ann \\x22x\\x22 \\x5C \\xC3\\xA9"


def test_json_lines_of_the_real_one(written: tuple[Path, float, float]) -> None:
    home, _, _ = written
    timed, expected = read(home, "timed", f"{home}/nginx.conf:timed", user="http_x_user")
    for log_format in (None, f"{home}/nginx.conf:lines"):
        name = "user" if log_format is None else "http_x_user"
        reading, batch = read(home, "lines", log_format, user=name)
        assert reading.requests + reading.bad == 10
        same = [number for number, target in enumerate(GOOD) if '"' not in target[1] and "\\" not in target[1]]
        found = {int(line): number for number, line in enumerate(batch.line)}
        rows = [found[int(expected.line[number])] for number in same]
        for column in ("at_ns", "status", "tries", "cache"):
            assert getattr(batch, column)[rows].tolist() == getattr(expected, column)[same].tolist()
        assert [targets(reading, batch)[row] for row in rows] == [GOOD[number] for number in same]
        assert reading.names.users.text(int(batch.user[0])) == 'ann "x" \\ \u00e9'
    assert timed.requests == 9


def test_a_format_of_parts_of_the_real_one(written: tuple[Path, float, float]) -> None:
    home, _, _ = written
    reading, batch = read(home, "bare", f"{home}/nginx.conf:bare")
    found = targets(reading, batch)
    assert found[0] == ("GET", "/a")
    assert found[2:6] == GOOD[2:6]
    assert ("GET", "/abs") in found
    assert batch.status[:6].tolist() == [204, 204, 200, 200, 200, 200]
