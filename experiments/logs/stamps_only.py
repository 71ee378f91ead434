"""Arrivals and nothing else: one stamp a line.

Models   Each line is an instant: ISO 8601, the common log format's, or a number of seconds (ms, us, ns by its size, or
         as said: `stamps:ms`) since 1970 or since anything else.
Checked  tests/unit/test_log_formats.py
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from experiments.logs.batch import NS, Batch
from experiments.logs.fields import Fields, Use, instant_of
from experiments.logs.lines import LineFormat, batch_of_rows
from experiments.logs.notes import Notes
from experiments.logs.source import Block
from experiments.logs.spans import ROOM, lines_of

NAME: Final = "stamps"


class Stamps(LineFormat):
    """Reads lines that are stamps."""

    name = NAME
    resolution_ns = NS

    def __init__(self, unit: str = "") -> None:
        self._unit = unit
        self._fields = Fields([Use("time", unit)], at_end=False)

    def describe(self) -> str:
        return f"arrival stamps, one a line{f', in {self._unit}' if self._unit else ''}"

    def instant(self, line: bytes) -> int:
        return instant_of(line, self._unit)

    def parse(self, block: Block, notes: Notes) -> Iterator[Batch]:
        lines = lines_of(block.data + bytes(ROOM), block.ends)
        yield batch_of_rows(block, notes, self._fields, np.arange(len(block)), [lines], [])
