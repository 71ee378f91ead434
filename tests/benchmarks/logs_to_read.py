"""The same requests in every format that is read, each with the loop that a person would write first.

The lines are those of a busy site: 40 requests a second, 20,000 addresses, 5,000 paths. A bare loop takes every value
out of every line, as text or as what the standard library (for Parquet: pyarrow) makes of it, and does nothing with it.
For formats that are patterns it matches the expression that the pattern means, which is what reading has to agree with.
"""

from __future__ import annotations

import csv
import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree.ElementTree import iterparse

from experiments.logs import apache, nginx
from experiments.logs.combined import LINE
from experiments.logs.pattern import PatternFormat

Run = Callable[[Path], None]

AGENTS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "curl/8.4.0",
]
NGINX = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" '
    "rt=$request_time urt=$upstream_response_time"
)
TOMCAT = '%h %l %u %t "%r" %s %b %D'
_BEGINNING = datetime(2023, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Request:
    """What all formats say of a request, as far as they can."""

    at: datetime
    ip: str
    path: str
    size: int
    ms: int
    agent: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A format: how its file is written, how it is stated, and the loop it is held against."""

    name: str
    format: str
    write: Callable[[Iterator[Request], Path], None]
    loop: str
    """The bare loop in words."""
    bare: Run


def requests(count: int, seed: int = 1) -> Iterator[Request]:
    """Requests of a busy site, in order."""
    chance = random.Random(seed)
    for number in range(count):
        ip = chance.randrange(20_000)
        yield Request(
            _BEGINNING + timedelta(seconds=number // 40, milliseconds=number % 40 * 25),
            f"10.{ip >> 14}.{ip >> 7 & 127}.{ip & 127}",
            f"/api/places/{int(5_000 * chance.random() ** 3)}",
            chance.randrange(90_000),
            1 + int(chance.expovariate(1 / 80)),
            AGENTS[ip % 3],
        )


def combined_line(request: Request) -> str:
    """Without its end."""
    return (
        f"{request.ip} - - [{request.at:%d/%b/%Y:%H:%M:%S +0000}] "
        f'"GET {request.path}?page=1 HTTP/1.1" 200 {request.size} "https://example.com/places" "{request.agent}"'
    )


def _lines(line_of: Callable[[Request], str], head: str = "") -> Callable[[Iterator[Request], Path], None]:
    def write(asked: Iterator[Request], path: Path) -> None:
        with path.open("w") as file:
            file.write(head)
            file.writelines(line_of(request) + "\n" for request in asked)

    return write


def _nginx_line(request: Request) -> str:
    seconds = request.ms / 1000
    upstream = f"{seconds / 2:.3f}, {seconds / 4:.3f}" if request.ms % 100 == 7 else f"{seconds * 0.9:.3f}"
    return f"{combined_line(request)} rt={seconds:.3f} urt={upstream}"


def _tomcat_line(request: Request) -> str:
    at = f"{request.at:%d/%b/%Y:%H:%M:%S +0000}"
    return f'{request.ip} - - [{at}] "GET {request.path}?page=1 HTTP/1.1" 200 {request.size} {request.ms * 1000}'


def _json_line(request: Request) -> str:
    return json.dumps({
        "time": request.at.isoformat(timespec="milliseconds"), "remote_addr": request.ip,
        "request": f"GET {request.path}?page=1 HTTP/1.1", "status": 200, "body_bytes_sent": request.size,
        "request_time": request.ms / 1000, "agent": request.agent,
    })  # fmt: skip


def _csv_line(request: Request) -> str:
    at = request.at.isoformat(timespec="milliseconds")
    return f'{at},{request.ip},GET,{request.path},200,{request.ms},"{request.agent}"'


def _write_parquet(asked: Iterator[Request], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {"time": each.at, "ip": each.ip, "method": "GET", "path": each.path, "status": 200, "latency_ms": each.ms,
         "agent": each.agent} for each in asked
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), path)


_K6_METRICS = (
    "http_reqs", "http_req_duration", "http_req_blocked", "http_req_connecting", "http_req_tls_handshaking",
    "http_req_sending", "http_req_waiting", "http_req_receiving", "http_req_failed",
)  # fmt: skip
_K6_HEAD = (
    "metric_name,timestamp,metric_value,check,error,error_code,expected_response,group,method,name,proto,scenario,"
    "service,status,subproto,tls_version,url,extra_tags,metadata\n"
)


def _k6_line(request: Request) -> str:
    url = f"http://localhost:8080{request.path}"
    at = int(request.at.timestamp())
    return "\n".join(
        f"{name},{at},{request.ms + 0.25:.6f},,,,true,,GET,{url},HTTP/1.1,default,,200,,,{url},,"
        for name in _K6_METRICS
    )  # fmt: skip


def _k6_json_line(request: Request) -> str:
    url = f"http://localhost:8080{request.path}"
    tags = {"expected_response": "true", "group": "", "method": "GET", "name": url, "proto": "HTTP/1.1",
            "scenario": "default", "status": "200", "url": url}  # fmt: skip
    at = request.at.isoformat()
    return "\n".join(
        json.dumps({"metric": name, "type": "Point", "data": {"time": at, "value": request.ms + 0.25, "tags": tags}})
        for name in _K6_METRICS
    )


_JMETER_HEAD = (
    "timeStamp,elapsed,label,responseCode,responseMessage,threadName,dataType,success,failureMessage,bytes,sentBytes,"
    "grpThreads,allThreads,URL,Latency,IdleTime,Connect\n"
)


def _jmeter_line(request: Request) -> str:
    at = int(request.at.timestamp() * 1000)
    thread = f"Thread Group 1-{request.size % 50}"
    return (
        f"{at},{request.ms},get-place,200,OK,{thread},text,true,,{request.size},120,50,50,"
        f"http://localhost:8080{request.path},{request.ms},0,1"
    )


def _write_jmeter_xml(asked: Iterator[Request], path: Path) -> None:
    with path.open("w") as file:
        file.write('<?xml version="1.0" encoding="UTF-8"?>\n<testResults version="1.2">\n')
        for each in asked:
            at = int(each.at.timestamp() * 1000)
            file.write(
                f'<httpSample t="{each.ms}" it="0" lt="{each.ms}" ct="1" ts="{at}" s="true" lb="get-place" rc="200" '
                f'rm="OK" tn="Thread Group 1-{each.size % 50}" dt="text" by="{each.size}" sby="120" ng="50" na="50">\n'
                f"  <java.net.URL>http://localhost:8080{each.path}</java.net.URL>\n</httpSample>\n"
            )
        file.write("</testResults>\n")


def _write_locust(asked: Iterator[Request], path: Path) -> None:
    """A row a second for each of 20 endpoints, as with --csv-full-history; as many rows as others have lines."""
    totals = [0] * 20
    with path.open("w") as file:
        file.write("Timestamp,User Count,Type,Name,Requests/s,Failures/s,50%,95%,Total Request Count,"
                   "Total Failure Count,Total Median Response Time,Total Average Response Time\n")  # fmt: skip
        for number, each in enumerate(asked):
            which = number % 20
            totals[which] += each.size % 5
            at = int(_BEGINNING.timestamp()) + number // 20
            file.write(f"{at},50,GET,/api/{which},2.00,0.00,{each.ms},{each.ms * 3},{totals[which]},0,{each.ms},80.5\n")


def _write_har(asked: Iterator[Request], path: Path) -> None:
    headers = [{"name": name, "value": "text/html; charset=utf-8"} for name in ("Accept", "Content-Type", "X-Other")]
    entries = [
        {"startedDateTime": each.at.isoformat(), "time": each.ms,
         "request": {"method": "GET", "url": f"http://localhost:8080{each.path}", "headers": headers},
         "response": {"status": 200, "headers": headers, "content": {"size": each.size, "mimeType": "text/html"}},
         "timings": {"connect": 1, "wait": each.ms, "receive": 1}} for each in asked
    ]  # fmt: skip
    path.write_text(json.dumps({"log": {"version": "1.2", "entries": entries}}))


def _write_counts(asked: Iterator[Request], path: Path) -> None:
    """A number for each of as many seconds as others have lines, two requests in three seconds."""
    path.write_text("".join(f"{(0, 0, 1, 0, 3, 0)[each.size % 6]}\n" for each in asked))


def _matching(expression: re.Pattern[bytes]) -> Run:
    """`for line in file: match(line).groups()`."""
    match = expression.match

    def run(path: Path) -> None:
        with path.open("rb") as file:
            for line in file:
                found = match(line)
                assert found is not None
                found.groups()

    return run


def _of_pattern(pattern: PatternFormat) -> Run:
    return _matching(pattern.expression)


def _decoding(path: Path) -> None:
    with path.open("rb") as file:
        for line in file:
            json.loads(line)


def _csv_rows(path: Path) -> None:
    with path.open(newline="") as file:
        for _ in csv.reader(file):
            pass


def _parquet_rows(path: Path) -> None:
    import pyarrow.parquet as pq

    columns = ["time", "ip", "method", "path", "status", "latency_ms"]
    for batch in pq.ParquetFile(path).iter_batches(columns=columns, use_threads=False):
        batch.to_pydict()


def _elements(path: Path) -> None:
    names = ("ts", "t", "rc", "tn", "by", "ct")
    for _, element in iterparse(path):
        if element.tag == "httpSample":
            _ = [element.get(name) for name in names], element.findtext("java.net.URL")
            element.clear()


def _whole(path: Path) -> None:
    json.loads(path.read_bytes())


def _numbers(path: Path) -> None:
    with path.open("rb") as file:
        for line in file:
            int(line)


def _instants(path: Path) -> None:
    with path.open() as file:
        for line in file:
            datetime.fromisoformat(line.rstrip())


_RE = "re: match and groups"

SAMPLES = (
    Sample("combined", "combined", _lines(combined_line), _RE, _matching(LINE)),
    Sample("nginx log_format", NGINX, _lines(_nginx_line), _RE, _of_pattern(nginx.from_pattern(NGINX, {}))),
    Sample("Tomcat pattern", TOMCAT, _lines(_tomcat_line), _RE, _of_pattern(apache.from_pattern(TOMCAT, {}))),
    Sample("JSON lines", "json", _lines(_json_line), "json.loads", _decoding),
    Sample("CSV", "csv", _lines(_csv_line, "time,ip,method,path,status,latency_ms,agent\n"), "csv.reader", _csv_rows),
    Sample("Parquet", "parquet", _write_parquet, "pyarrow: to_pydict", _parquet_rows),
    Sample("k6 CSV", "k6-csv", _lines(_k6_line, _K6_HEAD), "csv.reader", _csv_rows),
    Sample("k6 JSON", "k6-json", _lines(_k6_json_line), "json.loads", _decoding),
    Sample("JMeter CSV", "jmeter-csv", _lines(_jmeter_line, _JMETER_HEAD), "csv.reader", _csv_rows),
    Sample("JMeter XML", "jmeter-xml", _write_jmeter_xml, "ElementTree.iterparse", _elements),
    Sample("Locust history", "locust", _write_locust, "csv.reader", _csv_rows),
    Sample("HAR", "har", _write_har, "json.loads of all of it", _whole),
    Sample("stamps", "stamps", _lines(lambda each: each.at.isoformat(timespec="microseconds")),
           "datetime.fromisoformat", _instants),
    Sample("counts", "counts", _write_counts, "int", _numbers),
)  # fmt: skip
