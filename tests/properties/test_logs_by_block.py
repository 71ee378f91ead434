"""Lines of patterns, tables and JSON: read by the block or one by one, what is read is the same."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from experiments.errors import InputError
from experiments.logs import json_columns, read_logs
from experiments.logs.fields import Fields, instant_of
from experiments.logs.json_columns import JsonColumns
from experiments.logs.pattern_spans import PatternSplitter
from experiments.logs.spans import ROOM, Spans, decimals, scaled, whole_numbers
from experiments.logs.stamp_spans import Instants
from experiments.logs.table_spans import TableSplitter

NUMBERS = ("at_ns", "status", "response_s", "upstream_s", "connect_s", "tries", "cache", "bytes", "line")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_columns, "SMALLEST", 0)


@contextmanager
def one_by_one() -> Iterator[None]:
    """Nothing is taken apart by the block, and values are read one by one."""
    batch = Fields.batch

    def of_texts(self: Fields, notes: Any, lines: Any, columns: Any) -> Any:
        return batch(self, notes, lines, [list(each) if isinstance(each, Spans) else each for each in columns])

    with (
        mock.patch.object(PatternSplitter, "split", return_value=(np.empty(0, np.int64), [])),
        mock.patch.object(TableSplitter, "split", return_value=None),
        mock.patch.object(JsonColumns, "of", return_value=None),
        mock.patch.object(Fields, "batch", of_texts),
    ):
        yield


def read(data: bytes, options: dict[str, Any]) -> Any:
    """Everything that was read, names as texts; the refusal in words where it was refused."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.log"
        path.write_bytes(data)
        try:
            reading = read_logs([str(path)], **options)
            batches = list(reading.batches())
        except InputError as error:
            return str(error).replace(folder, "")
    names = reading.names
    rows = {name: np.concatenate([getattr(batch, name) for batch in batches]).tolist() for name in NUMBERS}
    rows["target"] = [names.targets[number] if number >= 0 else None for batch in batches for number in batch.target]
    for name, table in (("user", names.users), ("ip", names.ips)):
        numbers = [number for batch in batches for number in getattr(batch, name)]
        rows[name] = [table.text(number) if number >= 0 else None for number in numbers]
    return repr(rows), reading.requests, reading.bad, reading.headers, reading.bad_shown, reading.went_back


def check(data: bytes, options: dict[str, Any]) -> None:
    by_block = read(data, options)
    with one_by_one():
        strictly = read(data, options)
    assert by_block == strictly


times = st.sampled_from([b"0.250", b"0", b"-", b"", b"1.", b".5", b"-0.1", b"0.1, 0.2", b"0.1 : 0.2",
                         b"12345678.123456", b"1e3", b"0.1, -", b"9" * 20, b"0.0000000000000001", b"1.5."])  # fmt: skip
words = st.sampled_from([b"-", b"ann", b"a b", b'a"b', b"a\\x22b", b"[x", b"", b"\xff", b"\xc3\xa9", b"::1",
                         b"10.0.0.1", b"a\tb", b"a, b", b"- x", b'"', b"GET /a HTTP/1.1", b"a - b"])  # fmt: skip
clf = st.sampled_from([
    b"25/Oct/2015:04:11:25 +0100", b"25/Oct/2015:04:11:60 +0100", b"31/Feb/2015:04:11:25 +0100",
    b"25/Oct/2015:24:11:25 +0000", b"25/oct/2015:04:11:25 +0100",
    b"31/Dec/2199:23:11:25 -0900", b"2015-10-25T04:11:25.123456", b"25/Oct/2015 04:11:25 +0100",
])  # fmt: skip
statuses = st.sampled_from([b"200", b"404", b"20", b"2000", b"-", b"", b"OK", b"099"])
requests = st.sampled_from([b"GET /a HTTP/1.1", b"POST /b/7?x=1 HTTP/2.0", b"GET", b"-", b"", b'GET /"x HTTP/1.1',
                            b"GET /\\x22 HTTP/1.1", b"GET /a b HTTP/1.1"])  # fmt: skip
ends = st.sampled_from([b"", b"\r", b" ", b" x", b'"', b"\x00"])

NGINX = ('$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" '
         "rt=$request_time uct=$upstream_connect_time urt=$upstream_response_time")  # fmt: skip
nginx_lines = st.builds(
    lambda *each: b'%s - %s [%s] "%s" %s %s "%s" rt=%s uct=%s urt=%s%s' % each,
    words, words, clf, requests, statuses, times, words, times, times, times, ends,
)  # fmt: skip
GOOD = b'10.0.0.%d - - [25/Oct/2015:04:11:2%d +0100] "GET /a/%d HTTP/1.1" 200 5 "-" rt=0.250 uct=0.001 urt=0.2'
good_nginx = st.builds(lambda ip, second: GOOD % (ip, second, ip), st.integers(0, 9), st.integers(0, 9))
tomcat_lines = st.builds(
    lambda *each: b'%s - %s [%s] "%s" %s %s %s%s' % each,
    words, words, clf, requests, statuses, times, times, ends,
)  # fmt: skip
GOOD_TOMCAT = b'10.0.0.1 - - [25/Oct/2015:04:11:25 +0100] "GET /a HTTP/1.1" 200 5 1500'


def log_of(lines: list[bytes]) -> bytes:
    return b"".join(line.replace(b"\n", b"") + b"\n" for line in lines)


@settings(max_examples=150)
@given(st.lists(st.one_of(good_nginx, nginx_lines, nginx_lines, st.binary(max_size=60)), min_size=1, max_size=12))
@example([b'a - - [25/Oct/2015:04:11:25 +0100] "GET / HTTP/1.1" 200 5 "-" rt=1 uct=0.1 : 0.2 urt=0.3'])
def test_nginx(lines: list[bytes]) -> None:
    check(log_of([GOOD % (0, 0, 0), *lines]), {"format": NGINX})


@settings(max_examples=60)
@given(st.lists(st.tuples(times, times, requests, words), min_size=1, max_size=8))
def test_variables_that_can_go_on(rows: list[tuple[bytes, ...]]) -> None:
    """A list of tries holds what stands behind it, too."""
    log = log_of([b"1700000000.250 0.1 ann x GET /a", *(b"1700000000.%s %s x GET /a %s %s" % row for row in rows)])
    check(log, {"format": "$msec $upstream_response_time $remote_user $http_x $request_method $request_uri"})


@settings(max_examples=100)
@given(st.lists(st.one_of(st.just(GOOD_TOMCAT), tomcat_lines), min_size=1, max_size=12))
def test_tomcat(lines: list[bytes]) -> None:
    check(log_of([GOOD_TOMCAT, *lines]), {"format": '%h %l %u %t "%r" %s %b %D'})


stamps = st.sampled_from([
    "2023-11-16T18:15:46Z", "2023-11-16 18:15:46.680590", "2023-11-16T18:15:46,5+01:00", "2023-11-16T18:15:60Z",
    "2023-02-30T18:15:46Z", "2023-11-16T18:15Z", "1700000000", "1700000000.123", "1700000000123", "1700000000123456789",
    "2023/11/16 18:15:46", "25/Oct/2015:04:11:25 +0100", "[25/Oct/2015:04:11:25 +0100]", "2199-12-31T23:59:59-01:00",
    "2023-11-16T18:15:46.1234567890Z", "2023-11-16T18:15:46.", "2023-11-16T18:15:46 UTC", " 1700000000", "x", "",
    "-5", "0", "00012", "1700000000.1234567891",
])  # fmt: skip
texts = st.sampled_from(["ann", "-", "", 'a"b', '"a"', '"a;b"', '"a""b"', "é", "a b", '"', "\x01", "u;v", " 7 ", "7.0"])
paths = st.sampled_from(["/a", "/a/7", "", "http://h/x?y", "a b", '"/q"', "/é"])
durations = st.sampled_from(["2.5", "0", "-1", "", "1e2", "12345678", "x", "0.123456789012345678", "NaN"])
codes = st.sampled_from(["200", "404", "", "-", "OK", "99"])


@settings(max_examples=150)
@given(st.lists(st.tuples(stamps, paths, codes, durations, texts), min_size=1, max_size=12), st.booleans())
def test_csv(rows: list[tuple[str, ...]], is_windows: bool) -> None:
    end = "\r\n" if is_windows else "\n"
    lines = ["time;path;status;latency_ms;user", "1700000000;/a;200;2.5;ann", *(";".join(row) for row in rows)]
    check(end.join(lines).encode() + b"\n", {"format": "csv"})


@settings(max_examples=60)
@given(st.lists(st.sampled_from(["0", "1", "00", "x", "", '"0"']), min_size=1, max_size=12))
def test_rows_that_are_wanted(replications: list[str]) -> None:
    rows = [f"{number},0,{n}.5,get-place,200,0.25" for n, number in enumerate(["0", *replications])]
    check("\n".join(["replication,request,t_s,endpoint,status,latency_s", *rows, ""]).encode(), {})


fields = st.sampled_from(["time", "path", "status", "took", "user", "http"])
locust_rows = st.tuples(
    st.one_of(st.integers(0, 12).map(lambda at: str(1700000000 + at)), st.sampled_from(["", "x", "1700000099"])),
    st.sampled_from(["GET", "POST", "", "tcp"]), st.sampled_from(["/a", "/b", "Aggregated", "b c", '"x,y"', "é"]),
    st.one_of(st.integers(0, 40).map(str), st.sampled_from(["x", "-1", "000", "9" * 13])), st.booleans(),
)  # fmt: skip


@settings(max_examples=120)
@given(st.lists(locust_rows, min_size=1, max_size=14))
def test_locust(rows: list[tuple[str, str, str, str, bool]]) -> None:
    """Totals rise, fall and stay; rows go back in time, and headers stand between them."""
    head = "Timestamp,User Count,Type,Name,Requests/s,Total Request Count"
    lines = [head, "1700000000,5,GET,/a,1,3"]
    for stamp, kind, name, total, is_header_next in rows:
        lines += [f"{stamp},5,{kind},{name},1,{total}"] + [head] * is_header_next
    check("\n".join([*lines, ""]).encode(), {})


values = st.one_of(st.none(), st.booleans(), stamps, texts, st.integers(-5, 1 << 70), st.just([1]),
                   st.floats(), st.just({"a": 1}), st.sampled_from([1700000000, 1700000000.123, 1e12]))  # fmt: skip


@settings(max_examples=200)
@given(st.lists(st.dictionaries(fields, values), max_size=4),
       st.sampled_from(["2023-01-01T00:00:00Z", 1700000000.25, 1700000000]), st.sampled_from([0.5, 2]))  # fmt: skip
def test_json(changes: list[dict[str, Any]], time: Any, took: Any) -> None:
    plain = {"time": time, "path": "/a", "status": 200, "took": took, "user": "ann", "http": {"method": "GET"}}
    lines = [json.dumps(plain), *(json.dumps(plain | change, ensure_ascii=False) for change in changes)]
    check("\n".join([*lines, ""]).encode("utf-8", "surrogatepass"), {"format": "json"})


@pytest.mark.parametrize("line", [
    b'{"time":1700000000,"path":"/b"}{"time":1,"path":"/c"}', b"", b'  {"time":1700000000,"path":"/b"}', b"{}", b"{",
    b'{"time":1700000000,"time":1700000009,"path":"/b"}', b'{"time":1700000000,"path":"\xff"}',
    b'{"time":01,"path":"/b"}',
    b'{"time":1700000000,"path":"\\ud800"}', b'{"time":1700000000,"path":"/\\u00e9"}', b'{"time":Inf,"path":"/b"}',
    b'{"time":1700000000,"path":"/b","x":[{"y":1}]}', b'{"time":1700000000,"path":"/b",}', b'{"time":"1700000000"}\r',
])  # fmt: skip
def test_json_lines_that_readers_understand_differently(line: bytes) -> None:
    check(b'{"time":1700000000,"path":"/a"}\n' + line + b"\n", {"format": "json"})


def spans_of(values: list[bytes]) -> Spans:
    ends = np.cumsum([len(value) for value in values])
    return Spans(b"".join(values) + bytes(ROOM), np.concatenate(([0], ends[:-1])), ends)


digits = st.text("0123456789", max_size=20)
numbers = st.builds(lambda *parts: "".join(parts).encode(), digits, st.sampled_from(["", ".", "..", "-", " "]), digits)


@settings(max_examples=150)
@given(st.lists(numbers, min_size=1, max_size=20))
def test_numbers(values: list[bytes]) -> None:
    texts = spans_of(values)
    for value, seconds, is_plain, has_point in zip(values, *decimals(texts), strict=True):
        if is_plain:
            assert (seconds, b"." in value) == (float(value), has_point)
    for value, number, is_plain in zip(values, *whole_numbers(texts, 12), strict=True):
        assert is_plain == (value.isdigit() and len(value) <= 12)
        assert not is_plain or number == int(value)
    for value, at_ns, is_plain, _ in zip(values, *scaled(texts, 9), strict=True):
        assert not is_plain or at_ns == round(int(value.replace(b".", b"")) * 10 ** (9 - len(value.partition(b".")[2])))


@settings(max_examples=100)
@given(st.lists(st.one_of(stamps.map(str.encode), numbers), min_size=1, max_size=10), st.sampled_from(["", "s", "ns"]))
def test_stamps(values: list[bytes], unit: str) -> None:
    texts = spans_of(values)
    for value, at_ns, is_plain in zip(values, *Instants().of(texts, unit), strict=True):
        assert not is_plain or at_ns == instant_of(value, unit), value


def test_usual_lines_are_taken_by_the_block() -> None:
    """Otherwise the other tests here would say nothing."""
    taken: list[int] = []
    split, rows, of = PatternSplitter.split, TableSplitter.split, JsonColumns.of

    def counted(original: Any) -> Any:
        def call(*arguments: Any) -> Any:
            found = original(*arguments)
            taken.append(0 if found is None else len(found[0]))
            return found

        return call

    with (
        mock.patch.object(PatternSplitter, "split", counted(split)),
        mock.patch.object(TableSplitter, "split", counted(rows)),
        mock.patch.object(JsonColumns, "of", counted(of)),
    ):
        read(log_of([GOOD % (number, number, number) for number in range(5)]), {"format": NGINX})
        read(log_of([GOOD_TOMCAT] * 6), {"format": '%h %l %u %t "%r" %s %b %D'})
        read(b"time,path,user\n" + b'1700000000,/a,"b,c"\n' * 7, {"format": "csv"})
        read(b'{"time":1700000000.5,"path":"/a"}\n' * 8, {"format": "json"})
    assert taken == [5, 6, 7, 8]
