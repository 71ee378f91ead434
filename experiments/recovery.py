"""Does the system recover once what hurt it is over, or does it stay down though its cause is gone?

Models   Causes are read from what was noted: paths below `faults.` and `traffic.`, texts that begin with "begins" and
         "ends"; causes that overlap are one episode. The level before is that of the minute before it. Afterwards the
         system is well in a window of 10 s if goodput is at least 90 % of that level, less three standard errors of
         counting, and the p95 of response times at most twice as high, or 50 ms higher. It has recovered at the first
         instant after the cause from which every such window within 30 s is well. It is stuck if that has not happened
         by the end of the run, or by the next episode, at least 60 s have been seen since the cause was gone,
         and the last window is not well; else the run was too short to tell.
         Where not half of all requests succeeded before, there is nothing that could come back: it was down already.
Units    Seconds. Windows begin and end at the bins of the recorded series, so instants are known to one bin.
Source   Bronson et al., Metastable Failures in Distributed Systems, HotOS 2021: what is meant by stuck. The bounds are
         assumed, and stand in every result beside the verdict.
Omits    Loads that differ before and after by themselves: the level before is all that is known to be well.
Checked  tests/unit/test_recovery.py, tests/e2e/test_storms.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, inf, sqrt
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.outcomes import Outcome
from sim.recorder import Notes, Recording
from sim.recorder.series import MERGED, MERGED_BINS
from sim.replication import Replication
from sim.statistics import bin_edges, interpolated_quantile, t_interval

BEFORE_S: Final = 60.0
LEAST_BEFORE_S: Final = 10.0
WINDOW_S: Final = 10.0
HOLD_S: Final = 30.0
STUCK_AFTER_S: Final = 60.0
WELL_BEFORE_SHARE: Final = 0.5
GOODPUT_SHARE: Final = 0.9
COUNTING_ERRORS: Final = 3.0
P95_FACTOR: Final = 2.0
P95_SLACK_MS: Final = 50.0
CAUSES: Final = ("faults.", "traffic.")
_EDGES: Final = bin_edges(MERGED)
_LONGEST_S: Final = 2.0**20


@dataclass(frozen=True)
class Episode:
    """Causes that overlap, from the first that begins to the last that ends."""

    causes: tuple[str, ...]
    begins_s: float
    ends_s: float
    """Infinity where one did not end."""


def episodes(notes: Notes) -> list[Episode]:
    """What hurt the system, in order of time."""
    found: list[Episode] = []
    under_way: dict[str, None] = {}
    causes: dict[str, None] = {}
    begins_s = 0.0
    for time_s, path, text in notes.lines:
        if not path.startswith(CAUSES):
            continue
        word = text.split(maxsplit=1)[0].rstrip(":,.;") if text else ""
        if word == "begins":
            if not under_way:
                if found and found[-1].ends_s >= time_s:  # one ends where the next begins
                    last = found.pop()
                    causes, begins_s = dict.fromkeys(last.causes), last.begins_s
                else:
                    causes, begins_s = {}, time_s
            under_way[path] = causes[path] = None
        elif word == "ends" and path in under_way:
            del under_way[path]
            if not under_way:
                found.append(Episode(tuple(sorted(causes)), begins_s, time_s))
    if under_way:
        found.append(Episode(tuple(sorted(causes)), begins_s, inf))
    return found


@dataclass(frozen=True)
class Level:
    """How well callers were served over a span."""

    goodput_per_s: float
    success_rate: float | None
    p95_ms: float | None


class Seen:
    """What callers saw by bin of time, as running totals: the level of any span is a difference."""

    def __init__(self, recording: Recording) -> None:
        series = recording.series
        self.bin_s = series.bin_s
        self.bins = int(recording.end_s / series.bin_s + 1e-9)
        self._ended = self._total(series.bins, series.ended())
        self._succeeded = self._total(series.bins, series.ended(outcome=int(Outcome.SUCCEEDED)))
        latencies = np.zeros((self.bins + 1, MERGED_BINS), dtype=np.int64)
        rows = series.bins[series.latency_row]
        within = rows < self.bins
        np.add.at(latencies, (rows[within] + 1, series.latency_bin[within]), series.latency_count[within])
        self._latencies = latencies.cumsum(axis=0)
        self._longest_s = recording.requests.latency().max or _LONGEST_S
        """No quantile is beyond it, however wide the bin that holds it."""

    def _total(self, bins: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        totals = np.zeros(self.bins + 1, dtype=np.int64)
        within = bins < self.bins
        np.add.at(totals, bins[within] + 1, counts[within])
        return totals.cumsum()

    def level(self, first: int, last: int) -> Level:
        """From the beginning of bin `first` up to that of bin `last`."""
        ended = int(self._ended[last] - self._ended[first])
        succeeded = int(self._succeeded[last] - self._succeeded[first])
        counts = self._latencies[last] - self._latencies[first]
        p95_s = interpolated_quantile(counts, _EDGES, 0.95, 0.0, self._longest_s) if counts.any() else None
        return Level(
            goodput_per_s=succeeded / ((last - first) * self.bin_s),
            success_rate=succeeded / ended if ended else None,
            p95_ms=None if p95_s is None else 1000.0 * p95_s,
        )


@dataclass(frozen=True)
class Band:
    """What counts as well."""

    goodput_at_least_per_s: float
    p95_at_most_ms: float

    @classmethod
    def around(cls, before: Level, window_s: float) -> Band:
        error = COUNTING_ERRORS * sqrt(before.goodput_per_s / window_s)
        p95_ms = before.p95_ms or 0.0
        return cls(
            max(0.0, GOODPUT_SHARE * before.goodput_per_s - error), max(P95_FACTOR * p95_ms, p95_ms + P95_SLACK_MS)
        )

    def holds(self, level: Level) -> bool:
        is_fast = level.p95_ms is not None and level.p95_ms <= self.p95_at_most_ms
        return is_fast and level.goodput_per_s >= self.goodput_at_least_per_s


@dataclass(frozen=True)
class Course:
    """How one episode went in one replication."""

    episode: Episode
    verdict: str
    """recovered | stuck | too_short | down_before"""
    after_s: float | None = None
    """Time from the end of the cause to the recovery."""
    before: Level | None = None
    worst: Level | None = None
    finally_: Level | None = None
    band: Band | None = None
    observed_s: float = 0.0
    """Time seen after the cause was gone."""


def courses(replication: Replication) -> list[Course]:
    """How every episode of a replication went."""
    recording = replication.recording
    found = episodes(recording.notes)
    if not found:
        return []
    seen = Seen(recording)
    limits_s = [*(episode.begins_s for episode in found[1:]), recording.end_s]
    return [
        _course(seen, episode, limit_s, recording.warm_up_s) for episode, limit_s in zip(found, limits_s, strict=True)
    ]


def _course(seen: Seen, episode: Episode, limit_s: float, warm_up_s: float) -> Course:
    bin_s = seen.bin_s
    window = max(1, round(WINDOW_S / bin_s))
    begin = int(episode.begins_s / bin_s)
    before_from = max(ceil(warm_up_s / bin_s), begin - round(BEFORE_S / bin_s))
    if (begin - before_from) * bin_s < LEAST_BEFORE_S:
        return Course(episode, "too_short")
    before = seen.level(before_from, begin)
    if (before.success_rate or 0.0) < WELL_BEFORE_SHARE:
        return Course(episode, "down_before", before=before)
    band = Band.around(before, window * bin_s)
    limit = min(int(limit_s / bin_s + 1e-9), seen.bins)
    end = limit if episode.ends_s == inf else min(limit, ceil(episode.ends_s / bin_s - 1e-9))
    windows = [seen.level(first, first + window) for first in range(begin, limit - window + 1)]
    is_well = [band.holds(level) for level in windows]
    after = is_well[end - begin :]
    hold = max(1, round(HOLD_S / bin_s) - window + 1)
    at = next((first for first in range(len(after) - hold + 1) if all(after[first : first + hold])), None)
    observed_s = (limit - end) * bin_s
    if at is not None:
        verdict = "recovered"
    else:
        is_getting_well = bool(after) and after[-1]  # it may be about to be well for long enough
        verdict = "stuck" if observed_s >= STUCK_AFTER_S and not is_getting_well else "too_short"
    hurt = windows[: end - begin + (len(after) if at is None else at + 1)]
    after_s = None if at is None else max(0.0, (end + at) * bin_s - episode.ends_s) if at else 0.0
    last = seen.level(max(end, limit - round(BEFORE_S / bin_s)), limit) if limit > end else None
    return Course(episode, verdict, after_s, before, _worst(hurt), last, band, observed_s)


def _worst(levels: Sequence[Level]) -> Level | None:
    """The worst that any window saw, figure by figure."""
    if not levels:
        return None
    rates = [level.success_rate for level in levels if level.success_rate is not None]
    p95s = [level.p95_ms for level in levels if level.p95_ms is not None]
    return Level(min(level.goodput_per_s for level in levels), min(rates, default=None), max(p95s, default=None))


UNTOLD: Final = ("down_before", "too_short")
"""Verdicts that say neither that it came back nor that it did not."""


# --- over replications ---


def named(found: Sequence[Course]) -> Iterator[tuple[str, Course]]:
    """Episodes by the names of their causes; one that comes again has a number."""
    times: dict[str, int] = {}
    for course in found:
        name = " + ".join(course.episode.causes)
        number = times[name] = times.get(name, 0) + 1
        yield (name if number == 1 else f"{name} ({number})"), course


def recovery_figures(replication: Replication) -> dict[str, Any]:
    """Figures that objectives can point to, by episode; null where it is too early to tell."""
    return {
        name: {
            "recovered_share": None if course.verdict in UNTOLD else float(course.verdict == "recovered"),
            "after_s": course.after_s,
        }
        for name, course in named(courses(replication))
    }


def judge_recovery(replications: Sequence[Replication]) -> list[dict[str, Any]]:
    """For every episode: what it was like before, at its worst and in the end, and in how many it recovered."""
    by_name: dict[str, list[Course]] = {}
    for replication in replications:
        for name, course in named(courses(replication)):
            by_name.setdefault(name, []).append(course)
    return [_judged(name, found) for name, found in by_name.items()]


def _judged(name: str, found: Sequence[Course]) -> dict[str, Any]:
    verdicts = [course.verdict for course in found]
    times_s = [course.after_s for course in found if course.after_s is not None]
    estimate = t_interval(times_s) if times_s else None
    told = [verdict for verdict in verdicts if verdict not in UNTOLD] or sorted(verdicts, reverse=True)[:1]
    ends_s = [course.episode.ends_s for course in found if course.episode.ends_s < inf]
    return {
        "name": name,
        "causes": list(found[0].episode.causes),
        "begins_s": _mean([course.episode.begins_s for course in found]),
        "ends_s": _mean(ends_s) if len(ends_s) == len(found) else None,
        "verdict": told[0] if len(set(told)) == 1 else "mixed",
        "of": len(found),
        "recovered_in": verdicts.count("recovered"),
        "stuck_in": verdicts.count("stuck"),
        "too_short_in": verdicts.count("too_short"),
        "down_before_in": verdicts.count("down_before"),
        "after_s": None if estimate is None else estimate.mean,
        "after_interval_s": None if estimate is None or estimate.low is None else [estimate.low, estimate.high],
        "observed_s": _mean([course.observed_s for course in found]),
        "before": _levels([course.before for course in found]),
        "worst": _levels([course.worst for course in found]),
        "finally": _levels([course.finally_ for course in found]),
        "band": {
            **{
                bound: _mean([None if course.band is None else getattr(course.band, bound) for course in found])
                for bound in ("goodput_at_least_per_s", "p95_at_most_ms")
            },
            "window_s": WINDOW_S,
            "hold_s": HOLD_S,
            "stuck_after_s": STUCK_AFTER_S,
        },
    }


def _levels(levels: Sequence[Level | None]) -> dict[str, float | None]:
    return {
        figure: _mean([None if level is None else getattr(level, figure) for level in levels])
        for figure in ("goodput_per_s", "success_rate", "p95_ms")
    }


def _mean(values: Sequence[float | None]) -> float | None:
    """Null where any is: a mean over some of the replications would be of other ones."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None
