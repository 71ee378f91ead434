"""Each format of logs: what is read of its lines, and what is not taken for a request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest

from experiments.errors import InputError
from experiments.logs import Batch, Reading, read_logs
from experiments.logs.batch import joined
from experiments.logs.nginx import log_formats
from experiments.logs.source import LONGEST_LINE

STAMP = "25/Oct/2015:04:11:25 +0100"
EPOCH = 1445742685
NS = 1_000_000_000


def log_of(folder: Path, *lines: str | bytes, name: str = "a.log") -> str:
    path = folder / name
    path.write_bytes(b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines))
    return str(path)


def taken(path: str, **options: Any) -> tuple[Reading, Batch]:
    reading = read_logs([path], **options)
    return reading, joined(list(reading.batches()))


def combined(target: str = "/api/places/7", *, ip: str = "10.0.0.1", user: str = "-", method: str = "GET") -> str:
    return f'{ip} - {user} [{STAMP}] "{method} {target} HTTP/1.1" 200 12 "-" "curl"'


# combined and common


@pytest.mark.parametrize(
    "good",
    [
        '1.2.3.4 - - [{}] "GET / HTTP/1.0" 200 5', '1.2.3.4 - - [{}] "GET / HTTP/1.0" 304 -',
        '1.2.3.4 - - [{}] "GET /" 200 5', '2001:db8::7 - - [{}] "GET / HTTP/2.0" 200 5 "-" "-"',
        '1.2.3.4 - ann [{}] "POST /a HTTP/1.1" 201 0 "-" "x" "9.9.9.9" rt=0.004',
        '1.2.3.4 - ann lee [{}] "GET / HTTP/1.1" 200 5\r', 'host.example.com frank ann [{}] "PURGE /x HTTP/1.1" 200 5',
        '1.2.3.4 - - [{}] "GET /caf\u00e9 HTTP/1.1" 200 5 "-" "\\x22\\""',
        '1.2.3.4 - - [{}] "GET /a\\x22b HTTP/1.1" 200 5',
    ],
)  # fmt: skip
def test_combined_lines_that_are_requests(good: str, tmp_path: Path) -> None:
    reading, batch = taken(log_of(tmp_path, good.format(STAMP)))
    assert (reading.lines, reading.requests, reading.bad) == (1, 1, 0)
    assert batch.at_ns.tolist() == [EPOCH * NS]
    assert reading.resolution_ns == NS


@pytest.mark.parametrize(
    "bad",
    [
        b"", b"hello", b"\0\0\0", b"\xff\xfe",
        b'1.2.3.4 - - [25/Oct/2015:04:11:25 +0100] "-" 400 0 "-" "-"',
        b'1.2.3.4 - - [25/Oct/2015:04:11:25 +0100] "\\x16\\x03\\x01" 400 0 "-" "-"',
        b'1.2.3.4 - - [31/Feb/2015:04:11:25 +0100] "GET / HTTP/1.1" 200 0',
        b'1.2.3.4 - - [25/Oct/2015:04:11:25 +0100] "GET / HTTP/1.1" OK 0',
        b'1.2.3.4 - - [25/Oct/2015:04:11:25 +0100] "GET / HTTP/1.1" 200 0junk',
        b'1.2.3.4 - - 25/Oct/2015:04:11:25 +0100 "GET / HTTP/1.1" 200 0',
        b'{"time": "25/Oct/2015:04:11:25 +0100", "request": "GET / HTTP/1.1"}',
        b"x" * LONGEST_LINE, b"x" * (LONGEST_LINE + 1), b"x" * 3_000_000,
    ],
)  # fmt: skip
def test_lines_that_are_not_are_counted_and_shown(bad: bytes, tmp_path: Path) -> None:
    reading, batch = taken(log_of(tmp_path, combined(), bad, combined()))
    assert (reading.lines, reading.requests, reading.bad, batch.line.tolist()) == (3, 2, 1, [1, 3])
    (shown,) = reading.bad_shown
    assert shown.startswith("line 2: ")
    assert shown.isprintable()
    assert len(shown) < 120


def test_only_the_first_bad_lines_are_shown(tmp_path: Path) -> None:
    reading, _ = taken(log_of(tmp_path, *["bad"] * 50, combined()))
    assert (reading.bad, reading.lines) == (50, 51)
    assert reading.bad_shown == ["line 1: 'bad'", "line 2: 'bad'", "line 3: 'bad'"]


def test_all_that_a_combined_line_tells(tmp_path: Path) -> None:
    lines = [combined("/a?x=1", ip="::1", user="ann lee"), combined("/a", method="PUT"), combined("/a/", user="bob")]
    reading, batch = taken(log_of(tmp_path, *lines))
    names = reading.names
    assert [names.targets[number] for number in batch.target] == [("GET", "/a"), ("PUT", "/a"), ("GET", "/a")]
    assert [names.users.text(number) if number >= 0 else None for number in batch.user] == ["ann lee", None, "bob"]
    assert [names.ips.text(number) for number in batch.ip] == ["::1", "10.0.0.1", "10.0.0.1"]
    assert (batch.status.tolist(), batch.bytes.tolist()) == ([200] * 3, [12] * 3)
    assert bool(np.isnan(batch.response_s).all())


@pytest.mark.parametrize(("more", "is_said"), [("", False), (' "-"', True), (" rt=0.004", True), (" 1500", True)])
def test_what_stands_behind_a_combined_line_is_said(more: str, is_said: bool, tmp_path: Path) -> None:
    reading, _ = taken(log_of(tmp_path, combined() + more))
    assert ("more stands behind these" in reading.format) == is_said


# nginx

NGINX = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" '
    'rt=$request_time uct="$upstream_connect_time" urt="$upstream_response_time" ua="$upstream_addr" '
    'us="$upstream_status" cs=$upstream_cache_status "$http_x_forwarded_for" "$http_x_user"'
)
NGINX_LINE = (
    '10.0.0.1 - - [25/Oct/2015:04:11:25 +0100] "GET /a?b HTTP/1.1" 200 512 "-" "curl \\x22" rt=0.456 '
    'uct="0.001, - : 0.002" urt="0.100, 0.020 : 0.300" ua="10.0.0.2:80, 10.0.0.3:80 : unix:/tmp/s.sock" '
    'us="502, 504 : 200" cs=EXPIRED "1.2.3.4, 5.6.7.8" "ann"'
)


def test_an_nginx_format_with_tries(tmp_path: Path) -> None:
    reading, batch = taken(log_of(tmp_path, NGINX_LINE, "bad", NGINX_LINE.replace("0.456", "-")), format=NGINX)
    assert (reading.requests, reading.bad, reading.format_name) == (2, 1, "nginx")
    assert batch.at_ns.tolist() == [EPOCH * NS - 456_000_000, EPOCH * NS]
    assert batch.response_s[0] == 0.456
    assert np.isnan(batch.response_s[1])
    assert batch.upstream_s.tolist() == pytest.approx([0.42, 0.42])
    assert batch.connect_s.tolist() == pytest.approx([0.003, 0.003])
    assert (batch.tries.tolist(), batch.cache.tolist(), batch.bytes.tolist()) == ([3, 3], [0, 0], [512, 512])
    assert reading.names.ips.texts == ["10.0.0.1"]
    assert "response from $request_time" in reading.format
    assert "stamps are of the end" in reading.format


def test_any_variable_is_the_user_or_the_address(tmp_path: Path) -> None:
    fields = {"user": "http_x_user", "ip": "$http_x_forwarded_for"}
    reading, batch = taken(log_of(tmp_path, NGINX_LINE), format=NGINX, fields=fields)
    assert (reading.names.users.texts, batch.user.tolist()) == (["ann"], [0])
    assert reading.names.ips.texts == ["1.2.3.4"]
    with pytest.raises(InputError, match=r"--field user: must be one of \$remote_addr, .* got 'cookie_sid'"):
        read_logs([log_of(tmp_path, NGINX_LINE)], format=NGINX, fields={"user": "cookie_sid"})


@pytest.mark.parametrize(
    ("pattern", "line", "at_ns"),
    [
        ("$msec $request_method $request_uri $status", "1445742685.123 POST /a?b 201", EPOCH * NS + 123_000_000),
        ("[$time_iso8601] ${request_method} $scheme://$host$uri $status",
         "[2015-10-25T04:11:25+01:00] POST http://h/a 201", EPOCH * NS),
        ('$msec $request_method $uri$is_args$args $status', "1445742685.000 POST /a?b 201", EPOCH * NS),
        ("$msec $request_method $uri$is_args$args $status", "1445742685.000 POST /a- 201", EPOCH * NS),
        ("$status|$request|$time_local|$msec", f"201|POST /a HTTP/1.1|{STAMP}|1445742685.500", EPOCH * NS + NS // 2),
        ('$http_user_agent "$request" $status $msec', 'Mo (zil) la "POST /a HTTP/1.1" 201 1445742685.000', EPOCH * NS),
    ],
)  # fmt: skip
def test_nginx_formats_of_other_shapes(pattern: str, line: str, at_ns: int, tmp_path: Path) -> None:
    reading, batch = taken(log_of(tmp_path, line), format=f"nginx:{pattern}")
    assert batch.at_ns.tolist() == [at_ns]
    assert batch.status.tolist() == [201]
    assert reading.names.targets == [("POST", "/a")]


CONF = """
# log_format commented '$msec';
http {
    log_format short '$remote_addr [$time_local] '
                     "\\"$request\\" $status";  # the one
    log_format json escape=json '{"t":"$time_iso8601","r":"$request","s":$status,'
        '"u":"$http_x_user","rt":"$request_time"}';
    server { access_log /var/log/a.log short; }
}
"""


def test_the_log_formats_of_a_configuration() -> None:
    assert list(log_formats(CONF)) == [
        ("short", "default", '$remote_addr [$time_local] "$request" $status'),
        ("json", "json", '{"t":"$time_iso8601","r":"$request","s":$status,"u":"$http_x_user","rt":"$request_time"}'),
    ]


def test_a_configuration_says_the_format(tmp_path: Path) -> None:
    conf = tmp_path / "nginx.conf"
    conf.write_text(CONF)
    reading, batch = taken(log_of(tmp_path, f'1.2.3.4 [{STAMP}] "GET /a HTTP/1.1" 200'), format=str(conf))
    assert "'short' of nginx.conf" in reading.format
    assert batch.status.tolist() == [200]
    line = '{"t":"2015-10-25T04:11:25+01:00","r":"GET /a HTTP/1.1","s":200,"u":"a\\"\\u00e9","rt":""}'
    reading, batch = taken(log_of(tmp_path, line), format=f"{conf}:json", fields={"user": "http_x_user"})
    assert reading.names.users.texts == ['a"\u00e9']
    with pytest.raises(InputError, match="must hold log_format other, got none"):
        read_logs([log_of(tmp_path, line)], format=f"{conf}:other")
    with pytest.raises(InputError, match=r"nowhere.conf: must be a readable nginx\.conf"):
        read_logs([log_of(tmp_path, line)], format=f"{tmp_path}/nowhere.conf")


def test_a_format_without_a_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--format: must have the time of a request"):
        read_logs([log_of(tmp_path, "x")], format="$remote_addr $request")


# Apache and Tomcat


@pytest.mark.parametrize(
    ("pattern", "line", "at_ns", "response_s"),
    [
        ('%h %l %u %t "%r" %>s %b %D', '::1 - - [{}] "GET /a HTTP/1.1" 200 5 250000', EPOCH * NS, 0.25),
        ('apache:%h %u %t "%r" %s %b %{ms}T', '::1 - [{}] "GET /a HTTP/1.1" 200 - 250', EPOCH * NS, 0.25),
        ('%h %u %t "%r" %s %b %D', '::1 - [{}] "GET /a HTTP/1.1" 200 5 250000', EPOCH * NS - 250_000_000, 0.25),
        ('tomcat9:%h %t "%r" %s %D %F', '::1 [{}] "GET /a HTTP/1.1" 200 250 3', EPOCH * NS - 250_000_000, 0.25),
        ('tomcat:%h %u %t "%r" %s %b %T', '::1 - [{}] "GET /a HTTP/1.1" 200 5 0.250', EPOCH * NS - 250_000_000, 0.25),
        ('tomcat:%h %{begin:msec}t "%r" %s %D', '::1 1445742685007 "GET /a HTTP/1.1" 200 250000',
         EPOCH * NS + 7_000_000, 0.25),
        ('apache:%{end:usec}t "%r" %s %{us}T', '1445742685250000 "GET /a HTTP/1.1" 200 250000', EPOCH * NS, 0.25),
        ("apache:[%{%Y-%m-%dT%H:%M:%S%z}t] %m %U%q %s %D", "[2015-10-25T04:11:25+0100] GET /a?b 200 250000", EPOCH * NS,
         0.25),
        ("tomcat10.1:common", '::1 - - [{}] "GET /a HTTP/1.1" 200 5', EPOCH * NS, np.nan),
        ('%h "%{User-Agent}i" %t "%r" %s 100%% %I', '::1 "a \\"b\\"" [{}] "GET /a HTTP/1.1" 200 100% http-nio-1',
         EPOCH * NS, np.nan),
    ],
)  # fmt: skip
def test_patterns_of_apache_and_tomcat(pattern: str, line: str, at_ns: int, response_s: float, tmp_path: Path) -> None:
    reading, batch = taken(log_of(tmp_path, line.format(STAMP), "bad"), format=pattern)
    assert (reading.requests, reading.bad) == (1, 1)
    assert batch.at_ns.tolist() == [at_ns]
    assert batch.response_s.tolist() == pytest.approx([response_s], nan_ok=True)
    assert (reading.names.targets, batch.status.tolist()) == ([("GET", "/a")], [200])


def test_headers_and_sessions_of_a_pattern_are_the_user(tmp_path: Path) -> None:
    path = log_of(tmp_path, f'::1 - [{STAMP}] "GET /a HTTP/1.1" 200 ABC "ann"')
    for name, user in (("S", "ABC"), ("%{X-User}i", "ann"), ("x-user", "ann")):
        reading, _ = taken(path, format='%h %u %t "%r" %s %S "%{X-User}i"', fields={"user": name})
        assert reading.names.users.texts == [user]


@pytest.mark.parametrize("pattern", ['%h %u %t "%r" %s %{h}T', "%h %s"])
def test_patterns_that_say_too_little_are_refused(pattern: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--format: must have"):
        read_logs([log_of(tmp_path, "x")], format=pattern)


# JSON lines


@pytest.mark.parametrize(
    ("value", "at_ns", "known"),
    [
        ({"time": STAMP, "remote_ip": "1.2.3.4", "remote_user": "-", "request": "GET /a HTTP/1.1", "response": 304},
         EPOCH * NS, {"status": 304, "user": -1, "ip": 0}),
        ({"level": "info", "ts": EPOCH + 0.25, "request": {"client_ip": "::1", "method": "GET", "uri": "/a?b"},
          "duration": 0.25, "size": 9, "status": 200}, EPOCH * NS, {"status": 200, "bytes": 9, "response_s": 0.25}),
        ({"ClientHost": "1.2.3.4", "Duration": 250_000_000, "OriginDuration": 200_000_000, "RequestMethod": "GET",
          "DownstreamStatus": 200, "RequestPath": "/a", "StartUTC": "2015-10-25T03:11:25Z",
          "time": "2015-10-25T03:11:26Z"}, EPOCH * NS, {"response_s": 0.25, "upstream_s": 0.2}),
        ({"@timestamp": "2015-10-25T03:11:25.250Z", "http": {"request": {"method": "get"},
          "response": {"status_code": 200}}, "url": {"path": "/a"}, "event": {"duration": 250_000_000},
          "user": {"name": "ann"}}, EPOCH * NS, {"status": 200, "user": 0, "response_s": 0.25}),
        ({"msec": "1445742685.500", "request_method": "GET", "request_uri": "/a", "request_time": "0.500",
          "status": "200", "upstream_response_time": "0.1, 0.2", "upstream_cache_status": "HIT"}, EPOCH * NS,
         {"upstream_s": 0.1 + 0.2, "tries": 2, "cache": 1}),
        ({"startTime": EPOCH * 1000, "url": "https://h/a?b", "httpMethod": "GET", "responseTimeMs": 250}, EPOCH * NS,
         {"response_s": 0.25}),
    ],
)  # fmt: skip
def test_json_lines_of_servers_are_known(value: Any, at_ns: int, known: dict[str, Any], tmp_path: Path) -> None:
    reading, batch = taken(log_of(tmp_path, json.dumps(value)))
    assert reading.format_name == "json"
    assert batch.at_ns.tolist() == [at_ns]
    assert reading.names.targets == [("GET", "/a")]
    for name, expected in known.items():
        assert getattr(batch, name).tolist() == [pytest.approx(expected)], name


def test_json_lines_with_fields_that_are_said(tmp_path: Path) -> None:
    line = {"when": EPOCH, "who": {"id": 7}, "what": "/a", "took": 3, "a.b": "x"}
    fields = {"time": "when", "user": "who.id", "path": "what", "response": "took:ms", "ip": "a.b"}
    reading, batch = taken(log_of(tmp_path, json.dumps(line)), fields=fields, stamp="begin")
    assert (reading.names.users.texts, reading.names.ips.texts) == (["7"], ["x"])
    assert (batch.at_ns.tolist(), batch.response_s.tolist()) == ([EPOCH * NS], [0.003])


def test_json_lines_that_are_no_requests(tmp_path: Path) -> None:
    good = {"time": EPOCH, "path": "/a"}
    bad = ['{"time": 1445742685}', "{}", "[]", "{", "null", '{"time": [1], "path": {"a": 1}}',
           '{"time": true, "path": "/a"}', "[" * 60_000, '{"a":' * 10_000,
           f'{{"time": {"9" * 5000}, "path": "/a"}}']  # fmt: skip
    lines = [json.dumps(good)] * 20
    reading, _ = taken(log_of(tmp_path, *lines, *bad, b'{"time": 1445742685, "path": "/caf\xe9"}'))
    assert (reading.requests, reading.bad) == (21, len(bad))
    assert reading.names.targets == [("", "/a"), ("", "/caf\u00e9")]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda line: json.dumps({"log": line + "\n", "stream": "stdout", "time": "2023-01-01T00:00:00Z"}),
        lambda line: f"2023-10-06T00:17:09.669794202Z stdout F {line}",
        lambda line: f"nginx-1  | {line}",
    ],
)
@pytest.mark.parametrize("format_name", [None, "combined"])
def test_lines_inside_of_lines(wrap: Any, format_name: str | None, tmp_path: Path) -> None:
    lines = [combined("/a"), "[notice] started", combined("/b")]
    reading, batch = taken(log_of(tmp_path, *map(wrap, lines), "no wrap"), format=format_name)
    assert (reading.requests, reading.bad, batch.line.tolist()) == (2, 2, [1, 3])
    assert reading.names.targets == [("GET", "/a"), ("GET", "/b")]
    assert reading.bad_shown[0] == "line 2: '[notice] started'"
    assert " around " in reading.format


def test_a_variable_that_stands_in_a_pattern_twice(tmp_path: Path) -> None:
    path = log_of(tmp_path, '1445742685.250 200 "GET /a HTTP/1.1" 200 200')
    _, batch = taken(path, format='$msec $status "$request" $status $body_bytes_sent')
    assert (batch.status.tolist(), batch.bytes.tolist()) == ([200], [200])


def test_an_nginx_format_inside_of_docker_s_json(tmp_path: Path) -> None:
    line = json.dumps({"log": NGINX_LINE + "\n", "stream": "stdout"})
    _, batch = taken(log_of(tmp_path, line), format=NGINX)
    assert batch.response_s.tolist() == [0.456]


# tables


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_csv_by_its_header(separator: str, tmp_path: Path) -> None:
    rows = [
        "Timestamp,Client IP,method,url,Status Code,latency_ms,User",
        '2015-10-25 03:11:25.500,::1,get,/a?b,200,500,"a b"',
    ]
    reading, batch = taken(log_of(tmp_path, *(row.replace(",", separator) for row in rows)))
    assert (reading.headers, reading.lines, reading.requests) == (1, 1, 1)
    assert batch.at_ns.tolist() == [EPOCH * NS]
    assert (reading.names.targets, reading.names.users.texts) == ([("GET", "/a")], ["a b"])
    assert reading.resolution_ns == NS // 1000


def test_csv_rows_over_several_lines_and_quotes_without_end(tmp_path: Path) -> None:
    lines = ["time,path,note", f'{EPOCH},/a,"one', 'two, ""three', 'four"', f'{EPOCH + 1},/b,"open', f"{EPOCH + 2},/c,",
             f"{EPOCH + 3},/d", "", "time,path,note", f'{EPOCH + 4},/e,"x"']  # fmt: skip
    reading, batch = taken(log_of(tmp_path, *lines))
    assert [path for _, path in reading.names.targets] == ["/a", "/e"] or batch.line.tolist()[0] == 2
    assert reading.lines + reading.headers == len(lines)


def test_the_azure_shape_is_arrivals_only(tmp_path: Path) -> None:
    path = log_of(tmp_path, "TIMESTAMP,ContextTokens,GeneratedTokens", "2023-11-16 18:15:46.6805905,374,44")
    reading, batch = taken(path)
    assert batch.at_ns.tolist() == [1700158546 * NS + 680_590_500]
    assert reading.resolution_ns == 100
    assert batch.target.tolist() == [-1]


ROWS = {
    "replication": [0, 0, 1], "request": [0, 1, 0], "t_s": [0.5, 1.25, 9.0], "user": [3, 4, 3], "ip": [1, 1, 1],
    "endpoint": ["get-place", "list", "list"], "outcome": ["succeeded", "refused", "succeeded"],
    "status": [200, 429, 200], "latency_s": [0.25, None, 1.0], "cache": ["hit", None, "miss"],
}  # fmt: skip


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_windtunnel_s_own_rows(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows.{suffix}"
    if suffix == "parquet":
        pa_parquet.write_table(pa.table(ROWS), path)
    else:
        from pyarrow import csv

        csv.write_csv(pa.table(ROWS), path)
    reading, batch = taken(str(path))
    assert "Windtunnel's own rows" in reading.format
    assert (reading.requests, reading.headers) == (2, 1 + (suffix == "csv"))
    assert batch.at_ns.tolist() == [NS // 2, NS + NS // 4]
    assert [reading.names.targets[number] for number in batch.target] == [("", "get-place"), ("", "list")]
    assert (batch.status.tolist(), batch.cache.tolist()) == ([200, 429], [1, -1])
    assert batch.response_s.tolist() == pytest.approx([0.25, np.nan], nan_ok=True)
    assert reading.names.users.texts == ["3", "4"]


def test_parquet_of_others(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    stamps = pa.array([EPOCH * 10**6, None, (EPOCH + 1) * 10**6], pa.timestamp("us", tz="Europe/Berlin"))
    columns = {
        "timestamp": stamps,
        "path": ["/a", "/b", "/c d"],
        "duration_ms": [250.0, 1.0, 1.0],
        "user": [1.0, None, 2.0],
    }
    pa_parquet.write_table(pa.table(columns), path)
    reading, batch = taken(str(path))
    assert (reading.lines, reading.requests, reading.bad) == (3, 1, 2)
    assert batch.at_ns.tolist() == [EPOCH * NS - 250_000_000]
    assert reading.names.users.texts[0] == "1"
    assert reading.bad_shown == [f"line {line}: a row without an instant or a target" for line in (2, 3)]
    said, _ = taken(str(path), fields={"time": "timestamp", "name": "path"})
    assert said.names.targets == [("", "/a"), ("", "/b"), ("", "/c d")]


def test_tables_without_a_time_are_refused(tmp_path: Path) -> None:
    path = log_of(tmp_path, "a,b", "x,1")
    with pytest.raises(InputError, match=r"--field time: must be told, .* Columns: a, b\."):
        read_logs([path], format="csv")
    pa_parquet.write_table(pa.table({"a": ["x"]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"--field time: must be told, .* Columns: a\."):
        read_logs([str(tmp_path / "a.parquet")])


# stamps and counts


def test_stamps_alone(tmp_path: Path) -> None:
    reading, batch = taken(log_of(tmp_path, "0.5", "1.25", "x", "0.75"))
    assert (reading.format_name, reading.bad, reading.went_back) == ("stamps", 1, 1)
    assert batch.at_ns.tolist() == [NS // 2, NS + NS // 4, 3 * NS // 4]
    _, batch = taken(log_of(tmp_path, "500", "1250"), format="stamps:ms")
    assert batch.at_ns.tolist() == [NS // 2, NS + NS // 4]


def test_counts_by_the_second(tmp_path: Path) -> None:
    reading, batch = taken(log_of(tmp_path, "1 0 2", "x 3"))
    assert (reading.format_name, reading.requests, reading.bad, reading.lines) == ("counts", 6, 1, 7)
    assert batch.at_ns.tolist() == [0, 2 * NS, 2 * NS, 4 * NS, 4 * NS, 4 * NS]
    assert batch.line.tolist() == sorted(set(batch.line.tolist()))
    assert reading.bad_shown == ["line 4: not a count: 'x'"]


def test_large_counts_are_handed_out_in_parts(tmp_path: Path) -> None:
    reading = read_logs([log_of(tmp_path, "1000000 1000001 5")])
    sizes = [len(batch) for batch in reading.batches()]
    assert sum(sizes) == reading.requests == 1_000_005
    assert reading.bad == 1


# tools


def test_k6_takes_one_row_a_request(tmp_path: Path) -> None:
    header = "metric_name,timestamp,metric_value,error,method,name,status,url,extra_tags,metadata"
    rows = [f"http_reqs,{EPOCH},1,,GET,n,200,http://h/a?b,,", f"http_req_duration,{EPOCH},250,,GET,n,200,http://h/a?b,,",
            f"http_req_waiting,{EPOCH},240,,GET,n,200,http://h/a?b,,", f"vus,{EPOCH},5,,,,,,,"]  # fmt: skip
    reading, batch = taken(log_of(tmp_path, header, *rows))
    assert (reading.format_name, reading.requests, reading.headers, reading.bad) == ("k6-csv", 1, 4, 0)
    assert batch.at_ns.tolist() == [EPOCH * NS - 250_000_000]
    assert reading.names.targets == [("GET", "/a")]
    by_name, _ = taken(log_of(tmp_path, header.replace("url", "other"), *rows[1:2]))
    assert by_name.names.targets == [("GET", "n")]


def test_k6_json(tmp_path: Path) -> None:
    tags = {"method": "POST", "status": "503", "url": "http://h/a", "vu": "7"}
    data = {"time": "2015-10-25T04:11:25.250+01:00", "value": 250, "tags": tags}
    lines = [{"type": "Metric", "metric": "http_req_duration", "data": {"type": "trend"}},
             {"type": "Point", "metric": "http_reqs", "data": data},
             {"type": "Point", "metric": "http_req_duration", "data": data}]  # fmt: skip
    reading, batch = taken(log_of(tmp_path, *map(json.dumps, lines)))
    assert (reading.format_name, reading.requests, reading.headers) == ("k6-json", 1, 2)
    assert (batch.at_ns.tolist(), batch.status.tolist()) == ([EPOCH * NS], [503])
    assert (reading.names.targets, reading.names.users.texts) == ([("POST", "/a")], ["7"])


JTL = "timeStamp,elapsed,label,responseCode,responseMessage,threadName,success,bytes,URL,Connect"


def test_jmeter_csv(tmp_path: Path) -> None:
    rows = [
        f'{EPOCH}000,250,Home,200,"O,K",T 1-1,true,9,http://h/a?b,3',
        f'{EPOCH}100,1,Home,Non HTTP response code: java.net.ConnectException,"Refused, "" quite",T 1-2,false,9,http://h/a,0',
        f'{EPOCH}000,251,Flow,200,"Number of samples in transaction : 1, number of",T 1-1,true,9,null,0',
        f"{EPOCH}000,5,Query,200,OK,T 1-1,true,9,null,0",
    ]
    reading, batch = taken(log_of(tmp_path, JTL, *rows))
    assert (reading.format_name, reading.requests, reading.headers, reading.bad) == ("jmeter-csv", 2, 3, 0)
    assert batch.at_ns.tolist() == [EPOCH * NS, EPOCH * NS + 100_000_000]
    assert batch.status.tolist() == [200, 0]
    assert batch.connect_s.tolist() == [0.003, 0]
    assert (reading.names.targets, reading.names.users.texts) == ([("", "/a")], ["T 1-1", "T 1-2"])
    _, batch = taken(log_of(tmp_path, JTL, *rows), stamp="end")
    assert batch.at_ns[0] == EPOCH * NS - 250_000_000
    bare = f"{EPOCH}000,250,Home,200,OK,T 1-1,text,true,,9,1,1,1,http://h/a,5,0,3"
    reading, batch = taken(log_of(tmp_path, bare), format="jmeter-csv")
    assert (reading.requests, batch.response_s.tolist()) == (1, [0.25])


def test_jmeter_xml_takes_the_innermost_samples(tmp_path: Path) -> None:
    inner = f'<httpSample t="250" ct="3" ts="{EPOCH}000" rc="200" tn="T 1-1" by="9">' + (
        "<method>GET</method><java.net.URL>http://h/a?b</java.net.URL></httpSample>"
    )
    text = ['<?xml version="1.0"?>', "<testResults>", f'<sample t="9" ts="{EPOCH}000" lb="Flow">', inner, "</sample>",
            f'<httpSample t="9" ts="{EPOCH}000">', inner, inner, "<java.net.URL>http://h/a</java.net.URL></httpSample>",
            f'<sample t="9" ts="{EPOCH}000" lb="JDBC"/>', "</testResults>"]  # fmt: skip
    reading, batch = taken(log_of(tmp_path, *text))
    assert (reading.format_name, reading.requests, reading.headers, reading.bad) == ("jmeter-xml", 3, 3, 0)
    assert batch.at_ns.tolist() == [EPOCH * NS] * 3
    assert (batch.response_s.tolist(), batch.connect_s.tolist()) == ([0.25] * 3, [0.003] * 3)
    assert reading.names.targets == [("GET", "/a")]


@pytest.mark.parametrize(
    "poison",
    ['<!DOCTYPE a [<!ENTITY b "c">]>', "<a>" * 100, "</nothing>", "\0", "<a b='1' b='2'/>", "&b;"],
)
def test_xml_that_is_hostile_is_read_up_to_there(poison: str, tmp_path: Path) -> None:
    inner = f'<httpSample t="1" ts="{EPOCH}000"><java.net.URL>http://h/a</java.net.URL></httpSample>'
    reading, _ = taken(log_of(tmp_path, "<testResults>", inner, poison, inner, "</testResults>"))
    assert (reading.requests, reading.bad) == (1, 1)
    assert "no XML from here on" in reading.bad_shown[0]


HISTORY = "Timestamp,User Count,Type,Name,Requests/s,Failures/s,50%,Total Request Count,Total Failure Count"


@pytest.mark.parametrize("encoding", ["nothing", "utf-7", "utf-32", "cp037", "\u00e9"])
def test_xml_in_other_encodings_is_read_or_said(encoding: str, tmp_path: Path) -> None:
    inner = f'<httpSample t="1" ts="{EPOCH}000"><java.net.URL>http://h/a</java.net.URL></httpSample>'
    path = log_of(tmp_path, f'<?xml version="1.0" encoding="{encoding}"?><testResults>', inner, "</testResults>")
    with pytest.raises(InputError, match="no XML from here on"):
        taken(path)


def test_locust_s_history_is_counts(tmp_path: Path) -> None:
    rows = [
        f"{EPOCH},1,,Aggregated,0,0,N/A,2,0",
        f"{EPOCH + 2},1,,Aggregated,0,0,5,5,0",
        f"{EPOCH + 3},1,,Aggregated,0,0,5,1,0",
    ]
    reading, batch = taken(log_of(tmp_path, HISTORY, *rows))
    assert (reading.format_name, reading.requests, reading.headers, reading.bad) == ("locust", 6, 4, 0)
    assert ((batch.at_ns // NS) - EPOCH).tolist() == [-1, -1, 0, 1, 1, 2]
    assert "holds no response times" in reading.format
    full = [f"{EPOCH},1,GET,/a,0,0,5,2,0", f"{EPOCH},1,POST,/b,0,0,5,1,0", f"{EPOCH},1,,Aggregated,0,0,5,3,0"]
    reading, batch = taken(log_of(tmp_path, HISTORY, *full))
    assert [reading.names.targets[number] for number in batch.target] == [("GET", "/a"), ("GET", "/a"), ("POST", "/b")]


@pytest.mark.parametrize(
    "header",
    ["Type,Name,Request Count,Failure Count", "Method,Name,Error,Occurrences", "Count,Message,Traceback,Nodes"],
)
def test_locust_s_sums_are_refused_by_name(header: str, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"Locust: must be the _stats_history\.csv, got .* in which no request has a time"
    ):
        read_logs([log_of(tmp_path, header, "GET,/a,1,0")])


def har_of(*entries: Any) -> str:
    return json.dumps(
        {"log": {"version": "1.2", "creator": {"name": "x"}, "entries": list(entries), "pages": [{"a": "]"}]}}
    )


ENTRY = {
    "startedDateTime": "2015-10-25T04:11:25.007+01:00", "time": 250, "request": {"method": "GET", "url": "https://h/a?b"},
    "response": {"status": 200, "content": {"size": 9, "text": '}"]{'}}, "timings": {"connect": -1}, "_x": [[{}], "\\"],
}  # fmt: skip


def test_har(tmp_path: Path) -> None:
    reading, batch = taken(log_of(tmp_path, har_of(ENTRY, {**ENTRY, "timings": {"connect": 3}}, {"request": 5}, ENTRY)))
    assert (reading.format_name, reading.requests, reading.bad, reading.lines) == ("har", 3, 1, 4)
    assert batch.line.tolist() == [1, 2, 4]
    assert batch.at_ns.tolist() == [EPOCH * NS + 7_000_000] * 3
    assert batch.response_s.tolist() == [0.25] * 3
    assert batch.connect_s.tolist() == pytest.approx([np.nan, 0.003, np.nan], nan_ok=True)
    assert (reading.names.targets, batch.bytes.tolist()) == ([("GET", "/a")], [9] * 3)


def test_a_har_that_ends_early_has_a_bad_entry(tmp_path: Path) -> None:
    text = har_of(ENTRY, ENTRY)
    reading, _ = taken(log_of(tmp_path, text[: text.rindex("request")]))
    assert (reading.requests, reading.bad) == (1, 1)


def test_a_large_har_is_read_in_pieces(tmp_path: Path) -> None:
    entry = {**ENTRY, "response": {"status": 200, "content": {"size": 1, "text": '"{' * 200_000}}}
    reading, _ = taken(log_of(tmp_path, har_of(*[entry] * 12)))
    assert (reading.requests, reading.bad) == (12, 0)


# formats that people write down, as others wrote them


def test_a_request_without_quotes_and_a_user_before_a_dash(tmp_path: Path) -> None:
    text = (
        "[$time_local] $remote_addr - $remote_user - $server_name $host to: $upstream_addr: $request $status "
        "upstream_response_time $upstream_response_time msec $msec request_time $request_time"
    )
    rest = "to: 10.1.0.1:8080: {} 200 upstream_response_time 0.010 msec 1445742685.500 request_time 0.100"
    lines = [
        f"[{STAMP}] 10.0.0.1 - {user} - a-b.example a-b.example {rest.format(request)}"
        for user in ("-", "jean-luc", "ann") for request in ("GET /a HTTP/1.1", "POST /b")
    ]  # fmt: skip
    reading, batch = taken(log_of(tmp_path, *lines), format=text)
    assert (reading.requests, reading.bad) == (6, 0)
    assert reading.names.users.texts == ["jean-luc", "ann"]
    assert reading.names.targets == [("GET", "/a"), ("POST", "/b")]
    assert batch.response_s.tolist() == [0.1] * 6


@pytest.mark.parametrize(
    ("format_name", "why"),
    [
        ('$remote_addr [$time_local] "$request"', "line 1: must have ' [' after '$remote_addr', got ' - - [25/Oct/"),
        ('%h %l %u %t "%r" %>s %b', "line 1: must have its end after '%b', got ' \"-\" \"curl\"'."),
        ('%h %l %u %t "%r" %>s %b %D', "line 1: must have '%D' after ' ', got '\"-\" \"curl\"'."),
    ],
)
def test_where_a_line_stops_to_fit_is_said(format_name: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        taken(log_of(tmp_path, combined()), format=format_name)
    assert why in str(caught.value)
