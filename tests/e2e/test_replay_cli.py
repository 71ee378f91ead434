"""Replaying access logs from the command line."""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]

LINES = [
    f'10.0.0.{number % 5} - - [25/Oct/2015:04:11:{number // 10:02} +0100] "GET /api/{number % 7} HTTP/1.1" 200 5\n'
    for number in range(200)
]


@pytest.fixture
def log(small: Path) -> Path:
    path = small.parent / "access.log"
    path.write_text("".join(LINES))
    return path


def replayed(windtunnel: Command, log: Path | str, small: Path, *arguments: Any) -> dict[str, Any]:
    said = windtunnel("replay", log, "--scenario", small, "--replications", 1, "--json", *arguments)
    assert said.code == 0, said.err
    document: dict[str, Any] = json.loads(said.out)
    return document


def test_every_line_becomes_a_request(log: Path, small: Path, windtunnel: Command) -> None:
    result = replayed(windtunnel, log, small)
    assert result["requests"]["arrived"] == 200
    assert {name: result["replay"][name] for name in ("lines", "requests", "bad", "mapped", "matched", "assigned")} == {
        "lines": 200, "requests": 200, "bad": 0, "mapped": 0, "matched": 200, "assigned": 0,
    }  # fmt: skip
    assert 19 <= result["simulated_s"] <= 21


def test_what_was_read_is_told_beside_the_report(log: Path, small: Path, windtunnel: Command) -> None:
    log.write_text("bad\n" + "".join(reversed(LINES)))
    said = windtunnel("replay", log, "--scenario", small, "--replications", 1)
    assert said.code == 0
    assert "VERDICT" in said.out
    assert said.lines[0].startswith(f"{log}: common or combined log format")
    assert said.lines[1:] == [
        "201 lines = 200 replayed + 1 bad; 5 users, 5 addresses, 7 paths over 20 s.",
        "Routes: 0 by --map, 200 by template, 0 by hash into the mix.",
        "190 lines stood after later ones and were put in order.",
        "Bad line 1: 'bad'",
    ]


def test_time_and_load_are_scaled(log: Path, small: Path, windtunnel: Command) -> None:
    fast = replayed(windtunnel, log, small, "--speed", 4)
    assert fast["requests"]["arrived"] == 200
    assert 4.5 <= fast["simulated_s"] <= 5.5
    assert replayed(windtunnel, log, small, "--load", 3)["requests"]["arrived"] == 600
    assert replayed(windtunnel, log, small, "--load", 0.5)["requests"]["arrived"] < 150


def test_paths_are_mapped(log: Path, small: Path, windtunnel: Command) -> None:
    assert replayed(windtunnel, log, small, "--map", "/api/3=get")["replay"]["mapped"] == 29
    rules = small.parent / "routes.yaml"
    rules.write_text("/api/*: get\n")
    assert replayed(windtunnel, log, small, "--map", rules)["replay"]["mapped"] == 200


def test_compressed_logs_and_standard_input_say_the_same(
    log: Path, small: Path, windtunnel: Command, start: Command
) -> None:
    digest = replayed(windtunnel, log, small)["digest"]
    packed = log.with_suffix(".log.gz")
    packed.write_bytes(gzip.compress(log.read_bytes()))
    assert replayed(windtunnel, packed, small)["digest"] == digest
    process = start("replay", "-", "--scenario", small, "--replications", 1, "--json", stdin=subprocess.PIPE)
    out, err = process.communicate(log.read_bytes())
    assert process.returncode == 0, err
    assert json.loads(out)["digest"] == digest
    assert err.startswith(b"standard input: common or combined log format")


def test_a_real_log_is_replayed_whole(data_dir: Path, small: Path, windtunnel: Command) -> None:
    log = data_dir / "access_logs" / "combined_2015.log"
    result = replayed(windtunnel, log, small, "--speed", 100)
    assert (result["replay"]["lines"], result["replay"]["requests"], result["replay"]["bad"]) == (3456, 3456, 0)
    assert result["requests"]["arrived"] == 3456


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"", "must have requests, got an empty log"),
        (b"\x7fELF\0\0\1" * 500, "must be a log in a format that is known, got 1 line of something else"),
        (b"a,b\n1,2\n", "got 2 lines of something else: line 1: 'a,b'."),
    ],
)
def test_logs_that_are_none_are_refused_in_one_line(
    data: bytes, part: str, log: Path, small: Path, windtunnel: Command
) -> None:
    log.write_bytes(data)
    before = sorted(log.parent.iterdir())
    said = windtunnel(
        "replay", log, "--scenario", small, "--out", log.parent / "out", "--requests", log.parent / "r.csv"
    )
    assert (said.code, said.out, len(said.lines)) == (2, "", 1)
    assert part in said.err
    assert sorted(log.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--load", "0"], "Invalid value for '--load'"),
        (["--speed", "nan"], "Invalid value for '--speed'"),
        (["--map", "/a=nothing"], "--map: must name a route of the scenario, got 'nothing'"),
        (["--set", "traffic.open.rate=5/s"], "traffic.open: must not be set in a replay, whose traffic is the log"),
    ],
)
def test_options_that_cannot_be_meant(
    arguments: list[str], part: str, log: Path, small: Path, windtunnel: Command
) -> None:
    said = windtunnel("replay", log, "--scenario", small, *arguments)
    assert (said.code, said.out, len(said.lines)) == (2, "", 1)
    assert part in said.err
    assert windtunnel("replay", log).lines == [
        "windtunnel replay: Missing option '--scenario'. See windtunnel replay --help."
    ]
