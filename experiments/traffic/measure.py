"""What the load of a log is: everything that `windtunnel traffic` says, measured in one reading and in flat memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np

from experiments.logs import Batch, Reading
from experiments.traffic.counts import SECOND_NS, Counts, regrouped
from experiments.traffic.dispersion import WINDOWS_S, dispersions
from experiments.traffic.endpoints import Endpoints
from experiments.traffic.histogram import Histogram
from experiments.traffic.limits import Limit
from experiments.traffic.order import Ordered, Sorter
from experiments.traffic.popularity import fit_zipf
from experiments.traffic.sessions import Sessions
from experiments.traffic.visitors import Visitors

SCHEMA_VERSION: Final = 1
MOST_POINTS: Final = 1440
"""Points of a curve over time: minutes of a day."""
LEAST_EACH: Final = 8
LEAST_POINTS: Final = 60
"""Where there are more points than that, each stands for some requests on average (assumed)."""
SERIES_S: Final = (
    0.001, 0.01, 0.1, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400,
    172_800, 604_800, 2_592_000,
)  # fmt: skip
PEAKS_S: Final = (1, 10, 60, 600, 3600)
LEAST_DAYS: Final = 2
RANKS: Final = 200
"""Ranks shown of a popularity, spread evenly over the logarithm."""


@dataclass(frozen=True)
class Measured:
    """What was measured, as plain values, and the counts it rests on."""

    document: dict[str, Any]
    counts: Counts
    offset_s: int
    """By how much the clock is ahead of UTC that hours are told by."""
    targets: Sequence[tuple[str, str]]
    by_target: np.ndarray
    """Requests of each target."""


class Measurement:
    """Takes a reading batch by batch."""

    def __init__(self, reading: Reading, limits: Sequence[Limit], gap_s: float) -> None:
        self._reading = reading
        self.limits = list(limits)
        self.counts = Counts(reading.resolution_ns)
        self.endpoints = Endpoints(reading.names)
        self.visitors = Visitors()
        self.sessions = Sessions(gap_s)
        self.gaps = Histogram()
        self.sorter = Sorter()
        self._last_ns: int | None = None

    def take_all(self) -> None:
        """Read the log to its end. Raises InputError where it cannot be read."""
        for found in self.sorter.ordered(self._counted()):
            self._in_order(found)
        self.sessions.end()

    def _counted(self) -> Iterator[Batch]:
        for batch in self._reading.batches():
            self.counts.add(batch.at_ns)
            self.endpoints.add(batch)
            self.visitors.add(batch)
            yield batch

    def _in_order(self, found: Ordered) -> None:
        if not len(found.instant_ns):
            return
        self.sessions.add(found.rows)
        if self._reading.resolution_ns < SECOND_NS:
            first = [] if self._last_ns is None else [self._last_ns]
            self.gaps.add(np.diff(np.concatenate([first, found.instant_ns])) / SECOND_NS)
            self._last_ns = int(found.instant_ns[-1])
        for limit in self.limits:
            limit.judge(found)


def measure(
    reading: Reading, logs: Sequence[str], limits: Sequence[Limit], gap_s: float, offset_s: int = 0
) -> Measured:  # fmt: skip
    """Read a log to its end and say what its load is, hours by clocks that are `offset_s` ahead of UTC.

    Raises InputError.
    """
    taken = Measurement(reading, limits, gap_s)
    taken.take_all()
    counts, endpoints = taken.counts, taken.endpoints
    resolution_s = reading.resolution_ns / SECOND_NS
    by_path = endpoints.by_path()
    zipf = fit_zipf(by_path)
    document = {
        "schema_version": SCHEMA_VERSION,
        "logs": list(logs),
        "format": reading.format,
        "lines": reading.lines, "requests": reading.requests, "bad": reading.bad, "bad_shown": reading.bad_shown,
        "outside": reading.outside, "headers": reading.headers, "went_back": reading.went_back,
        "late": taken.sorter.late,
        "resolution_s": resolution_s,
        "begins": iso(counts.first_ns), "ends": iso(counts.last_ns), "span_s": counts.span_s,
        "rate": rates(counts, offset_s),
        "burstiness": burstiness(counts, taken.gaps),
        "status": endpoints.statuses(),
        "response_s": with_curve(endpoints.times),
        "upstream": endpoints.upstream.whole(),
        "endpoints": endpoints.as_list(),
        "popularity": None if zipf is None else {**zipf.as_dict(), "ranks": ranks(by_path)},
        "who": who(reading, taken),
        "sessions": taken.sessions.as_dict(resolution_s),
        "limits": [limit.as_dict(reading.names) for limit in taken.limits],
    }  # fmt: skip
    return Measured(document, counts, offset_s, reading.names.targets, endpoints.by_target)


def with_curve(times: Histogram) -> dict[str, Any] | None:
    """Figures of durations with their distribution function; None where there are none."""
    return {**times.as_dict(), "curve": times.curve()} if times.count else None


def who(reading: Reading, taken: Measurement) -> dict[str, Any]:
    """How many users and addresses there were. `is_least`: there were more than could be counted."""
    users, ips = reading.names.users, reading.names.ips
    return {
        "users": len(users) or None, "users_is_least": users.hashed > 0,
        "ips": len(ips) or None, "ips_is_least": ips.hashed > 0,
        "users_per_ip": taken.visitors.as_dict(),
    }  # fmt: skip


def rates(counts: Counts, offset_s: int) -> dict[str, Any]:
    """The rate over time, its peaks, and how it goes with the hours."""
    mean = counts.total / counts.span_s
    width_ns = series_width_ns(counts)
    series, begins_ns = counts.per(width_ns)
    return {
        "mean_per_s": mean,
        "series": {"width_s": width_ns / SECOND_NS, "begins": iso(begins_ns), "requests": series.tolist()},
        "peaks": [peak(counts, window_s, mean) for window_s in PEAKS_S if fits(counts, window_s)],
        "clock": clock(offset_s),
        "by_hour_per_s": by_hour(counts, 24, offset_s),
        "by_hour_of_week_per_s": by_hour(counts, 168, offset_s),
    }


def series_width_ns(counts: Counts) -> int:
    """Bins in which the rate is shown: as many as a picture can hold, and wide enough to tell more than chance."""
    for width_s in SERIES_S:
        width_ns = round(width_s * SECOND_NS)
        points = counts.span_s / width_s
        if width_ns % counts.width_ns or points > MOST_POINTS:
            continue
        if points <= LEAST_POINTS or counts.total / points >= LEAST_EACH:
            return width_ns
    return max(round(SERIES_S[-1] * SECOND_NS), counts.width_ns)


def fits(counts: Counts, window_s: float) -> bool:
    return round(window_s * SECOND_NS) % counts.width_ns == 0 and (window_s <= counts.span_s or window_s == 1)


def peak(counts: Counts, window_s: float, mean: float) -> dict[str, Any]:
    """The window of that length with the most requests."""
    width_ns = round(window_s * SECOND_NS)
    found, begins_ns = counts.per(width_ns)
    number = int(found.argmax())
    most = int(found[number])
    return {
        "window_s": window_s, "requests": most, "at": iso(begins_ns + number * width_ns),
        "per_s": most / window_s, "to_mean": most / window_s / mean,
    }  # fmt: skip


def by_hour(counts: Counts, hours: int, offset_s: int) -> list[float | None] | None:
    """Mean rate of each hour of the day (24) or of the week (168): None where the log has less than two of them."""
    return None if counts.span_s < LEAST_DAYS * hours * 3600 else hourly(counts, hours, offset_s)


def hourly(counts: Counts, hours: int, offset_s: int = 0) -> list[float | None] | None:
    """Mean rate of each hour of the day (24, from 00:00) or of the week (168, from Monday), over whole hours, however
    few, by clocks that are `offset_s` ahead of UTC. An hour that never was is None. None: bins are too wide to tell."""
    unit_s = math.gcd(3600, offset_s)
    if unit_s * SECOND_NS % counts.width_ns:
        return None
    found, begins_ns = counts.per(unit_s * SECOND_NS)
    found, first = regrouped(found, (begins_ns // SECOND_NS + offset_s) // unit_s, 3600 // unit_s)
    found, first = found[1:-1], first + 1
    if hours == 168:
        first -= 4 * 24  # 1970 began on a Thursday, the fourth day of a week that begins on Monday
    place = (first + np.arange(len(found))) % hours
    requests = np.bincount(place, weights=found, minlength=hours)
    times = np.bincount(place, minlength=hours)
    return [float(total / count / 3600) if count else None for total, count in zip(requests, times, strict=True)]


def burstiness(counts: Counts, gaps: Histogram) -> dict[str, Any]:
    """Index of dispersion in windows of several lengths, and how much the gaps vary where stamps can tell."""
    found = dispersions(counts, WINDOWS_S)
    scv = gaps.scv
    return {
        "dispersion": [
            {
                "window_s": each.window_s, "windows": each.windows, "index": each.index,
                "poisson": [max(0.0, 1 - 1.96 * each.error), 1 + 1.96 * each.error],
            }
            for each in found
        ],
        "gap_cv": None if scv is None else scv**0.5,
        "gap_s": gaps.as_dict() if gaps.count else None,
    }  # fmt: skip


def ranks(requests: np.ndarray) -> list[list[int]]:
    """Rank and requests of the most asked for, the second, ..., thinned out where there are many."""
    ranked = np.sort(requests[requests > 0])[::-1]
    if not len(ranked):
        return []
    places = np.unique(np.geomspace(1, len(ranked), RANKS).round().astype(np.int64))
    return [[int(place), int(ranked[place - 1])] for place in places]


def clock(offset_s: int) -> str:
    """What a clock is called that is so far ahead of UTC."""
    minutes = abs(offset_s) // 60
    return "UTC" if not minutes else f"UTC{'-' if offset_s < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"


def iso(at_ns: int | None) -> str | None:
    """An instant as people and programs read it; None stays None."""
    if at_ns is None:
        return None
    seconds, rest = divmod(at_ns, SECOND_NS)
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    text = at.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest // 1_000_000:03d}Z" if rest else f"{text}Z"
