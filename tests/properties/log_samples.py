"""A small log in each format, with how many requests it holds."""

from __future__ import annotations

import io
import json
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pa_parquet


class Sample(NamedTuple):
    data: bytes
    requests: int
    options: dict[str, Any]
    has_lines: bool = True
    """Whether every line is a request, bad or a header."""


NGINX = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" '
    'rt=$request_time uct="$upstream_connect_time" urt="$upstream_response_time" ua="$upstream_addr" '
    "cs=$upstream_cache_status"
)


def lines_of(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def combined(count: int = 5) -> str:
    return "\n".join(
        f'10.0.0.{number} - ann [25/Oct/2015:04:11:2{number} +0100] "GET /a/{number}?q HTTP/1.1" 200 5 "-" "curl"'
        for number in range(count)
    )


def _nginx_line(second: int) -> str:
    return (
        f'::1 - - [25/Oct/2015:04:11:{second:02} +0100] "GET /a HTTP/1.1" 200 5 "-" "x \\x22" rt=0.250 '
        'uct="0.001, 0.002 : 0.003" urt="0.1, 0.02 : 0.03" ua="10.0.0.1:80, 10.0.0.2:80 : 10.0.0.3:80" cs=MISS'
    )


def _har() -> bytes:
    entries = [
        {"startedDateTime": f"2023-01-01T00:00:0{number}.5Z", "time": 12.5, "request": {"method": "GET", "url": "http://h/x"},
         "response": {"status": 200, "content": {"size": 7}}, "timings": {"connect": 1}}
        for number in range(4)
    ]  # fmt: skip
    return json.dumps({"log": {"version": "1.2", "pages": [], "entries": entries}}, indent=1).encode()


def _xml() -> bytes:
    sample = (
        '<httpSample t="120" lt="100" ct="3" ts="1700000000{0}00" s="true" rc="200" tn="T 1-{0}" by="9">'
        '<method class="java.lang.String">GET</method><java.net.URL>http://h/x</java.net.URL></httpSample>\n'
    )
    return lines_of('<?xml version="1.0" encoding="UTF-8"?>', '<testResults version="1.2">') + (
        "".join(sample.format(number) for number in range(3)).encode() + b"</testResults>\n"
    )


def parquet_of(columns: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    pa_parquet.write_table(pa.table(columns), file)
    return file.getvalue()


def _k6_json() -> bytes:
    lines = ['{"type":"Metric","metric":"http_req_duration","data":{"type":"trend"}}']
    for number in range(3):
        tags = {"method": "GET", "status": "200", "url": f"http://h/a/{number}", "name": "a"}
        for metric in ("http_reqs", "http_req_duration", "http_req_connecting"):
            data = {"time": f"2023-01-01T00:00:0{number}.25Z", "value": 12.5, "tags": tags}
            lines.append(json.dumps({"type": "Point", "metric": metric, "data": data}))
    return lines_of(*lines)


JTL = (
    "timeStamp,elapsed,label,responseCode,responseMessage,threadName,dataType,success,failureMessage,bytes,sentBytes,"
    "grpThreads,allThreads,URL,Latency,IdleTime,Connect"
)

SAMPLES: dict[str, Sample] = {
    "combined": Sample(lines_of(*combined().split("\n")), 5, {}),
    "nginx": Sample(lines_of(*map(_nginx_line, range(5))), 5, {"format": NGINX}),
    "tomcat": Sample(
        lines_of(*(f'10.0.0.1 - - [25/Oct/2015:04:11:2{n} +0100] "GET /a HTTP/1.1" 200 5 15 x{n}' for n in range(5))),
        5, {"format": 'tomcat9:%h %l %u %t "%r" %s %b %D %{X-User}i', "fields": {"user": "X-User"}},
    ),
    "json": Sample(
        lines_of(*(json.dumps({"time": f"2023-01-01T00:00:0{n}Z", "request": "GET /a HTTP/1.1", "status": 200,
                               "duration_ms": 2.5, "user": f"u{n}"}) for n in range(5))), 5, {},
    ),
    "docker": Sample(
        lines_of(*(json.dumps({"log": f"{line}\n", "stream": "stdout", "time": "2023-01-01T00:00:00Z"})
                   for line in combined().split("\n"))), 5, {},
    ),
    "csv": Sample(
        lines_of("timestamp;path;status;latency_ms;user", *(f'170000000{n};/a/{n};200;2.5;"u;{n}"' for n in range(5))),
        5, {},
    ),
    "windtunnel": Sample(
        lines_of("replication,request,t_s,user,ip,endpoint,outcome,status,latency_s,cache",
                 *(f"0,{n},{n}.5,1,2,get-place,succeeded,200,0.25,hit" for n in range(4))), 4, {},
    ),
    "k6-csv": Sample(
        lines_of("metric_name,timestamp,metric_value,method,status,url,extra_tags,metadata",
                 *(f"{metric},170000000{n},12.5,GET,200,http://h/a,," for n in range(3)
                   for metric in ("http_reqs", "http_req_duration"))), 3, {},
    ),
    "k6-json": Sample(_k6_json(), 3, {}),
    "jmeter-csv": Sample(
        lines_of(JTL, *(f'170000000{n}000,120,Home,200,"O,K",T 1-{n},text,true,,9,1,1,1,http://h/a,100,0,3'
                        for n in range(4))), 4, {},
    ),
    "jmeter-xml": Sample(_xml(), 3, {}, has_lines=False),
    "har": Sample(_har(), 4, {}, has_lines=False),
    "stamps": Sample(lines_of(*(f"2023-11-16 18:15:4{n}.6805900" for n in range(5))), 5, {}),
    "counts": Sample(b"1 0 2 0 3\n4", 10, {}, has_lines=False),
    "locust": Sample(
        lines_of("Timestamp,User Count,Type,Name,Requests/s,Failures/s,50%,Total Request Count,Total Failure Count",
                 "1700000000,1,,Aggregated,0,0,N/A,3,0", "1700000002,1,,Aggregated,0,0,5,8,0"), 8, {}, has_lines=False,
    ),
    "parquet": Sample(
        parquet_of({"time": pa.array([1_700_000_000_000_000 + n for n in range(5)], pa.timestamp("us")),
                    "path": [f"/a/{n}" for n in range(5)], "latency_ms": [2.5] * 5}), 5, {}, has_lines=False,
    ),
}  # fmt: skip
