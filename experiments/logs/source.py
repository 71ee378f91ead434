"""Files of logs as streams: opened, unpacked, cut into blocks of whole lines.

Models   gzip, bzip2 and Zstandard are told by their first bytes, not by their names; a tar inside is read as its files,
         one after the other. `-` is standard input. Memory is bounded: a line longer than LONGEST_LINE is passed over
         without being held, and however small a file was packed, it is read piece by piece.
Checked  tests/unit/test_log_parts.py, tests/properties/test_logs.py
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, Final, Protocol

import numpy as np

from experiments.errors import InputError, shown
from experiments.logs.batch import Integers
from experiments.logs.zstd import Zstandard

LONGEST_LINE: Final = 1 << 16
"""Bytes. Servers refuse requests whose head is longer than a few KiB; a longer line is not a request."""

BLOCK: Final = 1 << 21
HEAD: Final = 1 << 18
"""Bytes of a file that its format is told from."""

_NEWLINE: Final = 10


class Readable(Protocol):
    """What can be read from."""

    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(slots=True)
class Block:
    """Whole lines of a log; each ends with a newline."""

    data: bytes
    ends: Integers
    """Where the newlines are."""
    first: int
    """Number of the first line, from 1 over all files."""
    too_long: set[int] = field(default_factory=set)
    """Numbers of lines that were too long; they stand here as empty ones."""

    def __len__(self) -> int:
        return len(self.ends)

    def line(self, number: int) -> bytes:
        """Line `number`, from 0, without its end."""
        start = int(self.ends[number - 1]) + 1 if number else 0
        line = self.data[start : int(self.ends[number])]
        return line[:-1] if line.endswith(b"\r") else line

    def lines(self) -> list[bytes]:
        """The lines without their ends."""
        lines = self.data.split(b"\n")
        lines.pop()
        return [line[:-1] if line.endswith(b"\r") else line for line in lines] if b"\r" in self.data else lines


class Source:
    """One file of a reading, or standard input."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.size = 0
        """Bytes on the disk; 0 where that is not known."""
        self._raw: _Counted | None = None
        self._file: Readable | None = None
        self._head = b""

    @property
    def consumed(self) -> int:
        """Bytes of the file that were taken so far, as packed as they are."""
        return 0 if self._raw is None else self._raw.count

    @property
    def can_be_reopened(self) -> bool:
        """Not standard input, nor a pipe with a name: what was read of those is gone."""
        try:
            return self.name != "-" and Path(self.name).is_file()
        except (OSError, ValueError):
            return False

    def open(self) -> None:
        """Open the file. Raises InputError where that is not possible."""
        if self._file is not None:
            return
        try:
            raw = self._opened()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            told = f"{shown(self.name)}: must be a readable log, got: {reason.lower()}. Check its name."
            raise InputError(told) from None
        self._raw = _Counted(raw)
        self._file = self._guarded(lambda: unpacked(self._raw), 0)

    def _opened(self) -> IO[bytes]:
        if self.name == "-":
            return sys.stdin.buffer
        path = Path(self.name)
        if path.is_dir():
            raise InputError(f"{self.name}: must be a log, got a folder. Name the files in it.")
        self.size = path.stat().st_size if path.is_file() else 0
        return path.open("rb")

    def close(self) -> None:
        """Leave the file. Standard input stays open, for what was read of it cannot be read again."""
        if self._raw is not None and self.name != "-":
            self._raw.close()
            self._raw, self._file, self._head = None, None, b""

    def head(self, size: int = HEAD) -> bytes:
        """The first bytes, which will be read again."""
        self.open()
        while len(self._head) < size and (more := self._read(size - len(self._head), 0)):
            self._head += more
        return self._head

    def stream(self) -> Iterator[bytes]:
        """The whole content in pieces of about BLOCK bytes. Raises InputError where it is damaged."""
        self.open()
        done = 0
        head, self._head = self._head, b""
        if head:
            yield head
            done = len(head)
        while piece := self._read(BLOCK, done):
            done += len(piece)
            yield piece

    def _read(self, size: int, done: int) -> bytes:
        """So many bytes, less only at the end: where blocks end does not depend on how a file is packed."""
        file = self._file
        assert file is not None
        pieces = []
        while size and (piece := self._guarded(partial(file.read, size), done)):
            pieces.append(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _guarded(self, read: Callable[[], Any], done: int) -> Any:
        try:
            return read()
        except (OSError, EOFError, ValueError, zlib.error, tarfile.TarError) as error:
            where = f", after {done:,} bytes of text" if done else ""
            told = f"{self.named}: must be readable to its end, got: {_damage(error)}{where}."
            raise InputError(f"{told} Copy it again, or unpack what is whole and give that.") from None

    @property
    def named(self) -> str:
        """As people know it."""
        return "standard input" if self.name == "-" else shown(self.name, 200)[1:-1]

    def blocks(self, first: int) -> Iterator[Block]:
        """Blocks of whole lines; the first of them has the number `first`."""
        carried, skipping = b"", False
        for piece in self.stream():
            if skipping:  # the rest of a line that is too long; its newline is kept, as an empty line
                at = piece.find(b"\n")
                if at < 0:
                    continue
                carried = b""
                piece = piece[at:]
            cut = piece.rfind(b"\n") + 1
            if cut:
                block = _block(b"".join((carried, memoryview(piece)[:cut])), first, skipping)
                skipping = False
                first += len(block)
                yield block
                carried = piece[cut:]
            else:
                carried += piece
            if len(carried) > LONGEST_LINE:
                carried, skipping = b"", True
        if carried or skipping:
            yield _block(carried + b"\n", first, skipping)


def _block(data: bytes, first: int, first_was_long: bool) -> Block:
    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == _NEWLINE)
    lengths = np.diff(ends, prepend=-1) - 1
    block = Block(data, ends, first, {first} if first_was_long else set())
    if lengths.max(initial=0) > LONGEST_LINE:
        long = set(np.flatnonzero(lengths > LONGEST_LINE).tolist())
        lines = data.split(b"\n")
        block.data = b"\n".join(b"" if number in long else line for number, line in enumerate(lines))
        block.ends = np.flatnonzero(np.frombuffer(block.data, dtype=np.uint8) == _NEWLINE)
        block.too_long |= {first + number for number in long}
    return block


class _Counted(io.RawIOBase):
    """A file that counts what is read of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self.count += len(data)
        return len(data)

    def close(self) -> None:
        with suppress(OSError):
            self._file.close()
        super().close()


def unpacked(raw: Any) -> Readable:
    """What a packed file holds: told by its first bytes, through the layers that there are."""
    file: Any = io.BufferedReader(raw, 1 << 16)
    for _ in range(3):  # a tar in a gzip in a gzip is the deepest anybody makes by mistake
        first = file.peek(512)
        if first.startswith(b"\x1f\x8b"):
            file = gzip.GzipFile(fileobj=file, mode="rb")
        elif first.startswith(b"BZh"):
            file = bz2.BZ2File(file)
        elif first.startswith(b"\x28\xb5\x2f\xfd"):
            file = Zstandard(file)
        elif first[257:262] == b"ustar":
            return _Archive(file)
        elif first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return _Wide(file)
        else:
            if first.startswith(codecs.BOM_UTF8):
                file.read(len(codecs.BOM_UTF8))
            break
        file = io.BufferedReader(file, 1 << 16)
    return file  # type: ignore[no-any-return]


class _Archive:
    """The regular files of a tar, one after the other."""

    def __init__(self, file: Any) -> None:
        self._tar = tarfile.open(fileobj=file, mode="r|")  # noqa: SIM115
        self._member: IO[bytes] | None = None
        self._is_done = False

    def read(self, size: int = -1, /) -> bytes:
        while not self._is_done:
            if self._member is not None and (data := self._member.read(size)):
                return data
            member = self._tar.next()
            if member is None:
                self._is_done = True
                break
            self._tar.members = []  # type: ignore[attr-defined]  # they are all kept else
            self._member = self._tar.extractfile(member) if member.isreg() else None
        return b""


class _Wide:
    """UTF-16 as UTF-8. What is no character becomes the replacement character."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-16")("replace")

    def read(self, size: int = -1, /) -> bytes:
        while data := self._file.read(max(2, size // 2)):  # of two bytes at most three are made
            if text := self._decoder.decode(data):
                return text.encode("utf-8", "backslashreplace")
        return self._decoder.decode(b"", True).encode("utf-8", "backslashreplace")


def _damage(error: Exception) -> str:
    said = "the compressed data ends early" if isinstance(error, EOFError) else str(error).lower().rstrip(".")
    return shown(said, 120)[1:-1]
