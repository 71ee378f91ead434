"""Rows of requests: both formats hold the same, and only whole files are left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet
import pytest

from experiments.errors import InputError
from experiments.rows import COLUMNS, SUFFIXES, open_rows, step_columns
from experiments.runner import Task, replicate
from experiments.scenario import load_scenario
from sim.errors import SimulationError


def block(first: int, count: int, steps: tuple[str, ...] = ()) -> dict[str, Any]:
    """Rows as the recorder hands them over."""
    numbers = np.arange(first, first + count)
    columns: dict[str, Any] = {
        "replication": np.zeros(count, np.int32),
        "request": numbers,
        "t_s": numbers / 4,
        "user": numbers % 3,
        "ip": numbers % 2,
        "endpoint": ["get"] * count,
        "outcome": ["succeeded"] * count,
        "status": np.full(count, 200, np.int32),
        "latency_s": np.where(numbers % 2 == 0, np.nan, 0.125),
        "replica": ['api "1", a'] * count,
        "attempts": np.ones(count, np.int32),
    }
    for name in ("wait_s", "cpu_s", "throttled_s", "cache_s", "db_s"):
        columns[name] = np.full(count, 0.5)
    columns["cache"] = [""] * count
    columns["warm_up"] = numbers < 2
    for step in steps:
        columns[step] = np.where(numbers == first, np.nan, 1.0)
    return columns


def read(path: Path) -> list[dict[str, Any]]:
    table = pa_parquet.read_table(path) if path.suffix == ".parquet" else pa_csv.read_csv(path)
    return table.to_pylist()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_blocks_are_streamed_into_one_file(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows{suffix}"
    with open_rows(path, {"services.api.cpu": "api.get.cpu"}) as rows:
        assert rows.steps == ("services.api.cpu",)
        rows.write(block(0, 3, ("services.api.cpu",)))
        assert not path.exists()
        rows.write(block(3, 2, ("services.api.cpu",)))
        assert rows.count == 5
    found = read(path)
    assert [row["request"] for row in found] == [0, 1, 2, 3, 4]
    assert [row["latency_s"] for row in found] == [None, 0.125, None, 0.125, None]
    assert [row["api.get.cpu"] for row in found] == [None, 1.0, 1.0, None, 1.0]
    assert [row["warm_up"] for row in found] == [True, True, False, False, False]
    assert found[0]["replica"] == 'api "1", a'
    assert list(found[0]) == [*COLUMNS, "api.get.cpu"]
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_request_makes_a_file_with_columns_only(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows{suffix}"
    with open_rows(path):
        pass
    table = pa_parquet.read_table(path) if suffix == ".parquet" else pa_csv.read_csv(path)
    assert (table.num_rows, table.column_names) == (0, list(COLUMNS))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("fault", [KeyboardInterrupt, SimulationError])
def test_nothing_is_left_of_rows_that_were_not_finished(
    suffix: str, fault: type[BaseException], tmp_path: Path
) -> None:
    def write() -> None:
        with open_rows(tmp_path / f"rows{suffix}") as rows:
            rows.write(block(0, 1000))
            raise fault

    with pytest.raises(fault):
        write()
    assert list(tmp_path.iterdir()) == []


def test_other_columns_than_the_documented_ones_are_an_error(tmp_path: Path) -> None:
    def write() -> None:
        with open_rows(tmp_path / "rows.csv") as rows:
            rows.write({**block(0, 1), "more": [1]})

    with pytest.raises(SimulationError, match="rows must have the columns"):
        write()


def test_the_format_is_told_by_the_suffix(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--requests: must end in \.parquet or \.csv, got 'rows\.txt'"):
        open_rows(tmp_path / "rows.txt").__enter__()
    with pytest.raises(InputError, match="must be writable, got: no such file or directory"):
        open_rows(tmp_path / "none" / "rows.csv").__enter__()


def test_a_replication_writes_one_row_a_request_in_the_order_of_arrival(tmp_path: Path) -> None:
    spec = load_scenario("maltan/early", ["traffic.users.population=5", "warm_up=2s"]).spec
    task = Task(spec.model_dump_json(), None, 1, 3, 10.0, 2.0, 1.0)
    with open_rows(tmp_path / "rows.parquet", step_columns(spec)) as rows:
        replication = replicate(task, rows)
    found = read(tmp_path / "rows.parquet")
    assert len(found) == replication.recording.arrived == rows.count
    assert [row["request"] for row in found] == list(range(len(found)))
    assert sorted(row["t_s"] for row in found) == [row["t_s"] for row in found]
    assert {row["replication"] for row in found} == {3}
    assert all(row["warm_up"] == (row["t_s"] < 2) for row in found)
    taken = [row for row in found if row["place-service.get-place.work"] is not None]
    assert {row["endpoint"] for row in taken} == {"get-place"}
