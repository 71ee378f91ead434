"""Recorded traces: what every request brings, as arrays, read from CSV or Parquet.

Columns  `t_s` (seconds from the start, never going back) and optionally `endpoint` (a route's name), `user`, `ip`
         (numbers, or any text), `key` (a number: the key that caches are asked for), and
         `demand.<service>.<endpoint>.<step>` (seconds). An empty cell leaves the value to chance. Others are refused.
Units    Seconds.
Omits    What happened to the requests: a trace is what was asked, not how it went.
Checked  tests/unit/test_trace_file.py
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from experiments.errors import InputError, shown
from experiments.scenario.paths import did_you_mean
from models.service import walk
from models.system import SystemSpec
from sim.streams import DURATION_STEP_S

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

SUFFIXES: Final = (".csv", ".parquet")
_DEMAND: Final = "demand."
DEMAND_KINDS: Final = ("cpu", "delay", "db")
"""Kinds of steps that have a demand of their own, which a trace may state."""

BLOCK: Final = 1 << 14
"""Requests of a trace that are handed over at once."""

_LONGEST_S: Final = 1e8
"""Three years: more is a date that was not made relative."""


@dataclass
class Trace:
    """Requests in order of time. Every array has one entry a request."""

    t_s: np.ndarray
    endpoint: np.ndarray | None = None
    """Route numbers; -1 where the mix decides."""
    user: np.ndarray | None = None
    ip: np.ndarray | None = None
    key: np.ndarray | None = None
    """Cache keys; -1 where they are drawn."""
    demands: dict[str, np.ndarray] = field(default_factory=dict)
    """By step path (service.endpoint.step), in seconds; NaN where drawn."""

    def __len__(self) -> int:
        return len(self.t_s)

    @property
    def last_s(self) -> float:
        """When the last request comes."""
        return float(self.t_s[-1])

    def blocks(self) -> Iterator[Trace]:
        """The same requests in parts that follow each other."""
        for first in range(0, len(self), BLOCK):
            part = slice(first, first + BLOCK)
            endpoint, user, ip, key = (
                None if column is None else column[part] for column in (self.endpoint, self.user, self.ip, self.key)
            )
            demands = {path: values[part] for path, values in self.demands.items()}
            yield Trace(self.t_s[part], endpoint, user, ip, key, demands)


def load_trace(path: Path, routes: Sequence[str], steps: Iterable[str]) -> Trace:
    """Read a trace. `routes`: names that `endpoint` may have; `steps`: paths that `demand.` columns may have.

    Raises InputError, which says the row (the first one under the header is row 1).
    """
    table = _read(path)
    _check_columns(path, table.column_names, list(steps))
    t_s = _numbers(path, table, "t_s")
    _check_times(path, t_s, table["t_s"].combine_chunks())
    demands = {}
    for name in table.column_names:
        if name.startswith(_DEMAND):
            demands[name.removeprefix(_DEMAND)] = on_grid(_demand(path, table, name))
    return Trace(
        on_grid(t_s),
        _endpoints(path, table, routes) if "endpoint" in table.column_names else None,
        _people(table, "user"),
        _people(table, "ip"),
        _keys(path, table) if "key" in table.column_names else None,
        demands,
    )


def on_grid(seconds: Floats) -> Floats:
    """Rounded to the multiples of 2**-30 s that drawn durations are, so that sums of both are exact."""
    return np.rint(seconds / DURATION_STEP_S) * DURATION_STEP_S


def _read(path: Path) -> Any:
    if path.suffix not in SUFFIXES:
        raise InputError(f"traffic.trace.file: must end in .csv or .parquet, got {shown(path.name)}. Name another.")
    try:
        table = pa_parquet.read_table(path, partitioning=None) if path.suffix == ".parquet" else _read_csv(path)
    except OSError as error:
        reason = (error.strerror or "").lower() or "not a file of this format"
        raise InputError(f"{path}: must be a readable trace, got: {reason}.") from None
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0].removeprefix("CSV parse error: ")
        raise InputError(f"{path}: must be a trace in {path.suffix[1:]} format, got: {reason}.") from None
    if not table.num_rows:
        raise InputError(f"{path}: must have requests, got no row. Name a trace that has some.")
    return table


def _read_csv(path: Path) -> Any:
    """Cells as text: what is wrong with one of them can then be said with its row."""
    with path.open("rb") as file:
        head = file.readline(1 << 16)
        if b"\0" in head:
            raise InputError(f"{path}: must be text, got a binary file. Is it the right file?")
        if not head.strip():
            raise InputError(f"{path}: must have a header and rows, got an empty file.")
    names = pa_csv.read_csv(io.BytesIO(head), read_options=pa_csv.ReadOptions(use_threads=False)).column_names
    return pa_csv.read_csv(
        path,
        convert_options=pa_csv.ConvertOptions(
            column_types={name: pa.string() for name in names}, strings_can_be_null=True, null_values=[""],
            quoted_strings_can_be_null=True,
        ),
    )  # fmt: skip


def _check_columns(path: Path, names: Sequence[str], steps: Sequence[str]) -> None:
    known = ["t_s", "endpoint", "user", "ip", "key"]
    if "t_s" not in names:
        raise InputError(f"{path}: must have a column t_s (seconds from the start), got {', '.join(names)}. Add it.")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{path}: must have every column once, got {name} twice. Remove one.")
        if name.startswith(_DEMAND):
            if name.removeprefix(_DEMAND) not in steps:
                near = did_you_mean(name.removeprefix(_DEMAND), list(steps), "steps")
                raise InputError(f"{path}: must name a step in each column demand.*, got {shown(name)}. {near}")
        elif name not in known:
            near = did_you_mean(name, [*known, "demand.<service>.<endpoint>.<step>"], "columns")
            raise InputError(f"{path}: must have only columns of a trace, got {shown(name)}. {near}")


def _numbers(path: Path, table: Any, name: str) -> Floats:
    """A column of seconds; NaN where a cell is empty."""
    column = table[name].combine_chunks()
    try:
        cast = column.cast(pa.float64())
    except pa.ArrowException:
        _refuse_first(path, name, column, _is_number, "must be a number of seconds")
        raise
    values: Floats = cast.to_numpy(zero_copy_only=False).astype(np.float64)
    stated = ~np.asarray(column.is_null().to_numpy(zero_copy_only=False))
    _refuse_where(path, name, column, stated & np.isnan(values), "must be a number of seconds")
    return values


def _is_number(text: object) -> bool:
    try:
        float(str(text))
    except ValueError:
        return False
    return True


def _check_times(path: Path, t_s: Floats, column: Any) -> None:
    _refuse_where(path, "t_s", column, np.isnan(t_s), "must be a number of seconds", "Give every request a time.")
    _refuse_where(path, "t_s", column, t_s < 0, "must be at least 0", "Count from the start of the trace.")
    _refuse_where(path, "t_s", column, ~(t_s <= _LONGEST_S), "must be less than three years", "Count from the start.")
    back = np.flatnonzero(t_s[1:] < t_s[:-1])
    if len(back):
        row = int(back[0]) + 1
        raise InputError(
            f"{path}: t_s: must not go back, got {t_s[row]:g} after {t_s[row - 1]:g} in row {row + 1}. "
            "Sort the rows by t_s."
        )


def _demand(path: Path, table: Any, name: str) -> Floats:
    values = _numbers(path, table, name)
    column = table[name].combine_chunks()
    _refuse_where(path, name, column, values < 0, "must be at least 0")
    _refuse_where(path, name, column, np.isinf(values), "must be finite")
    return values


def _endpoints(path: Path, table: Any, routes: Sequence[str]) -> Integers:
    column = table["endpoint"].combine_chunks().cast(pa.string())
    found = pc.index_in(column, value_set=pa.array(list(routes), pa.string()))
    unknown = pc.and_(pc.is_null(found), pc.is_valid(column)).to_numpy(zero_copy_only=False)
    row = int(np.argmax(unknown))
    if unknown[row]:
        name = column[row].as_py()
        step = did_you_mean(name, list(routes), "routes")
        raise InputError(f"{path}: endpoint: must be a route, got {shown(name)} in row {row + 1}. {step}")
    return np.asarray(pc.fill_null(found, -1).to_numpy(zero_copy_only=False), dtype=np.int64)


def _people(table: Any, name: str) -> Integers | None:
    """Users or addresses as numbers: as given where all are whole numbers, else in order of appearance."""
    if name not in table.column_names:
        return None
    column = table[name].combine_chunks()
    if column.null_count:  # somebody unknown is somebody else each time
        text = column.cast(pa.string()).to_pylist()
        column = pa.array([f"\0{row}" if cell is None else cell for row, cell in enumerate(text)])
    try:
        numbers = column.cast(pa.int64()).to_numpy(zero_copy_only=False)
        if bool((numbers >= 0).all()):
            return np.asarray(numbers, dtype=np.int64)
    except pa.ArrowException:
        pass
    return np.asarray(column.cast(pa.string()).dictionary_encode().indices.to_numpy(), dtype=np.int64)


def _keys(path: Path, table: Any) -> Integers:
    column = table["key"].combine_chunks()
    try:
        numbers = pc.fill_null(column.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
    except pa.ArrowException:
        _refuse_first(path, "key", column, _is_whole, "must be a whole number")
        raise
    values = np.asarray(numbers, dtype=np.int64)
    stated = column.is_valid().to_numpy(zero_copy_only=False)
    _refuse_where(path, "key", column, stated & (values < 0), "must be at least 0")
    return values


def _is_whole(cell: object) -> bool:
    try:
        return -(2**63) <= int(str(cell)) < 2**63
    except ValueError:
        return False


def _refuse_first(path: Path, name: str, column: Any, is_good: Any, requirement: str) -> None:
    for row, cell in enumerate(column.to_pylist()):
        if cell is not None and not is_good(cell):
            raise InputError(f"{path}: {name}: {requirement}, got {shown(cell)} in row {row + 1}.")


def _refuse_where(path: Path, name: str, column: Any, wrong: Any, requirement: str, step: str = "") -> None:
    rows = np.flatnonzero(wrong)
    if len(rows):
        cell = column[int(rows[0])].as_py()
        said = "nothing" if cell is None else shown(cell)
        raise InputError(f"{path}: {name}: {requirement}, got {said} in row {rows[0] + 1}.{f' {step}' if step else ''}")


def step_paths(spec: SystemSpec, kinds: Sequence[str] = ()) -> list[str]:
    """Paths (service.endpoint.step) of the steps of a system, all or those of some kinds, in document order."""
    return [
        f"{service_name}.{endpoint_name}.{step.name}"
        for service_name, service in spec.services.items()
        for endpoint_name, endpoint in service.endpoints.items()
        for step in walk(endpoint.steps)
        if not kinds or step.kind in kinds
    ]


def trace_of(spec: SystemSpec, file: Path) -> Trace:
    """The trace in `file`, whose names are those of `spec`. Raises InputError."""
    return load_trace(file, list(spec.routes), step_paths(spec, DEMAND_KINDS))
