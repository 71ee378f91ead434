"""Visits: how many requests one makes, how long it thinks between them, and when it comes back.

Models   Requests belong to a user, or where the log names none, to an address. A pause is the time from the end of a
         visitor's last request (its arrival, where the log has no response times) to the arrival of the next. A pause
         longer than the gap (30 min by default) ends a session; shorter ones are think times. Who asks again before the
         last answer has come thinks for no time.
         Of very many visitors a part is followed, chosen by a hash of who they are: whole visitors, never parts.
Units    Seconds.
Source   The gap of 30 min is the one of web analytics (Catledge and Pitkow 1995 measured 25.5 min).
Checked  tests/unit/test_traffic_sessions.py
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from experiments.logs.batch import Batch, Integers
from experiments.replay.spread import uniform
from experiments.traffic.counts import SECOND_NS
from experiments.traffic.fitting import Fit, fit
from experiments.traffic.histogram import Histogram

GAP_S: Final = 1800.0
MOST_VISITORS: Final = 1 << 18


def kept(numbers: Integers, halvings: int) -> npt.NDArray[np.bool_]:
    """Which of these are in the sample of one in 2 ** `halvings`: a smaller one is part of every larger one."""
    if not halvings:
        return np.ones(len(numbers), bool)
    return uniform(numbers, "sample") < 0.5**halvings


class Sessions:
    """The visitors of a log, in the order of arrivals."""

    def __init__(self, gap_s: float = GAP_S, most: int = MOST_VISITORS) -> None:
        self.gap_s = gap_s
        self.think = Histogram()
        self.away = Histogram()
        self.lengths = Histogram()
        """Requests of a session."""
        self.lasts = Histogram()
        """From its first request to its last."""
        self.unknown = 0
        """Requests of nobody who is known."""
        self.halvings = 0
        """One visitor in 2 ** this is followed."""
        self._most = most
        self._last: dict[int, tuple[int, int, int]] = {}
        """By visitor: end of the last request, begin of the session, requests in it; in ns."""

    @property
    def visitors(self) -> int:
        """How many are followed."""
        return len(self._last)

    def add(self, rows: Batch) -> None:
        """Requests in the order of their arrivals."""
        visitor = np.where(rows.user >= 0, 2 * rows.user + 1, np.where(rows.ip >= 0, 2 * rows.ip, -1))
        is_known = visitor >= 0
        self.unknown += int((~is_known).sum())
        is_followed = is_known & kept(visitor, self.halvings)
        if not is_followed.any():
            return
        order = np.flatnonzero(is_followed)[np.argsort(visitor[is_followed], kind="stable")]
        at = rows.at_ns[order]
        took = np.nan_to_num(rows.response_s[order], nan=0.0, posinf=0.0)
        ends = at + (np.clip(took, 0, 1e8) * SECOND_NS).astype(np.int64)
        self._take(visitor[order], at, ends)
        while len(self._last) > self._most:
            self._thin()

    def _take(self, visitor: Integers, at: Integers, ends: Integers) -> None:
        """Rows by visitor, then by arrival."""
        is_first = np.concatenate([[True], visitor[1:] != visitor[:-1]])
        starts = np.flatnonzero(is_first)
        stops = np.append(starts[1:], len(visitor))
        names = visitor[starts].tolist()
        carried = [self._last.get(name) for name in names]
        before_ns = np.array(
            [at[start] if last is None else last[0] for start, last in zip(starts, carried, strict=True)]
        )
        ends[starts] = np.maximum(ends[starts], before_ns)
        until = latest(ends, starts, stops)
        pause_ns = at - np.concatenate([[0], until[:-1]])
        pause_ns[starts] = at[starts] - before_ns
        is_new = np.zeros(len(visitor), bool)
        is_new[starts] = [before is None for before in carried]
        pause_s = np.maximum(pause_ns / SECOND_NS, 0.0)
        is_away = ~is_new & (pause_s > self.gap_s)
        self.think.add(pause_s[~is_new & ~is_away])
        self.away.add(pause_s[is_away])
        self._close(names, carried, starts, stops, at, until, is_away)

    def _close(
        self, names: list[int], carried: list[tuple[int, int, int] | None], starts: Integers, stops: Integers,
        at: Integers, until: Integers, is_away: npt.NDArray[np.bool_],
    ) -> None:  # fmt: skip
        """End the sessions that gaps end, and remember the ones that go on."""
        lengths, lasts = [], []
        breaks = np.flatnonzero(is_away)
        firsts, pasts = np.searchsorted(breaks, starts), np.searchsorted(breaks, stops)
        rows = zip(names, carried, starts.tolist(), stops.tolist(), firsts.tolist(), pasts.tolist(), strict=True)
        for name, before, start, stop, first, past in rows:
            last_ns, began, count = (0, int(at[start]), 0) if before is None else before
            begin = start
            for cut in breaks[first:past].tolist():
                lengths.append(count + cut - begin)
                lasts.append((int(at[cut - 1]) if cut > start else last_ns) - began)
                begin, began, count = cut, int(at[cut]), 0
            self._last[name] = (int(until[stop - 1]), began, count + stop - begin)
        self.lengths.add(np.array(lengths, np.float64))
        self.lasts.add(np.maximum(np.array(lasts, np.float64) / SECOND_NS, 0.0))

    def _thin(self) -> None:
        """Follow half as many visitors from here on."""
        self.halvings += 1
        names = np.fromiter(self._last, np.int64, len(self._last))
        self._last = {name: self._last[name] for name in names[kept(names, self.halvings)].tolist()}

    def end(self) -> None:
        """The log is over, and with it every session."""
        going = list(self._last.values())
        self.lengths.add(np.array([count for _, _, count in going], np.float64))
        self.lasts.add(np.array([max(0, last - began) / SECOND_NS for last, began, _ in going]))

    def think_fit(self, resolution_s: float) -> Fit | None:
        return fit(self.think, resolution_s)

    def as_dict(self, resolution_s: float) -> dict[str, Any] | None:
        """Figures for the result; None where nobody is known."""
        if not self.lengths.count:
            return None
        found = self.think_fit(resolution_s)
        return {
            "gap_s": self.gap_s,
            "visitors": self.visitors,
            "one_in": 2**self.halvings,
            "unknown_requests": self.unknown,
            "sessions": self.lengths.count,
            "requests_per_session": {
                "mean": self.lengths.mean, "p50": _whole(self.lengths.quantile(0.5)),
                "p90": _whole(self.lengths.quantile(0.9)), "max": self.lengths.greatest,
            },
            "session_s": self.lasts.as_dict((0.5, 0.9)),
            "think_s": {
                **self.think.as_dict((0.1, 0.25, 0.5, 0.75, 0.9, 0.99)), "zeros": self.think.zeros,
                "curve": self.think.curve(),
            },
            "away_s": self.away.as_dict((0.5, 0.9)),
            "think_fit": None if found is None else {
                **found.spec(), "distance": found.distance, "fit": found.verdict, "of": found.count,
            },
        }  # fmt: skip


def _whole(value: float | None) -> float | None:
    """A quantile of whole numbers, which bins know within half a percent."""
    return None if value is None else float(math.floor(value + 0.5)) if value < 100 else value


def latest(ends: Integers, starts: Integers, stops: Integers) -> Integers:
    """The running maximum within every group from a start up to a stop."""
    running = ends.copy()
    place = np.arange(len(ends)) - np.repeat(starts, stops - starts)
    step, longest = 1, int((stops - starts).max(initial=0))
    while step < longest:
        reach = place[step:] >= step
        running[step:] = np.where(reach, np.maximum(running[step:], running[:-step]), running[step:])
        step *= 2
    return running
