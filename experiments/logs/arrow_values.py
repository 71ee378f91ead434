"""Columns of pyarrow as values of fields: texts as where they stand, numbers as arrays, the rest as a list."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.logs.fields import Values
from experiments.logs.spans import ROOM, Spans
from experiments.logs.stamps import NO_INSTANT


def values_of(column: Any) -> Values:
    """The values of a column. Instants are whole ns; a text that is not there is empty."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_timestamp(kind):
        in_ns = column.cast(pa.timestamp("ns"), safe=False).cast(pa.int64())
        return np.asarray(in_ns.fill_null(NO_INSTANT).to_numpy())
    if (pa.types.is_integer(kind) or pa.types.is_floating(kind)) and not column.null_count:
        return np.asarray(column.to_numpy())
    if pa.types.is_string(kind):
        return _texts(column)
    return [_plain(value) for value in column.to_pylist()]


def _texts(column: Any) -> Spans:
    _, offsets, data = column.buffers()
    ends = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1].astype(np.int64)
    first, last = int(ends[0]), int(ends[-1])
    octets = b"" if data is None else data[first:last].to_pybytes()
    return Spans(octets + bytes(ROOM), ends[:-1] - first, ends[1:] - first)


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | bytes | int | float) else None
