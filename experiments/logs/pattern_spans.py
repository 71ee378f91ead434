"""Lines that fit a pattern, taken apart by the block: where the texts of a pattern stand says where its variables are.

Models   A variable ends where the first byte of the text behind it stands next, or after the width that its kind has.
         A line is taken only where every text of the pattern then stands in its place and every variable holds what the
         expression of the pattern lets it hold, without quotes, backslashes and control characters. All other lines are
         left to that expression, so that what is read does not depend on the way it is read.
Omits    Patterns in which two variables stand side by side, or a request line stands without quotes around it.
Checked  tests/properties/test_logs_by_block.py holds both ways against each other; tests/benchmarks/logs.py
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from experiments.logs.batch import Integers
from experiments.logs.recent import Recent
from experiments.logs.spans import ROOM, Bytes, Mask, Spans, decimals, lines_of, starts_with, whole_numbers
from experiments.logs.stamp_spans import CLF_WIDTH, Instants
from experiments.logs.stamps import CLF

_CONTROLS: Final = 32
_QUOTE, _BACKSLASH = 34, 92
_WIDTHS: Final = {CLF: CLF_WIDTH, rb"\[" + CLF + rb"\]": CLF_WIDTH + 2}
_MANY: Final = 6
_WHOLE: Final = (b"5", b"123456789012345")
_FRACTIONS: Final = (b"5.2", b"1445742685.123", b"0.123456789")
_STAMPS: Final = (b"2015-10-25T04:11:25Z", b"2015-10-25 04:11:25.5", b"2015-10-25T04:11:25,123456789+0100",
                  b"2015-10-25T04:11:25.123 -01:00", b"2015-10-25T04:11:25")  # fmt: skip
"""What an expression takes that takes all whole numbers, all fractions, all stamps in ISO 8601."""
_STATUSES: Final = (b"200", b"999", b"000")
_LISTS: Final = (b"5 : 5", b"a : a")


@dataclass(frozen=True, slots=True)
class Place:
    """A variable and the text behind it."""

    holds: bytes
    """The expression of what it may hold."""
    is_used: bool
    text: bytes
    """What stands behind it; nothing at the end of the line."""


class PatternSplitter:
    """Takes blocks apart."""

    def __init__(self, begin: bytes, places: Sequence[Place]) -> None:
        self._begin = begin
        self._places = [_Checked(place) for place in places]
        texts = [begin, *(place.text for place in places)]
        self._quotes = [text.count(b'"') for text in texts]

    def split(self, data: bytes, ends: Integers) -> tuple[Integers, list[Spans]]:
        """Which lines are without doubt, and where the variables that are used stand in them."""
        octets = np.frombuffer(data, np.uint8)
        marks = _Marks(octets)
        lines = lines_of(data, ends)
        quotes, first = marks.of(_QUOTE, sum(self._quotes)), marks.first(_QUOTE, lines.starts)
        good = _without(octets, lines, data) & starts_with(data, lines.starts, self._begin)
        good &= np.diff(first, append=np.count_nonzero(quotes < len(octets))) == sum(self._quotes)
        taken = np.flatnonzero(good)
        at = lines.starts[taken] + len(self._begin)
        found: list[Spans] = []
        passed = 0
        for place, count in zip(self._places, self._quotes, strict=False):
            passed += count
            rest = Spans(data, at, lines.ends[taken])
            end = quotes[first[taken] + passed] if place.of.text.startswith(b'"') else place.end(marks, rest)
            good, variable = place.fits(marks, rest, end)
            if not good.all():
                kept = np.flatnonzero(good)
                taken, variable = taken[kept], variable.part(kept)
                found = [each.part(kept) for each in found]
            if place.of.is_used:
                found.append(variable)
            at = variable.ends + len(place.of.text)
        whole = at == lines.ends[taken]
        return (taken, found) if whole.all() else (taken[whole], [each.part(whole) for each in found])


class _Marks:
    """Where bytes stand in a block, found when they are asked for."""

    def __init__(self, octets: Bytes) -> None:
        self._octets = octets
        self._places: dict[int, Integers] = {}

    def of(self, mark: int, more: int = 1) -> Integers:
        """Where a byte stands; then the end, so often that there is always a next one."""
        if mark not in self._places:
            places = np.flatnonzero(self._octets == mark)
            self._places[mark] = np.concatenate((places, np.full(max(more, 1) + 1, len(self._octets))))
        return self._places[mark]

    def first(self, mark: int, at: Integers) -> Integers:
        """The number of the first such byte from each place on."""
        return np.searchsorted(self.of(mark), at)

    def next(self, mark: int, at: Integers) -> Integers:
        """Where a byte stands next from each place on; the end of the block where it does not."""
        return self.of(mark)[self.first(mark, at)]


class _Checked:
    """A place, and how it is told that a variable holds what it may hold."""

    def __init__(self, place: Place) -> None:
        self.of = place
        takes = re.compile(place.holds, re.DOTALL).fullmatch
        self._takes = takes
        self._width = _WIDTHS.get(place.holds, 0)
        self._has_whole, self._has_fractions, self._has_stamps = (
            all(map(takes, some)) for some in (_WHOLE, _FRACTIONS, _STAMPS)
        )
        self._is_status = all(map(takes, _STATUSES))
        self._is_list = any(map(takes, _LISTS)) and place.text.startswith(b" ")
        without = [sign for sign in range(_CONTROLS, 256) if not takes(b"a%ca" % sign)]
        known = (_BACKSLASH, _QUOTE, *place.text[:1])
        self._without = [sign for sign in without if sign not in known] if len(without) <= _MANY else None
        """Signs that it never holds, where it may hold any others, but for those that no variable holds here."""
        self._may_be_empty = takes(b"") is not None
        self._recent = Recent(4, 12)
        self._instants = Instants()

    def end(self, marks: _Marks, rest: Spans) -> Integers:
        """Where the variable at the begin of the rest of each line must end."""
        if self._width:
            return rest.starts + self._width
        return marks.next(self.of.text[0], rest.starts) if self.of.text else rest.ends

    def fits(self, marks: _Marks, rest: Spans, end: Integers) -> tuple[Mask, Spans]:
        """In which lines the variable up to there is what it may be, with the text behind it; and the variable."""
        text = self.of.text
        good = (end >= rest.starts) & (end + len(text) <= rest.ends)
        end = np.where(good, end, rest.starts)
        if text:
            good &= starts_with(rest.data, end, text)
        if self._is_list:
            good &= ~starts_with(rest.data, end, b" : ")  # it might go on
        variable = Spans(rest.data, rest.starts, end)
        return good & self._is_held(marks, variable), variable

    def _is_held(self, marks: _Marks, variable: Spans) -> Mask:
        if self._without is not None:
            held = (variable.widths > 0) | self._may_be_empty
            for sign in self._without:
                held &= marks.next(sign, variable.starts) >= variable.ends
        elif self._width:
            is_bare = self._width == CLF_WIDTH
            _, held = self._instants.clf(variable) if is_bare else self._instants.clf_in_brackets(variable)
        elif self._has_stamps:
            _, held = self._instants.iso(variable)
        elif self._has_whole or self._has_fractions:
            _, held, has_point = decimals(variable)
            held &= np.where(has_point, self._has_fractions, self._has_whole)
        elif self._is_status:
            _, held = whole_numbers(variable, 3)
            held &= variable.widths == 3
        else:
            held = np.zeros(len(variable), bool)
        left = np.flatnonzero(~held & (variable.widths > 0))
        if len(left):
            part = variable.part(left)
            takes = self._takes
            held[left] = self._recent.numbers(part.data, part.starts, part.ends, lambda raw: takes(raw) is not None)
        return np.asarray(held | ((variable.widths == 0) & self._may_be_empty))


def _without(octets: Bytes, lines: Spans, data: bytes) -> Mask:
    """Which lines are without control characters and backslashes, and not empty."""
    good = lines.widths > 0
    is_control = octets[:-ROOM] < _CONTROLS
    if np.count_nonzero(is_control) != len(lines):
        controls = np.flatnonzero(is_control)
        good &= np.searchsorted(controls, lines.starts) == np.searchsorted(controls, lines.ends)
    if b"\\" in data:
        backslashes = np.flatnonzero(octets == _BACKSLASH)
        good &= np.searchsorted(backslashes, lines.starts) == np.searchsorted(backslashes, lines.ends)
    return good
