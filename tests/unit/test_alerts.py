"""Alert rules: series from what was recorded, averages over a window, when a rule fires and stops."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.alerts import firing, judge_alerts, watch
from experiments.runner import Task, replicate
from models.system import AlertSpec, SystemSpec
from sim.replication import Replication


def alert(**fields: Any) -> AlertSpec:
    return AlertSpec.model_validate(
        {"series": "errors_per_s", "above": 0.5, "window": "10s", "hold": "20s", "every": "10s"} | fields
    )


def when(*spans: tuple[float, float]) -> Any:
    """A series that is 1 at instants within the spans, else 0."""
    return lambda _, now: float(any(start <= now <= end for start, end in spans))


def test_it_fires_when_it_has_held_long_enough_and_until_it_does_not() -> None:
    assert firing(alert(), when((30, 100)), 200.0) == [(50.0, 110.0)]
    assert firing(alert(), when((30, 40)), 200.0) == []
    assert firing(alert(hold="0s"), when((30, 40)), 200.0) == [(30.0, 50.0)]
    assert firing(alert(), when((30, 500)), 200.0) == [(50.0, 200.0)]
    assert firing(alert(), when((30, 60), (80, 120)), 200.0) == [(50.0, 70.0), (100.0, 130.0)]


def test_exactly_the_threshold_is_not_above_it() -> None:
    assert firing(alert(above=1), when((0, 100)), 100.0) == []


def test_nothing_to_see_is_not_above() -> None:
    seen = [1.0, 1.0, None, 1.0, 1.0, 1.0]
    assert firing(alert(), lambda _, now: seen[int(now / 10) - 1], 60.0) == [(60.0, 60.0)]


def test_the_window_is_cut_at_the_start() -> None:
    windows: list[tuple[float, float]] = []
    firing(alert(window="25s"), lambda low, high: windows.append((low, high)), 40.0)
    assert windows == [(0.0, 10.0), (0.0, 20.0), (5.0, 30.0), (15.0, 40.0)]


BASE: dict[str, Any] = {
    "machines": {
        "vm": {"cores": 2, "memory": "1G", "system_memory": "100M", "speed": 2},
        "idle": {"cores": 1, "memory": "1G"},
    },
    "gateway": {
        "machine": "idle",
        "cpu": "0s",
        "concurrency": {"api": {"permits": 5}},
        "rate_limits": {"all": {"kind": "bucket4j_greedy", "key": "global", "refill": "8/1s", "capacity": 8}},
    },
    "services": {
        "api": {
            "machine": "vm",
            "base_memory": "300M",
            "endpoints": {"get": {"steps": [{"kind": "cpu", "demand": "200ms"}]}},
        }
    },
    "routes": {"get": {"service": "api", "endpoint": "get", "through": ["gateway"]}},
    "traffic": {"open": {"kind": "constant", "rate": "10/s"}, "mix": {"get": 1}},
}


@pytest.fixture(scope="module")
def replication() -> Replication:
    spec = SystemSpec.model_validate(BASE)
    return replicate(Task(spec.model_dump_json(), None, 1, 0, 20.0, 0.0, 1.0))


def seen(replication: Replication, series: str, low: float = 10.0, high: float = 20.0) -> float | None:
    return watch(series, SystemSpec.model_validate(BASE), replication)(low, high)


def test_series_are_what_was_simulated(replication: Replication) -> None:
    """10 a second come, 8 have a token; each takes 100 ms on one of the fast cores, so that there are permits."""
    assert seen(replication, "errors_per_s") == 0
    assert seen(replication, "error_share") == 0
    assert seen(replication, "failure_share") == pytest.approx(0.2, abs=0.02)
    assert seen(replication, "cpu_share") == pytest.approx(8 * 0.1 / 2, abs=0.02)
    assert seen(replication, "memory_share") == pytest.approx(400 / 1024, abs=1e-6)
    assert seen(replication, "p95_s") == pytest.approx(0.1, rel=0.05)


def test_errors_are_5xx() -> None:
    document = {**BASE, "gateway": {**BASE["gateway"], "rate_limits": {}, "concurrency": {"api": {"permits": 1}}}}
    document["traffic"] = {**BASE["traffic"], "open": {"kind": "constant", "rate": "16/s"}}
    spec = SystemSpec.model_validate(document)
    replication = replicate(Task(spec.model_dump_json(), None, 1, 0, 20.0, 0.0, 1.0))
    share = watch("error_share", spec, replication)(0.0, 20.0)
    assert share == pytest.approx(0.5, abs=0.02)
    assert watch("errors_per_s", spec, replication)(0.0, 20.0) == pytest.approx(8.0, rel=0.05)


def test_a_share_of_nothing_is_nothing_to_see(replication: Replication) -> None:
    for series in ("error_share", "failure_share", "p95_s"):
        assert seen(replication, series, 100.0, 101.0) is None


def test_rules_are_judged_over_replications(replication: Replication) -> None:
    rules = {
        "cpu": {"series": "cpu_share", "above": 0.3, "window": "2s", "hold": "2s", "every": "1s"},
        "never": {"series": "cpu_share", "above": 0.9, "every": "1s"},
    }
    spec = SystemSpec.model_validate({**BASE, "alerts": rules})
    cpu, never = judge_alerts(spec, [replication, replication])
    assert (cpu["name"], cpu["fired_in"], cpu["of"]) == ("cpu", 2, 2)
    assert cpu["first_at_s"] == pytest.approx(3.0, abs=1.0)
    assert cpu["firing_s"] == pytest.approx(20.0 - cpu["first_at_s"])
    assert (never["fired_in"], never["first_at_s"], never["firing_s"]) == (0, None, 0.0)
