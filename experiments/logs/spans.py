"""Texts that stand in a block, as where they begin and end: a column of values that need not be taken out one by one.

Models   Plain whole numbers and decimals are read for all texts at once; of each text is said whether it is plain, and
         what is not is left to whoever asks. A decimal is its digits over a power of ten, which rounds as `float` does.
Checked  tests/properties/test_logs_by_block.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from experiments.logs.batch import Floats, Integers

Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]

ROOM: Final = 64
"""Bytes behind a text that may be read, so that nobody asks where the block ends."""
_RETURN: Final = 13
_TENS: Final = np.array([10**power for power in range(19)], np.int64)
LARGEST: Final = 9e18
_EXACT: Final = 15
"""Digits of a decimal that a float holds without rounding."""
_WIDEST: Final = 19

_POINTS, _ZEROS, _ONES, _TOPS, _SIXES, _HIGH = (
    np.uint64(octet * 0x01_01_01_01_01_01_01_01) for octet in (0x2E, 0x30, 0x01, 0x80, 0x06, 0xF0)
)
_QUARTERS: Final = np.uint64(0x00_00_00_FF_00_00_00_FF)
_LOW: Final = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)
_SHIFTS: Final = np.array([56, *(8 * (8 - count) for count in range(1, 9))], np.uint64)


@dataclass(frozen=True)
class Spans:
    """Texts `data[starts:ends]`. ROOM bytes that belong to none of them stand at the end of `data`."""

    data: bytes
    starts: Integers
    ends: Integers

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[bytes]:
        data = self.data
        return (data[start:end] for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True))

    def text(self, number: int) -> bytes:
        return self.data[int(self.starts[number]) : int(self.ends[number])]

    def part(self, rows: Any) -> Spans:
        return Spans(self.data, self.starts[rows], self.ends[rows])

    @property
    def octets(self) -> Bytes:
        return np.frombuffer(self.data, np.uint8)

    @property
    def widths(self) -> Integers:
        return self.ends - self.starts

    @cached_property
    def digits(self) -> tuple[Integers, Integers, Mask]:
        """Of decimals the digits, how many of them stand behind the point, and which of the texts are plain ones."""
        return _decimal_digits(self)

    def are_one(self) -> bool:
        """Whether all texts are the same short one."""
        if not len(self) or not 0 < (width := int(self.ends[0] - self.starts[0])) <= 8:
            return False
        if not (self.widths == width).all():
            return False
        words = words_of(self.data)[self.starts] & _LOW[width]
        return bool((words == words[0]).all())

    def first(self) -> Bytes:
        """The byte with which each text begins; for an empty text the one behind it."""
        return self.octets[self.starts]

    def is_text(self, text: bytes) -> Mask:
        """Which texts are this one."""
        return np.asarray((self.widths == len(text)) & starts_with(self.data, self.starts, text))


def merged(data: bytes, columns: Sequence[Spans], texts: Sequence[Sequence[bytes]], order: Integers) -> list[Spans]:
    """Columns of texts that stand in `data`, if any, and of others, which are put behind it, in an order."""
    joined = b"".join(text for column in texts for text in column)
    whole = b"".join((data[:-ROOM], joined, bytes(ROOM)))
    made, begin = [], len(data) - ROOM
    for number, column in enumerate(texts):
        ends = begin + np.cumsum(np.fromiter(map(len, column), np.int64, len(column)))
        starts = np.concatenate(([begin], ends[:-1])) if len(ends) else ends
        begin = int(ends[-1]) if len(ends) else begin
        before = columns[number] if columns else Spans(whole, np.empty(0, np.int64), np.empty(0, np.int64))
        made.append(
            Spans(whole, np.concatenate((before.starts, starts))[order], np.concatenate((before.ends, ends))[order])
        )
    return made


def spans_of(texts: Sequence[str | None]) -> Spans:
    """Texts put side by side; one that is not there is empty."""
    there = [text or "" for text in texts]
    joined = "".join(there)
    raw = [text.encode("utf-8", "backslashreplace") for text in there] if not joined.isascii() else there
    ends = np.cumsum(np.fromiter(map(len, raw), np.int64, len(raw)))
    data = joined.encode("utf-8", "backslashreplace") + bytes(ROOM)
    return Spans(data, np.concatenate(([0], ends[:-1])) if len(ends) else ends, ends)


def is_utf8(data: bytes) -> bool:
    """Whether texts mean the same however they are read."""
    try:
        return data.isascii() or bool(data.decode())
    except UnicodeDecodeError:
        return False


def words_of(data: bytes) -> Words:
    """The 8 bytes from each place on, as one number."""
    return np.ndarray((max(len(data) - 7, 0),), "<u8", data, strides=(1,))


def starts_with(data: bytes, places: Integers, text: bytes) -> Mask:
    """At which places a text stands; there must be room behind each of them."""
    words = words_of(data)
    found = np.ones(len(places), bool)
    for begin in range(0, len(text), 8):
        piece = text[begin : begin + 8]
        mask = np.uint64((1 << 8 * len(piece)) - 1)
        wanted = np.uint64(int.from_bytes(piece, "little"))
        found &= (words[np.minimum(places + begin, len(words) - 1)] & mask) == wanted
    return found


def lines_of(data: bytes, ends: Integers) -> Spans:
    """The lines of a block without their ends. `data` has room at its end."""
    starts = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else np.empty(0, np.int64)
    octets = np.frombuffer(data, np.uint8)
    return Spans(data, starts, ends - ((octets[ends - 1] == _RETURN) & (ends > starts)))


def whole_numbers(texts: Spans, widest: int) -> tuple[Integers, Mask]:
    """Whole numbers of at most `widest` digits (16 at most), and which of the texts are."""
    widths = texts.widths
    good = (widths >= 1) & (widths <= widest)
    value, are_digits = _digits(words_of(texts.data), texts.starts, np.where(good, widths, 1))
    return value, good & are_digits


def decimals(texts: Spans) -> tuple[Floats, Mask, Mask]:
    """Decimals of at most 15 digits; which of the texts are, and which of these have a point."""
    digits, behind, good = texts.digits
    good = good & (texts.widths <= _EXACT + (behind > 0))
    return digits / _TENS[behind], good, behind > 0


def scaled(texts: Spans, power: Integers | int) -> tuple[Integers, Mask, Mask]:
    """Decimals times 10**power where that is whole and below LARGEST; which are, and which of these have a point."""
    digits, behind, good = texts.digits
    missing = power - behind
    good = good & (missing >= 0)
    factor = _TENS[np.where(good, missing, 0)]
    good &= digits.astype(np.float64) * factor < LARGEST
    return np.where(good, digits, 0) * factor, good, behind > 0


def _decimal_digits(texts: Spans) -> tuple[Integers, Integers, Mask]:
    """Of decimals the digits, how many of them stand behind the point, and which of the texts are plain ones.

    Plain are at most 16 digits before the point, 8 behind it, and 18 in all.
    """
    words, widths = words_of(texts.data), texts.widths
    good = (widths >= 1) & (widths <= _WIDEST)
    starts, widths = texts.starts, np.where(good, widths, 1)
    before = np.minimum(_points(words, starts), widths)
    has_point = before < widths
    behind = np.where(has_point, widths - before - 1, 0)
    good &= (before >= 1) & (before <= 16) & (behind <= 8) & (has_point <= (behind > 0))
    first, are_digits = _digits(words, starts, np.where(good, before, 1))
    last, are_too = _digits(words, starts + before + 1, np.where(good, behind, 0))
    good &= are_digits & are_too & (before + behind <= 18)
    behind = np.where(good, behind, 0)
    return np.where(good, first * _TENS[behind] + last, 0), behind, good


def _points(words: Words, starts: Integers) -> Integers:
    """How many signs stand before the first point, where that is one of the next 24; else 24."""
    before = np.full(len(starts), 24)
    for at in (16, 8, 0):
        word = words[starts + at] ^ _POINTS
        zeros = (word - _ONES) & ~word & _TOPS
        here = np.bitwise_count((zeros & (~zeros + np.uint64(1))) - np.uint64(1)).astype(np.int64) >> 3
        before = np.where(zeros != 0, at + here, before)
    return before


def _digits(words: Words, starts: Integers, count: Integers) -> tuple[Integers, Mask]:
    """Numbers of so many digits, 16 at most, and which are digits all through."""
    if int(count.max(initial=0)) <= 8:
        return _eight_digits(words, starts, count)
    high = np.maximum(count - 8, 0)
    first, good = _eight_digits(words, starts, high)
    last, are_too = _eight_digits(words, starts + high, count - high)
    return first * 10**8 + last, good & are_too


def _eight_digits(words: Words, starts: Integers, count: Integers) -> tuple[Integers, Mask]:
    """Numbers of at most 8 digits: all of a word are added up in three steps."""
    word = (words[starts] ^ _ZEROS) & _LOW[count]
    good = ((word | (word + _SIXES)) & _HIGH) == 0
    word = word << _SHIFTS[count]
    word = word * np.uint64(10) + (word >> np.uint64(8))
    high = (word & _QUARTERS) * np.uint64(100 + (1_000_000 << 32))
    low = ((word >> np.uint64(16)) & _QUARTERS) * np.uint64(1 + (10_000 << 32))
    return ((high + low) >> np.uint64(32)).astype(np.int64), good
