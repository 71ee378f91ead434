"""Instants of all stamps of a block at once.

Models   Stamps of the common log format and in ISO 8601: the day and the zone are read once for the lines that share
         them, the time of day is arithmetic. Numbers of s, ms, us or ns since 1970. Of each stamp is said whether it
         was plain; what is not (leap seconds, odd fractions, what is no stamp) is left to `instant_of`.
Checked  tests/properties/test_logs_by_block.py, tests/properties/test_logs_combined.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from experiments.logs.batch import NS, Integers
from experiments.logs.spans import Bytes, Mask, Spans, Words, scaled, words_of
from experiments.logs.stamps import LAST_NS, clf_ns, iso_ns

CLF_WIDTH: Final = 26
_DAYS: Final = 10_000
_DIGITS_OF: Final = {"s": 9, "ms": 6, "us": 3, "ns": 0}
_GUESSED: Final = np.array([9] * 12 + [6] * 3 + [3] * 3 + [0] * 3)
"""By the digits before the point: what brings s, ms, us or ns to ns."""
_ZERO, _NINE = ord("0"), ord("9")

_COLONS: Final = 0x00_00_0A_00_00_0A_00_00
_HIGH: Final = 0xF0_F0_FF_F0_F0_FF_F0_F0
_SIXES: Final = 0x06_06_00_06_06_00_06_06
_ZEROS: Final = 0x30_30_30_30_30_30_30_30
_MASKS: Final = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)


class Instants:
    """Reads stamps. Remembers days, of which there are few."""

    def __init__(self) -> None:
        self._days: dict[bytes, int | None] = {}

    def of(self, texts: Spans, unit: str = "") -> tuple[Integers, Mask]:
        """The instants of stamps, and which of them are plain. All are taken to be written like the first."""
        if not len(texts):
            return np.empty(0, np.int64), np.empty(0, bool)
        first = texts.text(0)
        if unit:
            return _of_numbers(texts, _DIGITS_OF[unit])
        if first[4:5] == b"-":
            return self.iso(texts)
        if first[:1].isdigit() and first.replace(b".", b"", 1).isdigit():
            return _of_numbers(texts, None)
        return self.clf_in_brackets(texts) if first[:1] == b"[" else self.clf(texts)

    def clf_in_brackets(self, texts: Spans) -> tuple[Integers, Mask]:
        """Of `[25/Oct/2015:04:11:25 +0100]`."""
        at_ns, good = self.clf(Spans(texts.data, texts.starts + 1, texts.ends - 1))
        return at_ns, good & (texts.first() == ord("[")) & (texts.octets[texts.ends - 1] == ord("]"))

    def clf(self, texts: Spans) -> tuple[Integers, Mask]:
        """Of `25/Oct/2015:04:11:25 +0100`."""
        good = texts.widths == CLF_WIDTH
        starts = np.where(good, texts.starts, 0)
        octets = texts.octets
        good &= (octets[starts + 11] == ord(":")) & (octets[starts + 20] == ord(" "))
        words = words_of(texts.data)
        zone = words[starts + 21] & _MASKS[5]
        midnight, known = self._midnights(
            (words[starts], words[starts + 3], zone), lambda row: self._clf_day(texts.data, int(starts[row]))
        )
        since, is_time = _time_of_day(words[starts + 12], 60)
        return midnight + since, good & known & is_time & (midnight + since < LAST_NS)

    def iso(self, texts: Spans) -> tuple[Integers, Mask]:
        """Of `2023-11-16T18:15:46.680590+01:00`, with at most 9 digits of a second and a zone or none."""
        good = texts.widths >= 19
        starts, octets = np.where(good, texts.starts, 0), texts.octets
        ends = np.where(good, texts.ends, 19)
        good &= (octets[starts + 10] == ord("T")) | (octets[starts + 10] == ord(" "))
        words = words_of(texts.data)
        fraction, behind = _fraction(octets, starts + 19, ends)
        zones = ends - behind
        good &= zones <= 6
        zone = words[behind] & _MASKS[np.clip(zones, 0, 8)]
        midnight, known = self._midnights(
            (words[starts], words[starts + 2], zone),
            lambda row: self._iso_day(texts.data, int(starts[row]), int(behind[row]), int(ends[row])),
        )
        since, is_time = _time_of_day(words[starts + 11], 59)
        at_ns = midnight + since + fraction
        return at_ns, good & known & is_time & (at_ns < LAST_NS)

    def _midnights(self, parts: tuple[Words, ...], day_of: Callable[[int], int | None]) -> tuple[Integers, Mask]:
        """When the days of stamps began, and which days are any. Rows of one day and zone stand together."""
        count = len(parts[0])
        is_new = np.ones(count, bool)
        is_new[1:] = False
        for part in parts:
            is_new[1:] |= part[1:] != part[:-1]
        news = np.flatnonzero(is_new)
        days = [day_of(row) for row in news.tolist()]
        lengths = np.diff(news, append=count)
        midnight = np.repeat(np.array([day or 0 for day in days], np.int64), lengths)
        return midnight, np.repeat(np.array([day is not None for day in days], bool), lengths)

    def _clf_day(self, data: bytes, start: int) -> int | None:
        key = data[start : start + 12] + b"00:00:00 " + data[start + 21 : start + 26]
        return self._day(key, clf_ns)

    def _iso_day(self, data: bytes, start: int, zone: int, end: int) -> int | None:
        return self._day(data[start : start + 10] + b"T00:00:00" + data[zone:end][:8], iso_ns)

    def _day(self, key: bytes, read: Callable[[bytes], int | None]) -> int | None:
        if key not in self._days:
            if len(self._days) > _DAYS:
                self._days.clear()
            self._days[key] = read(key)
        return self._days[key]


def _time_of_day(time: Words, last_second: int) -> tuple[Integers, Mask]:
    """Nanoseconds of `18:15:46` since midnight, and which are times; the leap second counts as the one before it."""
    time = time ^ np.uint64(_COLONS)
    good = (time & np.uint64(_HIGH)) == _ZEROS
    good &= ((time + np.uint64(_SIXES)) & np.uint64(_HIGH)) == _ZEROS
    hour, minute, second = (_two_digits(time, place) for place in (0, 24, 48))
    good &= (hour <= 23) & (minute <= 59) & (second <= last_second)
    return ((hour * 60 + minute) * 60 + np.minimum(second, 59)) * NS, good


def _two_digits(words: Words, place: int) -> Integers:
    tens, ones = words >> np.uint64(place), words >> np.uint64(place + 8)
    return ((tens & np.uint64(15)) * np.uint64(10) + (ones & np.uint64(15))).astype(np.int64)


def _fraction(octets: Bytes, places: Integers, ends: Integers) -> tuple[Integers, Integers]:
    """Nanoseconds after a point or comma at these places, and where what follows begins."""
    sign = octets[places]
    there = (places < ends) & ((sign == ord(".")) | (sign == ord(",")))
    value = np.zeros(len(places), np.int64)
    behind = places + there
    for power in range(8, -1, -1):
        digit = octets[behind]
        there = there & (behind < ends) & (digit >= _ZERO) & (digit <= _NINE)
        if not there.any():
            break
        value += np.where(there, (digit.astype(np.int64) - _ZERO) * 10**power, 0)
        behind = behind + there
    return value, np.where(behind == places + 1, places, behind)


def _of_numbers(texts: Spans, power: int | None) -> tuple[Integers, Mask]:
    """Numbers since 1970, of a unit or of that which their size tells."""
    if power is not None:
        at_ns, good, _ = scaled(texts, power)
        return at_ns, good & (at_ns < LAST_NS)
    _, behind, _ = texts.digits
    before = texts.widths - behind - (behind > 0)
    at_ns, good, _ = scaled(texts, _GUESSED[np.clip(before, 0, len(_GUESSED) - 1)])
    return at_ns, good & (at_ns < LAST_NS) & (texts.first() != _ZERO)
