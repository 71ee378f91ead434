"""One replication: build, run, audit, and hand back plain figures.

Models   `run_replication` builds a system around a fresh environment, its streams and a recorder, runs it to an instant
         or to the end of its schedule, and audits it with exact sample-path identities from t = 0. It knows no model.
         A replication is deterministic in (seed, replication, what `build` builds); reporting progress changes nothing.
Units    Seconds.
Source   The identities are Little's law before any expectation is taken: Stidham and El-Taha, Sample-Path Analysis
         of Queueing Systems, 1999, chapter 2.
Omits    What the system holds and recovers (permits, leases, threads): `Runnable.checks` speaks for those.
Checked  tests/unit/test_replication.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from time import perf_counter
from typing import Final, Protocol

import numpy as np

from sim.environment import Environment
from sim.errors import SimulationError
from sim.recorder import Recorder, Recording, RowSink
from sim.recorder.instruments import RecordedStation
from sim.statistics import Estimate, estimates, mser5
from sim.streams import Streams

TOLERANCE: Final = 1e-9
PROGRESS_REPORTS: Final = 100


@dataclass(frozen=True)
class Check:
    """One law that the run had to keep."""

    name: str
    passed: bool
    detail: str
    expected: float
    actual: float


def close(name: str, law: str, expected: float, actual: float, scale: float = 0.0) -> Check:
    """A law that holds when the two are equal to 1e-9 of the larger one, or of `scale` where they are what is left of
    larger numbers."""
    passed = abs(expected - actual) <= TOLERANCE * max(abs(expected), abs(actual), scale)
    return Check(name, passed, f"{law}: expected {expected!r}, got {actual!r}", expected, actual)


class Runnable(Protocol):
    """A system that has been built and can be run once."""

    on_over: Callable[[], None]
    """What to call when no more requests will come and the last one has ended. What was left behind, such as the
    deadlines of answers that have come, would only let the clock run on."""

    @property
    def endpoints(self) -> Sequence[str]: ...
    @property
    def in_flight(self) -> int:
        """Requests that have arrived and not ended."""

    def start(self) -> None:
        """Put the first arrivals into the schedule."""

    def checks(self) -> Iterable[Check]:
        """What only the system can know: that everything taken is held by somebody or has come back."""


Build = Callable[[Environment, Streams, Recorder], Runnable]


@dataclass(frozen=True)
class Replication:
    """What one replication leaves. Plain and picklable."""

    seed: int
    replication: int
    recording: Recording
    checks: tuple[Check, ...]
    events: int
    """Numbers that the schedule has given out: one for each entry, one each time a process was parked."""
    wall_s: float
    """Time of the machine that ran it; the only figure that differs between equal replications."""

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def digest(self) -> str:
        return self.recording.digest


def run_replication(
    build: Build,
    *,
    endpoints: Sequence[str],
    seed: int,
    replication: int,
    duration_s: float | None,
    warm_up_s: float,
    bin_s: float,
    block: int = 1024,
    users: int | None = None,
    requests_each: float = 0.0,
    rows: RowSink | None = None,
    on_progress: Callable[[float], None] | None = None,
    strict: bool = True,
) -> Replication:
    """Run what `build` builds for `duration_s` (None: until the last request has ended, for traces).

    `block`, or `users` (of a closed population) and about how many requests each will make, say which draws are
    computed at once; they change no value.

    `on_progress` is told the simulated instant reached. Raises SimulationError when the audit fails, unless it is
    not `strict`: then the failed checks are in the result.
    """
    if duration_s is not None and not duration_s > warm_up_s:
        raise ValueError(f"a run of {duration_s} s has nothing left after a warm-up of {warm_up_s} s")
    began = perf_counter()
    env = Environment()
    recorder = Recorder(env, endpoints, warm_up_s, bin_s, rows, replication=replication)
    if users is None:
        streams = Streams.for_arrivals(seed, replication, block)
    else:
        streams = Streams.for_users(seed, replication, users, requests_each)
    system = build(env, streams, recorder)
    if tuple(system.endpoints) != recorder.endpoints:
        raise SimulationError(f"built with endpoints {list(system.endpoints)}, recorded are {list(endpoints)}")
    if duration_s is None:
        system.on_over = env.stop
    system.start()
    pauses = _run(env, recorder, duration_s, on_progress)
    events = env.numbers - pauses - len(env.agenda)
    checks = audit(env, recorder, system)
    recording = recorder.result()
    checks += _totals_checks(recording)
    failed = [check for check in checks if not check.passed]
    if failed and strict:
        raise SimulationError("the audit failed: " + "; ".join(f"{check.name}: {check.detail}" for check in failed))
    return Replication(seed, replication, recording, tuple(checks), events, perf_counter() - began)


def _run(
    env: Environment, recorder: Recorder, duration_s: float | None, on_progress: Callable[[float], None] | None
) -> int:
    """Run to the end, telling of progress. Returns how many entries of the schedule that took.

    A pause is an entry of its own at its instant and shifts no other; where no end is known, the recorder's folds tell.
    """
    if duration_s is None:
        recorder.on_fold = on_progress
        env.run()
        return 0
    pauses = 1 if on_progress is None else PROGRESS_REPORTS
    for number in range(1, pauses + 1):
        env.run(duration_s * number / pauses if number < pauses else duration_s)
        if on_progress is not None:
            on_progress(env.now)
    return pauses


# --- audit -----------------------------------------------------------------------------------------------------------


def audit(env: Environment, recorder: Recorder, system: Runnable) -> list[Check]:
    """The laws that hold on every path, checked now: requests, stations, and what the system says of itself."""
    law = "the system counts as many as the recorder"
    checks = [equal("requests: in flight", law, recorder.in_flight, system.in_flight)]
    recorder.instruments.settle()
    for station in recorder.instruments.stations.values():
        checks.extend(_station_checks(station, env.now))
    checks.extend(system.checks())
    return checks


def _totals_checks(recording: Recording) -> list[Check]:
    arrived = recording.arrived
    ended = recording.ended[0] + recording.ended[1] + recording.ended[2] + recording.ended[3]
    series = int(np.sum(recording.series.arrivals)), int(np.sum(recording.series.ended()))
    law = "arrivals = outcomes + in flight"
    return [
        equal("requests: arrivals", law, arrived, ended + recording.in_flight),
        equal("requests: series of arrivals", "all bins together = arrivals", arrived, series[0]),
        equal("requests: series of outcomes", "all bins together = outcomes", ended, series[1]),
    ]


def _station_checks(station: RecordedStation, now: float) -> list[Check]:
    path = station.path
    accounted = station.started + station.waiting + station.refused + station.expired
    law = "sum of the times {0} = from none to all of the {1} all the time"
    most_waiting = max(station.most_waiting, station.earlier_most_waiting)
    return [
        equal(f"{path}: arrivals", "arrivals = started + waiting + refused + left", station.arrivals, accounted),
        within(f"{path}: waiting", law.format("waiting", "places taken"), station.waiting_area, most_waiting, now),
        within(f"{path}: busy", law.format("busy", "servers"), station.busy_area, station.most_servers, now),
    ]


def within(name: str, law: str, actual_s: float, most: float, now: float) -> Check:
    """A law that holds when a sum of times is neither negative nor more than `most` at a time until now, to 1e-9 of the
    time: it is what is left of instants."""
    grain_s = TOLERANCE * now
    bound_s = most * now if most and now else 0.0  # not inf x 0
    expected_s = min(max(actual_s, 0.0), bound_s)
    return Check(
        name, abs(actual_s - expected_s) <= grain_s, f"{law}: expected {expected_s!r}, got {actual_s!r}",
        expected_s, actual_s,
    )  # fmt: skip


def equal(name: str, law: str, expected: int, actual: int) -> Check:
    return Check(name, expected == actual, f"{law}: expected {expected}, got {actual}", expected, actual)


# --- over replications -----------------------------------------------------------------------------------------------


def merge(
    replications: Sequence[Replication],
    figures: Callable[[Replication], Mapping[str, float | None]],
    confidence: float = 0.95,
) -> dict[str, Estimate | None]:
    """Mean and Student-t interval of every figure; see `sim.statistics.estimates`."""
    return estimates([figures(replication) for replication in replications], confidence)


def combined_digest(replications: Iterable[Replication]) -> str:
    """One digest over the digests of all replications, in the order given."""
    combined = blake2b(digest_size=16)
    for replication in replications:
        combined.update(bytes.fromhex(replication.digest))
    return combined.hexdigest()


def pilot_warm_up_s(recording: Recording) -> float | None:
    """Where MSER-5 puts the end of the warm-up of a pilot run, or None when the pilot was too short to tell.

    Looks at the mean latency and at the number of ended requests, by bin, and takes the later end. The pilot should
    have some hundreds of bins, and must have been recorded without a warm-up.
    """
    series, bin_s = recording.series, recording.series.bin_s
    bins = int(recording.end_s / bin_s)
    ended, latency = np.zeros(bins), np.full(bins, np.nan)
    within = series.bins < bins
    ended[series.bins[within]] = series.ended()[within]
    latency[series.bins[within]] = series.mean_latency_s()[within]
    seen = np.flatnonzero(~np.isnan(latency))
    if not len(seen):
        return None
    by_latency, by_ends = mser5(latency[seen]), mser5(ended)
    if not (by_latency.is_settled and by_ends.is_settled):
        return None
    return max(int(seen[by_latency.deleted]), by_ends.deleted) * bin_s
