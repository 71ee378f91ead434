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
import numpy.typing as npt

from experiments.logs.batch import NS, Integers
from experiments.logs.names import Names
from experiments.logs.recent import Recent, Words, words_of
from experiments.logs.source import Block
from experiments.logs.stamps import clf_ns

Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

_SPACE, _QUOTE, _BACKSLASH, _RETURN = 32, 34, 92, 13
_SPACES: Final = 10
_VERSIONS: Final = [int.from_bytes(b"HTTP/" + version, "little") for version in (b"1.1", b"1.0", b"2.0", b"3.0")]
_WIDEST_SIZE: Final = 12

_COLONS: Final = 0x00_00_0A_00_00_0A_00_00
_HIGH: Final = 0xF0_F0_FF_F0_F0_FF_F0_F0
_SIXES: Final = 0x06_06_00_06_06_00_06_06
_ZEROS: Final = 0x30_30_30_30_30_30_30_30


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
    """Takes blocks apart. Remembers days, of which there are few."""

    def __init__(self) -> None:
        self._days: dict[bytes, int | None] = {}
        self._names: Names | None = None

    def split(self, block: Block, names: Names) -> Split:
        """The lines that are without doubt. `names` grows by what stands in them."""
        octets = np.frombuffer(block.data, dtype=np.uint8)
        starts = np.concatenate(([0], block.ends[:-1] + 1))
        ends = block.ends - (octets[block.ends - 1] == _RETURN)
        spaces = _places(octets, octets == _SPACE)
        first = np.searchsorted(spaces, starts)
        at = [spaces[first + number] for number in range(_SPACES)]
        taken = np.flatnonzero(_is_plain(block.data, octets, starts, ends, at))
        if len(taken) < len(starts):
            starts, ends, at = starts[taken], ends[taken], [places[taken] for places in at]
        words = words_of(block.data)
        good, at_ns = self._instants(block.data, words, at)
        good &= np.isin(words[at[6] + 1], _VERSIONS)
        status, is_status = _number(octets, at[7] + 1, at[8], 3)
        size, is_size = _sizes(octets, at[8] + 1, np.minimum(at[9], ends))
        kept = np.flatnonzero(good & is_status & is_size)
        if len(kept) < len(starts):
            taken, starts, at = taken[kept], starts[kept], [places[kept] for places in at]
            at_ns, status, size = at_ns[kept], status[kept], size[kept]
        split = Split(taken, at_ns, *self._named(block.data, words, starts, at, names), status, size)
        known = split.target >= 0
        return split if known.all() else _part(split, known)

    def _instants(self, data: bytes, words: Words, at: list[Integers]) -> tuple[Mask, Integers]:
        """Instants of stamps. Days and zones are read once for the lines that share them."""
        count = len(at[2])
        if not count:
            return np.empty(0, bool), np.empty(0, np.int64)
        stamp = at[2] + 2
        parts = words[stamp], words[stamp + 3], words[at[3] + 1]  # `25/Oct/2`, `Oct/2015`, `+0100] "`
        is_new = np.ones(count, bool)
        is_new[1:] = False
        for part in parts:
            is_new[1:] |= part[1:] != part[:-1]
        news = np.flatnonzero(is_new)
        days = [self._day(data, int(stamp[row]), int(at[3][row])) for row in news]
        lengths = np.diff(news, append=count)
        midnight = np.repeat(np.array([day or 0 for day in days], np.int64), lengths)
        good = np.repeat(np.array([day is not None for day in days]), lengths)
        time = words[stamp + 12] ^ np.uint64(_COLONS)
        good &= (time & np.uint64(_HIGH)) == _ZEROS
        good &= ((time + np.uint64(_SIXES)) & np.uint64(_HIGH)) == _ZEROS
        hour, minute, second = (_two_digits(time, place) for place in (0, 24, 48))
        good &= (hour <= 23) & (minute <= 59) & (second <= 60)
        return good, midnight + ((hour * 60 + minute) * 60 + np.minimum(second, 59)) * NS

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

    def _day(self, data: bytes, stamp: int, space: int) -> int | None:
        key = data[stamp : stamp + 12] + b"00:00:00 " + data[space + 1 : space + 6]
        if key not in self._days:
            if len(self._days) > 10_000:
                self._days.clear()
            self._days[key] = clf_ns(key)
        return self._days[key]


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


def _two_digits(words: Words, place: int) -> Integers:
    tens, ones = words >> np.uint64(place), words >> np.uint64(place + 8)
    return ((tens & np.uint64(15)) * np.uint64(10) + (ones & np.uint64(15))).astype(np.int64)


def _number(octets: Bytes, starts: Integers, ends: Integers, widest: int) -> tuple[Integers, Mask]:
    """Whole numbers of at most `widest` digits, and which of them are."""
    widths = ends - starts
    good = (widths >= 1) & (widths <= widest)
    value = np.zeros(len(starts), np.int64)
    last = len(octets) - 1
    for place in range(min(widest, int(widths.max(initial=0)))):
        is_part = place < widths
        digit = octets[np.minimum(starts + place, last)].astype(np.int64) - 48
        good &= ~is_part | ((digit >= 0) & (digit <= 9))
        value = np.where(is_part, value * 10 + digit, value)
    return value, good


def _sizes(octets: Bytes, starts: Integers, ends: Integers) -> tuple[Integers, Mask]:
    """Sizes; `-` is unknown."""
    size, good = _number(octets, starts, ends, _WIDEST_SIZE)
    is_none = (ends - starts == 1) & (octets[starts] == ord("-"))
    return np.where(is_none, -1, size), good | is_none


def _part(split: Split, rows: Mask) -> Split:
    return Split(*(getattr(split, name)[rows] for name in Split.__slots__))
