"""Replaying access logs from the command line."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import time
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


def test_workers_are_handed_the_same_requests(log: Path, small: Path, windtunnel: Command) -> None:
    elsewhere = replayed(windtunnel, log, small, "--replications", 2)
    rows = small.parent / "rows.csv"
    here = replayed(windtunnel, log, small, "--replications", 2, "--requests", rows)
    assert elsewhere["digest"] == here["digest"]
    assert len(rows.read_text().splitlines()) == 1 + 2 * 200


def test_several_files_are_one_log(log: Path, small: Path, windtunnel: Command) -> None:
    whole = replayed(windtunnel, log, small)
    older, newer = log.with_name("access.log.2.gz"), log.with_name("access.log.1")
    older.write_bytes(gzip.compress("".join(LINES[:120]).encode()))
    newer.write_text("".join(LINES[120:]))
    said = windtunnel("replay", newer, older, "--scenario", small, "--replications", 1, "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["digest"] == whole["digest"]


def test_a_part_is_replayed(log: Path, small: Path, windtunnel: Command) -> None:
    part = replayed(windtunnel, log, small, "--from", "+5s", "--to", "2015-10-25T04:11:15+01:00")
    assert {name: part["replay"][name] for name in ("kept", "dropped_by_window", "span_s")} == {
        "kept": 100, "dropped_by_window": 100, "span_s": 10,
    }  # fmt: skip
    assert part["requests"]["arrived"] == 100


def test_load_by_squeezing_keeps_the_users(log: Path, small: Path, windtunnel: Command) -> None:
    squeezed = replayed(windtunnel, log, small, "--load", 4, "--squeeze")
    assert (squeezed["requests"]["arrived"], squeezed["replay"]["replayed"]) == (200, 200)
    assert squeezed["digest"] == replayed(windtunnel, log, small, "--speed", 4)["digest"]


def test_who_asks_comes_from_a_field_where_asked(small: Path, windtunnel: Command) -> None:
    log = small.parent / "access.json"
    rows = [
        {"time": f"2026-01-31T10:00:{number:02}Z", "request": "GET /api/1 HTTP/1.1", "remote_addr": "10.0.0.1",
         "http_x_user": f"u{number % 7}", "http_x_forwarded_for": f"1.1.1.{number % 3}, 10.0.0.1"}
        for number in range(60)
    ]  # fmt: skip
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = replayed(windtunnel, log, small, "--user-from", "http_x_user", "--ip-from", "http_x_forwarded_for")
    assert (result["replay"]["users"], result["replay"]["ips"]) == (7, 3)
    said = windtunnel("replay", log, "--scenario", small, "--user-from", "http_x_usr")
    assert (said.code, len(said.lines)) == (2, 1)


def test_a_format_may_be_written_down(small: Path, windtunnel: Command) -> None:
    log = small.parent / "custom.log"
    log.write_text("".join(line.replace(" - - ", f" sess-{number % 3} ") for number, line in enumerate(LINES)))
    written = '$remote_addr $cookie_session [$time_local] "$request" $status $body_bytes_sent'
    result = replayed(windtunnel, log, small, "--format", written, "--user-from", "cookie_session")
    assert (result["replay"]["users"], result["replay"]["ips"], result["replay"]["kept"]) == (3, 5, 200)


def test_which_end_of_a_request_stamps_are_of_may_be_said(small: Path, windtunnel: Command) -> None:
    log = small.parent / "timed.csv"
    rows = "".join(f"2026-01-31T10:00:{second:02}.500Z,/api/1,{second % 3}\n" for second in range(10, 50))
    log.write_text("time,path,duration\n" + rows)
    spans = {end: replayed(windtunnel, log, small, "--stamp", end)["replay"]["span_s"] for end in ("begin", "end")}
    assert spans["begin"] == pytest.approx(39, abs=0.1)
    assert spans["end"] == pytest.approx(39 - 49 % 3 + 10 % 3, abs=0.1)


def test_paths_are_said_by_an_openapi_file(log: Path, small: Path, windtunnel: Command) -> None:
    log.write_text("".join(line.replace("/api/", "/v1/things/") for line in LINES))
    assert replayed(windtunnel, log, small)["replay"]["assigned"] == 200
    api = small.parent / "api.yaml"
    api.write_text(
        "openapi: 3.0.0\nservers: [{url: 'https://example.com/v1'}]\n"
        "paths:\n  /things/{id}: {get: {operationId: get}}\n  /other: {post: {}}\n"
    )
    said = windtunnel("replay", log, "--scenario", small, "--replications", 1, "--openapi", api)
    assert said.code == 0
    assert "Routes: 0 by --map, 0 by template, 200 by OpenAPI, 0 by hash into the mix." in said.lines
    assert "Operations without a route: POST /other." in said.lines


def test_what_fits_nothing_is_caught_or_dropped(log: Path, small: Path, windtunnel: Command) -> None:
    log.write_text("".join(LINES[:150] + [line.replace("/api/", "/x/") for line in LINES[150:]]))
    caught = replayed(windtunnel, log, small, "--catch-all", "get")
    assert (caught["replay"]["matched"], caught["replay"]["caught"], caught["requests"]["arrived"]) == (150, 50, 200)
    dropped = replayed(windtunnel, log, small, "--drop-unmatched")
    assert (dropped["replay"]["dropped_unmatched"], dropped["requests"]["arrived"]) == (50, 150)


def test_templates_are_learnt_edited_and_replayed(log: Path, small: Path, windtunnel: Command) -> None:
    log.write_text("".join(LINES[:150] + [line.replace("/api/", "/x/") for line in LINES[150:]]))
    routes = small.parent / "routes.yaml"
    said = windtunnel("templates", log, "--scenario", small, "-o", routes)
    assert (said.code, said.err) == (0, "")
    assert said.out == f"{routes}: 2 templates, 1 without a route. Look at it, then --map it.\n"
    text = routes.read_text()
    assert "GET /api/{id}: get  # 150 requests, 7 paths, 75.00%\nGET /x/{id}: null   # 50 requests" in text
    assert windtunnel("templates", log, "--scenario", small).out == text
    assert replayed(windtunnel, log, small, "--map", routes)["replay"]["mapped"] == 150
    routes.write_text(text.replace("null ", "get "))
    assert replayed(windtunnel, log, small, "--map", routes)["replay"]["mapped"] == 200
    document = json.loads(windtunnel("templates", log, "--json").out)
    assert [entry["pattern"] for entry in document["templates"]] == ["GET /api/{id}", "GET /x/{id}"]


@pytest.mark.parametrize("at", ["reading", "simulating"])
def test_nothing_is_left_in_the_temporary_folder(
    at: str, small: Path, start: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    process = start("replay", "-", "--scenario", small, "--replications", 1, "--load", 300, stdin=subprocess.PIPE)
    process.stdin.write("".join(LINES * 25).encode())
    process.stdin.flush()
    if at == "simulating":
        process.stdin.close()
        process.stdin = None
    wanted = "windtunnel-*" if at == "reading" else "windtunnel-*/trace"
    deadline = time.monotonic() + 60
    while not list(folder.glob(wanted)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130, err
    assert b"Stopped: nothing was kept." in err
    assert not list(folder.glob("windtunnel-*"))


@pytest.mark.parametrize(
    ("file", "lines"),
    [("access_logs/combined_2015.log", 3456), ("access_logs/nginx_json_lines.log", 8130),
     ("arrivals/azure_llm_conv_2023.csv", 19366)],
)  # fmt: skip
def test_real_files_are_replayed_whole(file: str, lines: int, data_dir: Path, small: Path, windtunnel: Command) -> None:
    result = replayed(windtunnel, data_dir / file, small, "--duration", "1h", "--speed", 10)
    counts = result["replay"]
    assert (counts["lines"], counts["requests"], counts["kept"], counts["bad"]) == (lines, lines, lines, 0)
    assert 0 < result["requests"]["arrived"] <= lines


def test_an_hour_of_two_months_is_replayed(data_dir: Path, small: Path, windtunnel: Command) -> None:
    file = data_dir / "arrivals" / "nasa_http_1995_per_second.tbz2"
    result = replayed(windtunnel, file, small, "--from", "+1d", "--to", "+25h")
    counts = result["replay"]
    assert (counts["lines"], counts["bad"]) == (3_461_610, 0)
    assert counts["kept"] + counts["dropped_by_window"] == 3_461_610
    assert counts["kept"] == counts["drawn"] == counts["anonymous"] == result["requests"]["arrived"] == 2857


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
        (["--squeeze"], "--squeeze: must come with --load"),
        (["--from", "noon"], "--from: must be an instant, got 'noon'"),
        (["--to", "+0s"], "--from, --to: must leave at least one request, got none of 200"),
        (["--user-from", "x"], "--field: must come with a format that names its fields, got 'user=x' with combined"),
        (["--stamp", "end"], "--stamp: must come with a format that leaves open which end stamps are of, got 'end'"),
        (["--field", "path"], "--field: must be ROLE=FIELD, got 'path'"),
        (["--field", "user=a", "--user-from", "b"], "--user-from: must agree with --field, got 'b'"),
        (["--catch-all", "gte"], "--catch-all: must name a route of the scenario, got 'gte'. Did you mean get?"),
        (["--catch-all", "get", "--drop-unmatched"], "--catch-all: must not come with --drop-unmatched"),
        (["--openapi", "nowhere.json"], "nowhere.json: must be readable"),
        (["--format", "nonsense"], "--format: must be a known format, got 'nonsense'"),
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
