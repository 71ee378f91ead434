"""Visits: how many requests one makes, how long it thinks between them, and when it comes back.

Models   Requests belong to a user, or where the log names none, to an address. A pause is the time from the end of a
         visitor's last request (its arrival, where the log has no response times) to the arrival of the next. A pause
         longer than the gap (30 min by default) ends a session; shorter ones are think times. Who asks again before the
         last answer has come thinks for no time.
         Of very many visitors a part is followed, chosen by a hash of who they are: whole visitors, never parts. What
         was counted of those who are followed no more is forgotten.
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
from experiments.traffic.histogram import Floats, Histogram

GAP_S: Final = 1800.0
MOST_VISITORS: Final = 1 << 18
LEVELS: Final = 31
"""As many as there are halvings that the numbers of `uniform`, multiples of 2 ** -30, can tell apart."""


def kept(numbers: Integers, halvings: int) -> npt.NDArray[np.bool_]:
    """Which of these are in the sample of one in 2 ** `halvings`: a smaller one is part of every larger one."""
    if not halvings:
        return np.ones(len(numbers), bool)
    return uniform(numbers, "sample") < 0.5**halvings


def levels(numbers: Integers) -> Integers:
    """After how many halvings each of these leaves the sample, less one: `kept` up to that many."""
    found: Integers = -np.frexp(uniform(numbers, "sample"))[1].astype(np.int64)
    return np.where(uniform(numbers, "sample") > 0, found, LEVELS - 1)


class ByLevel:
    """Durations of visitors, apart by how long these stay in the sample."""

    def __init__(self) -> None:
        self._parts: dict[int, Histogram] = {}

    def add(self, values: Floats, levels_of: Integers) -> None:
        """Durations, and the level of the visitor of each."""
        for level in np.unique(levels_of).tolist():
            self._parts.setdefault(level, Histogram()).add(values[levels_of == level])

    def forget(self, level: int) -> None:
        """Whoever is of this level is not followed any more."""
        self._parts.pop(level, None)

    def together(self) -> Histogram:
        """Durations of all who are followed."""
        whole = Histogram()
        for level in sorted(self._parts):
            whole.take_in(self._parts[level])
        return whole


class Sessions:
    """The visitors of a log, in the order of arrivals."""

    def __init__(self, gap_s: float = GAP_S, most: int = MOST_VISITORS) -> None:
        self.gap_s = gap_s
        self._think, self._away, self._lengths, self._lasts = ByLevel(), ByLevel(), ByLevel(), ByLevel()
        self.unknown = 0
        """Requests of nobody who is known."""
        self.halvings = 0
        """One visitor in 2 ** this is followed."""
        self._most = most
        self._last: dict[int, tuple[int, int, int]] = {}
        """By visitor: end of the last request, begin of the session, requests in it; in ns."""

    @property
    def think(self) -> Histogram:
        return self._think.together()

    @property
    def away(self) -> Histogram:
        return self._away.together()

    @property
    def lengths(self) -> Histogram:
        """Requests of a session."""
        return self._lengths.together()

    @property
    def lasts(self) -> Histogram:
        """From the first request of a session to the end of its last."""
        return self._lasts.together()

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
        is_thinking = ~is_new & ~is_away
        self._think.add(pause_s[is_thinking], levels(visitor[is_thinking]))
        self._away.add(pause_s[is_away], levels(visitor[is_away]))
        self._close(names, carried, starts, stops, at, until, is_away)

    def _close(
        self, names: list[int], carried: list[tuple[int, int, int] | None], starts: Integers, stops: Integers,
        at: Integers, until: Integers, is_away: npt.NDArray[np.bool_],
    ) -> None:  # fmt: skip
        """End the sessions that gaps end, and remember the ones that go on."""
        ended: list[tuple[int, int, int]] = []
        breaks = np.flatnonzero(is_away)
        firsts, pasts = np.searchsorted(breaks, starts), np.searchsorted(breaks, stops)
        rows = zip(names, carried, starts.tolist(), stops.tolist(), firsts.tolist(), pasts.tolist(), strict=True)
        for name, before, start, stop, first, past in rows:
            last_ns, began, count = (0, int(at[start]), 0) if before is None else before
            begin = start
            for cut in breaks[first:past].tolist():
                ended.append((name, count + cut - begin, (int(until[cut - 1]) if cut > start else last_ns) - began))
                begin, began, count = cut, int(at[cut]), 0
            self._last[name] = (int(until[stop - 1]), began, count + stop - begin)
        self._end(ended)

    def _end(self, sessions: list[tuple[int, int, int]]) -> None:
        """Count sessions that are over: of whom, of how many requests, of how many ns."""
        if sessions:
            names, lengths, lasts_ns = np.array(sessions, np.int64).T
            self._lengths.add(lengths.astype(np.float64), levels(names))
            self._lasts.add(np.maximum(lasts_ns / SECOND_NS, 0.0), levels(names))

    def _thin(self) -> None:
        """Follow half as many visitors, as if the others had never come."""
        for counted in (self._think, self._away, self._lengths, self._lasts):
            counted.forget(self.halvings)
        self.halvings += 1
        names = np.fromiter(self._last, np.int64, len(self._last))
        self._last = {name: self._last[name] for name in names[kept(names, self.halvings)].tolist()}

    def end(self) -> None:
        """The log is over, and with it every session."""
        self._end([(name, count, last_ns - began) for name, (last_ns, began, count) in self._last.items()])

    def think_fit(self, resolution_s: float) -> Fit | None:
        return fit(self.think, resolution_s)

    def as_dict(self, resolution_s: float) -> dict[str, Any] | None:
        """Figures for the result; None where nobody is known."""
        lengths, lasts, think, away = self.lengths, self.lasts, self.think, self.away
        if not lengths.count:
            return None
        found = self.think_fit(resolution_s)
        return {
            "gap_s": self.gap_s,
            "visitors": self.visitors,
            "one_in": 2**self.halvings,
            "unknown_requests": self.unknown,
            "sessions": lengths.count,
            "requests_per_session": {
                "mean": lengths.mean, "p50": _whole(lengths.quantile(0.5)),
                "p90": _whole(lengths.quantile(0.9)), "max": lengths.greatest,
            },
            "session_s": lasts.as_dict((0.5, 0.9)),
            "think_s": {
                **think.as_dict((0.1, 0.25, 0.5, 0.75, 0.9, 0.99)), "zeros": think.zeros, "curve": think.curve(),
            },
            "away_s": away.as_dict((0.5, 0.9)),
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
