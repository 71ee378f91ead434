"""Zstandard files, read piece by piece, with an error where one ends early.

Models   The library that unpacks takes the end of a file for the end of its data, wherever it comes. So the frames are
         followed beside it: magic number, header, blocks by their sizes, checksum, skippable frames.
Source   RFC 8878, section 3.1.
Omits    Damage within a block of a frame without a checksum, which no reader can see.
Checked  tests/unit/test_log_parts.py, tests/properties/test_logs.py
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, Final

_FRAME: Final = 0xFD2FB528
_SKIPPABLE: Final = 0x184D2A50
_DICTIONARY_BYTES: Final = (0, 1, 2, 4)
_SIZE_BYTES: Final = (0, 2, 4, 8)
_REPEATED_BYTE: Final = 1


class Zstandard(io.RawIOBase):
    """What a packed file holds. Raises EOFError where it ends within a frame."""

    def __init__(self, file: Any) -> None:
        import pyarrow as pa

        self._frames = _Frames()
        self._stream = pa.CompressedInputStream(pa.PythonFile(_Followed(file, self._frames), mode="r"), "zstd")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        if not data and not self._frames.are_whole:
            raise EOFError
        return len(data)


class _Followed(io.RawIOBase):
    """A file whose frames are followed as it is read."""

    def __init__(self, file: Any, frames: _Frames) -> None:
        self._file = file
        self._frames = frames

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        data: bytes = self._file.read(size)
        self._frames.feed(data)
        return data


class _Frames:
    """Where in its frames a stream is."""

    def __init__(self) -> None:
        self._wanted = 4
        self._step: Callable[[int], None] = self._begin
        self._held = b""
        self._to_pass = 0
        self._has_checksum = False

    @property
    def are_whole(self) -> bool:
        return self._step == self._begin and not self._held and not self._to_pass

    def feed(self, data: bytes) -> None:
        """The next bytes of the stream."""
        place = 0
        while place < len(data):
            if self._to_pass:
                passed = min(self._to_pass, len(data) - place)
                self._to_pass -= passed
                place += passed
                continue
            part = data[place : place + self._wanted - len(self._held)]
            place += len(part)
            self._held += part
            if len(self._held) == self._wanted:
                value = int.from_bytes(self._held, "little")
                self._held = b""
                self._step(value)

    def _then(self, wanted: int, step: Callable[[int], None], to_pass: int = 0) -> None:
        self._wanted, self._step, self._to_pass = wanted, step, to_pass

    def _begin(self, magic: int) -> None:
        if magic == _FRAME:
            self._then(1, self._header)
        elif magic & ~15 == _SKIPPABLE:
            self._then(4, self._skippable)

    def _header(self, descriptor: int) -> None:
        self._has_checksum = bool(descriptor & 4)
        is_single = bool(descriptor & 32)
        size_bytes = _SIZE_BYTES[descriptor >> 6] or int(is_single)
        self._then(3, self._block, int(not is_single) + _DICTIONARY_BYTES[descriptor & 3] + size_bytes)

    def _block(self, header: int) -> None:
        is_last, kind, size = header & 1, header >> 1 & 3, header >> 3
        held = 1 if kind == _REPEATED_BYTE else size
        if is_last:
            self._then(4, self._begin, held + 4 * self._has_checksum)
        else:
            self._then(3, self._block, held)

    def _skippable(self, size: int) -> None:
        self._then(4, self._begin, size)
