"""Logs as a whole: which format they are in, in which order they are read, what is told of them."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.errors import InputError
from experiments.logs import Reading, read_logs
from experiments.logs.batch import joined
from experiments.logs.reading import BATCH

NS = 1_000_000_000


def line(second: int = 0, target: str = "/a", day: int = 25) -> str:
    stamp = f"{day}/Oct/2015:04:{second // 60:02}:{second % 60:02} +0100"
    return f'10.0.0.{second % 7} - - [{stamp}] "GET {target} HTTP/1.1" 200 5\n'


def log_of(folder: Path, *lines: str, name: str = "a.log", pack: Any = bytes) -> str:
    path = folder / name
    path.write_bytes(pack("".join(lines).encode()))
    return str(path)


def read_all(*names: str, **options: Any) -> Reading:
    reading = read_logs(names, **options)
    for _ in reading.batches():
        pass
    return reading


# formats


@pytest.mark.parametrize(
    ("data", "format_name"),
    [
        (line(), "combined"), ("junk\n" * 900 + line(), "combined"), ("\n\n" + line(), "combined"),
        ('{"time": 1445742685, "path": "/a"}\n', "json"),
        ("garbage\n" + '{"time": 1445742685, "path": "/a"}\n', "json"), ("time,path\n1445742685,/a\n", "csv"),
        ("2015-10-25T03:11:25Z\n", "stamps"), ("1445742685.5\n1445742686\n", "stamps"),
        ("1 0 2 3\n", "counts"), ("1\n0\n2\n", "counts"), ("t_s,endpoint\n0.5,get\n", "windtunnel"),
        ("replication,t_s,endpoint\n0,0.5,get\n", "windtunnel"),
    ],
)  # fmt: skip
def test_a_format_is_told_from_the_first_lines(data: str, format_name: str, tmp_path: Path) -> None:
    reading = read_all(log_of(tmp_path, data))
    assert reading.format_name == format_name
    assert reading.format.endswith("; told from its first lines")
    again = read_all(log_of(tmp_path, data), format=format_name)
    assert again.format.endswith("; as stated")
    assert (again.requests, again.bad) == (reading.requests, reading.bad)


@pytest.mark.parametrize(
    ("data", "part"),
    [
        ("", "a.log: must have requests, got an empty log. Is it the right file?"),
        (
            "hello\nworld\n",
            "a.log: must be a log in a format that is known, got 2 lines of something else: line 1: 'hello'. Say",
        ),
        (
            "\x7fELF\0\0" * 100_000,
            "a.log: must be a log in a format that is known, got something else: line 1: '\\x7fELF",
        ),
        ("a,b\n1,2\n", "got 2 lines of something else: line 1: 'a,b'."),
        ('{"a": 1}\n', "--field time: must be told, got no field that is one. Fields: a."),
        ("<?xml version='1.0'?><a/>\n", "XML: must be JMeter's test results"),
        ("\n\n\n", "got 3 lines of something else: line 1: empty"),
    ],
)
def test_what_is_no_log_is_refused_in_one_line(data: str, part: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_all(log_of(tmp_path, data))
    (said,) = caught.value.lines
    assert part in said
    assert said.isprintable()


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("combind", "--format: must be a known format, got 'combind'. Did you mean combined?"),
        ("xyz", "There are combined, common, json, csv,"),
        ("k6-csv", "a.log: must be k6-csv as --format says, got '10.0.0.0 - - ["),
        ("windtunnel", "must be windtunnel as --format says"),
        ("stamps", "must be in the format stamps, got 1 line of something else: line 1: '10.0.0.0"),
        ("har", "must be in the format har, got 1 line of something else: line 1: no entry"),
        ("parquet", "must be a readable Parquet file, got:"),
        ("nginx.conf", "nginx.conf: must be a readable nginx.conf, got: no such file"),
        ("csv", "--field time: must be told"),
        ("json", "a.log: must be json as --format says, got '10.0.0.0"),
    ],
)
def test_a_format_that_is_stated_wrongly_is_refused(name: str, part: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_all(log_of(tmp_path, line()), format=name)
    assert part in caught.value.lines[0]
    assert caught.value.lines[0].isprintable()


@pytest.mark.parametrize(
    ("data", "options", "part"),
    [
        (
            line(),
            {"fields": {"user": "x"}},
            "--field: must come with a format that names its fields, got 'user=x' with comb",
        ),
        (
            line(),
            {"stamp": "end"},
            "--stamp: must come with a format that leaves open which end stamps are of, got 'end'",
        ),
        (line(), {"stamp": "end", "format": '%h %l %u %t "%r" %s %b "%{a}i" "%{b}i"'}, "--stamp: must come with"),
        ("1 2 3\n", {"fields": {"time": "x"}}, "--field: must come with"),
        ("t_s,endpoint\n0.5,get\n", {"stamp": "end"}, "--stamp: must come with"),
    ],
)
def test_what_would_change_nothing_is_refused(data: str, options: Any, part: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_logs([log_of(tmp_path, data)], **options)
    assert part in caught.value.lines[0]


# several files, standard input


def test_files_are_read_in_the_order_of_their_first_requests(tmp_path: Path) -> None:
    newest = log_of(tmp_path, line(9), "bad\n", line(10), name="access.log")
    middle = log_of(tmp_path, "bad\n", line(5), line(8), name="access.log.1")
    oldest = log_of(tmp_path, line(1), line(4), name="access.log.2.gz", pack=gzip.compress)
    reading = read_logs([newest, middle, oldest])
    batch = joined(list(reading.batches()))
    assert (batch.at_ns // NS % 60).tolist() == [1, 4, 5, 8, 9, 10]
    assert batch.line.tolist() == [1, 2, 4, 5, 6, 8]
    assert (reading.went_back, reading.lines, reading.bad) == (0, 8, 2)
    assert reading.bad_shown == [f"{middle} line 1: 'bad'", f"{newest} line 2: 'bad'"]
    assert reading.bytes_read == sum(Path(name).stat().st_size for name in (newest, middle, oldest))


@pytest.mark.parametrize("options", [{}, {"format": "json"}])
def test_a_file_that_was_just_begun_tells_no_format(options: dict[str, Any], tmp_path: Path) -> None:
    empty, full = log_of(tmp_path, ""), log_of(tmp_path, '{"time": 1445742685, "path": "/a"}\n', name="b.log")
    reading = read_all(empty, full, **options)
    assert (reading.format_name, reading.requests, reading.bad) == ("json", 1, 0)


def test_equal_begins_keep_the_order_they_are_named_in(tmp_path: Path) -> None:
    names = [log_of(tmp_path, line(1, f"/{number}"), name=f"{number}.log") for number in range(3)]
    assert [path for _, path in read_all(*reversed(names)).names.targets] == ["/2", "/1", "/0"]


def test_headers_of_several_tables_are_no_requests(tmp_path: Path) -> None:
    names = [log_of(tmp_path, f"time,path\n{1445742685 - number},/a\n", name=f"{number}.csv") for number in range(3)]
    reading = read_all(*names)
    assert (reading.requests, reading.headers, reading.bad, reading.went_back) == (3, 3, 0, 0)


def test_standard_input_is_read_in_any_packing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Piped:
        def __init__(self, data: bytes) -> None:
            self.buffer = io.BytesIO(data)

    for data in (line() * 3, gzip.compress((line() * 3).encode())):
        monkeypatch.setattr(sys, "stdin", Piped(data if isinstance(data, bytes) else data.encode()))
        told: list[tuple[float, str]] = []
        reading = read_all("-", progress=lambda share, text, told=told: told.append((share, text)))
        assert reading.requests == 3
        assert told[-1] == (0.0, "0.0 MB read")
    monkeypatch.setattr(sys, "stdin", Piped(b"PAR1"))
    with pytest.raises(InputError, match="standard input: must not be Parquet"):
        read_all("-")


def test_pipes_with_names_are_read_once_and_in_order(tmp_path: Path) -> None:
    names = [str(tmp_path / name) for name in ("a", "b")]
    for name in names:
        os.mkfifo(name)
    writers = [
        threading.Thread(target=lambda name=name, day=day: Path(name).write_text(line(1, day=day) * 1000))
        for name, day in zip(names, (26, 25), strict=True)
    ]
    for writer in writers:
        writer.start()
    reading = read_all(*names)
    for writer in writers:
        writer.join()
    assert (reading.requests, reading.bad, reading.went_back) == (2000, 0, 0)


@pytest.mark.parametrize("names", [[], ["-", "-"]])
def test_what_cannot_be_several_logs(names: list[str]) -> None:
    with pytest.raises(InputError, match="logs: must"):
        read_logs(names)


# batches, progress, memory


def test_batches_are_bounded_and_taken_once(tmp_path: Path) -> None:
    lines = [line(number % 3600) for number in range(200)]
    reading = read_logs([log_of(tmp_path, *(lines * 800))])
    sizes = [len(batch) for batch in reading.batches()]
    assert sum(sizes) == reading.requests == 160_000
    assert all(BATCH <= size < 2 * BATCH for size in sizes[:-1])
    with pytest.raises(RuntimeError, match="once"):
        next(reading.batches())


def test_progress_is_told_in_bytes_and_in_time_left(tmp_path: Path) -> None:
    told: list[tuple[float, str]] = []
    read_all(log_of(tmp_path, line() * 100_000), progress=lambda share, text: told.append((share, text)))
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.5
    assert shares[-1] == 1
    assert all(re.fullmatch(r"\d\.\d MB of \d\.\d MB read, \d+ s left", text) for _, text in told)


def test_line_ends_and_packing_do_not_change_what_is_read(tmp_path: Path) -> None:
    lines = [line(number, f"/{number % 5}") for number in range(300)] + ["bad\n"]

    def columns(data: bytes) -> Any:
        path = tmp_path / "x"
        path.write_bytes(data)
        reading = read_logs([str(path)])
        batch = joined(list(reading.batches()))
        numbers = [getattr(batch, name).tolist() for name in ("line", "at_ns", "target", "ip")]
        return [*numbers, reading.names.targets, reading.bad_shown]

    text = "".join(lines)
    expected = columns(text.encode())
    for data in (
        text.replace("\n", "\r\n").encode(), text[:-1].encode(), gzip.compress(text.encode()), text.encode("utf-16"),
        b"\xef\xbb\xbf" + text.encode(),
    ):  # fmt: skip
        assert columns(data) == expected


def test_years_of_names_do_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.logs.reading.Names", lambda: __import__("experiments").logs.Names(100, 100))
    lines = [
        f'10.{n // 256}.{n % 256}.1 - u{n} [25/Oct/2015:04:11:25 +0100] "GET /p/{n} HTTP/1.1" 200 5\n'
        for n in range(5000)
    ]
    reading = read_logs([log_of(tmp_path, *lines)])
    batch = joined(list(reading.batches()))
    assert len(np.unique(batch.ip)) == len(np.unique(batch.user)) == 5000
    assert reading.names.targets[100:] == [("GET", "/p/{id}")]
    assert len(reading.names.ips) == len(reading.names.users) == 100


# real logs


@pytest.mark.parametrize(
    ("name", "format_name", "requests", "resolution_ns"),
    [
        ("access_logs/combined_2015.log", "combined", 3_456, NS),
        ("access_logs/nginx_json_lines.log", "json", 8_130, NS),
        ("arrivals/azure_llm_conv_2023.csv", "csv", 19_366, 100),
        ("arrivals/nasa_http_1995_per_second.tbz2", "counts", 3_461_610, NS),
    ],
)
def test_real_logs_are_read_whole(
    name: str, format_name: str, requests: int, resolution_ns: int, data_dir: Path
) -> None:
    reading = read_logs([str(data_dir / name)])
    counted, first, last = 0, np.iinfo(np.int64).max, 0
    for batch in reading.batches():
        counted += len(batch)
        first, last = min(first, int(batch.at_ns.min())), max(last, int(batch.at_ns.max()))
    assert (reading.requests, counted, reading.lines, reading.bad) == (requests, requests, requests, 0)
    assert reading.format_name == format_name
    assert reading.resolution_ns in (resolution_ns, 10 * resolution_ns)
    if format_name == "counts":
        assert (first, last // NS // 86_400) == (0, 58)
    if format_name == "csv":
        assert 57 < (last - first) / NS / 60 < 59


def test_real_json_lines_tell_addresses_and_statuses(data_dir: Path) -> None:
    path = data_dir / "access_logs" / "nginx_json_lines.log"
    reading = read_logs([str(path)])
    batch = joined(list(reading.batches()))
    objects = [json.loads(text) for text in path.read_text().splitlines()]
    assert [reading.names.ips.text(number) for number in batch.ip] == [each["remote_ip"] for each in objects]
    assert batch.status.tolist() == [each["response"] for each in objects]
    assert batch.bytes.tolist() == [each["bytes"] for each in objects]
    wanted = [tuple(each["request"].split()[:2]) for each in objects]
    assert [reading.names.targets[number] for number in batch.target] == wanted


def test_a_real_combined_log_is_read_like_its_lines(data_dir: Path) -> None:
    path = data_dir / "access_logs" / "combined_2015.log"
    reading = read_logs([str(path)])
    batch = joined(list(reading.batches()))
    rows = [text.split(" ") for text in path.read_text().splitlines()]
    assert [reading.names.ips.text(number) for number in batch.ip] == [row[0] for row in rows]
    assert [reading.names.targets[number][0] for number in batch.target] == [row[5][1:] for row in rows]
    assert batch.status.tolist() == [int(row[8]) for row in rows]
    assert int(batch.at_ns[0]) == 1445742685 * NS
