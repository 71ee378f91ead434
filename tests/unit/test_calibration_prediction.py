"""A prediction at a higher load has an interval that follows from those of the parameters; measured CPU narrows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments.calibration import Calibration, Options, calibrate, prediction
from experiments.calibration.parameters import Parameter, mean_of
from experiments.calibration.samples import Samples
from experiments.calibration.solution import Solution
from experiments.calibration.work import Bench, split_of
from experiments.logs import read_logs
from experiments.replay import Router
from experiments.rows import open_rows
from experiments.runner import run
from experiments.scenario import load_scenario
from experiments.scoring.observed import Observed, observe

WORK = "services.api.endpoints.get.steps.work.demand"
SYSTEM = """
duration: 50s
warm_up: 0s
machines: {{vm: {{cores: 1, memory: 2G}}, data: {{cores: 4, memory: 2G}}}}
services:
  api:
    machine: vm
    base_memory: 256M
    workers: {{kind: tomcat, threads: 50}}
    pools: {{main: {{database: pg, maximum_pool_size: 40, minimum_idle: 40}}}}
    endpoints:
      get:
        steps:
          - {{kind: cpu, name: work, demand: {work}}}
          - {{kind: db, name: look, pool: main, query: one}}
databases: {{pg: {{machine: data, base_memory: 256M, queries: {{one: {{cpu: 100us, io: {io}}}}}}}}}
routes: {{get: {{service: api, endpoint: get, path: /get}}}}
traffic: {{open: {{rate: 40/s}}, mix: {{get: 1}}, shape: {{kind: cycle, levels: [0.5, 1, 1.5], part: 5s}}}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prediction")
    truth = SYSTEM.format(work="{kind: exponential, mean: 5ms}", io="{kind: exponential, mean: 8ms}")
    (folder / "truth.yaml").write_text(truth)
    (folder / "guess.yaml").write_text(SYSTEM.format(work="{kind: exponential, mean: 9ms}", io="3ms"))
    with open_rows(folder / "rows.csv") as rows:
        run(load_scenario(folder / "truth.yaml"), seed=7, replications=1, rows=rows)
    return folder


def seen(folder: Path) -> Observed:
    spec = load_scenario(folder / "guess.yaml").spec
    return observe(read_logs([str(folder / "rows.csv")]), "rows.csv", Router(spec, []), spec)


@pytest.fixture
def bench(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(prediction, "REQUESTS", 4000)
    log = seen(folder)
    return Bench(load_scenario(folder / "truth.yaml"), log, split_of(log, 0.0, None), 1)


def known(bench: Bench, error: float) -> tuple[list[Parameter], Solution]:
    """CPU known this well; nothing else was searched for."""
    parameter = mean_of(next(group for group in bench.finder.groups.values() if group.name == WORK))
    errors, covariance = {parameter.name: error}, np.array([[error**2]])
    return [parameter], Solution(values={parameter.name: 0.005}, errors=errors, covariance=covariance)


def test_the_load_is_where_the_busiest_is_that_busy(bench: Bench) -> None:
    ahead = prediction.predicted(bench, *known(bench, 0.01), 0.8, lambda text: None)
    assert ahead is not None
    assert ahead.busiest == "machines.vm"
    assert ahead.share == pytest.approx(0.8, abs=0.02)
    assert ahead.rate_per_s == pytest.approx(0.8 / 0.005, rel=0.1)
    told = ahead.as_dict()
    assert told["mean_s"][1] < told["mean_s"][0] < told["mean_s"][2]


def test_near_a_limit_errors_are_several_times_those_of_what_was_found(bench: Bench) -> None:
    """R = D / (1 - rate D) + 8 ms, at 80 %: one percent of D is 5 % of 25 ms in 33 ms."""
    wide = prediction.predicted(bench, *known(bench, 0.04), 0.8, lambda text: None)
    narrow = prediction.predicted(bench, *known(bench, 1e-6), 0.8, lambda text: None)
    assert wide is not None
    assert narrow is not None
    by_demand = (wide.mean_error**2 - narrow.mean_error**2) ** 0.5
    assert by_demand / 0.04 == pytest.approx(5 * 25 / 33, rel=0.3)
    assert wide.longer > 100


def test_measured_cpu_tells_apart_what_adds_up(folder: Path) -> None:
    log = seen(folder)
    edges_s = np.arange(0.0, log.span_s, 2.0)
    counts = np.histogram(log.t_s, edges_s)[0]
    chance = np.random.Generator(np.random.Philox(3))
    cpu_s = np.array([chance.exponential(0.005, size=count).sum() for count in counts])
    samples = Samples("services.api", log.began_ns + (edges_s * 1e9).astype(np.int64), cpu_s)
    found: Calibration = calibrate(
        load_scenario(folder / "guess.yaml"), log, Options(hold_out=0.0, samples=(samples,)), lambda share, text: None
    )
    (used,) = found.used
    assert used.whole.mean_s == pytest.approx(0.005, rel=0.1)
    work = next(each for each in found.findings if each.paths == (WORK,))
    assert work.mean_s is not None
    assert work.mean_s.low < 0.005 < work.mean_s.high
    assert work.mean_s.value == pytest.approx(used.whole.mean_s, rel=0.05)
    assert work.mean_s.high / work.mean_s.low < 1.25, "the log alone leaves more than twice as much"
