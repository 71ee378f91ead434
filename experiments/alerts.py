"""Alert rules, evaluated on what was simulated as Prometheus evaluates them on what was scraped.

Models   A rule looks every `every` at the average of a series over the last `window`. Above the threshold it is
         pending, and it fires at the first evaluation at least `hold` after the one at which it became pending; one
         evaluation below resets it.
Source   Prometheus 2.42, rules/alerting.go.
Omits    Scrapes: series are known exactly, in bins of time. Alertmanager's grouping and repeats.
Checked  tests/unit/test_alerts.py, experiments/validation/prometheus.py
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models.outcomes import Outcome
from models.system import AlertSpec, SystemSpec
from sim.replication import Replication

Floats = npt.NDArray[np.float64]
Watched = Callable[[float, float], float | None]
"""The value of a series over a span of time (from, to), in seconds; None where there is nothing to see."""


def judge_alerts(spec: SystemSpec, replications: Sequence[Replication]) -> list[dict[str, Any]]:
    """For every rule: in how many replications it fired, when first, and for how long in all (means)."""
    judged = []
    for name, alert in spec.alerts.items():
        fired = [firing(alert, watch(alert.series, spec, each), each.recording.end_s) for each in replications]
        starts = [spans[0][0] for spans in fired if spans]
        lengths = [float(np.sum([end - start for start, end in spans])) for spans in fired]
        judged.append(
            {
                "name": name,
                "series": alert.series,
                "above": alert.above,
                "fired_in": len(starts),
                "of": len(replications),
                "first_at_s": float(np.mean(starts)) if starts else None,
                "firing_s": float(np.mean(lengths)),
            }
        )
    return judged


def firing(alert: AlertSpec, value: Watched, end_s: float) -> list[tuple[float, float]]:
    """The spans in which a rule fires, up to `end_s`."""
    spans: list[tuple[float, float]] = []
    pending_since: float | None = None
    firing_since: float | None = None
    number = 1
    while (now := number * alert.every) <= end_s:
        number += 1
        seen = value(max(0.0, now - alert.window), now)
        if seen is not None and seen > alert.above:
            pending_since = now if pending_since is None else pending_since
            if firing_since is None and now - pending_since >= alert.hold:
                firing_since = now
        else:
            if firing_since is not None:
                spans.append((firing_since, now))
            pending_since = firing_since = None
    if firing_since is not None:
        spans.append((firing_since, end_s))
    return spans


def watch(series: str, spec: SystemSpec, replication: Replication) -> Watched:
    """A series of a replication as a function of a span of time."""
    recording = replication.recording
    requests, samples = recording.series, recording.samples
    if series in ("cpu_share", "memory_share"):
        shares = [_machine_share(series, name, spec, samples) for name in spec.machines]
        return lambda low, high: max(_time_average(samples.from_s, samples.to_s, share, low, high) for share in shares)
    starts = requests.start_s
    ended = requests.ended()
    errors = requests.ended(least_status=500)
    unsuccessful = ended - requests.ended(outcome=int(Outcome.SUCCEEDED))
    if series == "p95_s":
        p95 = requests.latency_quantile_s(0.95)
        return lambda low, high: _weighted(p95, ended, starts, low, high)

    def total(counts: Any, low: float, high: float) -> float:
        first, last = np.searchsorted(starts, (low, high))
        return float(counts[first:last].sum())

    if series == "errors_per_s":
        return lambda low, high: total(errors, low, high) / (high - low) if high > low else None
    wrong = errors if series == "error_share" else unsuccessful

    def share(low: float, high: float) -> float | None:
        seen = total(ended, low, high)
        return total(wrong, low, high) / seen if seen else None

    return share


def _machine_share(series: str, name: str, spec: SystemSpec, samples: Any) -> Floats:
    machine = spec.machines[name]
    if series == "memory_share":
        column = samples.level_paths.index(f"machines.{name}.memory_bytes")
        return np.asarray(samples.levels[:, column], dtype=np.float64) / machine.memory
    from experiments.figures import cpu_paths

    columns = [samples.level_paths.index(f"{path}.cpu_s") for path in cpu_paths(spec, name)]
    used = np.asarray(samples.levels[:, columns], dtype=np.float64).sum(axis=1)
    return np.asarray(used / (machine.cores * machine.speed))


def _time_average(from_s: Floats, to_s: Floats, values: Floats, low: float, high: float) -> float:
    overlap = np.clip(np.minimum(to_s, high) - np.maximum(from_s, low), 0.0, None)
    seen = float(overlap.sum())
    return float((overlap * values).sum() / seen) if seen else 0.0


def _weighted(values: Floats, weights: Any, starts: Floats, low: float, high: float) -> float | None:
    first, last = np.searchsorted(starts, (low, high))
    chosen, weight = values[first:last], np.asarray(weights[first:last], dtype=np.float64)
    seen = ~np.isnan(chosen)
    total = float(weight[seen].sum())
    return float((chosen[seen] * weight[seen]).sum() / total) if total else None
