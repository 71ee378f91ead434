"""Does calibration recover what a log was made with? Three systems, ten seeds each, chosen in advance.

A system is simulated at 20 to 40 % utilisation; what it did is written as a log: an access log with response times in
milliseconds, stamped in whole seconds (`cpu`) or in milliseconds (`pool`), or rows (`shared`). The same scenario with
guessed demands is calibrated by the log alone; then both are simulated at 80 %, under the same draws, and the fitted
one's response times are compared with the true one's.

    python tests/benchmarks/calibration/recovery.py [SYSTEM...] [--seeds N] [--skip N] [--set duration=300s]
                                                        [--predict] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from experiments.calibration import Options, calibrate
from experiments.calibration.parameters import with_values
from experiments.calibration.prediction import Predicted
from experiments.calibration.shapes import distribution_of
from experiments.logs import read_logs
from experiments.replay import Router
from experiments.rows import open_rows
from experiments.runner import Task, replicate, run
from experiments.scenario import load_scenario
from experiments.scenario.paths import at_path, heard, parse_path
from experiments.scoring.observed import observe

HERE = Path(__file__).parent
SYSTEMS = ("cpu", "pool", "shared")
SEEDS = tuple(range(711, 721))
MEAN_WITHIN, P95_WITHIN = 0.05, 0.10
TRUE_S = 1200.0
"""What the true system does at a predicted load is simulated for so long."""
TWO_SIDED = 1.96
STAMPS = {"cpu": "time_local", "pool": "msec"}
"""What access logs are stamped with."""
FORMAT = '$remote_addr - $remote_user [${stamp}] "$request" $status $body_bytes_sent $request_time'


@dataclass
class Recovery:
    """How well one system was recovered from one log."""

    system: str
    seed: int
    requests: int
    mean_error: float
    """Of the response time predicted at 80 %, relative."""
    p95_error: float
    misfit: float
    simulations: int
    inside: int
    """True means that lie within their intervals, ..."""
    told: int
    """... of so many that have one."""
    half_width: float
    """The widest of these intervals: half of it, relative."""
    farthest: float
    """The largest distance of a true mean from the one that was found, in half widths of its interval."""
    wall_s: float
    inner: dict[str, float]
    """What was searched for, as it was found, ..."""
    covariance: list[list[float]]
    """... and how exactly."""
    found: dict[str, object]
    predicted: dict[str, float] | None
    """What `--predict 0.8` said of the mean and its standard error (relative), and what the true system does there."""

    @property
    def passed(self) -> bool:
        return abs(self.mean_error) <= MEAN_WITHIN and abs(self.p95_error) <= P95_WITHIN


class _Kept:
    """Rows in memory."""

    steps = ()

    def __init__(self) -> None:
        self.parts: list[dict[str, object]] = []

    def write(self, columns: dict[str, object]) -> None:
        self.parts.append(columns)


def access_log(rows: _Kept, stamp: str) -> str:
    """The rows as nginx would have written them: stamped at the end, $request_time in milliseconds."""
    lines = []
    for part in rows.parts:
        for t_s, user, latency_s, endpoint in zip(
            part["t_s"], part["user"], part["latency_s"], part["endpoint"], strict=True
        ):
            if latency_s != latency_s:
                continue
            begin_ms, end_ms = int(t_s * 1000), int((t_s + latency_s) * 1000)
            end_s = 1_700_000_000 + end_ms // 1000
            seconds = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(end_s))
            stamped = seconds if stamp == "time_local" else f"{end_s}.{end_ms % 1000:03d}"
            path = f"/api/items/{user}" if endpoint == "get-item" else "/api/items"
            took = (end_ms - begin_ms) / 1000
            lines.append((end_ms, f'10.0.0.{user % 250} - - [{stamped}] "GET {path} HTTP/1.1" 200 100 {took:.3f}'))
    lines.sort(key=lambda line: line[0])
    return "\n".join(line for _, line in lines) + "\n"


def make_log(system: str, seed: int, folder: Path, settings: tuple[str, ...] = ()) -> tuple[Path, str | None]:
    """The log of a run of the true system, and the format to state."""
    truth = load_scenario(HERE / f"{system}.yaml", settings)
    if system in STAMPS:
        kept = _Kept()
        run(truth, seed=seed, replications=1, rows=kept)
        log = folder / f"{system}-{seed}.log"
        log.write_text(access_log(kept, STAMPS[system]))
        return log, FORMAT.replace("{stamp}", STAMPS[system])
    log = folder / f"{system}-{seed}.csv"
    with open_rows(log) as rows:
        run(truth, seed=seed, replications=1, rows=rows)
    return log, None


def recover(
    system: str, seed: int, folder: Path, settings: tuple[str, ...] = (), busy_s: float | None = None,
    known: tuple[str, ...] = (), hold_out: float = 0.0, predict: bool = False,
) -> Recovery:  # fmt: skip
    """Make a log, calibrate by it, predict 80 %. `settings` are for the log and shorten it. `known`: paths whose true
    value is in the scenario from the start, and kept. `predict`: judge what is told of a prediction, too."""
    log, log_format = make_log(system, seed, folder, settings)
    file = HERE / f"{system}.yaml"
    truth, busy = load_scenario(file), load_scenario(file, (), "busy")
    told_before = {path: at_path(truth.document, heard(parse_path(path), truth.document)) for path in known}
    given = tuple(f"{path}={json.dumps(value)}" for path, value in told_before.items())
    guessed = load_scenario(file, given, "assumed")
    observed = observe(read_logs([str(log)], format=log_format), log.name, Router(guessed.spec, []), guessed.spec)
    began = time.perf_counter()
    options = Options(keep=known, hold_out=hold_out, seed=seed, predict=0.8 if predict else None)
    found = calibrate(guessed, observed, options, lambda share, text: None)
    wall_s = time.perf_counter() - began
    kept = {heard(parse_path(path), busy.document): value for path, value in told_before.items()}
    fitted = with_values(busy.document, {**kept, **found.changes})
    span_s = busy_s or busy.spec.duration
    true_s, fitted_s = (latencies(spec.model_dump_json(), span_s, seed) for spec in (busy.spec, fitted))
    inside = told = 0
    half_width = farthest = 0.0
    for finding in found.findings:
        if finding.mean_s is not None and len(finding.paths) == 1:
            value = at_path(truth.document, heard(parse_path(finding.paths[0]), truth.document))
            told += 1
            true_mean_s, interval = distribution_of(value)[1].mean, finding.mean_s
            half_s = (interval.high - interval.low) / 2
            half_width = max(half_width, half_s / interval.value)
            farthest = max(farthest, abs(interval.value - true_mean_s) / half_s)
            inside += interval.low <= true_mean_s <= interval.high
    values = {path: each for one in found.findings for path, each in zip(one.paths, one.after, strict=False)}
    return Recovery(
        system, seed, len(observed), float(fitted_s.mean() / true_s.mean() - 1),
        float(np.quantile(fitted_s, 0.95) / np.quantile(true_s, 0.95) - 1), found.solution.misfit,
        found.solution.simulations, inside, told, half_width, farthest, wall_s, found.solution.values,
        found.solution.covariance.tolist(), values, _judged(system, found.predicted, seed),
    )  # fmt: skip


def _judged(system: str, predicted: Predicted | None, seed: int) -> dict[str, float] | None:
    if predicted is None:
        return None
    there = load_scenario(HERE / f"{system}.yaml", (f"traffic.open.rate={predicted.rate_per_s}/s",), "busy")
    true_s = latencies(there.spec.model_dump_json(), TRUE_S, seed)
    return {"mean_s": predicted.mean_s, "error": predicted.mean_error, "true_s": float(true_s.mean())}


def latencies(spec_json: str, duration_s: float, seed: int) -> np.ndarray:
    """Response times at 80 %, without the first tenth."""
    kept, found = _Kept(), []
    replicate(Task(spec_json, None, 5000 + seed, 0, duration_s, 0.0, 1e6), kept)
    for part in kept.parts:
        late = np.asarray(part["t_s"]) > duration_s / 10
        values = np.asarray(part["latency_s"])[late]
        found.append(values[np.isfinite(values)])
    return np.concatenate(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("systems", nargs="*", default=list(SYSTEMS))
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--skip", type=int, default=0, help="leave out so many of the first seeds")
    parser.add_argument("--seed", type=int, action="append", help="these instead")
    parser.add_argument("--set", action="append", default=[], help="for the log, to shorten it: duration=300s")
    parser.add_argument("--predict", action="store_true", help="judge the intervals of --predict 0.8, too")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    done = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in options.seed or SEEDS[options.skip : options.seeds]:
            for system in options.systems:
                done.append(recover(system, seed, Path(folder), tuple(options.set), predict=options.predict))
                each = done[-1]
                print(
                    f"{system:7} {seed} mean {each.mean_error:+.2%} p95 {each.p95_error:+.2%} misfit {each.misfit:.2f} "
                    f"inside {each.inside}/{each.told} {each.simulations} simulations {each.wall_s:.0f} s {each.found}",
                    flush=True,
                )
                if options.json:
                    options.json.write_text(json.dumps([asdict(one) for one in done], indent=1))
    judged = [each.predicted for each in done if each.predicted is not None]
    held = sum(abs(np.log(each["true_s"] / each["mean_s"])) <= TWO_SIDED * each["error"] for each in judged)
    if judged:
        print(f"{held} of {len(judged)} intervals of a predicted mean have the true one in them")
    failed = [each for each in done if not each.passed]
    print(f"{len(done) - len(failed)} of {len(done)} within {MEAN_WITHIN:.0%} (mean) and {P95_WITHIN:.0%} (p95)")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
