"""Run a scenario: a pilot for the warm-up, independent replications, their figures put together.

Replications are tasks for a `concurrent.futures.Executor`: by default one pool of processes for the whole program,
made when first needed. A task carries the specification as text and comes back as plain figures.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from typing import TYPE_CHECKING

from experiments.confirm import confirm as find_what_binds
from experiments.live import Stopped, Watcher
from experiments.result import RunResult, put_together
from experiments.workers import close_executor, default_executor, give_up, interrupts_held
from models.assembly import System, assemble
from models.system import SystemSpec
from models.workload import Trace
from sim.environment import Environment
from sim.recorder import Recorder, RowSink
from sim.replication import Replication, pilot_warm_up_s, run_replication
from sim.streams import Streams

if TYPE_CHECKING:
    from experiments.scenario import Scenario

PILOT = 1 << 20
"""Number of the pilot replication: no measured one has it, so its chance is its own."""

WARM_UP_SHARE = 0.1
"""Left out where the pilot run did not settle; the report then says that the run is too short to conclude."""

ALONE_SHARE = 0.015
"""Of the pilot run, before worker processes start: its first figures need not wait for them to share the cores."""

BINS_WANTED = 600
BIN_STEPS_S = (1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)

Progress = Callable[[float, str], None]
"""Told how much of the run is done (0 to 1) and what is going on."""


@dataclass(frozen=True)
class Task:
    """One replication to run, wherever it is run."""

    spec_json: str
    trace: Trace | None
    seed: int
    replication: int
    duration_s: float | None
    warm_up_s: float
    bin_s: float


@lru_cache(maxsize=8)
def _spec(spec_json: str) -> SystemSpec:
    return SystemSpec.model_validate_json(spec_json)


def replicate(
    task: Task,
    rows: RowSink | None = None,
    on_progress: Callable[[float], None] | None = None,
    watcher: Watcher | None = None,
) -> Replication:
    """Run one replication from a task."""
    spec = _spec(task.spec_json)
    recorders: list[Recorder] = []

    def tell(instant_s: float) -> None:
        if on_progress is not None:
            on_progress(instant_s)
        if watcher is not None:
            watcher.running(recorders[0])

    def build(env: Environment, streams: Streams, recorder: Recorder) -> System:
        recorders.append(recorder)
        return assemble(spec, env, streams, recorder, task.trace, steps_wanted=rows is not None)

    return run_replication(
        build,
        endpoints=list(spec.routes),
        seed=task.seed,
        replication=task.replication,
        duration_s=task.duration_s,
        warm_up_s=task.warm_up_s,
        bin_s=task.bin_s,
        users=spec.traffic.most_users,
        requests_each=spec.traffic.requests_each(task.duration_s),
        rows=rows,
        on_progress=None if on_progress is None and watcher is None else tell,
    )


def bin_width_s(span_s: float) -> float:
    """Width of the bins of the time series: about `BINS_WANTED` of them."""
    return next((step for step in BIN_STEPS_S if span_s / step <= BINS_WANTED), BIN_STEPS_S[-1])


def run(
    scenario: Scenario,
    *,
    seed: int | None = None,
    replications: int | None = None,
    duration_s: float | None = None,
    warm_up_s: float | None = None,
    trace: Trace | None = None,
    rows: RowSink | None = None,
    executor: Executor | None = None,
    confirm: bool = False,
    on_progress: Progress | None = None,
    watcher: Watcher | None = None,
) -> RunResult:
    """Run `scenario` and put its replications' figures together.

    What is not given comes from the scenario. `rows` receives every request of every replication in order (they then
    run one after another, here). `confirm` relaxes the limit that binds by a quarter, runs again, and notes what moves.
    Raises `SimulationError` where an audit fails, and `Stopped` where there is a `watcher` and an interrupt comes when
    there is something to show: the replications before the first that is missing, so that it can be had again.
    """
    started = time.perf_counter()
    spec = scenario.spec
    tell: Progress = on_progress or (lambda share, text: None)
    if trace is not None and spec.traffic.trace is None:  # it would never be looked at
        raise ValueError("a trace needs a scenario whose traffic is a trace: set traffic.trace, unset users and open")
    trace = trace if trace is not None else recorded_trace(scenario)
    seed = spec.seed if seed is None else seed
    count = spec.replications if replications is None else replications
    span_s = None if trace is not None and duration_s is None else (duration_s or spec.duration)
    bin_s = bin_width_s(_recorded_s(spec, trace) if span_s is None else span_s)
    task = Task(spec.model_dump_json(), trace, seed, PILOT, span_s, 0.0, bin_s)
    has_pilot = warm_up_s is None and trace is None and spec.warm_up == "auto"
    in_workers = count if has_pilot and executor is None and rows is None else 0
    with ready_workers(task.spec_json, in_workers) as start_workers:
        warm_up = find_warm_up(task, spec, warm_up_s, tell, watcher, start_workers)
    tasks = [Task(task.spec_json, trace, seed, number, span_s, warm_up.seconds, bin_s) for number in range(count)]
    done: dict[int, Replication] = {}

    def take(replication: Replication) -> None:
        done[replication.replication] = replication
        if watcher is not None:
            watcher.ended(replication, count)

    def finish() -> RunResult:
        first = [done[number] for number in takewhile(done.__contains__, range(count))]
        limits = system_of(spec, trace).limits
        return put_together(scenario, spec, first, limits, seed, warm_up, time.perf_counter() - started)

    try:
        _run_all(tasks, rows, executor, tell, take, watcher)
    except KeyboardInterrupt as interrupt:
        if watcher is None or 0 not in done:
            raise
        raise Stopped(finish().stopped("replications", count)) from interrupt
    result = finish()
    if confirm:

        def run_again(changed: Scenario) -> RunResult:
            tell(0.0, f"again with {changed.settings[-1]}")
            return run(
                changed, seed=seed, replications=count, duration_s=duration_s, warm_up_s=warm_up.seconds, trace=trace,
                executor=executor, on_progress=on_progress,
            )  # fmt: skip

        try:
            find_what_binds(scenario, result, run_again)
        except KeyboardInterrupt as interrupt:
            if watcher is None:
                raise
            raise Stopped(result.stopped("confirmation", count)) from interrupt
    return result


def _recorded_s(spec: SystemSpec, trace: Trace | None) -> float:
    """Span of a trace as it is replayed."""
    assert trace is not None and spec.traffic.trace is not None
    return trace.last_s / spec.traffic.trace.speed


def recorded_trace(scenario: Scenario) -> Trace | None:
    """The trace that the scenario names, if it does, as it can be handed to workers. Raises InputError."""
    spec = scenario.spec
    if spec.traffic.trace is None:
        return None
    from experiments.spool import portable
    from experiments.trace import trace_of

    return portable(trace_of(spec, scenario.file(spec.traffic.trace.file)))


@dataclass(frozen=True)
class WarmUp:
    """How much of each replication is left out of the figures, and who said so."""

    seconds: float
    source: str
    is_settled: bool = True


def find_warm_up(
    task: Task,
    spec: SystemSpec,
    given_s: float | None,
    tell: Progress,
    watcher: Watcher | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> WarmUp:
    """The warm-up: as given, as in the scenario, none for a trace, or by MSER-5 on a pilot run.

    `meanwhile`: called while the pilot goes on, once it has got far enough to have shown its first figures.
    """
    if given_s is not None:
        return WarmUp(given_s, "given")
    if task.trace is not None:
        return WarmUp(0.0, "none: a trace is measured from its first request")
    if spec.warm_up != "auto":
        return WarmUp(float(spec.warm_up), "scenario")
    tell(0.0, "pilot run for the warm-up")
    alone_s = ALONE_SHARE * _span_s(task)

    def on_progress(instant_s: float) -> None:
        if instant_s > alone_s:
            meanwhile()

    settled_s = pilot_warm_up_s(replicate(task, None, on_progress, watcher).recording)
    if settled_s is None:
        return WarmUp(
            WARM_UP_SHARE * (task.duration_s or 0.0), "a tenth: the pilot run did not settle", is_settled=False
        )
    return WarmUp(settled_s, "MSER-5 on a pilot run")


def _run_all(
    tasks: Sequence[Task],
    rows: RowSink | None,
    executor: Executor | None,
    tell: Progress,
    take: Callable[[Replication], None],
    watcher: Watcher | None,
) -> None:
    """Run all tasks; `take` each replication as it ends."""
    if len(tasks) == 1 or rows is not None:
        _run_here(tasks, rows, tell, take, watcher)
        return
    futures: list[Future[Replication]] = []
    taken: set[Future[Replication]] = set()
    try:
        with interrupts_held():
            pool = executor or default_executor()
            futures.extend(pool.submit(replicate, task) for task in tasks)
        for number, future in enumerate(as_completed(futures), 1):
            taken.add(future)
            take(future.result())
            tell(number / len(tasks), f"replication {number} of {len(tasks)}")
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            for future in futures:
                if future not in taken and future.done() and future.exception() is None:
                    take(future.result())
        give_up(futures, executor)
        raise


def _run_here(
    tasks: Sequence[Task],
    rows: RowSink | None,
    tell: Progress,
    take: Callable[[Replication], None],
    watcher: Watcher | None,
) -> None:
    for number, task in enumerate(tasks):

        def on_progress(instant_s: float, number: int = number, whole_s: float = _span_s(task)) -> None:
            tell((number + min(1.0, instant_s / whole_s)) / len(tasks), f"replication {number + 1} of {len(tasks)}")

        take(replicate(task, rows, on_progress, watcher))


def _span_s(task: Task) -> float:
    if task.duration_s is not None:
        return task.duration_s
    assert task.trace is not None
    return max(1.0, task.trace.last_s)


@contextmanager
def ready_workers(spec_json: str, tasks: int) -> Iterator[Callable[[], None]]:
    """For a pilot that runs here: what lets workers for so many tasks start and load what they need.

    It is safe to call again, and starts nothing where one task needs no workers.
    """
    missing = min(tasks, max(1, os.cpu_count() or 1)) if tasks > 1 else 0
    pool: Executor | None = None

    def start() -> None:
        nonlocal missing, pool
        if not missing:
            return
        with interrupts_held():
            pool = default_executor()
            for _ in range(missing):
                pool.submit(_make_ready, spec_json)
        missing = 0

    try:
        yield start
    except BaseException:
        if pool is not None:
            close_executor()
        raise


def _make_ready(spec_json: str) -> None:
    """In a worker: what the first task would have to do before it runs."""
    _spec(spec_json)


def system_of(spec: SystemSpec, trace: Trace | None = None) -> System:
    """The assembled system, not started: for questions about its structure."""
    env = Environment()
    recorder = Recorder(env, list(spec.routes), 0.0, 1.0)
    return assemble(spec, env, Streams(spec.seed, PILOT), recorder, trace)
