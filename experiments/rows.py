"""Rows of single requests, streamed to a Parquet or CSV file while the simulation runs.

The columns are a closed list (`COLUMNS`), then one column of seconds for each step that is asked for; a step that a
request did not take is empty. The file appears when everything has been written, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from experiments.errors import InputError, shown
from experiments.files import replacing
from models.system import SystemSpec
from sim.errors import SimulationError

Columns = dict[str, npt.NDArray[Any] | list[Any]]

COLUMNS: Final[dict[str, Any]] = {
    "replication": pa.int32(),
    "request": pa.int64(),
    "t_s": pa.float64(),
    "user": pa.int64(),
    "ip": pa.int64(),
    "endpoint": pa.string(),
    "outcome": pa.string(),
    "status": pa.int32(),
    "latency_s": pa.float64(),
    "replica": pa.string(),
    "attempts": pa.int32(),
    "wait_s": pa.float64(),
    "cpu_s": pa.float64(),
    "throttled_s": pa.float64(),
    "cache_s": pa.float64(),
    "db_s": pa.float64(),
    "cache": pa.string(),
    "warm_up": pa.bool_(),
}
"""Columns and their types, in order."""

SUFFIXES: Final = (".parquet", ".csv")


class _Writer(Protocol):
    """What both of pyarrow's writers do."""

    def write_batch(self, batch: Any) -> None: ...
    def close(self) -> None: ...


class RowFile:
    """A sink for rows: implements `sim.recorder.RowSink`."""

    def __init__(self, writer: _Writer, schema: Any, steps: Mapping[str, str]) -> None:
        self.steps: Sequence[str] = tuple(steps)
        self.count = 0
        self._writer = writer
        self._schema = schema
        self._expected = [*COLUMNS, *steps]

    def write(self, columns: Columns) -> None:
        """Append a block of rows. Raises SimulationError where they are not the documented columns."""
        if list(columns) != self._expected:
            raise SimulationError(f"rows must have the columns {self._expected}, got {list(columns)}")
        arrays = [_array(values, field.type) for values, field in zip(columns.values(), self._schema, strict=True)]
        batch = pa.record_batch(arrays, schema=self._schema)
        self._writer.write_batch(batch)
        self.count += batch.num_rows


def _array(values: npt.NDArray[Any] | list[Any], kind: Any) -> Any:
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        return pa.array(values, type=kind, from_pandas=True)  # NaN is an empty cell
    return pa.array(values, type=kind)


def step_columns(spec: SystemSpec) -> dict[str, str]:
    """Columns (service.endpoint.step) of the steps of all endpoints, by the steps' paths.

    The time of a step holds that of the steps inside it.
    """
    columns = {}
    for service_name, service in spec.services.items():
        for name, endpoint in service.endpoints.items():
            for step in endpoint.steps:
                path = f"services.{service_name}.endpoints.{name}.steps.{step.name}"
                columns[path] = f"{service_name}.{name}.{step.name}"
    return columns


def check_rows_path(path: Path) -> None:
    """Refuse a name of which the format cannot be told."""
    if path.suffix not in SUFFIXES:
        raise InputError(f"--requests: must end in .parquet or .csv, got {shown(path.name)}. Add the suffix.")


@contextmanager
def open_rows(path: Path, steps: Mapping[str, str] | None = None) -> Iterator[RowFile]:
    """A sink that writes to `path`, which appears when the block ends well. Raises InputError.

    `steps`: steps that get a column, by path, with the column's name.
    """
    check_rows_path(path)
    steps = steps or {}
    _array([], pa.int8())  # pyarrow looks for pandas at its first use, where an interrupt would be lost
    schema = pa.schema([*COLUMNS.items(), *((name, pa.float64()) for name in steps.values())])
    with replacing(path) as part:
        if path.suffix == ".parquet":
            writer: _Writer = pa_parquet.ParquetWriter(part, schema, compression="zstd")
        else:
            writer = pa_csv.CSVWriter(part, schema)
        try:
            yield RowFile(writer, schema, steps)
        finally:
            writer.close()
