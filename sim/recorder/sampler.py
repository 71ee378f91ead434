"""Averages of stations and levels by bin of time, without an event while nothing is in flight.

A timer fires at the bins' boundaries while requests are in flight. When the last one ends it is paused; the next
arrival lets it go on, or, past the boundary, closes the silent span as one sample: areas keep its averages exact.
"""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.environment import ENDED, Environment, Timer
from sim.recorder.instruments import Instruments
from sim.statistics import Floats, Integers

Averages = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Samples:
    """Consecutive spans of time from the beginning of the run to its end: mostly one bin, silence in one piece.

    Averages have the shape (spans, paths); NaN before an instrument was made.
    """

    from_s: Floats
    to_s: Floats
    in_flight: Integers
    """Requests in flight at the end of each span."""
    station_paths: tuple[str, ...]
    busy: Averages
    waiting: Averages
    servers: Averages
    level_paths: tuple[str, ...]
    levels: Averages


class Sampler:
    """Takes the samples. `pause` when nothing is in flight any more, `go_on` when something is again."""

    def __init__(self, env: Environment, bin_s: float, instruments: Instruments, in_flight: Sized) -> None:
        self._env = env
        self._bin_s = bin_s
        self._instruments = instruments
        self._in_flight = in_flight
        self._timer = Timer(env, self._at_boundary)
        self._paused_ticket = ENDED
        self._boundary_s = bin_s
        self._sampled_at_s = env.now
        self._areas: Floats = np.zeros(0)
        self._spans: list[tuple[float, int, int]] = []
        self._averages: list[Averages] = []

    def pause(self) -> None:
        """Nothing is in flight. The timer's entry stays in the schedule, where it counts no longer."""
        self._paused_ticket = self._timer.ticket
        self._timer.ticket = ENDED

    def go_on(self) -> None:
        """Something is in flight again. Within the same bin the old entry counts again, at no cost."""
        if self._env.now >= self._boundary_s:
            self._at_boundary()
        elif self._paused_ticket == ENDED:
            self._timer.arm(self._boundary_s)
        else:
            self._timer.ticket = self._paused_ticket

    def _at_boundary(self) -> None:
        """At a boundary, or at the end of a silence that went past one."""
        self._sample()
        now = self._env.now
        number = int(now / self._bin_s) + 1
        while number * self._bin_s <= now:
            number += 1
        self._boundary_s = number * self._bin_s
        self._timer.arm(self._boundary_s)

    def _sample(self) -> None:
        """Averages since the last sample, as one row: busy, waiting, servers of each station, then the levels."""
        now = self._env.now
        span_s = now - self._sampled_at_s
        if not span_s:
            return
        stations, levels = self._instruments.stations.values(), self._instruments.levels.values()
        # Areas up to now, without a call for each: there may be thousands of instruments, nearly all of them at rest.
        areas = [
            area
            for station in stations
            for area in (
                station.busy_balance + station.busy * now,
                station.waiting_balance + station.waiting * now,
                station.capacity_area + station.servers * (now - station.capacity_changed_at),
            )
        ]
        for meter in self._instruments.meters:
            if meter.source is None or meter.source.begun != meter.seen:
                meter.settle()
        areas.extend([level.area + level.value * (now - level.changed_at) for level in levels])
        self._append(np.array(areas), 3 * len(stations), span_s)
        self._spans.append((now, len(self._in_flight), 3 * len(stations)))
        self._sampled_at_s = now

    def _append(self, areas: Floats, split: int, span_s: float) -> None:
        """Instruments made since the last sample had no area then; stations stand before levels."""
        before = self._areas
        if len(before) != len(areas):
            old_split = self._spans[-1][2] if self._spans else 0
            before = np.zeros(len(areas))
            before[:old_split] = self._areas[:old_split]
            before[split : split + len(self._areas) - old_split] = self._areas[old_split:]
        with np.errstate(invalid="ignore"):  # a station with no end of servers: inf - inf
            self._averages.append(((areas - before) / span_s).astype(np.float32))
        self._areas = areas

    def samples(self) -> Samples:
        """All samples, the last one up to now."""
        self._sample()
        to_s = np.array([span[0] for span in self._spans])
        stations, levels = self._instruments.stations, self._instruments.levels
        station_part = self._padded([row[: span[2]] for row, span in self._rows()], 3 * len(stations))
        return Samples(
            from_s=np.concatenate(([0.0], to_s[:-1])) if len(to_s) else to_s,
            to_s=to_s,
            in_flight=np.array([span[1] for span in self._spans], dtype=np.int64),
            station_paths=tuple(stations),
            busy=station_part[:, 0::3],
            waiting=station_part[:, 1::3],
            servers=station_part[:, 2::3],
            level_paths=tuple(levels),
            levels=self._padded([row[span[2] :] for row, span in self._rows()], len(levels)),
        )

    def _rows(self) -> Any:
        return zip(self._averages, self._spans, strict=True)

    @staticmethod
    def _padded(rows: list[Averages], width: int) -> Averages:
        padded = np.full((len(rows), width), np.nan, dtype=np.float32)
        for place, row in enumerate(rows):
            padded[place, : len(row)] = row
        return padded
