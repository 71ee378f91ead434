"""Sweeps: a scenario at every combination of some settings, all under the same chance.

Models   Every point meets the same users with the same wishes (same seed, same streams), and leaves out the same
         warm-up, found on the scenario as it is. Replications of all points are tasks of one pool of processes.
Units    As in the result of a run.
Checked  tests/unit/test_sweep.py, tests/e2e/test_cli.py
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, as_completed
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from experiments.errors import InputError, shown
from experiments.files import replacing
from experiments.result import RunResult, put_together
from experiments.runner import (
    PILOT,
    Progress,
    Task,
    WarmUp,
    bin_width_s,
    find_warm_up,
    recorded_trace,
    replicate,
    system_of,
)
from experiments.scenario.paths import format_path, read_path
from experiments.workers import default_executor, give_up, interrupts_held
from sim.replication import Replication

if TYPE_CHECKING:
    from experiments.scenario import Scenario

MOST_POINTS: Final = 10_000

HEADLINES: Final = {
    "p50 ms": "/latency_ms/all/p50",
    "p95 ms": "/latency_ms/all/p95",
    "p99 ms": "/latency_ms/all/p99",
    "goodput/s": "/goodput_per_s",
    "success": "/success_rate",
    "errors": "/error_rate",
}
"""Figures that the table of a sweep shows; the file has all of them."""

_NUMBER = r"(-?\d+(?:\.\d+)?)([^\d.\s,]\S*?)?"
_RANGE = re.compile(rf"{_NUMBER}\.\.{_NUMBER}(?:\.\.{_NUMBER})?")


@dataclass(frozen=True)
class Axis:
    """A setting and the values it takes, as they would be written."""

    path: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Point:
    """One combination of values, and what was found there."""

    values: dict[str, str]
    """By path."""
    result: RunResult


def parse_axis(text: str) -> Axis:
    """An axis such as `services.api.replicas=1..4`, `traffic.open.rate=100/s,200/s` or `duration=1m..5m..2m`.

    Raises InputError.
    """
    origin = f"(--over {text if text.isprintable() else repr(text)})"
    try:
        names, end = read_path(text)
    except ValueError as error:
        raise InputError(f"--over: {error}. Write PATH=1,2,4 or PATH=1..10. {origin}") from None
    written = text[end + 1 :]
    if text[end : end + 1] != "=" or not written.strip():
        raise InputError(f"--over: must be PATH=1,2,4 or PATH=1..10..3, got {shown(text)}. {origin}")
    values: list[str] = []
    for part in _parts(written):
        values += _range(part, origin) if _RANGE.fullmatch(part) else [part]
    if not all(values):
        raise InputError(f"--over: must have a value between commas, got {shown(written)}. {origin}")
    if len(set(values)) != len(values):
        raise InputError(f"--over: must have every value once, got {shown(written)}. {origin}")
    return Axis(format_path(names), tuple(values))


def _parts(text: str) -> list[str]:
    """What stands between commas that are not inside brackets or quotes."""
    parts, depth, quote, begin = [], 0, "", 0
    for position, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in "[{":
            depth += 1
        elif character in "]}":
            depth -= 1
        elif character == "," and not depth:
            parts.append(text[begin:position].strip())
            begin = position + 1
    return [*parts, text[begin:].strip()]


def _range(text: str, origin: str) -> list[str]:
    """Values from the first to the last, both included where the steps meet it. All have the unit of the range."""
    match = _RANGE.fullmatch(text)
    assert match is not None
    first, last, step = Decimal(match[1]), Decimal(match[3]), Decimal(match[5] or 1)
    units = {unit or "" for unit in (match[2], match[4]) if unit is not None or first} - {""}
    units |= {match[6]} - {None, ""}
    if len(units) > 1 or not step or last < first:
        raise InputError(
            f"--over: must be a range from low to high in one unit with a step above 0, got {shown(text)}. {origin}"
        )
    if (last - first) / step >= MOST_POINTS:
        raise InputError(f"--over: must have at most {MOST_POINTS} values, got {shown(text)}. Widen the step. {origin}")
    unit = next(iter(units), "")
    count = int((last - first) / step) + 1
    return [f"{first + number * step:f}{unit}" for number in range(count)]


def combinations(axes: Sequence[Axis]) -> list[dict[str, str]]:
    """Every combination of the axes' values, the last axis changing fastest. Raises InputError."""
    paths = [axis.path for axis in axes]
    for path in paths:
        if paths.count(path) > 1:
            raise InputError(f"--over: must name every path once, got {path} twice. Join the values.")
    count = 1
    for axis in axes:
        count *= len(axis.values)
    if count > MOST_POINTS:
        raise InputError(f"--over: must give at most {MOST_POINTS} points, got {count}. Leave some values out.")
    return [dict(zip(paths, values, strict=True)) for values in itertools.product(*(axis.values for axis in axes))]


def sweep(
    scenario: Scenario,
    axes: Sequence[Axis],
    *,
    seed: int | None = None,
    replications: int | None = None,
    duration_s: float | None = None,
    executor: Executor | None = None,
    on_progress: Progress | None = None,
) -> list[Point]:
    """Run the scenario at every combination. All are checked before any is run. Raises InputError, SimulationError."""
    started = time.perf_counter()
    tell: Progress = on_progress or (lambda share, text: None)
    points = combinations(axes)
    scenarios = [scenario.with_settings([f"{path}={value}" for path, value in values.items()]) for values in points]
    warm_up: WarmUp | None = None
    runs: list[_Run] = []
    for each in scenarios:
        run = _Run(each, seed, replications, duration_s)
        if each.spec.warm_up == "auto" and run.trace is None:
            if warm_up is None:
                base = _Run(scenario, seed, replications, duration_s)
                warm_up = find_warm_up(base.task(PILOT, 0.0), base.spec, None, tell)
            run.warm_up = warm_up
        runs.append(run)
    _carry_out(runs, executor, tell)
    wall_s = time.perf_counter() - started
    return [Point(values, run.result(wall_s / len(runs))) for values, run in zip(points, runs, strict=True)]


class _Run:
    """One point on its way: its tasks, then their replications."""

    def __init__(
        self, scenario: Scenario, seed: int | None, replications: int | None, duration_s: float | None
    ) -> None:
        self.scenario = scenario
        self.spec = scenario.spec
        self.trace = recorded_trace(scenario)
        self.seed = self.spec.seed if seed is None else seed
        self.count = self.spec.replications if replications is None else replications
        self.warm_up = WarmUp(0.0, "none")
        self.done: dict[int, Replication] = {}
        self._span_s = None if self.trace is not None and duration_s is None else (duration_s or self.spec.duration)
        self._spec_json = self.spec.model_dump_json()
        if self.spec.warm_up != "auto" or self.trace is not None:
            self.warm_up = find_warm_up(self.task(PILOT, 0.0), self.spec, None, lambda share, text: None)

    def task(self, replication: int, warm_up_s: float) -> Task:
        recorded = self.spec.traffic.trace
        trace_s = 0.0 if self.trace is None or recorded is None else self.trace.last_s / recorded.speed
        bin_s = bin_width_s(trace_s if self._span_s is None else self._span_s)
        return Task(self._spec_json, self.trace, self.seed, replication, self._span_s, warm_up_s, bin_s)

    def tasks(self) -> Iterator[Task]:
        for number in range(self.count):
            yield self.task(number, self.warm_up.seconds)

    def result(self, wall_s: float) -> RunResult:
        done = [self.done[number] for number in sorted(self.done)]
        limits = system_of(self.spec, self.trace).limits
        return put_together(self.scenario, self.spec, done, limits, self.seed, self.warm_up, wall_s)


def _carry_out(runs: Sequence[_Run], executor: Executor | None, tell: Progress) -> None:
    """Run the replications of all points, in whatever order they come."""
    futures: dict[Future[Replication], tuple[_Run, int]] = {}
    try:
        with interrupts_held():
            pool = executor or default_executor()
            for run in runs:
                for task in run.tasks():
                    futures[pool.submit(replicate, task)] = run, task.replication
        for count, future in enumerate(as_completed(futures), 1):
            run, number = futures[future]
            run.done[number] = future.result()
            tell(count / len(futures), f"replication {count} of {len(futures)}")
    except BaseException:
        give_up(futures, executor)
        raise


def summary(point: Point) -> dict[str, Any]:
    """A point in a few figures: what `--json` lists."""
    document = point.result.document
    verdicts = [entry["verdict"] for entry in document["objectives"]]
    return {
        "values": point.values,
        "verdict": next((each for each in ("breached", "undecided", "met") if each in verdicts), None),
        "figures": {pointer: _figure(point.result, pointer) for pointer in HEADLINES.values()},
        "bottleneck": document["bottleneck"],
        "objectives": document["objectives"],
        "digest": document["digest"],
    }


def _figure(result: RunResult, pointer: str) -> dict[str, float | None]:
    estimate = result.estimate(pointer)
    if estimate is None:
        return {"mean": None, "low": None, "high": None}
    return {"mean": estimate.mean, "low": estimate.low, "high": estimate.high}


def write_points(path: Path, points: Iterable[Point]) -> None:
    """All figures of all points as a Parquet file of long form: one row a point and figure. Raises InputError.

    Columns: `point`, one text column for every path that was varied, `figure` (JSON pointer), `mean`, `low`, `high`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pa_parquet

    columns: dict[str, list[Any]] = {}
    rows = [
        {"point": number, **point.values, "figure": pointer, **_figure(point.result, pointer)}
        for number, point in enumerate(points)
        for pointer in point.result.estimates
    ]
    for name in rows[0]:
        columns[name] = [row[name] for row in rows]
    numbers = {"point": pa.int32(), "mean": pa.float64(), "low": pa.float64(), "high": pa.float64()}
    schema = pa.schema([(name, numbers.get(name, pa.string())) for name in columns])
    with replacing(path) as part:
        pa_parquet.write_table(pa.table(columns, schema=schema), part, compression="zstd")
