"""CPU measured beside a log: read as it comes, and what the utilisation law makes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.calibration.samples import Samples, read_samples
from experiments.calibration.utilisation import used_by
from experiments.errors import InputError
from experiments.scoring.observed import Observed
from models.system import SystemSpec

SPEC = SystemSpec.model_validate(
    {
        "machines": {"vm": {"cores": 2, "memory": "4G"}},
        "services": {
            "api": {
                "machine": "vm", "base_memory": "256M", "replicas": 2, "workers": {"kind": "tomcat", "threads": 10},
                "pools": {"main": {"database": "main", "maximum_pool_size": 2, "minimum_idle": 2}},
                "endpoints": {"get": {"steps": [{"kind": "cpu", "demand": "1ms"}]}},
            }
        },
        "databases": {"main": {"machine": "vm", "limits": {"cpus": 0.5}, "queries": {"one": {"cpu": "1ms"}}}},
        "routes": {"get": {"service": "api", "endpoint": "get", "path": "/get"}},
        "traffic": {"open": {"rate": "1/s"}, "mix": {"get": 1}},
    }
)  # fmt: skip


def written(folder: Path, text: str, name: str = "cpu.csv") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_a_counter_is_what_it_grew_by_and_begins_again(tmp_path: Path) -> None:
    text = "time,api cpu_seconds\n1700000000,5\n1700000015,8\n1700000030,1\n1700000045,2.5\n"
    (found,) = read_samples(written(tmp_path, text), SPEC)
    assert found.container == "services.api"
    assert found.cpu_s.tolist()[0] == 3
    assert np.isnan(found.cpu_s[1]), "it began again"
    assert found.cpu_s.tolist()[2] == 1.5


def test_cores_and_utilisation_are_of_the_time_between(tmp_path: Path) -> None:
    text = (
        "time,databases.main utilisation,api cores\n2026-01-31T18:00:00+01:00,,\n"
        "2026-01-31T18:00:10+01:00,0.1,0.5\n2026-01-31T18:00:30+01:00,0.4,1.5\n"
    )
    by = {each.container: each for each in read_samples(written(tmp_path, text), SPEC)}
    assert by["databases.main"].cpu_s.tolist() == [pytest.approx(0.4 * 0.5 * 20)], "of half a core"
    assert by["services.api"].cpu_s.tolist() == [30.0]
    assert by["services.api"].at_ns[0] == 1_769_878_810_000_000_000


def matrix(*series: tuple[dict[str, str], list[float]]) -> str:
    result = [
        {"metric": labels, "values": [[1_700_000_000 + 15 * n, str(value)] for n, value in enumerate(values)]}
        for labels, values in series
    ]
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}})


def test_a_range_query_of_a_counter_adds_replicas_up(tmp_path: Path) -> None:
    name = "container_cpu_usage_seconds_total"
    text = matrix(
        ({"__name__": name, "container": "api", "pod": "api-1"}, [0, 3, 9]),
        ({"__name__": name, "container": "api", "pod": "api-2"}, [10, 11, 12]),
        ({"__name__": name, "container": "istio-proxy", "pod": "web-1"}, [1, 2, 3]),
    )
    (found,) = read_samples(written(tmp_path, text, "cpu.json"), SPEC)
    assert found.container == "services.api"
    assert found.cpu_s.tolist() == [4, 7]


def test_a_range_query_of_a_rate_is_in_cores(tmp_path: Path) -> None:
    text = matrix(({"name": "shop-main-1"}, [0.2, 0.4, 0.1]))
    (found,) = read_samples(written(tmp_path, text, "cpu.json"), SPEC)
    assert found.container == "databases.main"
    assert found.cpu_s.tolist() == [6.0, 1.5]


@pytest.mark.parametrize(("text", "said"), [
    ("", "header"), ("at,api cores\n1,2\n", "header"), ("time,web cores\n1,2\n", "a container of the scenario"),
    ("time,api watts\n1,2\n", "cpu_seconds|cores|utilisation"), ("time,api cores\n1,2,3\n", "2 cells a line"),
    ("time,api cores\n2026-01-31T18:00:00,2\n", "with a zone"), ("time,api cores\n1,nan\n2,3\n", "numbers"),
    ("time,api cores\n2,1\n1,1\n", "that rise"), ("time,api cores\n1,1\n", "got none"), ("[[[", "range query"),
    ("[" * 100_000, "range query"), ('{"data": {"result": [{"metric": 3, "values": 4}]}}', "range query"),
    ('{"data": {"result": []}}', "got none"), (matrix(({"pod": "web-1"}, [1, 2])), "label_replace"),
    (matrix(({"pod": "api-1"}, [1, 2]), ({"pod": "api-2"}, [1, 2, 3])), "same instants"),
])  # fmt: skip
def test_what_is_no_measurement_says_so(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        read_samples(written(tmp_path, text, "x"), SPEC)
    assert said in str(error.value)


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--utilisation: cannot be read"):
        read_samples(str(tmp_path / "none.csv"), SPEC)


def observed(counts: Any, window_s: float, routes: tuple[str, ...] = ("get", "list")) -> Observed:
    """So many requests of each route in each window, evenly."""
    t_s, route = [], []
    for window, row in enumerate(counts):
        for number, count in enumerate(row):
            t_s.append((window + (np.arange(count) + 0.5) / count) * window_s)
            route.append(np.full(count, number))
    at, way = np.concatenate(t_s), np.concatenate(route)
    order = np.argsort(at, kind="stable")
    empty = np.full(len(at), np.nan)
    small = np.full(len(at), -1, dtype=np.int64)
    return Observed(
        "log", routes, np.append(at[order][:-1], len(counts) * window_s), 0, way[order], small, small, small, empty,
        empty, empty, np.ones(len(at), dtype=bool), small.astype(np.int8), 0.0, {},
    )  # fmt: skip


def sampled(cpu_s: Any, window_s: float) -> Samples:
    at_ns = (np.arange(len(cpu_s) + 1) * window_s * 1e9).astype(np.int64)
    return Samples("services.api", at_ns, np.asarray(cpu_s, dtype=float))


CHANCE = np.random.Generator(np.random.Philox(11))
COUNTS = CHANCE.integers(100, 400, size=(60, 2))


def test_the_demand_of_each_endpoint_and_the_base_load_come_out() -> None:
    noise = CHANCE.normal(0, 0.01, size=60)
    used = used_by(sampled(COUNTS @ [0.002, 0.005] + 0.3 * 10 + noise, 10.0), observed(COUNTS, 10.0))
    assert not isinstance(used, str)
    assert used.base == pytest.approx(0.3, abs=0.01)
    for name, true_s in (("get", 0.002), ("list", 0.005)):
        demand = used.routes[name]
        assert abs(demand.mean_s - true_s) < 4 * demand.error_s
        assert demand.error_s < 0.03 * true_s
    share = COUNTS.sum(axis=0) / COUNTS.sum()
    assert used.whole.mean_s == pytest.approx(float(share @ [0.002, 0.005]), rel=0.02)


def test_no_base_load_is_invented_and_the_interval_covers_the_truth() -> None:
    """Forty times: the interval of the whole has the truth in it about 38 times."""
    inside = 0
    for number in range(40):
        chance = np.random.Generator(np.random.Philox(key=[number, 9]))
        cpu_s = [chance.exponential(0.002, size=row[0]).sum() + 0.005 * row[1] for row in COUNTS]
        used = used_by(sampled(cpu_s, 10.0), observed(COUNTS, 10.0))
        assert not isinstance(used, str)
        assert used.base == 0
        true_s = float((COUNTS @ [0.002, 0.005]).sum() / COUNTS.sum())
        inside += abs(used.whole.mean_s - true_s) < 1.96 * used.whole.error_s
    assert 34 <= inside <= 40


def test_too_little_is_said() -> None:
    assert "at least 8 windows" in str(used_by(sampled(np.ones(5), 10.0), observed(COUNTS, 10.0)))
    late = sampled(np.ones(20), 10.0)
    assert "at least 8 windows" in str(
        used_by(Samples(late.container, late.at_ns + 10**15, late.cpu_s), observed(COUNTS, 10.0))
    )
