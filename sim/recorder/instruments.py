"""The instruments that components report to, and what they show at the end of the warm-up and of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import inf

from sim.environment import Environment
from sim.errors import SimulationError
from sim.probe import Count, Level, Meter, Source, Station, Tally


class RecordedStation(Station):
    """A station that also integrates its servers over time: they may change while it runs."""

    __slots__ = ("capacity_area", "capacity_changed_at", "earlier_most_waiting", "most_servers")

    def __init__(self, env: Environment, path: str, servers: float, kind: str) -> None:
        super().__init__(env, path, servers, kind)
        self.capacity_area = 0.0
        self.capacity_changed_at = env.now
        self.earlier_most_waiting = 0
        self.most_servers = servers

    def resize(self, servers: float) -> None:
        self.settle_capacity()
        self.most_servers = max(self.most_servers, servers)
        super().resize(servers)

    def settle_capacity(self) -> None:
        """Bring the capacity's area up to the present instant."""
        now = self.env.now
        elapsed = now - self.capacity_changed_at
        if elapsed:
            self.capacity_area += self.servers * elapsed
            self.capacity_changed_at = now


@dataclass(frozen=True)
class StationFigures:
    """One station over a span of time. Areas in seconds x number; means are None where there is nothing to divide."""

    path: str
    kind: str
    servers: float
    """At the end of the span."""
    span_s: float
    arrivals: int
    started: int
    refused: int
    expired: int
    """Left the queue unserved."""
    waiting: int
    busy: int
    """Both as they were at the end of the span."""
    most_waiting: int
    busy_area: float
    waiting_area: float
    capacity_area: float

    @property
    def utilisation(self) -> float | None:
        """Busy capacity-time / capacity-time; None where there are no servers, or no end of them."""
        return self.busy_area / self.capacity_area if 0.0 < self.capacity_area < inf else None

    @property
    def mean_wait_s(self) -> float | None:
        """Over everybody who was not refused, those who did not wait at all included."""
        admitted = self.arrivals - self.refused
        return self.waiting_area / admitted if admitted else None

    @property
    def mean_service_s(self) -> float | None:
        return self.busy_area / self.started if self.started else None

    @property
    def mean_queue(self) -> float | None:
        """Time average of the number waiting."""
        return self.waiting_area / self.span_s if self.span_s else None

    @property
    def mean_busy(self) -> float | None:
        return self.busy_area / self.span_s if self.span_s else None


@dataclass(frozen=True)
class LevelFigures:
    path: str
    span_s: float
    area: float
    peak: float
    last: float

    @property
    def mean(self) -> float | None:
        """Time average."""
        return self.area / self.span_s if self.span_s else None


@dataclass(frozen=True)
class TallyFigures:
    path: str
    count: int
    total: float
    largest: float

    @property
    def mean(self) -> float | None:
        return self.total / self.count if self.count else None


@dataclass(frozen=True)
class InstrumentFigures:
    """Every instrument over one span, by path."""

    stations: dict[str, StationFigures]
    levels: dict[str, LevelFigures]
    counts: dict[str, int]
    tallies: dict[str, TallyFigures]


@dataclass(frozen=True)
class Notes:
    """What was worth a line: (instant in seconds, path, text), the first ones, and how many there were in all."""

    lines: tuple[tuple[float, str, str], ...]
    total: int


@dataclass
class _Base:
    """What the instruments showed when the measured span began; nothing for those made later."""

    at_s: float = 0.0
    stations: Mapping[str, StationFigures] = field(default_factory=dict)
    levels: Mapping[str, LevelFigures] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    tallies: Mapping[str, TallyFigures] = field(default_factory=dict)


class Instruments:
    """Makes instruments, once for each path, and reads them."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self.stations: dict[str, RecordedStation] = {}
        self.levels: dict[str, Level] = {}
        """Meters are among them."""
        self.meters: list[Meter] = []
        self.counts: dict[str, Count] = {}
        self.tallies: dict[str, Tally] = {}
        self._base = _Base()
        self._earlier_peak: dict[str, float] = {}
        self._earlier_largest: dict[str, float] = {}

    def station(self, path: str, servers: float, kind: str) -> Station:
        _refuse_second(self.stations, path)
        station = self.stations[path] = RecordedStation(self._env, path, servers, kind)
        return station

    def level(self, path: str, value: float) -> Level:
        _refuse_second(self.levels, path)
        level = self.levels[path] = Level(self._env, path, value)
        return level

    def meter(self, path: str, read: Callable[[], float], source: Source | None = None) -> Meter:
        _refuse_second(self.levels, path)
        meter = self.levels[path] = Meter(self._env, path, read, source)
        self.meters.append(meter)
        return meter

    def count(self, path: str) -> Count:
        _refuse_second(self.counts, path)
        count = self.counts[path] = Count(path)
        return count

    def tally(self, path: str) -> Tally:
        _refuse_second(self.tallies, path)
        tally = self.tallies[path] = Tally(path)
        return tally

    def settle(self) -> None:
        """Bring every area up to the present instant."""
        for station in self.stations.values():
            station.settle_capacity()
        for level in self.levels.values():
            level.settle()

    def begin_measuring(self) -> None:
        """The measured span begins now. Peaks begin anew; those of the whole run are kept beside them."""
        whole = self.whole()
        self._base = _Base(self._env.now, whole.stations, whole.levels, whole.counts, whole.tallies)
        for station in self.stations.values():
            station.earlier_most_waiting = station.most_waiting
            station.most_waiting = station.waiting
        for level in self.levels.values():
            self._earlier_peak[level.path] = level.peak
            level.peak = level.value
        for tally in self.tallies.values():
            self._earlier_largest[tally.path] = tally.largest
            tally.largest = 0.0

    def whole(self) -> InstrumentFigures:
        """From the beginning of the run until now."""
        return self._figures(_Base(), is_whole=True)

    def measured(self) -> InstrumentFigures:
        """From the end of the warm-up until now."""
        return self._figures(self._base, is_whole=False)

    def _figures(self, base: _Base, is_whole: bool) -> InstrumentFigures:
        self.settle()
        span_s = self._env.now - base.at_s
        return InstrumentFigures(
            stations={
                path: _station_figures(station, base.stations.get(path), span_s, is_whole)
                for path, station in self.stations.items()
            },
            levels={
                path: LevelFigures(
                    path=path,
                    span_s=span_s,
                    area=level.area - (base.levels[path].area if path in base.levels else 0.0),
                    peak=max(level.peak, self._earlier_peak.get(path, level.peak)) if is_whole else level.peak,
                    last=level.value,
                )
                for path, level in self.levels.items()
            },
            counts={path: count.total - base.counts.get(path, 0) for path, count in self.counts.items()},
            tallies={
                path: TallyFigures(
                    path=path,
                    count=tally.count - (base.tallies[path].count if path in base.tallies else 0),
                    total=tally.total - (base.tallies[path].total if path in base.tallies else 0.0),
                    largest=max(tally.largest, self._earlier_largest.get(path, 0.0)) if is_whole else tally.largest,
                )
                for path, tally in self.tallies.items()
            },
        )


def _station_figures(
    station: RecordedStation, base: StationFigures | None, span_s: float, is_whole: bool
) -> StationFigures:
    return StationFigures(
        path=station.path,
        kind=station.kind,
        servers=station.servers,
        span_s=span_s,
        arrivals=station.arrivals - (base.arrivals if base else 0),
        started=station.started - (base.started if base else 0),
        refused=station.refused - (base.refused if base else 0),
        expired=station.expired - (base.expired if base else 0),
        waiting=station.waiting,
        busy=station.busy,
        most_waiting=max(station.most_waiting, station.earlier_most_waiting) if is_whole else station.most_waiting,
        busy_area=station.busy_area - (base.busy_area if base else 0.0),
        waiting_area=station.waiting_area - (base.waiting_area if base else 0.0),
        capacity_area=station.capacity_area - (base.capacity_area if base else 0.0),
    )


def _refuse_second(made: Iterable[str], path: str) -> None:
    if path in made:
        raise SimulationError(f"{path}: asked for twice")
