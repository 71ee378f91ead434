"""Values by identity and lane, kept by the block. See the package for what is modelled."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Final

import numpy as np

from sim.errors import SimulationError
from sim.streams.source import Source, Uniforms

Transform = Callable[[Uniforms], Uniforms]
"""What makes values of uniforms."""

_LANE_BLOCK: Final = 256
"""Identities computed at once in lanes above 0: some requests use them (calls of other services), retries few."""

_NO_BLOCK: Final = -(1 << 62)
"""The key of no block, not even of a wrong identity's."""

_NOTHING: Final = np.zeros(1).data


@dataclass(frozen=True)
class Layout:
    """How many values a block has, how many blocks are kept, how many are computed at once; and how far apart the
    identities of a block are. Those of a block have all bits in common but some: bits 0 to 9, or 4 to 13."""

    block: int
    kept: int
    ahead: int
    stride: int


class _Block:
    """Values of the identities that share a block."""

    __slots__ = ("values",)

    def __init__(self, values: memoryview) -> None:
        self.values = values


class _Keyed:
    """Values by identity and lane. A value never depends on the layout or on the order of asking."""

    __slots__ = (
        "_ahead", "_blocks", "_inside", "_key", "_lanes", "_layout", "_low", "_oldest", "_outside", "_source",
        "_transform", "_values",
    )  # fmt: skip

    def __init__(self, source: Source, transform: Transform, layout: Layout) -> None:
        self._source = source
        self._transform = transform
        self._layout = layout
        self._low = layout.stride.bit_length() - 1
        self._inside = (layout.block - 1) << self._low
        self._outside = ~self._inside
        self._ahead = 1
        self._blocks: dict[int, _Block] = {}
        self._oldest: deque[int] = deque()
        self._lanes: dict[tuple[int, int], _Block] = {}
        self._key = _NO_BLOCK
        self._values = _NOTHING
        """What the block that was asked for last has: most are asked for many times in a row."""

    def in_order(self) -> Iterator[Uniforms]:
        """The values of identities 0, 1, 2, ...: an array of them at a time. None is kept."""
        first, count = 0, self._layout.block
        while True:
            yield self._transform(self._source.uniforms(first, count, 0))
            first += count
            count = min(2 * count, self._layout.ahead * self._layout.block)

    def _turn_to(self, key: int) -> None:
        """Take the block at hand that has the identities of this key."""
        try:
            block = self._blocks[key]
        except KeyError:
            block = self._compute(key)
        self._key = key
        self._values = block.values

    def _compute(self, key: int) -> _Block:
        """A block that is not there, and some that come after it where that is how it goes."""
        if key < 0:
            raise SimulationError(f"an identity must be 0 or more, got one below {key + self._inside + 1}")
        layout, blocks, oldest = self._layout, self._blocks, self._oldest
        size, kept = layout.block, layout.kept
        follows = layout.ahead > 1 and bool(oldest) and oldest[-1] == key - size
        self._ahead = count = min(2 * self._ahead, layout.ahead) if follows else 1
        computed = self._transform(self._source.uniforms(key, count * size, 0, layout.stride)).data
        for place in range(count):
            if key + place * size in blocks:
                continue  # asked for before its turn
            if len(oldest) == kept:
                del blocks[oldest.popleft()]
            blocks[key + place * size] = _Block(computed[place * size : (place + 1) * size])
            oldest.append(key + place * size)
        return blocks[key]

    def _of_lane(self, identity: int, lane: int) -> float:
        if lane < 0 or identity < 0:
            raise SimulationError(f"identity and lane must be 0 or more, got {identity}, {lane}")
        number, place = divmod(identity, _LANE_BLOCK)
        block = self._lanes.get((number, lane))
        if block is None:
            if len(self._lanes) * _LANE_BLOCK >= self._layout.kept * self._layout.block:
                self._lanes.clear()
            uniforms = self._source.uniforms(number * _LANE_BLOCK, _LANE_BLOCK, lane)
            block = self._lanes[number, lane] = _Block(self._transform(uniforms).data)
        value: float = block.values[place]
        return value


class Draws(_Keyed):
    """Durations in seconds, or uniforms in [0, 1), by identity and lane."""

    __slots__ = ()

    def at(self, identity: int, lane: int = 0) -> float:
        """The value of `identity`; `lane` tells attempts and repeated visits of one request apart."""
        if lane:
            return self._of_lane(identity, lane)
        if identity & self._outside != self._key:
            self._turn_to(identity & self._outside)
        return self._values[(identity & self._inside) >> self._low]


class ConstantDraws(Draws):
    """Always the same: nothing has to be drawn."""

    __slots__ = ("_value",)

    def __init__(self, source: Source, transform: Transform, layout: Layout) -> None:
        super().__init__(source, transform, layout)
        self._value: float = transform(np.zeros(1)).tolist()[0]

    def at(self, identity: int, lane: int = 0) -> float:
        return self._value

    def in_order(self) -> Iterator[Uniforms]:
        return repeat(np.full(self._layout.block, self._value))


class Choices(_Keyed):
    """Indices, by identity and lane."""

    __slots__ = ()

    def at(self, identity: int, lane: int = 0) -> int:
        """The index of `identity`; `lane` as for `Draws`."""
        if lane:
            return int(self._of_lane(identity, lane))
        if identity & self._outside != self._key:
            self._turn_to(identity & self._outside)
        return int(self._values[(identity & self._inside) >> self._low])


class ConstantChoices(Choices):
    """There is but one that can be chosen: nothing has to be drawn."""

    __slots__ = ("_value",)

    def __init__(self, source: Source, transform: Transform, layout: Layout) -> None:
        super().__init__(source, transform, layout)
        self._value = int(transform(np.zeros(1)).tolist()[0])

    def at(self, identity: int, lane: int = 0) -> int:
        return self._value

    def in_order(self) -> Iterator[Uniforms]:
        return repeat(np.full(self._layout.block, float(self._value)))
