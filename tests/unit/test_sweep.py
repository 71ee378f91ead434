"""Sweeps: the values of an axis, their combinations, and one result a point."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pyarrow.parquet as pa_parquet
import pytest

from experiments.errors import InputError
from experiments.runner import run
from experiments.scenario import load_scenario
from experiments.sweep import combinations, parse_axis, summary, sweep, write_points


class Here(Executor):
    """Runs every task at once, in this process."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a.b=1,2,4", ["1", "2", "4"]),
        ("a.b=1..4", ["1", "2", "3", "4"]),
        ("a.b=0.5..1.5..0.25", ["0.50", "0.75", "1.00", "1.25", "1.50"]),
        ("a.b=0.1..0.3..0.1", ["0.1", "0.2", "0.3"]),
        ("a.b=1..10..4", ["1", "5", "9"]),
        ("a.b=1m..5m..2m", ["1m", "3m", "5m"]),
        ("a.b=256M..1024M..256M", ["256M", "512M", "768M", "1024M"]),
        ("a.b=100/s..300/s..100", ["100/s", "200/s", "300/s"]),
        ("a.b=1..3,10", ["1", "2", "3", "10"]),
        ("a.b=-2..0", ["-2", "-1", "0"]),
        ("a.b={kind: x, y: [1, 2]},4ms", ["{kind: x, y: [1, 2]}", "4ms"]),
        ("a.b='x,y',z", ["'x,y'", "z"]),
        ("a.b=null,3s", ["null", "3s"]),
    ],
)
def test_values_of_an_axis(text: str, values: list[str]) -> None:
    axis = parse_axis(text)
    assert axis.path == "a.b"
    assert list(axis.values) == values


@pytest.mark.parametrize(
    "text",
    ["", "a.b", "a.b=", "a.b=1,,2", "=1,2", "a.b=3..1", "a.b=1..2..0", "a.b=1s..2m", "a.b=1..100000000", "a.b=1,1"],
)
def test_what_is_no_axis_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--over: must"):
        parse_axis(text)


def test_the_last_axis_changes_fastest() -> None:
    assert combinations([parse_axis("a=1,2"), parse_axis("b=x,y")]) == [
        {"a": "1", "b": "x"}, {"a": "1", "b": "y"}, {"a": "2", "b": "x"}, {"a": "2", "b": "y"},
    ]  # fmt: skip
    with pytest.raises(InputError, match="must name every path once, got a twice"):
        combinations([parse_axis("a=1,2"), parse_axis("a=3")])
    with pytest.raises(InputError, match="must give at most 10000 points, got 40000"):
        combinations([parse_axis("a=1..200"), parse_axis("b=1..200")])


BASE = ["traffic.users.population=5", "duration=5s", "warm_up=1s", "replications=2", "objectives=null"]


def test_a_point_of_a_sweep_is_the_run_with_its_settings(tmp_path: Path) -> None:
    base = load_scenario("maltan/early", BASE)
    points = sweep(base, [parse_axis("traffic.users.population=5,9")], executor=Here())
    assert [point.values for point in points] == [
        {"traffic.users.population": "5"}, {"traffic.users.population": "9"},
    ]  # fmt: skip
    alone = run(base.with_settings(["traffic.users.population=9"]), executor=Here())
    assert points[1].result.digest == alone.digest
    assert points[0].result.digest != alone.digest
    found = summary(points[1])
    assert found["digest"] == alone.digest
    assert found["figures"]["/goodput_per_s"]["mean"] == alone.document["goodput_per_s"]
    write_points(tmp_path / "points.parquet", points)
    rows = pa_parquet.read_table(tmp_path / "points.parquet").to_pylist()
    assert list(rows[0]) == ["point", "traffic.users.population", "figure", "mean", "low", "high"]
    goodput = [row for row in rows if row["figure"] == "/goodput_per_s"]
    assert [row["mean"] for row in goodput] == [point.result.document["goodput_per_s"] for point in points]


def test_every_point_is_checked_before_any_is_run() -> None:
    base = load_scenario("maltan/early", BASE)

    class Never(Executor):
        def submit(self, *_: Any, **__: Any) -> Future[Any]:
            raise AssertionError("a point was run")

    with pytest.raises(InputError, match=r"traffic\.users\.population: must be at least 1, got 0"):
        sweep(base, [parse_axis("traffic.users.population=5,0")], executor=Never())


def test_all_points_share_the_warm_up_of_the_scenario_as_it_is() -> None:
    base = load_scenario("maltan/early", [*BASE, "warm_up=auto", "duration=20s", "replications=1"])
    points = sweep(base, [parse_axis("traffic.users.population=2,12")], executor=Here())
    alone = run(base, executor=Here())
    assert {point.result.document["warm_up"]["seconds"] for point in points} == {
        alone.document["warm_up"]["seconds"]
    }  # fmt: skip
