"""The recorder: requests on the path, instruments for components, everything folded in blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from sim.environment import Environment
from sim.environment.scheduled import Timer
from sim.errors import SimulationError
from sim.probe import Count, Level, Meter, Source, Station, Tally
from sim.recorder.figures import RequestFigures, RequestTotals
from sim.recorder.instruments import InstrumentFigures, Instruments, Notes
from sim.recorder.ledger import Digest, Extras, Rows, RowSink
from sim.recorder.record import IN_FLIGHT, REASONS, RECORD, Batch, Columns, Recorded, Records
from sim.recorder.sampler import Sampler, Samples
from sim.recorder.series import Series, SeriesTotals

FOLD: Final = 65_536
"""Requests packed one by one before they are folded together."""

NOTES: Final = 1000
"""Notes kept in full; later ones are only counted."""


@dataclass(frozen=True)
class Recording:
    """Everything a recorder has to say about one run. Plain, picklable; times in seconds."""

    endpoints: tuple[str, ...]
    warm_up_s: float
    end_s: float
    arrived: int
    in_flight: int
    ended: tuple[int, int, int, int]
    """Whole run, by outcome."""
    requests: RequestFigures
    """Requests that arrived from warm_up_s on."""
    measured: InstrumentFigures
    """From warm_up_s to end_s."""
    whole: InstrumentFigures
    """From 0 to end_s."""
    series: Series
    samples: Samples
    notes: Notes
    digest: str

    @property
    def span_s(self) -> float:
        """Length of the measured span."""
        return max(0.0, self.end_s - self.warm_up_s)


class Recorder:
    """Told of every arrival and every end; also the probe that components get their instruments from."""

    __slots__ = (
        "_bin_s", "_codes", "_columns", "_digest", "_ended", "_env", "_extras", "_in_flight", "_last_ended_at_s",
        "_lines", "_notes", "_packed", "_records", "_rows", "_sampler", "_series", "_totals", "_warm_up_s", "_warmer",
        "arrivals", "endpoints", "instruments", "on_fold",
    )  # fmt: skip

    def __init__(
        self,
        env: Environment,
        endpoints: Sequence[str],
        warm_up_s: float,
        bin_s: float,
        rows: RowSink | None = None,
        *,
        replication: int = 0,
    ) -> None:
        if not (bin_s > 0.0 and warm_up_s >= 0.0):
            raise ValueError(f"a bin must be longer than nothing, a warm-up not shorter: got {bin_s} s, {warm_up_s} s")
        self.endpoints = tuple(endpoints)
        self.arrivals = 0
        self.instruments = Instruments(env)
        self.on_fold: Callable[[float], None] | None = None
        """Told the instant whenever a block has been folded."""
        self._env = env
        self._warm_up_s = warm_up_s
        self._bin_s = bin_s
        self._in_flight: dict[int, Recorded] = {}
        self._ended = [0, 0, 0, 0]
        self._records: Records = np.zeros(FOLD, dtype=RECORD)
        self._columns = Columns(self._records)
        self._packed = 0
        self._last_ended_at_s = 0.0
        self._codes = {"": 0}
        self._totals = RequestTotals(len(self.endpoints))
        self._series = SeriesTotals(bin_s)
        self._sampler = Sampler(env, bin_s, self.instruments, self._in_flight)
        self._digest = Digest(replication)
        self._rows = None if rows is None else Rows(rows, self.endpoints, warm_up_s, replication)
        self._extras: list[Extras] | None = None if rows is None else []
        self._lines: list[tuple[float, str, str]] = []
        self._notes = 0
        # First in the schedule at its instant: everything that happens then is after the warm-up.
        self._warmer = Timer(env, self.instruments.begin_measuring)
        if warm_up_s:
            self._warmer.arm(warm_up_s)

    # --- requests ---

    @property
    def in_flight(self) -> int:
        """Requests that have arrived and not ended."""
        return len(self._in_flight)

    @property
    def pending(self) -> Records:
        """Requests that have ended and are not folded yet, as they stand: to be read at once."""
        return self._records[: self._packed]

    def arrived(self, request: Recorded) -> None:
        """A request arrives now. Ordinals count 0, 1, 2, ..."""
        ordinal = request.ordinal
        if ordinal != self.arrivals:
            raise SimulationError(f"request {ordinal} arrived where number {self.arrivals} was due")
        self.arrivals = ordinal + 1
        in_flight = self._in_flight
        if not in_flight:
            self._sampler.go_on()
        in_flight[ordinal] = request

    def ended(self, request: Recorded) -> None:
        """A request has its outcome now. It is read here and never again: work may go on behind it."""
        try:
            code = self._codes[request.reason]
        except KeyError:
            code = self._new_code(request.reason)
        in_flight = self._in_flight
        try:
            del in_flight[request.ordinal]
            self._columns.write(self._packed, request, request.ended_at_s, request.outcome, request.status, code)
        except (KeyError, TypeError, ValueError, OverflowError) as trouble:
            raise SimulationError(_what_is_wrong(request)) from trouble
        if self._extras is not None:
            assert self._rows is not None
            self._extras.append(self._rows.extras(request))
        if not in_flight:
            self._sampler.pause()
        self._packed += 1
        if self._packed == FOLD:
            self._fold()

    def _new_code(self, reason: str) -> int:
        if len(self._codes) == REASONS:
            raise SimulationError(f"more than {REASONS - 1} different reasons, the last one {reason!r}")
        self._codes[reason] = code = len(self._codes)
        return code

    def _fold(self) -> None:
        """Add what has been packed to the figures, the series, the digest and the rows."""
        records = self._records[: self._packed]
        if not len(records):
            return
        batch = Batch(records, len(self.endpoints), len(self._codes), self._warm_up_s, self._bin_s)
        if float(records["ended_at_s"][0]) < self._last_ended_at_s:
            raise SimulationError("a request ended before one that had ended earlier")
        self._last_ended_at_s = float(records["ended_at_s"][-1])
        for outcome, number in enumerate(np.bincount(records["outcome"], minlength=4).tolist()):
            self._ended[outcome] += number
        self._totals.add(batch)
        self._series.add(batch)
        self._order(records)
        self._packed = 0
        if self.on_fold is not None:
            self.on_fold(self._env.now)

    def _order(self, records: Records) -> None:
        """Hand records on to what wants them in order of arrival."""
        self._digest.add(records)
        if self._rows is not None:
            assert self._extras is not None
            self._rows.add(records, self._extras)
            self._extras.clear()

    # --- what components ask for (sim.probe.Probe) ---

    def station(self, path: str, servers: float, kind: str) -> Station:
        return self.instruments.station(path, servers, kind)

    def count(self, path: str) -> Count:
        return self.instruments.count(path)

    def level(self, path: str, value: float = 0.0) -> Level:
        return self.instruments.level(path, value)

    def meter(self, path: str, read: Callable[[], float], source: Source | None = None) -> Meter:
        return self.instruments.meter(path, read, source)

    def tally(self, path: str) -> Tally:
        return self.instruments.tally(path)

    def note(self, path: str, text: str) -> None:
        self._notes += 1
        if len(self._lines) < NOTES or text.startswith(("begins", "ends")):  # what was on, and when, is never lost
            self._lines.append((self._env.now, path, text))

    # --- the end ---

    def result(self) -> Recording:
        """Everything, as of now. Ends the recording: the digest and the rows are closed."""
        self._fold()
        ended = self._ended
        in_flight = list(self._in_flight.values())
        self._close_ledgers(in_flight)
        reasons = list(self._codes)
        return Recording(
            endpoints=self.endpoints,
            warm_up_s=self._warm_up_s,
            end_s=self._env.now,
            arrived=self.arrivals,
            in_flight=len(in_flight),
            ended=(ended[0], ended[1], ended[2], ended[3]),
            requests=self._totals.figures(reasons, in_flight, self._warm_up_s),
            measured=self.instruments.measured(),
            whole=self.instruments.whole(),
            series=self._series.series(reasons, in_flight),
            samples=self._sampler.samples(),
            notes=Notes(tuple(self._lines), self._notes),
            digest=self._digest.close(self.arrivals),
        )

    def _close_ledgers(self, in_flight: list[Recorded]) -> None:
        for start in range(0, len(in_flight), FOLD):
            block = in_flight[start : start + FOLD]
            for place, request in enumerate(block):
                self._columns.write(place, request, float("nan"), IN_FLIGHT, 0, 0)
                if self._extras is not None and self._rows is not None:
                    self._extras.append(self._rows.extras(request))
            self._order(self._records[: len(block)])
        if self._rows is not None:
            self._rows.close(self.arrivals)


def _what_is_wrong(request: Recorded) -> str:
    if request.outcome is None:
        return f"request {request.ordinal} ended without an outcome"
    return f"request {request.ordinal} ended twice, without having arrived, or with a number out of range"
