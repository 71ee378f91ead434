"""Traces from CSV and Parquet: what they bring, and what is refused with its row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest

from experiments.errors import InputError
from experiments.scenario import load_scenario
from experiments.trace import Trace, load_trace, step_paths, trace_of

ROUTES = ["get", "put"]
STEPS = ["api.get.cpu", "api.get.disk"]


def read(folder: Path, text: str | bytes, name: str = "trace.csv") -> Trace:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_trace(path, ROUTES, STEPS)


def refusal(folder: Path, text: str | bytes, name: str = "trace.csv") -> str:
    with pytest.raises(InputError) as caught:
        read(folder, text, name)
    (line,) = caught.value.lines
    assert line.isprintable()
    return line


def test_the_least_a_trace_says_is_when(tmp_path: Path) -> None:
    trace = read(tmp_path, "t_s\n0\n0.5\n0.5\n2e1\n")
    assert trace.t_s.tolist() == [0, 0.5, 0.5, 20]
    assert (trace.endpoint, trace.user, trace.ip, trace.key, trace.demands) == (None, None, None, None, {})
    assert len(trace) == 4


def test_what_is_empty_is_left_to_chance(tmp_path: Path) -> None:
    trace = read(
        tmp_path,
        "t_s,endpoint,user,ip,key,demand.api.get.cpu\n0,put,7,10.0.0.1,3,0.25\n1,,7,10.0.0.2,,\n2,get,9,10.0.0.1,5,0\n",
    )
    assert list_of(trace.endpoint) == [1, -1, 0]
    assert list_of(trace.user) == [7, 7, 9]
    assert list_of(trace.ip) == [0, 1, 0]
    assert list_of(trace.key) == [3, -1, 5]
    assert np.array_equal(trace.demands["api.get.cpu"], [0.25, np.nan, 0], equal_nan=True)


def list_of(column: Any) -> list[Any]:
    assert column is not None
    return list(column.tolist())


def test_users_without_a_name_are_somebody_else_each_time(tmp_path: Path) -> None:
    assert list_of(read(tmp_path, "t_s,user\n0,ann\n1,\n2,ann\n3,\n").user) == [0, 1, 0, 2]


def test_seconds_are_on_the_grid_of_drawn_durations(tmp_path: Path) -> None:
    trace = read(tmp_path, "t_s,demand.api.get.cpu\n0.1,0.3\n0.7,\n")
    assert bool((trace.t_s * 2**30 % 1 == 0).all())
    assert trace.demands["api.get.cpu"][0] * 2**30 % 1 == 0
    assert trace.t_s[0] == pytest.approx(0.1, abs=2**-31)


def test_parquet_and_csv_say_the_same(tmp_path: Path) -> None:
    table = pa.table(
        {
            "t_s": pa.array([0.0, 1.5], pa.float64()),
            "endpoint": pa.array(["get", None]).dictionary_encode(),
            "user": pa.array([4, 5], pa.int32()),
            "key": pa.array([None, 2], pa.int64()),
            "demand.api.get.disk": pa.array([None, 0.5], pa.float32()),
        }
    )
    pa_parquet.write_table(table, tmp_path / "trace.parquet")
    columnar = load_trace(tmp_path / "trace.parquet", ROUTES, STEPS)
    written = read(tmp_path, "t_s,endpoint,user,key,demand.api.get.disk\n0,get,4,,\n1.5,,5,2,0.5\n")
    for name in ("t_s", "endpoint", "user", "key"):
        assert list_of(getattr(columnar, name)) == list_of(getattr(written, name))
    assert np.array_equal(columnar.demands["api.get.disk"], written.demands["api.get.disk"], equal_nan=True)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("t_s\n0\n2\n1.5\n", "t_s: must not go back, got 1.5 after 2 in row 3. Sort the rows by t_s."),
        ("t_s\n-1\n", "t_s: must be at least 0, got '-1' in row 1."),
        ("t_s\n0\nnan\n", "t_s: must be a number of seconds, got 'nan' in row 2."),
        ("t_s,user\n0,1\n,1\n", "t_s: must be a number of seconds, got nothing in row 2."),
        ("t_s\n0\nsoon\n", "t_s: must be a number of seconds, got 'soon' in row 2."),
        ("t_s\n1445742685000\n", "t_s: must be less than three years, got '1445742685000' in row 1."),
        ("t_s\ninf\n", "t_s: must be less than three years, got 'inf' in row 1."),
        ("time\n0\n", "must have a column t_s (seconds from the start), got time."),
        ("t_s,endpoint\n0,get\n1,gett\n", "endpoint: must be a route, got 'gett' in row 2. Did you mean get?"),
        ("t_s,key\n0,1.5\n", "key: must be a whole number, got '1.5' in row 1."),
        ("t_s,key\n0,1\n1,-2\n", "key: must be at least 0, got '-2' in row 2."),
        ("t_s,key\n0,99999999999999999999\n", "key: must be a whole number"),
        ("t_s,demand.api.get.cpu\n0,-1\n", "demand.api.get.cpu: must be at least 0, got '-1' in row 1."),
        ("t_s,demand.api.get.cpu\n0,inf\n", "demand.api.get.cpu: must be finite, got 'inf' in row 1."),
        ("t_s,demand.api.get.cpu\n0,5ms\n", "demand.api.get.cpu: must be a number of seconds, got '5ms' in row 1."),
        ("t_s,demand.api.get.cup\n0,1\n", "got 'demand.api.get.cup'. Did you mean api.get.cpu"),
        ("t_s,endpont\n0,get\n", "must have only columns of a trace, got 'endpont'. Did you mean endpoint?"),
        ("t_s,t_s\n0,0\n", "must have every column once, got t_s twice."),
        ("t_s\n", "must have requests, got no row."),
        ("", "must have a header and rows, got an empty file."),
        ("t_s,user\n0,1\n1\n", "must be a trace in csv format"),
        (b"\x7fELF\0\0\0", "must be text, got a binary file."),
        (b"t_s,user\n0,\xff\xfe\n", "trace.csv: must be"),
    ],
)
def test_what_a_trace_cannot_mean_is_refused_with_its_row(text: str | bytes, part: str, tmp_path: Path) -> None:
    assert part in refusal(tmp_path, text)


def test_other_files_are_refused(tmp_path: Path) -> None:
    assert "must be a trace in parquet format" in refusal(tmp_path, "t_s\n0\n", "trace.parquet")
    assert "must end in .csv or .parquet, got 'trace.txt'" in refusal(tmp_path, "t_s\n0\n", "trace.txt")
    with pytest.raises(InputError, match="must be a readable trace, got: no such file or directory"):
        load_trace(tmp_path / "none.csv", ROUTES, STEPS)


def test_steps_that_have_no_demand_of_their_own_have_no_column(tmp_path: Path) -> None:
    spec = load_scenario("maltan/early").spec
    steps = step_paths(spec)
    assert "place-service.get-place.place" in steps  # a cache step: its parts have demands
    assert "place-service.get-place.load" in steps  # a query inside it
    path = tmp_path / "trace.csv"
    path.write_text("t_s,endpoint,demand.place-service.get-place.load\n0,get-place,0.004\n")
    assert list(trace_of(spec, path).demands) == ["place-service.get-place.load"]
    path.write_text("t_s,demand.place-service.get-place.place\n0,0.004\n")
    with pytest.raises(InputError, match=r"must name a step in each column demand\.\*"):
        trace_of(spec, path)
