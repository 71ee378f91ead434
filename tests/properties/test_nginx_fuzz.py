"""Whatever stands in an nginx configuration, reading it ends in a result or in an error with its line."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.deploy.nginx import Hosts, NginxReading, read_nginx
from experiments.deploy.setting import Ledger
from experiments.deploy.source import Folder
from experiments.errors import InputError
from sim.quantities import parse_duration

VALID = b"""# caf\xc3\xa9 \xf0\x9f\x8d\xb0
worker_processes auto;
events { worker_connections 1024; }
http {
    limit_req_zone $binary_remote_addr zone=one:10m rate=10r/s;
    upstream u {
        hash $request_uri consistent;
        server api-1:80 weight=2 max_fails=3 fail_timeout=30s;
        server api-2:80;
        keepalive 8;
    }
    include conf.d/*.conf;
    server {
        listen 80;
        location / { proxy_pass http://u; proxy_read_timeout "1m 30s"; limit_req zone=one burst=5 nodelay; }
        location ~ \\.php$ { proxy_pass http://api:8080/x; proxy_next_upstream error http_502; }
    }
}
"""
PIECES = [
    b"", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\r\n", b"\t", b"{", b"}", b";", b"'", b'"', b"\\", b"#", b"${", b"$",
    b"include nginx.conf;", b"include ../*;", b"include /etc/*;", b"include *;", b"server;", b"server {}", b"weight=",
    b"weight=0", b"weight=99999999999", b"location {}", b"proxy_pass;", b"proxy_pass http://;", b"limit_req zone=;",
    b"limit_conn one 1;", b"upstream {}", b"upstream u { server api; }", b"zone=one:0k", b"rate=0r/s", b"rate=1r/h",
    b"99999999999999999999", b"proxy_read_timeout 9999999999999y;", b"content_by_lua_block { '", b"stream {}",
    b"http {", b"fail_timeout=1500ms", b'fail_timeout="3s"', b"max_conns=-1", b"worker_processes x;",
    b"set_real_ip_from 1;", b"\xe2\x80\xa8",
]  # fmt: skip
edits = st.lists(
    st.tuples(st.integers(0, len(VALID)), st.integers(0, 25), st.sampled_from(PIECES) | st.binary(max_size=10)),
    max_size=6,
)


def check(data: bytes, hosts: dict[str, int] | None = None) -> tuple[NginxReading | None, Ledger]:
    ledger = Ledger()
    with tempfile.TemporaryDirectory() as name:
        outside, folder = Path(name), Path(name) / "inside"
        (folder / "conf.d").mkdir(parents=True)
        (outside / "outside.conf").write_text("upstream outside { server api; }")
        (folder / "nginx.conf").write_bytes(data)
        (folder / "conf.d" / "more.conf").write_text("gzip on;")
        os.symlink(outside / "outside.conf", folder / "conf.d" / "link.conf")
        try:
            reading = read_nginx(Folder(folder), "nginx.conf", ledger, hosts=Hosts(hosts or {"api": 2}))
        except InputError as error:
            refused = str(error)
        else:
            refused = ""
        if refused:
            assert "nginx.conf" in refused
            return None, ledger
        texts = {file: Folder(folder).read(file).text for file in reading.files}
    assert "outside" not in reading.upstreams
    assert "conf.d/link.conf" not in reading.files
    for place, said in ledger.problems:
        assert place.line >= 1 and said and place.file
    for fact in reading.facts:
        if fact.place is not None and fact.write is not None:
            assert fact.write(fact.value) == texts[fact.place.file][fact.place.start : fact.place.end], fact.path
    return reading, ledger


def test_what_is_valid_is_read_whole() -> None:
    reading, ledger = check(VALID)
    assert reading is not None
    assert reading.upstreams == {"u": "api"}
    found = {".".join(fact.path[2:]): fact.value for fact in reading.facts}
    assert found["upstreams.u.weights"] == [2, 1]
    assert found["upstreams.u.read_timeout"] == "1m 30s"
    said = [text for _, text in ledger.problems]
    assert any("link.conf" in text for text in said)


@settings(max_examples=150)
@given(edits)
def test_edited(changes: list[tuple[int, int, bytes]]) -> None:
    data = VALID
    for at, size, piece in changes:
        data = data[:at] + piece + data[at + size :]
    check(data)


@settings(max_examples=100)
@given(st.binary(max_size=120) | st.lists(st.sampled_from(PIECES), max_size=12).map(b" ".join))
def test_anything(data: bytes) -> None:
    check(data)


HOSTILE = {
    "deep": b"http {" * 100_000,
    "closed": b"}" * 100_000,
    "long word": b"a" * 3_000_000 + b";",
    "many directives": b"gzip on;\n" * 20_000,
    "many words": b"a " * 210_000,
    "quote": b"a '" + b"x;\n" * 100_000,
    "variables": b"a " + b"${" * 100_000,
    "many servers": b"events {} http { upstream u {" + b"server api;" * 2_000 + b"} server { location / "
    b"{ proxy_pass http://u; } } }",
    "includes itself": b"events {} http { include nginx.conf; include nginx.conf; }",
    "latin-1": "events { } # é".encode("latin-1"),
    "utf-16": "events { }".encode("utf-16"),
    "bom": b"\xef\xbb\xbfevents { }\r\nhttp { }\r\n",
    "empty": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_end(name: str) -> None:
    reading, ledger = check(HOSTILE[name])
    if name in ("deep", "closed", "many words", "quote", "variables", "latin-1"):
        assert reading is None
    if name == "bom":
        assert reading is not None and not ledger.problems
    if name == "includes itself":
        assert "cycle" in str(ledger.problems)


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=2),
    st.integers(0, 5),
    st.integers(1, 100),
    st.sampled_from(["1s", "250ms", "90s", "2m", "1h"]),
)
def test_what_is_written_is_read_again(weights: list[int], fails: int, count: int, limit: str) -> None:
    reading, _ = check(VALID)
    assert reading is not None
    values = {
        "weights": weights,
        "max_fails": fails,
        "read_timeout": limit,
        "burst": count,
        "worker_connections": 64 + count,
    }
    text = VALID.decode()
    facts = [
        fact
        for fact in reading.facts
        if fact.path[-1] in values and fact.write is not None and fact.place is not None and "api" not in fact.path[3:4]
    ]
    for fact in sorted(facts, key=lambda one: one.place.start if one.place else 0, reverse=True):
        assert fact.place is not None and fact.write is not None
        text = text[: fact.place.start] + fact.write(values[fact.path[-1]]) + text[fact.place.end :]
    again, _ = check(text.encode())
    assert again is not None
    found = {fact.path[-1]: fact.value for fact in again.facts if fact.path[2:4] == ("upstreams", "u")}
    assert found["weights"] == weights and found["max_fails"] == fails
    assert parse_duration(found["read_timeout"]) == parse_duration(limit)
