"""Runs for the page: how large, where, and what is kept of them.

What a run found depends on nothing but the specification, the seed and the size, so it is kept under exactly these.
Small runs are made here, larger ones by the program's pool of processes, whose start takes longer than a small run.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from hashlib import blake2b
from threading import Lock
from typing import Any, Final

import numpy as np

from experiments.figures import figures
from experiments.result import RunResult
from experiments.runner import run
from experiments.scenario import Scenario
from models.outcomes import Outcome
from models.system import SystemSpec
from sim.recorder import Series
from sim.statistics import flatten

FIRST_REPLICATIONS: Final = 3
REPLICATIONS: Final = (2, 3, 5, 10, 20, 30)
DURATIONS_S: Final = (60.0, 120.0, 180.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0)
ENOUGH_FOR_P99: Final = 2600
"""Requests a replication: 2,000 after a warm-up of up to a quarter, which is what a p99 needs."""
POOL_FROM_REQUESTS: Final = 40_000
KEPT_RUNS: Final = 64
SHOWN_BINS: Final = 48

WAITING: Final = "waiting for another run"

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Size:
    """How much is simulated; `duration_s` None: as long as the trace is."""

    replications: int
    duration_s: float | None


def durations_s(spec: SystemSpec) -> list[float]:
    """What can be chosen, up to the scenario's own duration."""
    return [*(each for each in DURATIONS_S if each < spec.duration), spec.duration]


def first_duration_s(spec: SystemSpec) -> float:
    """The shortest duration that gives every replication enough requests for a p99; all of it where something happens
    at a time of its own, whose end one wants to see."""
    if happens(spec):
        return spec.duration
    rate = requests_per_s(spec)
    return next((each for each in durations_s(spec) if each * rate >= ENOUGH_FOR_P99), spec.duration)


def first_replications(spec: SystemSpec) -> int:
    """Fewer where each is run to its end: what happens at its own time differs little between them."""
    return min(FIRST_REPLICATIONS - happens(spec), max(2, spec.replications))


def happens(spec: SystemSpec) -> bool:
    """Whether anything happens at a time of its own."""
    return bool(spec.faults or spec.traffic.surges or spec.traffic.shape is not None)


def requests_per_s(spec: SystemSpec) -> float:
    """About how many requests arrive, if nothing is slow."""
    traffic = spec.traffic
    if traffic.open is not None:
        return traffic.open.rate.per_second
    if traffic.users is None:
        return 1.0
    pause_s = 0.05 + traffic.users.think_time.mean_s
    if traffic.users.session is not None:
        pause_s += traffic.users.session.gap.mean_s / traffic.users.session.requests
    return traffic.users.population / pause_s


def requests_expected(spec: SystemSpec, size: Size) -> float:
    """In all replications together."""
    return requests_per_s(spec) * (size.duration_s or spec.duration) * size.replications


# --- what is kept of a run ---


@dataclass(frozen=True)
class Timeline:
    """Response times by span of time, all replications together; NaN where nothing ended."""

    start_s: list[float]
    p50_ms: list[float]
    p95_ms: list[float]
    goodput_per_s: list[float]
    """Of one replication, in the mean."""
    span_s: float


@dataclass(frozen=True)
class Finding:
    """What the page shows of one run."""

    document: Mapping[str, Any]
    by_replication: Sequence[Mapping[str, float | None]]
    timeline: Timeline
    surges: Sequence[tuple[str, float, float]] = ()
    """Name, beginning and end in seconds."""

    @property
    def warm_up_s(self) -> float:
        return float(self.document["warm_up"]["seconds"])

    def values(self, pointer: str) -> list[float | None]:
        """The figure of every replication; one that a replication does not mention happened zero times there."""
        return [each.get(pointer, 0.0) for each in self.by_replication]


def _finding(result: RunResult) -> Finding:
    return Finding(
        document=result.document,
        by_replication=[flatten(figures(each, result.spec)) for each in result.replications],
        timeline=_timeline([each.recording.series for each in result.replications], result.document["simulated_s"]),
        surges=[(name, each.at, each.at + each.lasts) for name, each in result.spec.traffic.surges.items()],
    )


def _timeline(series: Sequence[Series], end_s: float) -> Timeline:
    """Quantiles of all replications together, in about `SHOWN_BINS` spans."""
    bin_s = series[0].bin_s
    merged = max(1, round(end_s / bin_s / SHOWN_BINS))
    count = max(1, int(np.ceil(end_s / bin_s / merged)))
    size = 1 + max((int(each.latency_bin.max()) for each in series if len(each.latency_bin)), default=0)
    totals = np.zeros(count * size, dtype=np.int64)
    succeeded = np.zeros(count, dtype=np.int64)
    for each in series:
        span = np.minimum(each.bins[each.latency_row] // merged, count - 1)
        np.add.at(totals, span * size + each.latency_bin, each.latency_count)
        np.add.at(succeeded, np.minimum(each.bins // merged, count - 1), each.ended(outcome=Outcome.SUCCEEDED))
    starts_s = np.arange(count) * merged * bin_s
    widths_s = np.minimum(merged * bin_s, end_s - starts_s)
    filled = np.flatnonzero(totals)
    pooled = replace(
        series[0],
        bins=np.arange(count, dtype=np.int64),
        latency_row=filled // size,
        latency_bin=filled % size,
        latency_count=totals[filled],
    )
    return Timeline(
        start_s=[number * merged * bin_s for number in range(count)],
        p50_ms=(1000.0 * pooled.latency_quantile_s(0.50)).tolist(),
        p95_ms=(1000.0 * pooled.latency_quantile_s(0.95)).tolist(),
        goodput_per_s=(succeeded / widths_s / len(series)).tolist(),
        span_s=merged * bin_s,
    )


# --- running ---


class Here(Executor):
    """Runs what it is given at once, in this process. `between` is told when something is done, and may raise."""

    def __init__(self, between: Callable[[], None]) -> None:
        self._between = between

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        self._between()
        return future


class Runs:
    """Findings by content, the least lately asked for forgotten first. Shared by all who look at the page."""

    def __init__(self, kept: int = KEPT_RUNS) -> None:
        self._kept = kept
        self._found: OrderedDict[str, Finding] = OrderedDict()
        self._lock = Lock()
        self._pool_lock = Lock()

    def get(self, scenario: Scenario, size: Size, warm_up_s: float | None, tell: Progress) -> Finding:
        """What the scenario does in a run of that size. Raises InputError, SimulationError, or what `tell` raises."""
        key = _key(scenario, size, warm_up_s)
        found = self._known(key)
        if found is not None:
            return found
        if requests_expected(scenario.spec, size) < POOL_FROM_REQUESTS:
            return self._keep(key, _finding(_run_here(scenario, size, warm_up_s, tell)))
        while not self._pool_lock.acquire(timeout=0.5):  # whoever ends a run early ends the pool with it
            tell(0.0, WAITING)
        try:
            return self._known(key) or self._keep(key, _finding(_run_in_pool(scenario, size, warm_up_s, tell)))
        finally:
            self._pool_lock.release()

    def _known(self, key: str) -> Finding | None:
        with self._lock:
            if key not in self._found:
                return None
            self._found.move_to_end(key)
            return self._found[key]

    def _keep(self, key: str, found: Finding) -> Finding:
        with self._lock:
            self._found[key] = found
            while len(self._found) > self._kept:
                self._found.popitem(last=False)
        return found


def _key(scenario: Scenario, size: Size, warm_up_s: float | None) -> str:
    """Equal only where the same would be found and shown: chance is in the specification as its seed."""
    said = (scenario.name, scenario.variant, scenario.settings, scenario.path, size, warm_up_s)
    return blake2b(f"{said!r}\n{scenario.spec.model_dump_json()}".encode()).hexdigest()


def _run_here(scenario: Scenario, size: Size, warm_up_s: float | None, tell: Progress) -> RunResult:
    done = 0

    def between() -> None:
        nonlocal done
        done += 1
        tell(done / size.replications, f"replication {done} of {size.replications}")

    def on_progress(share: float, text: str) -> None:
        if share == 0.0:  # the pilot; the replications are counted as they end, not as they are collected
            tell(share, text)

    return run(
        scenario,
        replications=size.replications,
        duration_s=size.duration_s,
        warm_up_s=warm_up_s,
        executor=Here(between),
        on_progress=on_progress,
    )


def _run_in_pool(scenario: Scenario, size: Size, warm_up_s: float | None, tell: Progress) -> RunResult:
    return run(
        scenario,
        replications=size.replications,
        duration_s=size.duration_s,
        warm_up_s=warm_up_s,
        on_progress=tell,
    )
