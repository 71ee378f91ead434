"""JSON lines: one object a line, whatever its fields are called.

Models   Fields are told by their names and values, or said: `--field user=session.id`. Inside objects a field is named
         with dots. The fields are those of the first lines; a line that lacks the time or the target is bad.
Source   RFC 8259; nginx's escape=json, Caddy, Traefik.
Checked  tests/unit/test_log_formats.py, tests/properties/test_logs.py
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from experiments.errors import InputError
from experiments.logs.batch import NS, Batch
from experiments.logs.fields import Fields, instant_of
from experiments.logs.guessing import OPEN, Guess, guessed
from experiments.logs.json_columns import JsonColumns, columns_of
from experiments.logs.lines import LineFormat, batch_of_rows
from experiments.logs.notes import Notes, listed
from experiments.logs.source import Block
from experiments.logs.stamps import NO_INSTANT

NAME: Final = "json"
_DEEPEST: Final = 3
_CONTAINERS: Final = frozenset((dict, list))
_decoded = json.JSONDecoder().decode

Object = dict[str, Any]
Path = tuple[str, ...]


class JsonLines(LineFormat):
    """Reads objects by a map of their fields."""

    name = NAME

    def __init__(
        self, title: str, guess: Guess, paths: Sequence[Path], wanted: Callable[[Object], bool] | None = None
    ) -> None:
        """`paths`: the keys to each of the fields. `wanted`: which objects are requests at all."""
        self._title = title
        self._guess = guess
        self._wanted = wanted
        self._fields = Fields(list(guess.uses.values()), guess.at_end)
        self._paths = paths
        place = next(number for number, use in enumerate(guess.uses.values()) if use.role == "time")
        self._time, self._unit = paths[place], list(guess.uses.values())[place].unit
        self.resolution_ns = NS
        self.by_block: JsonColumns | None = None

    def describe(self) -> str:
        return f"{self._title}: {self._guess.describe()}"

    def instant(self, line: bytes) -> int:
        value = object_of(line)
        found = None if value is None else _at(value, self._time)
        return NO_INSTANT if isinstance(found, dict | list) else instant_of(found, self._unit)

    def parse(self, block: Block, notes: Notes) -> Iterator[Batch]:
        known = None if self.by_block is None else self.by_block.of(block)
        if known is not None:
            yield batch_of_rows(block, notes, self._fields, np.arange(len(block)), known, [])
            return
        numbers, bad = [], []
        columns: list[list[Any]] = [[] for _ in self._paths]
        takes = [(path[0] if len(path) == 1 else None, path, column.append)
                 for path, column in zip(self._paths, columns, strict=True)]  # fmt: skip
        for number, line in enumerate(block.lines()):
            value = object_of(line)
            if value is None:
                bad.append(number)
                continue
            if self._wanted is not None and not self._wanted(value):
                notes.headers += 1
                continue
            numbers.append(number)
            for key, path, append in takes:
                found = value.get(key) if key is not None else _at(value, path)
                append(None if found.__class__ in _CONTAINERS else found)
        yield batch_of_rows(block, notes, self._fields, numbers, columns, bad)


def from_lines(lines: Sequence[bytes], fields: Mapping[str, str], at_end: bool | None) -> JsonLines:
    """The format of lines that begin like these. Raises InputError where they tell no time."""
    samples: dict[str, list[Any]] = {}
    for line in lines:
        for name, value in flattened(object_of(line) or {}):
            samples.setdefault(name, []).append(value)
    guess = guessed(samples, fields, at_end)
    if not guess.has_time:
        raise InputError(f"--field time: must be told, got no field that is one. Fields: {listed(samples)}.")
    paths = [_path(name, samples) for name in guess.uses]
    found = JsonLines("JSON lines", guess, paths)
    found.leaves_open = OPEN
    found.by_block = columns_of(paths, samples)
    return found


def object_of(line: bytes) -> Object | None:
    """The object of a line; None where it is none. Never fails, whatever stands there."""
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        value = _decoded(line.decode())
    except (ValueError, RecursionError):
        try:
            value = _decoded(line.decode("latin-1"))  # a name in another encoding does not make a request bad
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None


def flattened(value: Object, before: str = "", depth: int = 1) -> Iterator[tuple[str, Any]]:
    """Fields with their values; those inside of others with dots."""
    for key, inner in value.items():
        if isinstance(inner, dict):
            if depth < _DEEPEST:
                yield from flattened(inner, f"{before}{key}.", depth + 1)
        elif not isinstance(inner, list):
            yield f"{before}{key}", inner


def _path(name: str, samples: Mapping[str, Any]) -> Path:
    """Keys to follow. A dot may stand in a key itself (`http.method`), where no object is called `http`."""
    return tuple(name.split(".")) if any(other.startswith(name.split(".")[0] + ".") for other in samples) else (name,)


def _at(value: Any, path: Path) -> Any:
    if isinstance(value, dict) and ".".join(path) in value:
        return value[".".join(path)]
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
