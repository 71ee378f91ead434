"""Fields of JSON lines, read by the block.

Models   pyarrow reads a block in which every line is an object and every field that is used is there as the kind that
         it had in the first lines, or not at all. Everything else about a block (a bad line, another kind, an encoding
         that is not UTF-8) leaves it to the json module, line by line: what is read does not depend on the way.
Checked  tests/properties/test_logs_by_block.py holds both ways against each other; tests/benchmarks/logs.py
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from experiments.logs.arrow_values import values_of
from experiments.logs.fields import Values
from experiments.logs.source import Block
from experiments.logs.spans import is_utf8

Path = tuple[str, ...]

SMALLEST = 1 << 19
"""Bytes of a block for which it is worth while to load pyarrow."""
_OPENING, _CLOSING = ord("{"), ord("}")
_ODD: Final = (b"NaN", b"Inf", b"\\ud", b"\\uD", b"[[[[[[[[", b"}}}}}}}}")
"""What the two readers understand differently, or might."""


class JsonColumns:
    """Reads the fields at some paths."""

    def __init__(self, paths: Sequence[Path], kinds: Sequence[str]) -> None:
        self._paths = paths
        self._schema: dict[str, Any] = {}
        self._dotted = [f'"{".".join(path)}"'.encode() for path in paths if len(path) > 1]
        for path, kind in zip(paths, kinds, strict=True):
            inner = self._schema
            for key in path[:-1]:
                inner = inner.setdefault(key, {})
            inner[path[-1]] = kind

    def of(self, block: Block) -> list[Values] | None:
        """The fields of all lines of a block; None where the block is not as plain as that."""
        if len(block.data) < SMALLEST:
            return None
        import pyarrow as pa
        import pyarrow.json as pa_json

        data = block.data
        octets = np.frombuffer(data, np.uint8)
        starts = np.concatenate(([0], block.ends[:-1] + 1))
        if not ((octets[starts] == _OPENING) & (octets[block.ends - 1] == _CLOSING)).all():
            return None
        if any(odd in data for odd in (*_ODD, *self._dotted)) or not is_utf8(data):
            return None
        try:
            table = pa_json.read_json(
                pa.BufferReader(data),
                read_options=pa_json.ReadOptions(use_threads=False, block_size=len(data) + 1),
                parse_options=pa_json.ParseOptions(
                    explicit_schema=pa.schema(_fields(self._schema)), unexpected_field_behavior="ignore"
                ),
            )
        except (pa.ArrowException, UnicodeDecodeError):
            return None
        if table.num_rows != len(block):
            return None
        return [values_of(_at(table, path)) for path in self._paths]


def _fields(kinds: Mapping[str, Any]) -> list[Any]:
    import pyarrow as pa

    simple = {"text": pa.string(), "whole": pa.int64(), "number": pa.float64()}
    return [
        pa.field(name, pa.struct(_fields(kind)) if isinstance(kind, dict) else simple[kind])
        for name, kind in kinds.items()
    ]


def _at(table: Any, path: Path) -> Any:
    column = table.column(path[0]).combine_chunks()
    for key in path[1:]:
        column = column.field(key) if not column.null_count else _flattened(column, key)
    return column


def _flattened(column: Any, key: str) -> Any:
    """A field of objects some of which are not there, nor their fields."""
    return column.flatten()[column.type.get_field_index(key)]


def columns_of(paths: Sequence[Path], samples: Mapping[str, Sequence[Any]]) -> JsonColumns | None:
    """How the fields at these paths are read by the block; None where one of them is not always of one kind."""
    kinds = [_kind_of(samples.get(".".join(path), ())) for path in paths]
    is_nested = any(one != other and one == other[: len(one)] for one in paths for other in paths)
    if is_nested or not all(kinds) or len(set(paths)) < len(paths):
        return None
    return JsonColumns(paths, kinds)


def _kind_of(values: Sequence[Any]) -> str:
    types = {type(value) for value in values if value is not None}
    if types == {str}:
        return "text"
    if types == {int}:
        return "whole"
    return "number" if types and types <= {int, float} else ""
