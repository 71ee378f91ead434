"""Several logs as one: each in its own format, read side by side in the order of their stamps."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.errors import InputError
from experiments.logs import Reading, read_logs
from experiments.logs.batch import NS, Batch
from experiments.logs.parts import PIECE

BEGIN = 1_445_742_000


def access(second: int, target: str = "/a") -> str:
    return f'10.0.0.1 - - [25/Oct/2015:03:{second // 60:02}:{second % 60:02} +0000] "GET {target} HTTP/1.1" 200 5\n'


def written(folder: Path, name: str, *lines: str) -> str:
    (folder / name).write_text("".join(lines))
    return str(folder / name)


def read(*names: str, **options: Any) -> tuple[Reading, list[Batch]]:
    reading = read_logs(names, **options)
    return reading, list(reading.batches())


def test_every_file_is_in_its_own_format(tmp_path: Path) -> None:
    old = written(tmp_path, "access.log", *(access(second) for second in range(60)), "junk\n")
    new = written(tmp_path, "new.csv", "at,ms\n" * 0 + "time,path,latency_ms\n",
                  *(f"{BEGIN + 60 + second}.5,/b,40\n" for second in range(60)))  # fmt: skip
    lines = [json.dumps({"ts": BEGIN + 120 + second, "uri": "/c"}) + "\n" for second in range(60)]
    newest = written(tmp_path, "app.json", *lines)
    reading, batches = read(newest, old, new)
    assert reading.format_name == "json, combined, csv"
    assert f"{old}: common or combined log format" in reading.format
    assert f"{new}: CSV with commas: time from time" in reading.format
    assert reading.format.count("; told from its first lines") == 3
    assert (reading.lines, reading.requests, reading.bad, reading.headers) == (181, 180, 1, 1)
    assert [batch.resolution_ns for batch in batches] == [NS, 1_000_000, NS]
    assert np.concatenate([batch.line for batch in batches]).tolist() == [*range(1, 61), *range(63, 183)]
    paths = [reading.names.targets[number][1] for batch in batches for number in batch.target]
    assert paths == ["/a"] * 60 + ["/b"] * 60 + ["/c"] * 60
    assert reading.resolution_ns == NS


def test_files_of_one_time_are_read_side_by_side(tmp_path: Path) -> None:
    many = 100_000  # some blocks of each
    one = written(tmp_path, "one.log", *(access(number * 3600 // many, "/one") for number in range(many)))
    other = written(tmp_path, "other.csv", "time,path\n",
                    *(f"{BEGIN + number * 3600 / many:.3f},/other\n" for number in range(many)))  # fmt: skip
    reading, batches = read(one, other)
    at_ns = np.concatenate([batch.at_ns for batch in batches])
    line = np.concatenate([batch.line for batch in batches])
    assert len(at_ns) == 2 * many
    assert len(np.unique(line)) == 2 * many
    assert line.max() == 2 * many + 1, "and a header"
    behind = np.maximum.accumulate(at_ns) - at_ns
    assert behind.max() <= 2 * PIECE * 3600 * NS // many, "some lines of one file, not half of the log"
    assert reading.went_back == 0


def test_standard_input_finds_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Piped:
        buffer = io.BytesIO("".join(access(second, "/piped") for second in range(30)).encode())

    later = written(tmp_path, "later.csv", "time,path\n", *(f"{BEGIN + 30 + second},/l\n" for second in range(30)))
    monkeypatch.setattr(sys, "stdin", Piped)
    reading, batches = read(later, "-")
    paths = [reading.names.targets[number][1] for batch in batches for number in batch.target]
    assert paths == ["/piped"] * 30 + ["/l"] * 30


def test_tables_with_other_columns_are_told_apart(tmp_path: Path) -> None:
    one = written(tmp_path, "one.csv", "time,path\n", *(f"{BEGIN + second},/a\n" for second in range(20)))
    other = written(tmp_path, "other.csv", "path,status,time\n",
                    *(f"/b,200,{BEGIN + 20 + second}\n" for second in range(20)))  # fmt: skip
    reading, _ = read(one, other)
    assert (reading.requests, reading.bad, reading.headers) == (40, 0, 2)
    assert reading.names.targets == [("", "/a"), ("", "/b")]


def test_what_is_said_counts_where_it_is_open(tmp_path: Path) -> None:
    plain = written(tmp_path, "access.log", *(access(second) for second in range(20)))
    table = written(tmp_path, "t.csv", "when,what\n", *(f"{BEGIN + second},/b\n" for second in range(20)))
    reading, _ = read(plain, table, fields={"time": "when", "path": "what"})
    assert (reading.requests, reading.bad) == (40, 0)


def test_dates_and_none_are_no_one_log(tmp_path: Path) -> None:
    dated = written(tmp_path, "access.log", access(1))
    for name, text in (("counts.txt", "1 2 3 4\n"), ("rows.csv", "t_s,endpoint\n0.5,get\n")):
        with pytest.raises(InputError, match="logs: must all have dates, got none in"):
            read(dated, written(tmp_path, name, text))


TIMED = '$msec "$request" $status $request_time'


def test_a_format_that_is_stated_is_that_of_the_files_it_fits(tmp_path: Path) -> None:
    own = written(tmp_path, "own.log", *(f'{BEGIN + second}.5 "GET /o HTTP/1.1" 200 0.1\n' for second in range(20)))
    plain = written(tmp_path, "access.log", *(access(second) for second in range(20)))
    reading, _ = read(plain, own, format=TIMED)
    assert (reading.requests, reading.bad) == (40, 0)
    assert f"{own}: nginx log format: " in reading.format
    assert reading.format.count("as stated") == reading.format.count("told from") == 1
    with pytest.raises(InputError, match="--format: must fit one of the logs, got"):
        read(plain, plain, format=TIMED)
    with pytest.raises(InputError, match="--format: must be a known format, got 'combind'"):
        read(plain, own, format="combind")
