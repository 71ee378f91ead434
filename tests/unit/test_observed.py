"""What a log tells of the requests of a scenario."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import InputError
from experiments.logs import read_logs
from experiments.replay import Router
from experiments.scenario import load_scenario
from experiments.scoring.observed import Observed, observe, unit_of
from experiments.scoring.simulated import as_logged, simulate, under_log

SYSTEM = Path(__file__).parent.parent / "benchmarks" / "calibration" / "cpu.yaml"


def read(folder: Path, text: str | bytes, log_format: str | None = None) -> Observed:
    log = folder / "access.log"
    log.write_bytes(text.encode() if isinstance(text, str) else text)
    spec = load_scenario(SYSTEM).spec
    return observe(read_logs([str(log)], format=log_format), "access.log", Router(spec, []), spec)


TIMED = '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent $request_time'


def line(second: int, path: str, status: int, took: str) -> str:
    stamp = f"10/Oct/2024:13:{second // 60:02}:{second % 60:02} +0000"
    return f'10.0.0.1 - - [{stamp}] "GET {path} HTTP/1.1" {status} 100 {took}'


def test_routes_times_and_keys(tmp_path: Path) -> None:
    found = read(tmp_path, "\n".join([
        line(10, "/api/items/7", 200, "0.012"), line(11, "/api/items", 200, "0.020"),
        line(12, "/api/items/9", 500, "0.004"), line(13, "/favicon.ico", 200, "0.001"),
        line(14, "/api/items/7", 200, "-"),
    ]), TIMED)  # fmt: skip
    assert len(found) == 5
    assert found.routes == ("get-item", "list-items")
    assert found.told["routes"] == {"matched": 4, "assigned": 1}
    by_time = dict(zip(np.round(found.response_s, 3).tolist(), found.is_timed.tolist(), strict=True))
    assert by_time[0.012] is True
    assert by_time[0.004] is False, "a failed request is not compared"
    assert found.unit_s == 0.001
    assert int(found.is_timed.sum()) == 2, "what fits no route is load, but not compared"
    keys = found.key[found.route == 0]
    assert len(set(keys[keys >= 0].tolist())) >= 2
    assert (np.diff(found.t_s) >= 0).all()
    assert found.t_s[0] == 0.0


@pytest.mark.parametrize(("text", "said"), [
    (line(1, "/api/items", 200, "").rstrip(), "$request_time"),
    (line(1, "/nothing", 200, "0.1"), "--map"),
])  # fmt: skip
def test_a_log_that_tells_nothing_says_what_is_missing(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text + "\n", None if said == "$request_time" else TIMED)
    assert said in str(caught.value)


def test_the_unit_of_response_times_is_told() -> None:
    assert unit_of(np.array([0.012, 0.5, 3.001])) == 0.001
    assert unit_of(np.array([0.0, 2.0])) == 1.0
    assert unit_of(np.array([0.0123456])) == 0.0


def test_a_coarse_clock_does_not_shift_the_mean() -> None:
    t_s = np.linspace(0, 7, 40_001)
    seen = as_logged(np.full(len(t_s), 0.0123), t_s, 0.001)
    assert set(np.round(seen, 6).tolist()) == {0.012, 0.013}
    assert float(seen.mean()) == pytest.approx(0.0123, rel=2e-3)
    assert as_logged(seen, t_s, 0.0) is seen


def test_stamps_are_spread_within_their_unit(tmp_path: Path) -> None:
    """On a grid of milliseconds, requests would come at the same instant that did not."""
    rows = ["replication,request,t_s,endpoint,status,latency_s"]
    rows += [f"0,{n},{n // 2 / 1000:.3f},get-item,200,0.01" for n in range(1000)]
    found = read(tmp_path, "\n".join(rows) + "\n")
    assert found.stamp_s == 0.001
    assert (np.diff(found.t_s) > 0).all()
    within = (found.t_s + 1e-12) % 0.001
    assert float(within.mean()) == pytest.approx(0.0005, abs=1e-4)
    run = simulate(under_log(load_scenario(SYSTEM).spec), found.trace(), 1, 0)
    seen = as_logged(run.latency_s, found.t_s, 0.001)
    assert float(seen.mean()) == pytest.approx(float(run.latency_s.mean()), rel=0.01)


def test_the_simulation_answers_the_logs_own_requests(tmp_path: Path) -> None:
    rows = ["replication,request,t_s,endpoint,status,latency_s"]
    names = ["list-items", "get-item", "get-item"] * 100
    rows += [f"0,{n},{n * 0.01 + 1e-7:.7f},{name},200,{0.01 + n * 1e-5}" for n, name in enumerate(names)]
    found = read(tmp_path, "\n".join(rows) + "\n")
    spec = under_log(load_scenario(SYSTEM).spec)
    run, again = simulate(spec, found.trace(), 1, 0), simulate(spec, found.trace(), 1, 0)
    assert (run.route == found.route).all()
    assert (run.latency_s == again.latency_s).all(), "common random numbers"
    assert found.told["routes"] == {"named": 300}
    part = found.between(100, 200)
    assert len(part) == 100
    assert part.t_s[0] == 0.0
    assert part.began_ns == pytest.approx(1_000_000_000, abs=100)


@settings(max_examples=25)
@given(st.binary(max_size=400))
def test_whatever_is_in_a_log_is_a_log_or_an_input_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("log")
    good = "\n".join(line(n, "/api/items/1", 200, "0.010") for n in range(5)).encode()
    for text in (data, good + b"\n" + data + b"\n" + good):
        try:
            found = read(folder, text, TIMED)
        except InputError:
            continue
        assert found.told["lines"] == found.told["requests"] + found.told["bad"]
        assert np.isfinite(found.t_s).all()
