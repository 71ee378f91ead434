"""Uniforms of one stream, by identity and lane. See the package for what is modelled."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

Uniforms = NDArray[np.float64]

_WORD: Final = 2**64
_ELEVEN: Final = np.uint64(11)
_NO_BUFFER: Final = np.zeros(4, np.uint64)


def stream_key(seed: int, replication: int, purpose: str) -> tuple[int, int]:
    """The two key words of a stream. Different seeds, replications or purposes give unrelated streams."""
    text = f"{seed}\0{replication}\0{purpose}".encode()
    digest = blake2b(text, digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


class Generator:
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


class Source:
    """Uniforms of one stream, by identity and lane."""

    __slots__ = ("_generator", "_key")

    def __init__(self, generator: Generator, key: tuple[int, int]) -> None:
        self._generator = generator
        self._key = np.array(key, np.uint64)

    def uniforms(self, first: int, count: int, lane: int, stride: int = 1) -> Uniforms:
        """Uniforms in [0, 1) of `count` identities, from `first` on every `stride`-th."""
        start = first % max(stride, 4)
        words = self._generator.words(self._key, (first - start) // 4 + lane * _WORD, count * stride)
        words = words[start::stride] >> _ELEVEN
        uniforms = words.view(np.int64).astype(np.float64)
        uniforms *= 2.0**-53
        return uniforms
