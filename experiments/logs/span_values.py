"""What the texts of a block mean, all of a column at once: names as numbers, instants, durations, statuses and sizes.

Models   What is plain is told at once; what is not (a list of tries, a status in letters, a duration in words) is
         asked for text by text, of the same functions that read values one by one, so that both give the same.
Checked  tests/properties/test_logs_by_block.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from experiments.logs.batch import Integers
from experiments.logs.names import Names
from experiments.logs.recent import Recent
from experiments.logs.spans import Mask, Spans, decimals, whole_numbers
from experiments.logs.stamp_spans import Instants

Convert = Callable[[Any], Any]

_SIZES: Final = {"user": (3, 14), "ip": (2, 18), "name": (4, 12), "tries": (4, 12), "cache": (2, 8), "method": (2, 8)}
"""Words and bits of the tables in which texts are looked up (`Recent`)."""
_REQUESTS: Final = (7, 16)
_WIDEST_SIZE: Final = 12
_METHODS: Final = 8
"""Methods whose paths have a table of their own."""


class SpanValues:
    """Makes values of columns of texts. Remembers what it has met."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._instants = Instants()
        self._recent: dict[str, Recent] = {}
        self._methods: list[bytes] = []
        self._paths: dict[int, Recent] = {}

    def column(self, role: str, unit: str, per_unit: float, texts: Spans, convert: Convert, kind: Any) -> Any:
        """The values of a column. `convert` reads a text that is not plain; `per_unit`: seconds."""
        if role in ("request", *_SIZES):
            return self.looked_up(role, texts, convert).astype(kind)
        values, good = self._plain(role, unit, per_unit, texts)
        if not good.all():
            left = np.flatnonzero(~good)
            values[left] = np.fromiter(map(convert, texts.part(left)), kind, len(left))
        return values.astype(kind, copy=False)

    def _plain(self, role: str, unit: str, per_unit: float, texts: Spans) -> tuple[npt.NDArray[Any], Mask]:
        if role == "time":
            return self._instants.of(texts, unit)
        if role == "status":
            value, good = whole_numbers(texts, 3)
            return value, good & (texts.widths == 3)
        if role == "bytes":
            return whole_numbers(texts, _WIDEST_SIZE)
        seconds, good, _ = decimals(texts)
        seconds *= per_unit
        return seconds, good & (seconds <= 1e6)

    def tries(self, texts: Spans, convert: Convert) -> Integers:
        """How many times lists of tries hold: a plain number is one."""
        _, good, _ = decimals(texts)
        tries = np.ones(len(texts), np.int64)
        left = np.flatnonzero(~good)
        tries[left] = np.fromiter(map(convert, texts.part(left)), np.int64, len(left))
        return tries

    def looked_up(self, role: str, texts: Spans, convert: Convert) -> Integers:
        """What a function makes of texts that come again and again. Empty ones are asked for once."""
        if role not in self._recent:
            self._recent[role] = Recent(*_SIZES.get(role, _REQUESTS))
        if texts.are_one():
            return np.full(len(texts), convert(texts.text(0)), np.int64)
        return numbers_of(self._recent[role], texts, convert)

    def targets(self, methods: Spans | None, paths: Spans, method_of: Callable[[bytes], bytes]) -> Integers:
        """Indices of targets: of methods, where they are told, and paths."""
        if methods is None:
            return self._of_method(0, b"", paths)
        which = self.looked_up("method", methods, lambda raw: self._method(method_of(raw)))
        targets = np.empty(len(paths), np.int64)
        for number in np.unique(which).tolist():
            rows = np.flatnonzero(which == number)
            part = paths.part(rows)
            if number < _METHODS:
                targets[rows] = self._of_method(number + 1, self._methods[number], part)
            else:
                told = (method_of(raw) for raw in methods.part(rows))
                pairs = zip(told, part, strict=True)
                targets[rows] = [self._names.target(method, path) for method, path in pairs]
        return targets

    def _method(self, method: bytes) -> int:
        if method not in self._methods and len(self._methods) < _METHODS:
            self._methods.append(method)
        return self._methods.index(method) if method in self._methods else _METHODS

    def _of_method(self, number: int, method: bytes, paths: Spans) -> Integers:
        if number not in self._paths:
            self._paths[number] = Recent(*_REQUESTS)
        return numbers_of(self._paths[number], paths, lambda raw: self._names.target(method, raw))


def numbers_of(recent: Recent, texts: Spans, convert: Convert) -> Integers:
    """What a function makes of texts, looked up where they were met lately. Empty ones are asked for once."""
    empty = texts.widths <= 0
    if not empty.any():
        return recent.numbers(texts.data, texts.starts, texts.ends, convert)
    numbers = np.full(len(texts), convert(b""), np.int64)
    there = np.flatnonzero(~empty)
    part = texts.part(there)
    numbers[there] = recent.numbers(part.data, part.starts, part.ends, convert)
    return numbers
