"""The fitted scenario in the text of the old one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.calibration import Calibration
from experiments.calibration.findings import Finding, Interval
from experiments.calibration.parameters import with_values
from experiments.calibration.solution import Solution
from experiments.calibration.work import Split
from experiments.calibration.writing import write_fitted
from experiments.errors import InputError
from experiments.scenario import load_scenario
from experiments.scoring.observed import Observed

TEXT = """# What we run.
machines: {vm: {cores: 2, memory: 4G}}
services:
  api:
    machine: vm
    base_memory: 256M      # measured with docker stats
    workers: {kind: tomcat, threads: 50}
    endpoints:
      get:
        steps:
          # first
          - {kind: cpu, name: a, demand: 5ms}   # a guess
          - kind: cpu
            name: b
            demand:
              kind: lognormal
              mean: 3ms
              p95: 7ms

          # last
          - {kind: delay, name: "c.d", duration: '9ms'}
routes: {get: {service: api, endpoint: get}}
traffic: {open: {rate: 10/s}, mix: {get: 1}}
"""
A, B, C = (f"services.api.endpoints.get.steps.{name}" for name in ("a.demand", "b.demand", '"c.d".duration'))
STEPS = ("services", "api", "endpoints", "get", "steps")


def calibration(path: Path, variant: str | None = None) -> Calibration:
    scenario = load_scenario(path, (), variant)
    changes = {
        (*STEPS, 0, "demand"): {"kind": "gamma", "mean": "7.5ms", "shape": 1.5},
        (*STEPS, 1, "demand"): {"kind": "lognormal", "mean": "4.1ms", "p95": "9.2ms"},
        (*STEPS, 2, "duration"): "8ms",
    }
    findings = [
        Finding((said,), "fitted", ("5ms",), (value,), Interval(0.0075, 0.007, 0.008), note='said "so"')
        for said, value in zip((A, B, C), changes.values(), strict=True)
    ]
    observed = Observed.__new__(Observed)
    object.__setattr__(observed, "log", "access.log")
    return Calibration(
        scenario, observed, Split(0, 0, 0, 0, 0, 0), findings, changes, with_values(scenario.document, changes),
        Solution(), [], [], [],
    )  # fmt: skip


def test_only_values_change_and_comments_stay(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(TEXT)
    found = calibration(tmp_path / "old.yaml")
    assert write_fitted(tmp_path / "new.yaml", found)
    text = (tmp_path / "new.yaml").read_text()
    for comment in ("# What we run.", "# measured with docker stats", "# first", "# a guess", "# last"):
        assert comment in text
    assert "demand: {kind: gamma, mean: 7.5ms, shape: 1.5}}   # a guess" in text
    again = load_scenario(tmp_path / "new.yaml")
    assert again.spec == found.spec
    entry = again.provenance_of(A)
    assert entry is not None
    assert (entry.source, entry.ref) == ("fitted", "access.log")
    assert entry.note == 'mean 7.5ms [7ms, 8ms]; said "so"'
    assert again.provenance_of(C) is not None


@pytest.mark.parametrize("provenance", [
    "provenance:\n  machines: {source: guide}   # there\n", f"provenance:\n  {A}:\n    source: assumed\n  # end\n",
    f"provenance: {{machines: {{source: guide}}, {A}: {{source: assumed}}}}\n", "provenance: {}\n",
])  # fmt: skip
def test_provenance_is_replaced_or_added(tmp_path: Path, provenance: str) -> None:
    (tmp_path / "old.yaml").write_text(TEXT + provenance)
    found = calibration(tmp_path / "old.yaml")
    assert write_fitted(tmp_path / "new.yaml", found)
    again = load_scenario(tmp_path / "new.yaml")
    assert {path for path, entry in again.provenance.items() if entry.source == "fitted"} == {A, B, C}
    if "guide" in provenance:
        assert again.provenance["machines"].source == "guide"


def test_windows_lines_stay(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_bytes(TEXT.replace("\n", "\r\n").encode())
    found = calibration(tmp_path / "old.yaml")
    write_fitted(tmp_path / "new.yaml", found)
    assert load_scenario(tmp_path / "new.yaml").spec == found.spec


def test_a_variant_is_written_out_whole(tmp_path: Path) -> None:
    more = "variants: {big: {set: {machines.vm.cores: 4}}}\n"
    (tmp_path / "old.yaml").write_text(TEXT + more)
    found = calibration(tmp_path / "old.yaml", "big")
    assert not write_fitted(tmp_path / "new.yaml", found)
    again = load_scenario(tmp_path / "new.yaml")
    assert again.spec == found.spec
    assert again.spec.machines["vm"].cores == 4


def test_json_stays_json(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(TEXT)
    document = load_scenario(tmp_path / "old.yaml").document
    (tmp_path / "old.json").write_text(json.dumps(document))
    found = calibration(tmp_path / "old.json")
    assert not write_fitted(tmp_path / "new.json", found)
    assert load_scenario(tmp_path / "new.json").spec == found.spec
    write_fitted(tmp_path / "new.yaml", found)
    assert load_scenario(tmp_path / "new.yaml").spec == found.spec


def test_a_name_without_a_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(TEXT)
    with pytest.raises(InputError, match="-o: must end in"):
        write_fitted(tmp_path / "new.txt", calibration(tmp_path / "old.yaml"))
