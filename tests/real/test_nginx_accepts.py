"""Where the reader says that nginx would not start, the real one does not; where it is silent, it does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from experiments.deploy.nginx import Hosts, read_nginx
from experiments.deploy.setting import Ledger
from experiments.deploy.source import Folder
from experiments.errors import InputError

pytestmark = pytest.mark.real

HOSTS = Hosts({"api": 2}, None, {"127.0.0.1": "api"})
SERVER = "server { listen 127.0.0.1:18080; location / { proxy_pass http://u; %s } %s }"
HTTP = "events { } http { %s upstream u { server 127.0.0.1:1 %s; %s } " + SERVER + " }"


def http(top: str = "", parameters: str = "", upstream: str = "", location: str = "", server: str = "") -> str:
    return HTTP % (top, parameters, upstream, location, server)


ACCEPTED = {
    "plain": http(),
    "weights": http(parameters="weight=3 max_fails=0 fail_timeout=5s max_conns=7"),
    "bare seconds": http(parameters="fail_timeout=5"),
    "limits": http("limit_req_zone $binary_remote_addr zone=a:1m rate=10r/s; limit_req zone=a burst=5 nodelay;"),
    "per minute": http("limit_req_zone $binary_remote_addr zone=a:64k rate=30r/m;", location="limit_req zone=a;"),
    "a bare rate": http("limit_req_zone $binary_remote_addr zone=a:32k rate=30; limit_req zone=a burst=1;"),
    "months of seconds": http(parameters="fail_timeout=1M"),
    "weeks": http(location="proxy_read_timeout 1w;"),
    "connections": http("limit_conn_zone $server_name zone=c:1m; limit_conn c 5;"),
    "time limits": http(location="proxy_read_timeout 1m30s; proxy_connect_timeout 500ms; proxy_send_timeout 2;"),
    "in quotes": http(location="proxy_read_timeout '1m 30s'; proxy_set_header Connection \"\";"),
    "next": http(location="proxy_next_upstream error timeout http_503 non_idempotent;"),
    "hash": http(upstream="hash $request_uri consistent;"),
    "random": http(upstream="random two least_conn;"),
    "keepalive": http(upstream="keepalive 8; keepalive_requests 10; keepalive_timeout 5s;"),
    "a comment in a directive": http(location="proxy_read_timeout # why\n 5s;"),
    "escapes": http(location="add_header X a\\;b; add_header Y 'it\\'s';"),
    "variables": http(location="set $a ${host}x; add_header Z $a;"),
}
REFUSED = {
    "no events": http().replace("events { }", ""),
    "no http": "events { } upstream u { server 127.0.0.1:1; }",
    "a fragment": "upstream u { server 127.0.0.1:1; }",
    "no argument": http(location="proxy_read_timeout;"),
    "two arguments": http(location="proxy_read_timeout 1m 30s;"),
    "wrong place": http(location="upstream v { server 127.0.0.1:2; }"),
    "no end": http(location="proxy_read_timeout 5s"),
    "not closed": http() + " http {",
    "closed twice": http() + " }",
    "open quote": http(location="add_header X 'a;"),
    "bad time": http(parameters="fail_timeout=1x"),
    "a literal quote": http(parameters='fail_timeout="3s"'),
    "bad time limit": http(location="proxy_read_timeout soon;"),
    "bad tries": http(location="proxy_next_upstream_tries -1;"),
    "months of milliseconds": http(location="proxy_read_timeout 1M;"),
    "years of milliseconds": http(location="proxy_read_timeout 1y;"),
    "milliseconds of seconds": http(parameters="fail_timeout=1000ms"),
    "no connections": http("limit_conn_zone $server_name zone=c:1m; limit_conn c 0;"),
    "no burst": http("limit_req_zone $server_name zone=c:1m rate=1r/s; limit_req zone=c burst=0;"),
    "no delay": http("limit_req_zone $server_name zone=c:1m rate=1r/s; limit_req zone=c burst=5 delay=0;"),
    "gigabytes": http("limit_req_zone $server_name zone=c:1g rate=1r/s; limit_req zone=c;"),
    "a zone too small": http("limit_conn_zone $server_name zone=c:16k; limit_conn c 5;"),
    "nothing kept": http(upstream="keepalive 0;"),
    "no rate": http("limit_req_zone $server_name zone=c:1m; limit_req zone=c;"),
    "bad connections": http("limit_conn_zone $server_name zone=c:1m; limit_conn c many;"),
    "bad burst": http("limit_req_zone $server_name zone=c:1m rate=1r/s; limit_req zone=c burst=many;"),
    "bad workers": "worker_processes many; " + http(),
    "bad worker connections": http().replace("events { }", "events { worker_connections x; }"),
    "no weight": http(parameters="weight="),
    "weight of nothing": http(parameters="weight=0"),
    "bad count": http(parameters="max_fails=many"),
    "bad rate": http("limit_req_zone $binary_remote_addr zone=a:1m rate=10r/h;", location="limit_req zone=a;"),
    "lost zone": http(location="limit_req zone=gone;"),
    "not a flag": http(location="proxy_buffering maybe;"),
}


def start(nginx: str, folder: Path, text: str) -> tuple[bool, str]:
    """Whether the real one takes a configuration."""
    (folder / "nginx.conf").write_text(text)
    globally = f"pid {folder}/nginx.pid; error_log stderr;"
    ran = subprocess.run(
        [nginx, "-t", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", globally],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    return ran.returncode == 0, ran.stderr


def complaints(folder: Path, text: str) -> list[str]:
    (folder / "nginx.conf").write_text(text)
    ledger = Ledger()
    try:
        read_nginx(Folder(folder), "nginx.conf", ledger, hosts=HOSTS, is_main=True)
    except InputError as error:
        return [str(error)]
    return [said for _, said in ledger.problems if "would not start" in said]


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_nginx_takes_is_taken(nginx: str, tmp_path: Path, name: str) -> None:
    is_taken, said = start(nginx, tmp_path, ACCEPTED[name])
    assert is_taken, said
    assert complaints(tmp_path, ACCEPTED[name]) == []


@pytest.mark.parametrize("name", REFUSED)
def test_what_nginx_refuses_is_reported(nginx: str, tmp_path: Path, name: str) -> None:
    is_taken, _ = start(nginx, tmp_path, REFUSED[name])
    assert not is_taken
    assert complaints(tmp_path, REFUSED[name])
