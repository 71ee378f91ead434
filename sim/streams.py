"""Named random streams: a value belongs to who draws it and what for, never to when it is drawn.

Models   Chance that a request brings (`Draws`, `Choices`) is value[identity] of a stream named by its purpose: adding a
         replica, a retry or a cache hit moves no other draw. Chance on a component's side (`Sequential`) is the next
         value of a stream of its own. One uniform per value, through the inverse distribution function, so that
         changing a parameter keeps the draw.
Units    Seconds. Drawn durations are multiples of 2**-30 s, so that their sums are exact for 97 days.
Source   Philox 4x64-10 (Salmon et al. 2011, doi:10.1145/2063384.2063405) of numpy: key = blake2b(seed, replication,
         purpose), counter = (identity // 4, lane, 0, 0).
Omits    Antithetic and quasi-random draws.
Checked  tests/unit/test_streams.py, tests/properties/test_streams.py
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from sim.distributions import Distribution
from sim.errors import SimulationError

DURATION_STEP_S: Final = 2.0**-30
"""Drawn durations are whole multiples of this (0.93 ns)."""

CACHED_VALUES: Final = 1 << 19
"""Values kept per stream: enough for tens of thousands of closed users; dropped ones are computed again."""

_LANE_BLOCK: Final = 64
"""Identities computed at once in lanes above 0, which few requests use."""

_SEQUENCE_BLOCK: Final = 1024
_WORD: Final = 2**64

_Value = TypeVar("_Value", int, float)
_Uniforms = NDArray[np.float64]
_Transform = Callable[[_Uniforms], list[Any]]

USERS_LIMIT: Final = 1 << 20
"""Closed users have numbers below this."""


def closed_identity(user: int, ordinal: int) -> int:
    """Identity of request `ordinal` of closed user `user` (below `USERS_LIMIT`).

    Sixteen consecutive ordinals of a user stand together, and neighbouring users beside them, so that users who
    advance at about the same pace share blocks.
    """
    return ((ordinal >> 4) << 24) | (user << 4) | (ordinal & 15)


class Streams:
    """All chance of one replication. `block`: identities computed at once, a power of two >= 4; changes no value."""

    __slots__ = ("_block", "_made", "_replication", "_seed")

    def __init__(self, seed: int, replication: int, block: int = 1024) -> None:
        if block < 4 or block & (block - 1):
            raise ValueError(f"block must be a power of two, 4 or more, got {block}")
        self._seed = seed
        self._replication = replication
        self._block = block
        self._made: dict[str, tuple[object, object]] = {}

    def draws(self, purpose: str, distribution: Distribution) -> Draws:
        """Durations of `distribution`, in seconds, by identity. Asking again gives the same object."""
        return self._once(purpose, distribution, lambda: Draws(self._source(purpose), _durations(distribution)))

    def uniforms(self, purpose: str) -> Draws:
        """Numbers in [0, 1), by identity."""
        return self._once(purpose, "uniforms", lambda: Draws(self._source(purpose), _as_list))

    def choices(self, purpose: str, weights: Sequence[float]) -> Choices:
        """Indices into `weights`, each as likely as its weight, by identity."""
        fixed = tuple(float(weight) for weight in weights)
        return self._once(purpose, fixed, lambda: Choices(self._source(purpose), _choosing(fixed)))

    def sequence(self, purpose: str, distribution: Distribution | None = None) -> Sequential:
        """Chance on a component's side: one value after the other; uniform in [0, 1) without a distribution."""
        transform = _as_list if distribution is None else _durations(distribution)
        return self._once(purpose, ("sequence", distribution), lambda: Sequential(self._source(purpose), transform))

    def _source(self, purpose: str) -> _Source:
        return _Source(stream_key(self._seed, self._replication, purpose), self._block)

    def _once(self, purpose: str, what: object, make: Callable[[], _Made]) -> _Made:
        """Two users of one purpose would draw the same numbers without knowing: refused unless they mean the same."""
        known = self._made.get(purpose)
        if known is None:
            known = self._made[purpose] = (what, make())
        elif known[0] != what:
            raise SimulationError(f"stream {purpose!r} is already in use for something else")
        made: _Made = known[1]  # type: ignore[assignment]
        return made


_Made = TypeVar("_Made")


def stream_key(seed: int, replication: int, purpose: str) -> tuple[int, int]:
    """The two key words of a stream. Different seeds, replications or purposes give unrelated streams."""
    text = f"{seed}\0{replication}\0{purpose}".encode()
    digest = blake2b(text, digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


class _Source:
    """Uniforms of one stream, by block of identities. The generator is made at the first draw."""

    __slots__ = ("_key", "_philox", "block")

    def __init__(self, key: tuple[int, int], block: int) -> None:
        self._key = key
        self.block = block
        self._philox: np.random.Philox | None = None

    def uniforms(self, first: int, count: int, lane: int) -> _Uniforms:
        """Uniforms in [0, 1) of `count` identities from `first`, both multiples of 4."""
        philox = self._philox
        if philox is None:
            philox = self._philox = np.random.Philox(key=0)
        # numpy raises the counter before it makes four values, so it is set one short, with the borrow.
        before = (first // 4 + lane * _WORD - 1) % 2**256
        counter = [before >> shift & _WORD - 1 for shift in (0, 64, 128, 192)]
        philox.state = {
            "bit_generator": "Philox",
            "state": {"counter": np.array(counter, np.uint64), "key": np.array(self._key, np.uint64)},
            "buffer": _NO_BUFFER,
            "buffer_pos": 4,
            "has_uint32": 0,
            "uinteger": 0,
        }
        raw: NDArray[np.uint64] = philox.random_raw(count)
        uniforms: _Uniforms = (raw >> _ELEVEN).astype(np.float64) * 2.0**-53
        return uniforms


_NO_BUFFER: Final = np.zeros(4, np.uint64)
_ELEVEN: Final = np.uint64(11)


class _Keyed(Generic[_Value]):
    """Values by identity and lane. A value never depends on the block size or on the order of asking."""

    __slots__ = ("_blocks", "_kept", "_lanes", "_mask", "_oldest", "_shift", "_source", "_transform")

    def __init__(self, source: _Source, transform: _Transform) -> None:
        self._source = source
        self._transform = transform
        self._shift = source.block.bit_length() - 1
        self._mask = source.block - 1
        self._kept = max(2, CACHED_VALUES // source.block)
        self._blocks: dict[int, list[_Value]] = {}
        self._oldest: deque[int] = deque()
        self._lanes: dict[tuple[int, int], list[_Value]] = {}

    def at(self, identity: int, lane: int = 0) -> _Value:
        """The value of `identity`; `lane` tells attempts and repeated visits of one request apart."""
        if lane == 0:
            try:
                return self._blocks[identity >> self._shift][identity & self._mask]
            except KeyError:
                pass
            values = self._compute(identity >> self._shift)
            return values[identity & self._mask]
        return self._at_lane(identity, lane)

    def _compute(self, number: int) -> list[_Value]:
        block = self._source.block
        if len(self._oldest) >= self._kept:
            del self._blocks[self._oldest.popleft()]
        values = self._blocks[number] = self._transform(self._source.uniforms(number * block, block, 0))
        self._oldest.append(number)
        return values

    def _at_lane(self, identity: int, lane: int) -> _Value:
        if lane < 0:
            raise SimulationError(f"a lane must be 0 or more, got {lane}")
        number, place = divmod(identity, _LANE_BLOCK)
        values = self._lanes.get((number, lane))
        if values is None:
            if len(self._lanes) >= CACHED_VALUES // _LANE_BLOCK:
                self._lanes.clear()
            uniforms = self._source.uniforms(number * _LANE_BLOCK, _LANE_BLOCK, lane)
            values = self._lanes[number, lane] = self._transform(uniforms)
        return values[place]


class Draws(_Keyed[float]):
    """Durations in seconds, or uniforms in [0, 1), by identity and lane."""

    __slots__ = ()


class Choices(_Keyed[int]):
    """Indices, by identity and lane."""

    __slots__ = ()


class Sequential:
    """One value after the other, for chance on a component's side."""

    __slots__ = ("_drawn", "_left", "_source", "_transform")

    def __init__(self, source: _Source, transform: _Transform) -> None:
        self._source = source
        self._transform = transform
        self._drawn = 0
        self._left: list[float] = []

    def next(self) -> float:
        """The next value: seconds, or a uniform in [0, 1)."""
        if not self._left:
            values = self._transform(self._source.uniforms(self._drawn, _SEQUENCE_BLOCK, 0))
            self._drawn += _SEQUENCE_BLOCK
            self._left = values[::-1]
        return self._left.pop()


def _as_list(uniforms: _Uniforms) -> list[float]:
    values: list[float] = uniforms.tolist()
    return values


def _durations(distribution: Distribution) -> _Transform:
    def durations(uniforms: _Uniforms) -> list[float]:
        values: list[float] = (np.rint(distribution.ppf(uniforms) * 2.0**30) * DURATION_STEP_S).tolist()
        return values

    return durations


def _choosing(weights: tuple[float, ...]) -> _Transform:
    """Draw indices by comparing with cumulative weights, which are made by addition only."""
    if not weights or any(not 0 <= weight < float("inf") for weight in weights) or not any(weights):
        raise ValueError(f"weights must be finite, 0 or more, and not all 0, got {weights[:5]}")
    cumulative, total = [], 0.0
    for weight in weights:
        total += weight
        cumulative.append(total)
    last = max(index for index, weight in enumerate(weights) if weight)
    limits = np.array(cumulative)

    def choosing(uniforms: _Uniforms) -> list[int]:
        values: list[int] = np.minimum(np.searchsorted(limits, uniforms * total, side="right"), last).tolist()
        return values

    return choosing
