"""Who asked, as numbers from 0 in order of appearance, in bounded memory.

Models   A user is whom the log names, else the address; an address is an address. Names beyond those that a reading
         keeps have numbers made of their hash, far above. Whoever is not known at all is somebody else each time.
Checked  tests/unit/test_replay.py
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from experiments.logs.names import MOST_NAMES

Integers = npt.NDArray[np.int64]

_KEPT: Final = 2 * MOST_NAMES


class People:
    """Users or addresses."""

    def __init__(self) -> None:
        self.count = 0
        """Distinct ones, without those below."""
        self.is_more = False
        """Whether there were more, known by their hashes only."""
        self.unknown = 0
        self._numbers = np.full(_KEPT, -1, np.int64)
        self._highest = -1
        self._last_line = 0

    def numbers(self, codes: Integers, lines: Integers) -> Integers:
        """Numbers for codes (-1 unknown). The unknown get negative ones until `settled`."""
        numbers = codes + _KEPT
        kept = (codes >= 0) & (codes < _KEPT)
        known = codes[kept]
        distinct, first = np.unique(known[self._numbers[known] < 0], return_index=True)
        self._numbers[distinct[np.argsort(first)]] = np.arange(self.count, self.count + len(distinct))
        self.count += len(distinct)
        numbers[kept] = self._numbers[known]
        is_unknown = codes < 0
        numbers[is_unknown] = -1 - lines[is_unknown]
        self.is_more |= bool((codes >= _KEPT).any())
        self.unknown += int(is_unknown.sum())
        self._highest = max(self._highest, int(numbers.max(initial=-1)))
        self._last_line = max(self._last_line, int(lines.max(initial=0)))
        return numbers

    def settled(self, numbers: Integers) -> Integers:
        """Numbers of their own for the unknown, now that the highest is known."""
        return np.where(numbers < 0, self._highest - numbers, numbers)

    @property
    def total(self) -> int:
        """One more than the highest number."""
        return self._highest + 1 + (self._last_line + 1 if self.unknown else 0)


def user_codes(users: Integers, ips: Integers) -> Integers:
    """The user, else the address."""
    return np.where(users >= 0, 2 * users + 1, np.where(ips >= 0, 2 * ips, -1))
