"""Chance on a component's side: one value after the other. See the package for what is modelled."""

from __future__ import annotations

from typing import Final

from sim.streams.keyed import Transform
from sim.streams.source import Source

_SEQUENCE_BLOCK: Final = 1024


class Sequential:
    """One value after the other, for chance on a component's side."""

    __slots__ = ("_drawn", "_left", "_source", "_transform")

    def __init__(self, source: Source, transform: Transform) -> None:
        self._source = source
        self._transform = transform
        self._drawn = 0
        self._left: list[float] = []

    def next(self) -> float:
        """The next value: seconds, or a uniform in [0, 1)."""
        if not self._left:
            values = self._transform(self._source.uniforms(self._drawn, _SEQUENCE_BLOCK, 0))
            self._drawn += _SEQUENCE_BLOCK
            self._left = values[::-1].tolist()
        return self._left.pop()
