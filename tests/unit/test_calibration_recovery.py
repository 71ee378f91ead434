"""Calibration finds what a log was made with, and says what the log cannot tell.

The table with long logs is tests/benchmarks/calibration/recovery.py; here are short ones, and the bounds are what their
own intervals leave open. Of `pool` a short log does not tell CPU and query apart, so the query is known there.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from experiments.calibration import Calibration, Options, calibrate
from experiments.errors import InputError
from experiments.logs import read_logs
from experiments.replay import Router
from experiments.rows import open_rows
from experiments.runner import run
from experiments.scenario import load_scenario
from experiments.scoring.observed import observe

BENCHMARK = Path(__file__).parent.parent / "benchmarks" / "calibration" / "recovery.py"


def silent(share: float, text: str) -> None:
    pass


@pytest.fixture(scope="module")
def recovery() -> ModuleType:
    spec = importlib.util.spec_from_file_location("recovery", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["recovery"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("system", "seconds", "known"),
    [("cpu", 80, ()), ("pool", 40, ("databases.postgres.queries.item-by-id.io",)), ("shared", 40, ())],
)
def test_a_system_is_recovered_from_its_log(
    recovery: ModuleType, tmp_path: Path, system: str, seconds: int, known: tuple[str, ...]
) -> None:
    shorter = (f"duration={seconds}s", f"traffic.shape.part={seconds / 15}s")
    found = recovery.recover(system, 101, tmp_path, shorter, busy_s=30.0, known=known)
    assert found.told == 2
    assert found.farthest < 2, f"half widths of 95 %: more than four standard errors off: {found}"
    assert found.half_width < 0.1, "an interval that says something"
    # On a shared processor at 80 % response times are demand / (1 - 0.8): they err by five times what demands do.
    assert abs(found.mean_error) < found.half_width / (1 - 0.8), found
    assert found.misfit < 2.0


SEQUENTIAL = """
duration: 60s
warm_up: 0s
machines: {{vm: {{cores: 2, memory: 2G}}, data: {{cores: 2, memory: 2G}}}}
services:
  api:
    machine: vm
    base_memory: 256M
    workers: {{kind: tomcat, threads: 50}}
    pools: {{main: {{database: pg, maximum_pool_size: 20, minimum_idle: 20}}}}
    endpoints:
      get:
        steps:
          - {{kind: cpu, name: read, demand: {read}}}
          - {{kind: cpu, name: render, demand: {render}}}
          - {{kind: db, name: look, pool: main, query: one}}
databases: {{pg: {{machine: data, base_memory: 256M, queries: {{one: {{cpu: 100us}}}}}}}}
routes: {{get: {{service: api, endpoint: get, path: /get}}}}
traffic: {{open: {{rate: 80/s}}, mix: {{get: 1}}}}
"""


def calibrated(folder: Path, truth: str, guess: str, options: Options = Options()) -> Calibration:  # noqa: B008
    (folder / "truth.yaml").write_text(truth)
    (folder / "guess.yaml").write_text(guess)
    with open_rows(folder / "rows.csv") as rows:
        run(load_scenario(folder / "truth.yaml"), seed=7, replications=1, rows=rows)
    scenario = load_scenario(folder / "guess.yaml")
    reading = read_logs([str(folder / "rows.csv")])
    observed = observe(reading, "rows.csv", Router(scenario.spec, []), scenario.spec)
    return calibrate(scenario, observed, options, silent)


def test_what_cannot_be_told_is_said(tmp_path: Path) -> None:
    """Two steps on one CPU: only their sum. A pool nobody waits for, a query too short to be seen: nothing."""
    truth = SEQUENTIAL.format(read="{kind: exponential, mean: 2ms}", render="{kind: exponential, mean: 6ms}")
    found = calibrated(tmp_path, truth, SEQUENTIAL.format(read="5ms", render="5ms"))
    steps = next(each for each in found.findings if len(each.paths) == 2)
    assert steps.verdict == "fitted"
    assert "only the sum is known" in steps.note
    assert steps.mean_s is not None
    assert steps.mean_s.value == pytest.approx(0.008, rel=0.06)
    query = next(each for each in found.findings if each.paths == ("databases.pg.queries.one.cpu",))
    assert query.verdict == "not identifiable"
    assert not query.after
    assert any("pools.main: nobody waited" in note for note in found.notes)
    assert any("One level of load only" in note for note in found.notes)


def test_what_is_kept_stays(tmp_path: Path) -> None:
    text = SEQUENTIAL.format(read="1ms", render="4ms")
    keep = Options(keep=("services.api.endpoints.get.steps.read",))
    found = calibrated(tmp_path, text, text.replace("4ms", "9ms"), keep)
    assert [path for each in found.findings for path in each.paths if each.after] == [
        "services.api.endpoints.get.steps.render.demand"
    ]


def test_too_few_requests_say_what_to_log(tmp_path: Path) -> None:
    text = SEQUENTIAL.format(read="1ms", render="4ms").replace("duration: 60s", "duration: 2s")
    with pytest.raises(InputError, match="at least 500 answered requests"):
        calibrated(tmp_path, text, text)


def test_a_path_that_is_not_there_cannot_be_kept(tmp_path: Path) -> None:
    text = SEQUENTIAL.format(read="1ms", render="4ms").replace("duration: 60s", "duration: 20s")
    with pytest.raises(InputError, match="--keep"):
        calibrated(tmp_path, text, text, Options(keep=("nothing.here",)))
