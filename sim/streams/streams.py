"""Streams by purpose, and what is made of their uniforms. See the package for what is modelled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Self, TypeVar

import numpy as np

from sim.distributions import Constant, Distribution
from sim.errors import SimulationError
from sim.streams.identities import ORDINALS_TOGETHER
from sim.streams.keyed import Choices, ConstantChoices, ConstantDraws, Draws, Layout, Transform
from sim.streams.sequential import Sequential
from sim.streams.source import Generator, Source, Uniforms, stream_key

DURATION_STEP_S: Final = 2.0**-30
"""Drawn durations are whole multiples of this (0.93 ns)."""

_KEPT_VALUES: Final = 1 << 16
"""Open arrivals are numbered as they come and served much in that order: what is asked for stays near the newest."""

_AHEAD_OF_ARRIVALS: Final = 8
"""And what comes next is known: a stream that is through with a block computes twice as many at once as the last time,
up to so many, since most of what a block takes is calls, not values."""

_FEW_USERS: Final = 256
"""So few users share blocks of 16 requests of each. So do more, ..."""
_OFTEN: Final = 8.0
"""... where they are expected to ask at least so often. Else a block has one request of each: the others would be drawn
for nothing where a user asks a few times, or never, though one of a block costs 16 words of the stream."""

_KEPT_VALUES_PER_USER: Final = 128
"""Users of one block drift apart, and it stays useful until the last is through."""

_Made = TypeVar("_Made")
_AnyKeyed = TypeVar("_AnyKeyed", Draws, Choices)


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
        self._layout = Layout(block, kept_blocks, min(ahead, kept_blocks), stride)
        self._generator = Generator()
        self._made: dict[str, tuple[object, object]] = {}

    @classmethod
    def for_users(cls, seed: int, replication: int, users: int, requests_each: float) -> Self:
        """Streams whose blocks suit `users` closed users, each with about so many requests."""
        kept = max(_KEPT_VALUES, users * _KEPT_VALUES_PER_USER)
        stands_together = users <= _FEW_USERS or requests_each >= _OFTEN
        return cls(seed, replication, kept=kept, stride=1 if stands_together else ORDINALS_TOGETHER)

    @classmethod
    def for_arrivals(cls, seed: int, replication: int, block: int = 1024) -> Self:
        """Streams for requests numbered as they arrive: few are kept, so that memory does not grow."""
        return cls(seed, replication, block, ahead=_AHEAD_OF_ARRIVALS)

    def draws(self, purpose: str, distribution: Distribution) -> Draws:
        """Durations of `distribution`, in seconds, by identity. Asking again gives the same object."""
        kind = ConstantDraws if isinstance(distribution, Constant) else Draws
        return self._once(purpose, distribution, lambda: self._keyed(kind, purpose, _durations(distribution)))

    def uniforms(self, purpose: str) -> Draws:
        """Numbers in [0, 1), by identity."""
        return self._once(purpose, "uniforms", lambda: self._keyed(Draws, purpose, _unchanged))

    def choices(self, purpose: str, weights: Sequence[float]) -> Choices:
        """Indices into `weights`, each as likely as its weight, by identity."""
        fixed = tuple(float(weight) for weight in weights)
        kind = ConstantChoices if sum(weight > 0 for weight in fixed) == 1 else Choices
        return self._once(purpose, fixed, lambda: self._keyed(kind, purpose, _choosing(fixed)))

    def sequence(self, purpose: str, distribution: Distribution | None = None) -> Sequential:
        """Chance on a component's side: one value after the other; uniform in [0, 1) without a distribution."""
        transform = _unchanged if distribution is None else _durations(distribution)
        return self._once(purpose, ("sequence", distribution), lambda: Sequential(self._source(purpose), transform))

    def _source(self, purpose: str) -> Source:
        return Source(self._generator, stream_key(self._seed, self._replication, purpose))

    def _keyed(self, kind: type[_AnyKeyed], purpose: str, transform: Transform) -> _AnyKeyed:
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


def _unchanged(uniforms: Uniforms) -> Uniforms:
    return uniforms


def _durations(distribution: Distribution) -> Transform:
    def durations(uniforms: Uniforms) -> Uniforms:
        steps = distribution.ppf(uniforms) * 2.0**30
        np.rint(steps, out=steps)
        steps *= DURATION_STEP_S
        return steps

    return durations


def _choosing(weights: tuple[float, ...]) -> Transform:
    """Draw indices by comparing with cumulative weights, which are made by addition only."""
    if not weights or any(not 0 <= weight < float("inf") for weight in weights) or not any(weights):
        raise ValueError(f"weights must be finite, 0 or more, and not all 0, got {weights[:5]}")
    cumulative, total = [], 0.0
    for weight in weights:
        total += weight
        cumulative.append(total)
    last = max(index for index, weight in enumerate(weights) if weight)
    limits = np.array(cumulative)

    def choosing(uniforms: Uniforms) -> Uniforms:
        places = np.searchsorted(limits, uniforms * total, side="right")
        return np.minimum(places, last).astype(np.float64)

    return choosing
