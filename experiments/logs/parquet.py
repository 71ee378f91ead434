"""Parquet files.

Models   Columns are told by their names and values, or said, as in CSV. Rows count as lines. Windtunnel's own rows and
         traces are recognised (rows.py). Memory grows with the pages of the file, not with its rows.
Source   Apache Arrow.
Checked  tests/unit/test_log_formats.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from experiments.errors import InputError, shown
from experiments.logs import windtunnel
from experiments.logs.arrow_values import values_of
from experiments.logs.batch import NS, Batch
from experiments.logs.fields import Fields, Use, instant_of, resolution_of
from experiments.logs.guessing import OPEN, Guess, guessed
from experiments.logs.notes import Notes, listed
from experiments.logs.source import Source

NAME: Final = "parquet"
MAGIC: Final = b"PAR1"
_ROWS: Final = 1 << 16
_SAMPLE: Final = 200


class Parquet:
    """Reads the rows of Parquet files."""

    name = NAME

    def __init__(self, source: Source, fields: Mapping[str, str], at_end: bool | None) -> None:
        file = _opened(source)
        first = next(_batches(source, file, _SAMPLE, None), None)
        samples = {} if first is None else {name: list(values_of(column)) for name, column in _columns(first)}
        self._guess = _with_units(guessed(samples, fields, at_end), file.schema_arrow)
        self._title = "Parquet"
        self.leaves_open = OPEN
        self.is_dated = True
        self._only: str | None = None
        if not fields and windtunnel.is_header(list(samples)):
            self._guess = windtunnel.guess_of(list(samples))
            self._title = "Windtunnel's own rows in Parquet"
            self.leaves_open = frozenset()
            self.is_dated = False
            self._only = windtunnel.REPLICATION if windtunnel.REPLICATION in samples else None
        if not self._guess.has_time:
            raise InputError(f"--field time: must be told, got no column that is one. Columns: {listed(samples)}.")
        self._replication: Any = None
        self._fields = Fields(list(self._guess.uses.values()), self._guess.at_end)
        time, use = next((name, use) for name, use in self._guess.uses.items() if use.role == "time")
        stamps = [instant_of(value, use.unit) for value in samples[time]]
        self.resolution_ns = min(NS, resolution_of(np.array(stamps, np.int64)))

    def describe(self) -> str:
        return f"{self._title}: {self._guess.describe()}"

    def fits(self, line: bytes) -> bool:
        return line.startswith(MAGIC)

    def read(self, source: Source, notes: Notes) -> Iterator[Batch]:
        names = [*self._guess.uses, *([self._only] if self._only else [])]
        file = _opened(source)
        missing = [name for name in names if name not in file.schema_arrow.names]
        if missing:
            raise InputError(f"{source.named}: must have the column {missing[0]} like the first file, got none.")
        for rows in _batches(source, file, _ROWS, names):
            lines = np.arange(notes.taken + 1, notes.taken + 1 + rows.num_rows)
            if self._only:
                rows, lines = self._one_replication(rows, lines, notes)
            batch, bad = self._fields.batch(notes, lines, [values_of(rows.column(name)) for name in self._guess.uses])
            for line in lines[bad].tolist():
                notes.reject_for(line, "a row without an instant or a target")
            yield batch

    def _one_replication(self, rows: Any, lines: Any, notes: Notes) -> tuple[Any, Any]:
        """Replications are alternatives: the first one is what happened."""
        import pyarrow as pa

        numbers = rows.column(self._only).to_numpy(zero_copy_only=False)
        if self._replication is None and len(numbers):
            self._replication = numbers[0]
        kept = numbers == self._replication
        notes.headers += int((~kept).sum())
        return rows.filter(pa.array(kept)), lines[kept]


def _opened(source: Source) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pa_parquet

    if source.name == "-":
        raise InputError("standard input: must not be Parquet, whose end is read first. Name the file.")
    try:
        return pa_parquet.ParquetFile(source.name)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(source, error) from None


def _batches(source: Source, file: Any, rows: int, names: list[str] | None) -> Iterator[Any]:
    import pyarrow as pa

    try:
        yield from file.iter_batches(batch_size=rows, columns=names, use_threads=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(source, error) from None


def _damaged(source: Source, error: Exception) -> InputError:
    said = shown(str(error).lower().rstrip("."), 120)[1:-1]
    return InputError(f"{source.named}: must be a readable Parquet file, got: {said}.")


def _with_units(guess: Guess, schema: Any) -> Guess:
    """Instants that the file itself knows as such come in ns."""
    import pyarrow as pa

    uses = dict(guess.uses)
    for name, use in guess.uses.items():
        if use.role == "time" and pa.types.is_timestamp(schema.field(name).type):
            uses[name] = Use("time", "ns")
    return Guess(uses, guess.at_end)


def _columns(rows: Any) -> list[tuple[str, Any]]:
    return list(zip(rows.schema.names, rows.columns, strict=True))
