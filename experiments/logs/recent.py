"""Numbers of texts that stand in a block, found for all of them at once where they have been met before.

Models   Texts are compared as words of 8 bytes, which is exact: they hold no NUL, so that padding tells their length.
         Each has one place in the table, from which it may be pushed out by another. What is not found there, or is too
         long, is asked for one by one.
Checked  tests/properties/test_logs_combined.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from experiments.logs.batch import Integers
from experiments.logs.spans import Mask, Words

_MASKS: Final = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)
_MIXER: Final = np.uint64(0x9E3779B97F4A7C15)


class Recent:
    """Texts of at most 8 * `words` bytes that were met lately, with their numbers."""

    def __init__(self, words: int, bits: int) -> None:
        self._words = words
        self._shift = np.uint64(64 - bits)
        self._table = np.zeros((1 << bits, words + 1), np.uint64)
        left = np.clip(np.arange(8 * words + 1)[:, None] - 8 * np.arange(words), 0, 8)
        self._masks = _MASKS[left]
        """By length: which bits of each word belong to the text."""

    def numbers(
        self, data: bytes, starts: Integers, ends: Integers, number_of: Callable[[bytes], int]
    ) -> Integers:  # fmt: skip
        """The numbers of the texts from `starts` to `ends`; none of them is empty."""
        numbers = np.empty(len(starts), np.int64)
        is_fitting = (ends - starts <= 8 * self._words) & (starts + 8 * self._words <= len(data))
        fitting = np.flatnonzero(is_fitting)
        rows_at = np.ndarray((max(0, len(data) - 8 * self._words + 1), self._words), "<u8", data, strides=(1, 8))
        keys = rows_at[starts[fitting]] & self._masks[(ends - starts)[fitting]]
        places = self._places(keys)
        found = self._found(keys, places, numbers, fitting)
        new = np.flatnonzero(~found)
        if len(new):  # most of them stand there several times: the first of each, then the others
            _, firsts = np.unique(places[new], return_index=True)
            firsts = new[np.sort(firsts)]
            asked = fitting[firsts]
            numbers[asked] = _one_by_one(data, starts[asked], ends[asked], number_of)
            self._table[places[firsts], :-1] = keys[firsts]
            self._table[places[firsts], -1] = numbers[asked].view(np.uint64)
            found[new] = self._found(keys[new], places[new], numbers, fitting[new])
        is_fitting[fitting] = found
        rest = np.flatnonzero(~is_fitting)
        numbers[rest] = _one_by_one(data, starts[rest], ends[rest], number_of)
        return numbers

    def _found(self, keys: Words, places: Words, numbers: Integers, rows: Integers) -> Mask:
        """Which keys are in the table; their numbers are put in their rows."""
        entries = self._table[places]
        found = entries[:, 0] == keys[:, 0]
        for number in range(1, self._words):
            found &= entries[:, number] == keys[:, number]
        numbers[rows] = entries[:, -1].view(np.int64)
        return np.asarray(found)

    def _places(self, keys: Words) -> Words:
        mixed = keys[:, 0] * _MIXER
        for number in range(1, self._words):
            mixed = (mixed ^ (mixed >> np.uint64(29)) ^ keys[:, number]) * _MIXER
        return mixed >> self._shift


def _one_by_one(data: bytes, starts: Integers, ends: Integers, number_of: Callable[[bytes], int]) -> list[int]:
    return [number_of(data[start:end]) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
