"""Named random streams: a value belongs to who draws it and what for, never to when it is drawn.

Models   Chance that a request brings (`Draws`, `Choices`) is value[identity] of a stream named by its purpose: adding a
         replica, a retry or a cache hit moves no other draw. Chance on a component's side (`Sequential`) is the next
         value of a stream of its own. One uniform per value, through the inverse distribution function, so that
         changing a parameter keeps the draw.
Units    Seconds. Drawn durations are multiples of 2**-30 s, so that their sums are exact for 97 days.
Source   Philox 4x64-10 (Salmon et al. 2011, doi:10.1145/2063384.2063405) of numpy: key = blake2b(seed, replication,
         purpose), counter = (identity // 4, lane, 0, 0).
Omits    Antithetic and quasi-random draws.
Checked  tests/unit/test_streams.py, tests/properties/test_streams_properties.py
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import repeat
from typing import Final, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from sim.distributions import Constant, Distribution
from sim.errors import SimulationError

DURATION_STEP_S: Final = 2.0**-30
"""Drawn durations are whole multiples of this (0.93 ns)."""

USERS_LIMIT: Final = 1 << 20
"""Closed users have numbers below this."""

_KEPT_VALUES: Final = 1 << 16
"""Open arrivals are numbered as they come and served much in that order: what is asked for stays near the newest."""

_AHEAD_OF_ARRIVALS: Final = 8
"""And what comes next is known: a stream that is through with a block computes twice as many at once as the last time,
up to so many, since most of what a block takes is calls, not values."""

_FEW_USERS: Final = 256
"""So few users share blocks of 16 requests of each. Of more users, a block has one request of each: most of the others
would be drawn for nothing where a user asks a few times, or never."""

_KEPT_VALUES_PER_USER: Final = 128
"""Users of one block drift apart, and it stays useful until the last is through."""

_LANE_BLOCK: Final = 256
"""Identities computed at once in lanes above 0: some requests use them (calls of other services), retries few."""

_NO_BLOCK: Final = -(1 << 62)
"""The key of no block, not even of a wrong identity's."""

_SEQUENCE_BLOCK: Final = 1024
_WORD: Final = 2**64

_Made = TypeVar("_Made")
_Uniforms = NDArray[np.float64]
_Transform = Callable[[_Uniforms], _Uniforms]


ORDINALS_TOGETHER: Final = 16
"""Consecutive requests of a user that have neighbouring identities."""


def closed_identity(user: int, ordinal: int) -> int:
    """Identity of request `ordinal` of closed user `user` (below `USERS_LIMIT`).

    Sixteen consecutive ordinals of a user stand together, and neighbouring users beside them, so that users who
    advance at about the same pace share blocks.
    """
    return ((ordinal >> 4) << 24) | (user << 4) | (ordinal & 15)


class Streams:
    """All chance of one replication.

    `block`: values computed at once, a power of two >= 4. `kept`: values kept per stream, at least; the oldest are
    dropped first, and computed again where they are asked for again. `ahead`: blocks computed at once, at most, where
    one is asked for after the other. `stride`, a power of two: a block has every so-manieth identity. None of them
    changes any value.
    """

    __slots__ = ("_generator", "_layout", "_made", "_replication", "_seed")

    def __init__(
        self,
        seed: int,
        replication: int,
        block: int = 1024,
        kept: int = _KEPT_VALUES,
        ahead: int = 1,
        stride: int = 1,
    ) -> None:
        if block < 4 or block & (block - 1):
            raise ValueError(f"block must be a power of two, 4 or more, got {block}")
        kept_blocks = max(2, -(-kept // block))
        self._seed = seed
        self._replication = replication
        self._layout = _Layout(block, kept_blocks, min(ahead, kept_blocks), stride)
        self._generator = _Generator()
        self._made: dict[str, tuple[object, object]] = {}

    @classmethod
    def for_users(cls, seed: int, replication: int, users: int) -> Self:
        """Streams whose blocks suit `users` closed users."""
        kept = max(_KEPT_VALUES, users * _KEPT_VALUES_PER_USER)
        return cls(seed, replication, kept=kept, stride=1 if users <= _FEW_USERS else ORDINALS_TOGETHER)

    @classmethod
    def for_arrivals(cls, seed: int, replication: int, block: int = 1024) -> Self:
        """Streams for requests numbered as they arrive: few are kept, so that memory does not grow."""
        return cls(seed, replication, block, ahead=_AHEAD_OF_ARRIVALS)

    def draws(self, purpose: str, distribution: Distribution) -> Draws:
        """Durations of `distribution`, in seconds, by identity. Asking again gives the same object."""
        kind = _ConstantDraws if isinstance(distribution, Constant) else Draws
        return self._once(purpose, distribution, lambda: self._keyed(kind, purpose, _durations(distribution)))

    def uniforms(self, purpose: str) -> Draws:
        """Numbers in [0, 1), by identity."""
        return self._once(purpose, "uniforms", lambda: self._keyed(Draws, purpose, _unchanged))

    def choices(self, purpose: str, weights: Sequence[float]) -> Choices:
        """Indices into `weights`, each as likely as its weight, by identity."""
        fixed = tuple(float(weight) for weight in weights)
        kind = _ConstantChoices if sum(weight > 0 for weight in fixed) == 1 else Choices
        return self._once(purpose, fixed, lambda: self._keyed(kind, purpose, _choosing(fixed)))

    def sequence(self, purpose: str, distribution: Distribution | None = None) -> Sequential:
        """Chance on a component's side: one value after the other; uniform in [0, 1) without a distribution."""
        transform = _unchanged if distribution is None else _durations(distribution)
        return self._once(purpose, ("sequence", distribution), lambda: Sequential(self._source(purpose), transform))

    def _source(self, purpose: str) -> _Source:
        return _Source(self._generator, stream_key(self._seed, self._replication, purpose))

    def _keyed(self, kind: type[_AnyKeyed], purpose: str, transform: _Transform) -> _AnyKeyed:
        return kind(self._source(purpose), transform, self._layout)

    def _once(self, purpose: str, what: object, make: Callable[[], _Made]) -> _Made:
        """Two users of one purpose would draw the same numbers without knowing: refused unless they mean the same."""
        known = self._made.get(purpose)
        if known is None:
            known = self._made[purpose] = (what, make())
        elif known[0] != what:
            raise SimulationError(f"stream {purpose!r} is already in use for something else")
        made: _Made = known[1]  # type: ignore[assignment]
        return made


def stream_key(seed: int, replication: int, purpose: str) -> tuple[int, int]:
    """The two key words of a stream. Different seeds, replications or purposes give unrelated streams."""
    text = f"{seed}\0{replication}\0{purpose}".encode()
    digest = blake2b(text, digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


class _Generator:
    """One Philox for all streams of a replication: its whole state is set before every use. Made at the first."""

    __slots__ = ("_philox",)

    def __init__(self) -> None:
        self._philox: np.random.Philox | None = None

    def words(self, key: NDArray[np.uint64], counter: int, count: int) -> NDArray[np.uint64]:
        """`count` words from `counter` (256 bits) on, four to each value of the counter."""
        philox = self._philox
        if philox is None:
            philox = self._philox = np.random.Philox(key=0)
        # numpy raises the counter before it makes four words, so it is set one short, with the borrow.
        before = ((counter - 1) % 2**256).to_bytes(32, "little")
        philox.state = {
            "bit_generator": "Philox",
            "state": {"counter": np.frombuffer(before, "<u8"), "key": key},
            "buffer": _NO_BUFFER,
            "buffer_pos": 4,
            "has_uint32": 0,
            "uinteger": 0,
        }
        words: NDArray[np.uint64] = philox.random_raw(count)
        return words


_NO_BUFFER: Final = np.zeros(4, np.uint64)
_NOTHING: Final = np.zeros(1).data
_ELEVEN: Final = np.uint64(11)


class _Source:
    """Uniforms of one stream, by identity and lane."""

    __slots__ = ("_generator", "_key")

    def __init__(self, generator: _Generator, key: tuple[int, int]) -> None:
        self._generator = generator
        self._key = np.array(key, np.uint64)

    def uniforms(self, first: int, count: int, lane: int, stride: int = 1) -> _Uniforms:
        """Uniforms in [0, 1) of `count` identities, from `first` on every `stride`-th."""
        start = first % max(stride, 4)
        words = self._generator.words(self._key, (first - start) // 4 + lane * _WORD, count * stride)
        words = words[start::stride] >> _ELEVEN
        uniforms = words.view(np.int64).astype(np.float64)
        uniforms *= 2.0**-53
        return uniforms


@dataclass(frozen=True)
class _Layout:
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

    def __init__(self, source: _Source, transform: _Transform, layout: _Layout) -> None:
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

    def in_order(self) -> Iterator[_Uniforms]:
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


class _ConstantDraws(Draws):
    """Always the same: nothing has to be drawn."""

    __slots__ = ("_value",)

    def __init__(self, source: _Source, transform: _Transform, layout: _Layout) -> None:
        super().__init__(source, transform, layout)
        self._value: float = transform(np.zeros(1)).tolist()[0]

    def at(self, identity: int, lane: int = 0) -> float:
        return self._value

    def in_order(self) -> Iterator[_Uniforms]:
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


class _ConstantChoices(Choices):
    """There is but one that can be chosen: nothing has to be drawn."""

    __slots__ = ("_value",)

    def __init__(self, source: _Source, transform: _Transform, layout: _Layout) -> None:
        super().__init__(source, transform, layout)
        self._value = int(transform(np.zeros(1)).tolist()[0])

    def at(self, identity: int, lane: int = 0) -> int:
        return self._value

    def in_order(self) -> Iterator[_Uniforms]:
        return repeat(np.full(self._layout.block, float(self._value)))


_AnyKeyed = TypeVar("_AnyKeyed", Draws, Choices)


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
            self._left = values[::-1].tolist()
        return self._left.pop()


def _unchanged(uniforms: _Uniforms) -> _Uniforms:
    return uniforms


def _durations(distribution: Distribution) -> _Transform:
    def durations(uniforms: _Uniforms) -> _Uniforms:
        steps = distribution.ppf(uniforms) * 2.0**30
        np.rint(steps, out=steps)
        steps *= DURATION_STEP_S
        return steps

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

    def choosing(uniforms: _Uniforms) -> _Uniforms:
        places = np.searchsorted(limits, uniforms * total, side="right")
        return np.minimum(places, last).astype(np.float64)

    return choosing
