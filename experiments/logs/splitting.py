"""Lines in the common and combined format, taken apart by the block instead of one by one.

Models   Where the spaces, quotes and ends of lines stand in a block says where the fields of all its lines are. A line
         is taken only where that leaves no doubt: single spaces in their places, no quote, backslash or control
         character in the fields that are read, a target and HTTP/x.y, a size of at most 12 digits. All other lines are
         left to the strict expression, so that what is read does not depend on the way it is read.
Checked  tests/properties/test_logs_combined.py holds both ways against each other; tests/benchmarks/logs.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from experiments.logs.batch import Integers
from experiments.logs.names import Names
from experiments.logs.recent import Recent
from experiments.logs.source import Block
from experiments.logs.spans import ROOM, Bytes, Mask, Spans, Words, whole_numbers, words_of
from experiments.logs.stamp_spans import CLF_WIDTH, Instants

_SPACE, _QUOTE, _BACKSLASH, _RETURN = 32, 34, 92, 13
_SPACES: Final = 10
_VERSIONS: Final = [int.from_bytes(b"HTTP/" + version, "little") for version in (b"1.1", b"1.0", b"2.0", b"3.0")]
_WIDEST_SIZE: Final = 12


@dataclass(slots=True)
class Split:
    """The lines that were taken, as columns."""

    number: Integers
    """Of the line in the block, from 0."""
    at_ns: Integers
    target: Integers
    user: Integers
    ip: Integers
    status: Integers
    size: Integers


class Splitter:
    """Takes blocks apart."""

    def __init__(self) -> None:
        self._instants = Instants()
        self._names: Names | None = None

    def split(self, block: Block, names: Names) -> Split:
        """The lines that are without doubt. `names` grows by what stands in them."""
        octets = np.frombuffer(block.data, dtype=np.uint8)
        data = block.data + bytes(ROOM)
        starts = np.concatenate(([0], block.ends[:-1] + 1))
        ends = block.ends - (octets[block.ends - 1] == _RETURN)
        spaces = _places(octets, octets == _SPACE)
        first = np.searchsorted(spaces, starts)
        at = [spaces[first + number] for number in range(_SPACES)]
        taken = np.flatnonzero(_is_plain(block.data, octets, starts, ends, at))
        if len(taken) < len(starts):
            starts, ends, at = starts[taken], ends[taken], [places[taken] for places in at]
        words = words_of(block.data)
        at_ns, good = self._instants.clf(Spans(data, at[2] + 2, at[2] + 2 + CLF_WIDTH))
        good &= np.isin(words[at[6] + 1], _VERSIONS)
        status, is_status = whole_numbers(Spans(data, at[7] + 1, at[8]), 3)
        size, is_size = _sizes(Spans(data, at[8] + 1, np.minimum(at[9], ends)))
        kept = np.flatnonzero(good & is_status & is_size)
        if len(kept) < len(starts):
            taken, starts, at = taken[kept], starts[kept], [places[kept] for places in at]
            at_ns, status, size = at_ns[kept], status[kept], size[kept]
        split = Split(taken, at_ns, *self._named(block.data, words, starts, at, names), status, size)
        known = split.target >= 0
        return split if known.all() else _part(split, known)

    def _named(
        self, data: bytes, words: Words, starts: Integers, at: list[Integers], names: Names
    ) -> tuple[Integers, Integers, Integers]:  # fmt: skip
        """Numbers of targets, users and addresses."""
        if names is not self._names:
            self._names = names
            self._requests, self._users, self._ips = Recent(7, 16), Recent(3, 16), Recent(2, 18)
        target = self._requests.numbers(data, at[4] + 2, at[6], names.request)
        if ((at[2] - at[1] == 2) & (words[at[1] + 1] & np.uint64(255) == ord("-"))).all():
            user = np.full(len(starts), -1)
        else:
            user = self._users.numbers(data, at[1] + 1, at[2], names.users.index)
        return target, user, self._ips.numbers(data, starts, at[0], names.ips.index)


def _places(octets: Bytes, mask: Mask) -> Integers:
    """Where a mask is set; then the end, so often that there is always a next one."""
    return np.concatenate((np.flatnonzero(mask), np.full(_SPACES, len(octets))))


def _is_plain(data: bytes, octets: Bytes, starts: Integers, ends: Integers, at: list[Integers]) -> Mask:
    """Which lines have their spaces and quotes where they should be, and nothing else that matters."""
    plain = (at[8] < ends) & (at[0] > starts) & (at[1] > at[0] + 1) & (at[2] > at[1] + 1)
    plain &= (at[3] == at[2] + 22) & (at[4] == at[3] + 7) & (at[6] > at[5] + 1) & (at[7] == at[6] + 10)
    plain &= at[8] == at[7] + 4
    last = len(octets) - 1
    for place, sign in ((at[2] + 1, b"["), (at[2] + 13, b":"), (at[3] + 6, b"]"), (at[4] + 1, b'"'), (at[7] - 1, b'"')):
        plain &= octets[np.minimum(place, last)] == sign[0]
    quotes = _places(octets, octets == _QUOTE)
    first = np.searchsorted(quotes, starts)
    plain &= (quotes[first] == at[4] + 1) & (quotes[first + 1] == at[7] - 1)
    is_control = octets < _SPACE
    if np.count_nonzero(is_control) != len(ends):
        controls = np.flatnonzero(is_control)
        plain &= np.searchsorted(controls, starts) == np.searchsorted(controls, ends)
    if b"\\" in data:
        backslashes = np.flatnonzero(octets == _BACKSLASH)
        plain &= np.searchsorted(backslashes, starts) == np.searchsorted(backslashes, at[7])
    return plain


def _sizes(texts: Spans) -> tuple[Integers, Mask]:
    """Sizes; `-` is unknown."""
    size, good = whole_numbers(texts, _WIDEST_SIZE)
    is_none = (texts.widths == 1) & (texts.first() == ord("-"))
    return np.where(is_none, -1, size), good | is_none


def _part(split: Split, rows: Mask) -> Split:
    return Split(*(getattr(split, name)[rows] for name in Split.__slots__))
