"""The trace of a log: instants, identities, keys, load, windows, and what becomes of each line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.errors import InputError
from experiments.logs import Window, read_logs, read_window
from experiments.replay import (
    Replayed,
    Router,
    read_rules,
    replay_trace,
    told,
    uniform,
    with_recorded_traffic,
)
from experiments.replay.making import moved_by
from experiments.replay.spread import spread_steps
from experiments.scenario import Scenario, load_scenario
from experiments.trace import Trace

STAMP = "25/Oct/2015:04:11:25 +0100"


def line(
    target: str = "/api/places/7", *, method: str = "GET", stamp: str = STAMP, ip: str = "10.0.0.1", user: str = "-"
) -> str:
    return f'{ip} - {user} [{stamp}] "{method} {target} HTTP/1.1" 200 12 "-" "curl"\n'


def log_of(folder: Path, *lines: str, name: str = "access.log") -> Path:
    path = folder / name
    path.write_text("".join(lines))
    return path


def replayed_from(
    path: Path, system: Scenario, maps: tuple[str, ...] = (), other: Any = "mix", fields: dict[str, str] | None = None,
    window: Window | None = None, **how: Any,
) -> tuple[Trace, Replayed]:  # fmt: skip
    """The whole trace in memory, and what became of the lines."""
    router = Router(system.spec, read_rules(maps, list(system.spec.routes)), other=other)
    spooled, summary = replay_trace(read_logs([str(path)], fields=fields, window=window), router, **how)
    blocks = list(spooled.blocks())
    spooled.close()
    columns = [
        np.concatenate([getattr(block, name) for block in blocks]) for name in ("t_s", "endpoint", "user", "ip", "key")
    ]
    assert len(spooled) == len(columns[0]) == summary.replayed
    assert spooled.last_s == columns[0][-1]
    return Trace(*columns), summary


@pytest.fixture(scope="module")
def system() -> Scenario:
    return load_scenario("maltan/early")


def listed(column: Any) -> list[Any]:
    assert column is not None
    return list(column.tolist())


# instants


def test_requests_are_spread_inside_their_second_by_their_line(system: Scenario, tmp_path: Path) -> None:
    log = log_of(tmp_path, line() * 5000, line(stamp="25/Oct/2015:04:11:27 +0100"))
    trace, replayed = replayed_from(log, system)
    assert replayed.span_s == 3
    assert bool((np.diff(trace.t_s) >= 0).all())
    first = trace.t_s[:5000]
    assert 0 <= first.min() < 0.01
    assert 0.99 < first.max() < 1
    assert np.histogram(first, 10, (0, 1))[0].tolist() == pytest.approx([500] * 10, abs=90)
    assert 2 <= trace.t_s[-1] < 3
    assert bool((trace.t_s * 2**30 % 1 == 0).all())
    shifted, _ = replayed_from(log_of(tmp_path, "bad\n", line() * 3), system)
    assert listed(shifted.t_s) == sorted(uniform(np.array([2, 3, 4]), "second"))


def test_stamps_finer_than_a_second_are_kept(system: Scenario, tmp_path: Path) -> None:
    stamps = ["2023-11-16T18:15:46.680", "2023-11-16T18:15:46.930", "2023-11-16T18:15:50.250"]
    trace, replayed = replayed_from(log_of(tmp_path, *(f"{stamp}Z\n" for stamp in stamps)), system)
    assert listed(trace.t_s) == pytest.approx([0.0, 0.25, 3.57], abs=2**-29)
    assert replayed.span_s == pytest.approx(3.571, abs=1e-3)


def test_coarser_stamps_are_spread_over_what_they_leave_open() -> None:
    lines = np.arange(1, 2001)
    minutes = spread_steps(lines, 60 * 10**9) / 2**30
    assert np.histogram(minutes, 4, (0, 60))[0].tolist() == pytest.approx([500] * 4, abs=90)
    assert not spread_steps(lines, 10**6).any()


def test_lines_out_of_order_are_put_in_order_and_counted(system: Scenario, tmp_path: Path) -> None:
    early, late = (line(stamp=f"25/Oct/2015:04:11:{second} +0100", ip=second) for second in ("20", "25"))
    trace, replayed = replayed_from(log_of(tmp_path, late, early, late, early, early), system)
    assert replayed.went_back == 3
    assert listed(trace.user) == [1, 1, 1, 0, 0]
    assert any("3 lines stood after later ones" in text for text in told(replayed))


def test_stamps_that_are_lifetimes_apart_are_refused(system: Scenario, tmp_path: Path) -> None:
    log = log_of(tmp_path, "1901-01-01T00:00:00Z\n", "2199-01-01T00:00:00Z\n")
    with pytest.raises(InputError, match="must span less than 136 years"):
        replayed_from(log, system)


# who and what


def test_users_are_names_else_addresses(system: Scenario, tmp_path: Path) -> None:
    who = [("a", "-"), ("a", "ann"), ("b", "ann"), ("ann", "-"), ("a", "-")]
    lines = [line(ip=ip, user=user, stamp=STAMP.replace(":25 ", f":2{n} ")) for n, (ip, user) in enumerate(who)]
    trace, replayed = replayed_from(log_of(tmp_path, *lines), system)
    assert listed(trace.user) == [0, 1, 1, 2, 0]
    assert listed(trace.ip) == [0, 0, 1, 2, 0]
    assert (replayed.users, replayed.ips) == (3, 3)


def test_users_and_addresses_come_from_other_fields_where_asked(system: Scenario, tmp_path: Path) -> None:
    rows = [("ann", "1.1.1.1, 9.9.9.9"), ("bob", "1.1.1.1"), ("ann", "2.2.2.2, 9.9.9.9"), ("", "2.2.2.2")]
    lines = [
        f'{{"time": "2026-01-31T10:00:0{number}Z", "request": "GET /api/places/1 HTTP/1.1", "remote_addr": "9.9.9.9", '
        f'"cookie_id": "{user}", "via": "{via}"}}\n'
        for number, (user, via) in enumerate(rows)
    ]
    log = log_of(tmp_path, *lines, name="access.json")
    plain, _ = replayed_from(log, system)
    assert (listed(plain.user), listed(plain.ip)) == ([0] * 4, [0] * 4)
    other, _ = replayed_from(log, system, fields={"user": "cookie_id", "ip": "via"})
    assert listed(other.user) == [0, 1, 0, 2]
    assert listed(other.ip) == [0, 0, 1, 1]


def test_who_is_not_told_is_somebody_else_each_time(system: Scenario, tmp_path: Path) -> None:
    trace, replayed = replayed_from(log_of(tmp_path, *(f"{1700000000 + n}\n" for n in range(50))), system, load=2)
    assert len(set(listed(trace.user))) == len(set(listed(trace.ip))) == 100
    assert min(listed(trace.user)) >= 0
    assert (replayed.users, replayed.anonymous) == (50, 50)
    assert "50 requests do not tell who asked: each is somebody else." in told(replayed)


def test_a_path_is_a_key_whatever_the_method(system: Scenario, tmp_path: Path) -> None:
    lines = [
        line("/api/places/1"),
        line("/api/places/2"),
        line("/api/places/1", method="PUT"),
        line("/api/places/1?x=1"),
    ]
    stamped = [text.replace(":25 ", f":2{number} ") for number, text in enumerate(lines)]
    trace, replayed = replayed_from(log_of(tmp_path, *stamped), system)
    assert listed(trace.key) == [0, 1, 0, 0]
    assert replayed.paths == 3


def test_keys_of_paths_beyond_those_told_apart_are_drawn(
    system: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.replay.making.MOST_TARGETS", 3)
    lines = [line(f"/api/places/{n}", stamp=STAMP.replace(":25 ", f":{20 + n} ")) for n in range(6)]
    trace, replayed = replayed_from(log_of(tmp_path, *lines), system)
    assert listed(trace.key) == [0, 1, 2, -1, -1, -1]
    assert (replayed.merged, replayed.matched, replayed.drawn) == (3, 6, 0)
    others = [line(f"/x/{n}", stamp=STAMP.replace(":25 ", f":{20 + n} ")) for n in range(6)]
    trace, unmatched = replayed_from(log_of(tmp_path, *others), system)
    assert [number >= 0 for number in listed(trace.endpoint)] == [True] * 3 + [False] * 3
    assert (unmatched.merged, unmatched.assigned, unmatched.drawn) == (3, 3, 3)
    assert "3 requests are for more paths than are told apart: their cache keys are drawn." in told(replayed)


def test_requests_without_a_path_are_left_to_the_mix(system: Scenario, tmp_path: Path) -> None:
    log = log_of(tmp_path, *(f"{1700000000 + n}\n" for n in range(5)))
    trace, replayed = replayed_from(log, system)
    assert listed(trace.endpoint) == listed(trace.key) == [-1] * 5
    assert (replayed.drawn, replayed.assigned, replayed.kept) == (5, 0, 5)
    caught, replayed = replayed_from(log, system, other=2)
    assert listed(caught.endpoint) == [2] * 5
    assert (replayed.drawn, replayed.caught) == (0, 5)
    with pytest.raises(InputError, match="--drop-unmatched: must leave at least one request"):
        replayed_from(log, system, other="drop")


def test_a_log_that_names_routes_is_taken_at_its_word(system: Scenario, tmp_path: Path) -> None:
    log = log_of(tmp_path, "t_s,endpoint,user\n0,get-place,3\n1.5,list-popular,4\n2,elsewhere,3\n", name="rows.csv")
    trace, replayed = replayed_from(log, system)
    routes = list(system.spec.routes)
    assert [routes[number] for number in listed(trace.endpoint)[:2]] == ["get-place", "list-popular"]
    assert (replayed.named, replayed.assigned) == (2, 1)
    assert listed(trace.key) == [-1, -1, -1]


# load


def busy_log(folder: Path, seconds: int = 50, per_second: int = 40) -> Path:
    lines = [
        line(f"/api/places/{number % 7}", stamp=f"25/Oct/2015:04:11:{second:02} +0100", ip=f"10.0.0.{number % 9}")
        for second in range(seconds)
        for number in range(per_second)
    ]
    return log_of(folder, *lines)


@pytest.mark.parametrize("load", [0.25, 1.0, 1.5, 3.0])
def test_load_is_scaled_by_keeping_lines_and_adding_copies(load: float, system: Scenario, tmp_path: Path) -> None:
    log = busy_log(tmp_path)
    trace, replayed = replayed_from(log, system, load=load)
    again, _ = replayed_from(log, system, load=load)
    assert listed(trace.t_s) == listed(again.t_s)
    if load == int(load):
        assert len(trace) == load * 2000
    else:
        assert abs(len(trace) - load * 2000) < 4 * (2000 * 0.25) ** 0.5
    assert bool((np.diff(trace.t_s) >= 0).all())
    assert 0 <= trace.t_s[0] <= trace.t_s[-1] < replayed.span_s == 50
    assert len(set(listed(trace.user))) == 9 * int(np.ceil(load))
    assert set(listed(trace.key)) == set(range(7))


@pytest.mark.parametrize(("span_s", "furthest_s"), [(600, 30), (86_400, 3600), (30 * 86_400, 3600)])
def test_copies_are_apart_and_keep_the_rhythm(span_s: int, furthest_s: int) -> None:
    """No copy falls on the log or on another one, and none moves a busy hour to a quiet one."""
    moves = [0.0, *(moved_by(number, span_s << 30) / 2**30 for number in range(1, 10))]
    assert moves[1] == pytest.approx(0.618033988749895 * furthest_s, rel=1e-8)
    assert max(moves) < furthest_s
    assert np.diff(np.sort(moves)).min() > furthest_s / 25


def test_copies_are_moved_and_belong_to_other_users(system: Scenario, tmp_path: Path) -> None:
    trace, _ = replayed_from(busy_log(tmp_path), system, load=2)
    assert trace.user is not None
    original, copy = (np.sort(trace.t_s[(trace.user // 9) == number]) for number in (0, 1))
    assert len(original) == len(copy) == 2000
    assert not np.isin(copy, original).any()
    moved = 0.618033988749895 * 50 / 20
    assert np.allclose(np.sort((copy - moved) % 50), original, atol=1e-8)


def test_squeezing_is_only_told_of_here(system: Scenario, tmp_path: Path) -> None:
    trace, replayed = replayed_from(busy_log(tmp_path), system, load=3, squeeze=True)
    assert len(trace) == 2000
    assert "Load 3: time squeezed." in told(replayed)[2]


def test_loads_that_leave_nothing_or_too_much_are_refused(system: Scenario, tmp_path: Path) -> None:
    log = log_of(tmp_path, line())
    with pytest.raises(InputError, match="--load: must leave at least one request"):
        replayed_from(log, system, load=1e-9)
    with pytest.raises(InputError, match="--load: must give at most"):
        replayed_from(log, system, load=1e9)


# windows and what is left out


def test_a_window_is_replayed_from_its_first_request(system: Scenario, tmp_path: Path) -> None:
    log = busy_log(tmp_path)
    window = read_window("2015-10-25T03:11:10Z", "2015-10-25T04:11:30+01:00")
    trace, replayed = replayed_from(log, system, window=window)
    assert (replayed.kept, replayed.dropped_by_window, replayed.span_s) == (800, 1200, 20)
    assert 0 <= trace.t_s[0] < 0.2
    relative, _ = replayed_from(log, system, window=read_window("+10s", "+30s"))
    assert listed(relative.t_s) == listed(trace.t_s)
    with pytest.raises(InputError, match="--from, --to: must leave at least one request, got none of 2000"):
        replayed_from(log, system, window=read_window("+1h", None))


def test_what_fits_nothing_is_dropped_where_asked(system: Scenario, tmp_path: Path) -> None:
    log = log_of(tmp_path, line("/x"), line("/x"), line("/y"), line(), "bad\n", line("/z"))
    trace, replayed = replayed_from(log, system, ("/z=get-place",), other="drop")
    assert (replayed.lines, replayed.kept, replayed.dropped_unmatched, replayed.bad) == (6, 2, 3, 1)
    assert (replayed.mapped, replayed.matched, len(trace)) == (1, 1, 2)
    assert replayed.unmatched_shown == ["GET /x (2)", "GET /y (1)"]


def test_what_became_of_a_log_is_told(system: Scenario, tmp_path: Path) -> None:
    log = log_of(tmp_path, line(), line("/x"), line("/y"), "bad\n")
    _, replayed = replayed_from(log, system, ("/x=get-place",), log=str(log), load=2)
    first, second, third, fourth, fifth = told(replayed)
    assert first.startswith(f"{log}: common or combined log format")
    assert second == "4 lines = 3 replayed + 1 bad; 1 users, 1 addresses, 3 paths over 1 s."
    assert third == "Routes: 1 by --map, 1 by template, 1 by hash into the mix. Load 2: 6 requests."
    assert fourth == "No route for: GET /y (1). Say it with --map '/path/*=ROUTE'."
    assert fifth == "Bad line 4: 'bad'"
    _, replayed = replayed_from(log, system, other="drop")
    assert told(replayed)[1].startswith("4 lines = 1 replayed + 2 dropped + 1 bad;")


def test_nothing_is_left_behind(system: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    log = log_of(tmp_path, line(), line("/x"))
    router = Router(system.spec, [])
    trace, _ = replay_trace(read_logs([str(log)]), router, load=3)
    assert [path.name for path in folder.glob("*/*")] == ["trace"]
    trace.close()
    assert not list(folder.iterdir())
    with pytest.raises(InputError):
        replay_trace(read_logs([str(log)], window=read_window("+1h", None)), router)
    assert not list(folder.iterdir())


def test_a_full_disk_is_told(system: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = log_of(tmp_path, line() * 100)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 100}))
    with pytest.raises(InputError, match="Name another folder in the environment variable TMPDIR"):
        replay_trace(read_logs([str(log)]), Router(system.spec, []))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="must have room for the requests of a trace, got: no such file"):
        replay_trace(read_logs([str(log)]), Router(system.spec, []))


# the scenario


def test_a_replay_takes_the_place_of_the_scenarios_traffic(system: Scenario) -> None:
    replayed = with_recorded_traffic(system, ["it's a, {log}.log", "b.log"], 2.0)
    traffic = replayed.spec.traffic
    assert traffic.users is None
    assert traffic.open is None
    assert traffic.trace is not None
    assert (traffic.trace.file, traffic.trace.speed) == ("it's a, {log}.log b.log", 2.0)
    assert traffic.mix == system.spec.traffic.mix
    for text in ("traffic.users.population=5", "traffic.shape={kind: ramp, lasts: 5m}"):
        with pytest.raises(InputError, match="must not be set in a replay"):
            with_recorded_traffic(load_scenario("maltan/early", [text]), ["a.log"], 1.0)


def test_shapes_and_surges_of_the_scenarios_own_load_do_not_apply(tmp_path: Path) -> None:
    path = tmp_path / "shaped.yaml"
    shaped = load_scenario(
        "maltan/early", ["traffic.surges.rush={at: 1m, lasts: 1m, factor: 2}", "traffic.shape={kind: ramp, lasts: 5m}"]
    )
    path.write_text(shaped.spec.model_dump_json())
    assert shaped.spec.traffic.surges
    traffic = with_recorded_traffic(load_scenario(str(path)), ["a.log"], 1.0).spec.traffic
    assert (traffic.shape, traffic.surges) == (None, {})
