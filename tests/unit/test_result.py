"""The result document: identities, pointers, verdicts by interval, and JSON that anybody can read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from experiments.cli.run import plain_report
from experiments.errors import InputError
from experiments.result import RunResult, put_together, setting_value, unflatten
from experiments.runner import Task, WarmUp, replicate, run, system_of
from experiments.scenario import load_scenario
from sim.statistics import flatten

BASE: dict[str, Any] = {
    "duration": "20s",
    "warm_up": "2s",
    "machines": {"vm": {"cores": 1, "memory": "1G"}},
    "gateway": {
        "machine": "vm",
        "cpu": "500us",
        "rate_limits": {"all": {"kind": "bucket4j_greedy", "key": "global", "refill": "38/1s", "capacity": 40}},
        "concurrency": {"api": {"permits": 3}},
    },
    "services": {
        "api": {
            "machine": "vm",
            "base_memory": "100M",
            "limits": {"memory": "140M"},
            "memory_per_request": "12M",
            "endpoints": {"get": {"steps": [{"kind": "cpu", "demand": {"kind": "exponential", "mean": "15ms"}}]}},
        }
    },
    "caches": {
        "redis": {
            "machine": "vm",
            "command_cpu": "1ms",
            "round_trip": "1ms",
            "classes": {"idle": {"keys": 9, "popularity": 0, "value": "1K"}},
        }
    },
    "routes": {"get": {"service": "api", "endpoint": "get", "through": ["gateway"]}},
    "traffic": {"open": {"rate": "40/s"}, "mix": {"get": 1}, "client": {"patience": "120ms"}},
}


def result_of(folder: Path, replications: int, **changes: Any) -> RunResult:
    """A small run in which requests end in every way."""
    path = folder / "small.json"
    path.write_text(json.dumps({**BASE, **changes}))
    scenario = load_scenario(path)
    spec = scenario.spec
    tasks = [Task(spec.model_dump_json(), None, 1, number, 20.0, 2.0, 1.0) for number in range(replications)]
    done = [replicate(task) for task in tasks]
    return put_together(scenario, spec, done, system_of(spec).limits, 1, WarmUp(2.0, "scenario"), 1.0)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return result_of(tmp_path_factory.mktemp("result"), 3)


def assert_identities(tree: dict[str, Any]) -> None:
    requests = tree["requests"]
    refused, failed = sum(requests["refused"].values()), sum(requests["failed"].values())
    assert requests["completed"] == pytest.approx(requests["succeeded"] + refused + failed)
    assert requests["arrived"] == pytest.approx(requests["completed"] + requests["abandoned"] + requests["in_flight"])
    ended = requests["completed"] + requests["abandoned"]
    assert tree["latency_ms"]["all"]["count"] == pytest.approx(ended)
    assert tree["latency_ms"]["succeeded"]["count"] == pytest.approx(requests["succeeded"])


def test_every_request_is_accounted_for(result: RunResult) -> None:
    document = result.document
    assert_identities(document)
    assert_identities(document["endpoints"]["get"])
    requests = document["requests"]
    assert {*requests["refused"]} >= {"rate_limited", "concurrency_limited"}
    assert "instance_died" in requests["failed"]
    assert min(requests["abandoned"], requests["succeeded"]) > 0
    span_s = 18.0
    assert document["throughput_per_s"] == pytest.approx(requests["completed"] / span_s)
    assert document["goodput_per_s"] == pytest.approx(requests["succeeded"] / span_s)


def test_a_429_is_no_success_and_no_error(result: RunResult) -> None:
    requests = result.document["requests"]
    errors = sum(requests["failed"].values()) + requests["refused"]["concurrency_limited"]
    errors += requests["refused"].get("connection_refused", 0)
    ended = requests["completed"] + requests["abandoned"]
    assert result.document["success_rate"] == pytest.approx(requests["succeeded"] / ended, rel=0.02)
    assert result.document["error_rate"] == pytest.approx(errors / ended, rel=0.02)


def test_it_is_json_and_comes_back_the_same(result: RunResult) -> None:
    text = result.to_json()
    assert json.loads(text) == result.document
    assert "NaN" not in text and "Infinity" not in text
    assert result.document["schema_version"] == 1
    assert result.document["caches"]["caches.redis"]["hit_ratio"] is None, "nobody asked it"


def test_every_interval_points_to_its_figure(result: RunResult) -> None:
    intervals = result.document["intervals"]
    assert "/latency_ms/all/mean" in intervals
    for pointer, interval in intervals.items():
        value: Any = result.document
        for name in pointer.split("/")[1:]:
            value = value[name.replace("~1", "/").replace("~0", "~")]
        estimate = result.estimate(pointer)
        assert estimate is not None and value == pytest.approx(estimate.mean)
        low, high = interval
        assert low <= value <= high


def test_figures_of_one_replication_can_be_asked_for(result: RunResult) -> None:
    values = result.per_replication("/latency_ms/all/mean")
    assert len(values) == 3
    estimate = result.estimate("/latency_ms/all/mean")
    assert estimate is not None
    assert sum(value or 0.0 for value in values) / 3 == pytest.approx(estimate.mean)
    assert result.estimate("/latency_ms/none") is None


def test_what_a_replication_cannot_tell_is_no_zero(tmp_path: Path) -> None:
    rare = {"get": {"service": "api", "endpoint": "get"}, "rare": {"service": "api", "endpoint": "get"}}
    cut = {"kind": "hang", "target": "services.api", "mean_time_between": "15s", "mean_duration": "1s"}
    traffic = {**BASE["traffic"], "mix": {"get": 1, "rare": 0.0007}}
    found = result_of(tmp_path, 4, routes=rare, traffic=traffic, faults={"by-chance": cut})
    seen = [replication.recording.requests.arrived(1) for replication in found.replications]
    assert 0 in seen and max(seen) > 0, "the route is asked for in some replications only"
    endpoint = found.document["endpoints"]["rare"]
    assert endpoint["requests"]["arrived"] == sum(seen) / 4
    assert (endpoint["latency_ms"]["all"]["mean"], endpoint["success_rate"]) == (None, None)
    assert found.per_replication("/endpoints/rare/latency_ms/all/mean").count(None) == seen.count(0)
    lacking = [episode for episode in found.document["recovery"] if episode["of"] < 4]
    assert lacking, "the fault comes more often in some replications"
    for episode in lacking:
        assert found.document["recoveries"][episode["name"]] == {"recovered_share": None, "after_s": None}
    assert plain_report(found.document)


def test_one_replication_has_no_intervals_and_decides_nothing(tmp_path: Path) -> None:
    single = result_of(tmp_path, 1, objectives={"fast": {"path": "/latency_ms/all/mean", "at_most": 1e9}})
    assert set(single.document["intervals"].values()) == {None}
    (objective,) = single.document["objectives"]
    assert (objective["verdict"], objective["interval"]) == ("undecided", None)
    assert objective["value"] == single.document["latency_ms"]["all"]["mean"]
    assert len(single.digest) == 32


def verdicts(folder: Path, path: str, **bounds: float) -> str:
    (objective,) = result_of(folder, 3, objectives={"one": {"path": path, **bounds}}).document["objectives"]
    return str(objective["verdict"])


def test_verdicts_are_by_the_whole_interval(result: RunResult, tmp_path: Path) -> None:
    pointer = "/latency_ms/all/mean"
    low, high = result.document["intervals"][pointer]
    value = result.document["latency_ms"]["all"]["mean"]
    assert verdicts(tmp_path, pointer, at_most=high) == "met"
    assert verdicts(tmp_path, pointer, at_most=low) == "breached"
    assert verdicts(tmp_path, pointer, at_most=value) == "undecided"
    assert verdicts(tmp_path, pointer, at_least=low) == "met"
    assert verdicts(tmp_path, pointer, at_least=high) == "breached"
    assert verdicts(tmp_path, pointer, at_least=value) == "undecided"


def test_what_cannot_be_told_is_undecided(tmp_path: Path) -> None:
    assert verdicts(tmp_path, "/caches/caches.redis/hit_ratio", at_least=0.5) == "undecided"


def test_an_objective_must_point_to_a_figure(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        verdicts(tmp_path, "/latency_ms/all/p96", at_most=1)
    (line,) = refused.value.lines
    assert line.startswith(
        "objectives.one.path: must point to a figure of the result, got '/latency_ms/all/p96'. Did you"
    )
    assert "/latency_ms/all/p95" in line


def test_a_reason_that_did_not_occur_counts_zero_and_one_that_cannot_occur_is_refused(tmp_path: Path) -> None:
    assert verdicts(tmp_path, "/requests/failed/deadlock", at_most=0) == "met"
    assert verdicts(tmp_path, "/endpoints/get/requests/refused/no_key", at_most=0) == "met"
    for pointer in ("/requests/failed/deadlok", "/requests/refused/deadlock"):
        with pytest.raises(InputError, match="must point to a figure"):
            verdicts(tmp_path, pointer, at_most=0)


def test_a_fault_by_chance_that_never_came_decides_nothing(tmp_path: Path) -> None:
    rare = {"kind": "hang", "target": "services.api", "mean_time_between": "1000h", "mean_duration": "1s"}

    def judged(pointer: str) -> dict[str, Any]:
        objectives = {"back": {"path": pointer, "at_least": 1}}
        return result_of(tmp_path, 2, faults={"by-chance": rare}, objectives=objectives).document["objectives"][0]

    found = judged("/recoveries/faults.by-chance/recovered_share")
    assert (found["value"], found["verdict"]) == (None, "undecided")
    with pytest.raises(InputError, match="must point to a figure"):
        judged("/recoveries/faults.by-chants/recovered_share")


def test_notes_and_audit(result: RunResult) -> None:
    document = result.document
    assert document["audit"]["passed"] and len(document["audit"]["checks"]) > 10
    assert any("killed, out of memory" in note["text"] for note in document["notes"])
    assert len(document["notes"]) <= 50
    assert document["bottleneck"]["binds"]
    assert document["bottleneck"]["limit_path"] == "services.api.limits.memory"
    assert document["bottleneck"]["value"] == "140M"


def test_settings_are_shown_as_they_are_written(result: RunResult) -> None:
    assert setting_value(result.spec, "gateway.rate_limits.all.refill") == "38/s"
    assert setting_value(result.spec, "machines.vm.cores") == 1


def test_a_run_to_which_nobody_comes_has_every_part_of_a_result(tmp_path: Path, result: RunResult) -> None:
    document = {**BASE, "traffic": {**BASE["traffic"], "shape": {"kind": "piecewise", "points": [
        {"at": "0s", "factor": 0}]}}}  # fmt: skip
    path = tmp_path / "nobody.json"
    path.write_text(json.dumps(document))
    nobody = run(load_scenario(path), replications=1).document
    assert nobody["requests"]["arrived"] == 0
    assert nobody.keys() == result.document.keys()


def test_a_tree_survives_being_flat() -> None:
    tree = {
        "requests": {"arrived": 3, "refused": {}, "failed": {}}, "endpoints": {}, "containers": {}, "machines": {},
        "caches": {}, "limiters": {}, "databases": {}, "calls": {}, "jvms": {}, "listeners": {}, "links": {},
        "health": {}, "recoveries": {}, "p99_parts_ms": {}, "upstreams": {}, "waste": {},
        "stations": {"a/b": {"x~y": 0.5, "none": None}},
    }  # fmt: skip
    assert unflatten(flatten(tree)) == tree
