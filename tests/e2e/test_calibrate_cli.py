"""`windtunnel calibrate` and `windtunnel score` as people use them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from experiments.cli import main
from experiments.scenario import load_scenario

SCENARIO = """
machines: {vm: {cores: 2, memory: 2G}}
services:
  api:
    machine: vm
    base_memory: 256M
    workers: {kind: tomcat, threads: 50}
    endpoints:
      get: {steps: [{kind: cpu, demand: 5ms}]}   # a guess
routes: {get: {service: api, endpoint: get, path: "/get/{id}"}}
traffic: {users: {population: 20, think_time: 1s}, mix: {get: 1}}
"""
PLAIN = '10.0.0.1 - - [10/Oct/2024:13:00:{second:02} +0000] "GET /get/{n} HTTP/1.1" 200 100 "-" "-"'
FORMAT = '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent $request_time'


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    (tmp_path / "s.yaml").write_text(SCENARIO)
    return tmp_path / "s.yaml"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """1,200 requests of 20 users: exponential 12 ms, hardly any load, pauses of 2 s."""
    chance = np.random.Generator(np.random.Philox(5))
    found = []
    for user in range(20):
        at = float(chance.exponential(2.0))
        for _ in range(60):
            took = float(chance.exponential(0.012))
            found.append((at, f"0,{at:.6f},get,{user},200,{took:.6f}"))
            at += took + float(chance.exponential(2.0))
    found.sort()
    lines = ["replication,t_s,endpoint,user,status,latency_s", *(line for _, line in found)]
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "rows.csv"


def test_calibrate_writes_a_scenario_that_can_be_run_and_scored(
    scenario: Path, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fitted = tmp_path / "fitted.yaml"
    assert main(["calibrate", str(rows), "--scenario", str(scenario), "-o", str(fitted)]) == 0
    told = capsys.readouterr()
    assert "1,200 requests + 0 bad" in told.err
    assert "fitted" in told.out
    assert "think time" in told.out
    assert "HELD OUT" in told.out
    assert "$msec" not in told.out
    assert "# a guess" in fitted.read_text()
    after = load_scenario(fitted)
    demand = after.spec.services["api"].endpoints["get"].steps[0].demand
    assert demand.mean_s == pytest.approx(0.012, rel=0.1)
    assert after.spec.traffic.users is not None
    assert after.spec.traffic.users.think_time.mean_s == pytest.approx(2.0, rel=0.1)
    assert {entry.source for entry in after.provenance.values()} == {"fitted", "measured"}

    page = tmp_path / "score.html"
    arguments = ["score", str(rows), "--scenario", str(fitted), "--replications", "2", "--html", str(page)]
    assert main(arguments) == 0
    assert "Observed | simulated" in capsys.readouterr().out
    assert "<h1>fitted beside rows.csv</h1>" in page.read_text()
    assert "<script src=" not in page.read_text()
    assert main([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert abs(document["endpoints"]["get"]["mean"]["error"]) < 0.15
    assert document["endpoints"]["get"]["mean"]["simulated_interval_s"][0] > 0
    series = document["series"]["endpoints"]["get"]
    assert len(series["observed"]["per_s"]) == len(series["simulated"]["p95_s"])


def test_measured_cpu_and_a_higher_load(
    scenario: Path, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.calibration.prediction.REQUESTS", 2000)
    at_s = np.loadtxt(rows, delimiter=",", skiprows=1, usecols=1)
    edges_s = np.arange(0.0, at_s[-1], 5.0)
    used_s = 0.011 * np.concatenate([[0], np.cumsum(np.histogram(at_s, edges_s)[0])])
    lines = [f"{at - at_s[0]:.6f},{used:.6f}" for at, used in zip(edges_s, used_s, strict=True)]
    cpu = tmp_path / "cpu.csv"
    cpu.write_text("\n".join(["time,api cpu_seconds", *lines]) + "\n")
    arguments = ["calibrate", str(rows), "--scenario", str(scenario), "-o", str(tmp_path / "fitted.yaml")]
    assert main([*arguments, "--utilisation", str(cpu), "--predict", "0.8"]) == 0
    told = " ".join(capsys.readouterr().out.split())  # wherever lines are broken
    assert "CPU MEASURED BESIDE THE LOG" in told
    assert "services.api" in told
    assert "PREDICTED AT A HIGHER LOAD" in told
    assert "machines.vm is busy 8" in told or "machines.vm is busy 79" in told
    assert "the log tells it to" in told
    assert main([*arguments, "--utilisation", str(rows)]) == 2
    assert "must begin with a header" in capsys.readouterr().err


def test_coarse_stamps_say_what_finer_ones_would_tell(
    scenario: Path, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header, *lines = rows.read_text().splitlines()
    coarse = [
        ",".join([cells[0], str(int(float(cells[1]))), *cells[2:]]) for cells in (line.split(",") for line in lines)
    ]
    rows.write_text("\n".join([header, *coarse]) + "\n")
    assert main(["calibrate", str(rows), "--scenario", str(scenario), "-o", str(tmp_path / "fitted.yaml")]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "too coarse to tell what was under way" in told
    assert "$msec" in told


def test_score_sees_a_scenario_that_is_wrong(scenario: Path, rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", str(rows), "--scenario", str(scenario), "--json", "--replications", "1"]) == 0
    figure = json.loads(capsys.readouterr().out)["endpoints"]["get"]["mean"]
    assert figure["error"] < -0.4
    assert not figure["within_noise"]
    assert figure["simulated_interval_s"] is None


@pytest.mark.parametrize(("log", "said"), [
    ("\n".join(PLAIN.format(second=n % 60, n=n) for n in range(50)), "$request_time"),
    ("t_s,endpoint,status,latency_s\n" + "\n".join(f"{n},get,200,0.01" for n in range(50)), "at least 500"),
    ("", "empty"),
])  # fmt: skip
def test_useless_logs_say_what_to_log(
    scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], log: str, said: str
) -> None:
    (tmp_path / "x.log").write_text(log)
    arguments = ["calibrate", str(tmp_path / "x.log"), "--scenario", str(scenario), "-o", str(tmp_path / "f.yaml")]
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert "Traceback" not in told.err
    assert not (tmp_path / "f.yaml").exists()


@pytest.mark.parametrize(("more", "said"), [
    (["-o", "f.txt"], "-o: must end in"), (["-o", "f.yaml", "--keep", "no.such"], "--keep"),
    (["-o", "f.yaml", "--hold-out", "2"], "--hold-out"), ([], "-o"),
])  # fmt: skip
def test_wrong_options_say_so(
    scenario: Path, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    more = [str(tmp_path / each) if each.startswith("f.") else each for each in more]
    assert main(["calibrate", str(rows), "--scenario", str(scenario), *more]) == 2
    assert said in capsys.readouterr().err
