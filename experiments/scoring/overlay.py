"""Observed and simulated over time: throughput and response times, per endpoint.

Models   Latencies belong to the bin their request came in, throughput to the bin the answer was given in. A simulated
         value is the mean over replications; a bin with fewer than LEAST requests has no response times.
Checked  tests/unit/test_scoring.py
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from experiments.scoring.errors import ALL
from experiments.scoring.observed import Floats, Observed
from experiments.scoring.simulated import Simulated, as_logged

BINS_WANTED: Final = 80
WIDTHS_S: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
LEAST: Final = 20


def overlay(observed: Observed, runs: Sequence[Simulated]) -> dict[str, Any]:
    """Both series of every endpoint, by bin."""
    width_s = next((width for width in WIDTHS_S if observed.span_s / width <= BINS_WANTED), WIDTHS_S[-1])
    bins = int(observed.span_s // width_s) + 1
    endpoints = {}
    for number, name in [(-1, ALL), *enumerate(observed.routes)]:
        here = np.ones(len(observed), bool) if number < 0 else observed.route == number
        timed = here & observed.is_timed
        if not timed.any():
            continue
        seen = _series(observed.t_s[timed], observed.response_s[timed], width_s, bins)
        each = [_simulated(observed, run, here, width_s, bins) for run in runs]
        endpoints[name] = {"observed": _plain(seen), "simulated": _plain(_averaged(each))}
    return {"bin_s": float(width_s), "begins_ns": observed.began_ns, "endpoints": endpoints}


def _simulated(observed: Observed, run: Simulated, here: npt.NDArray[np.bool_], width_s: float, bins: int) -> Any:
    rows = here & run.is_good
    latency_s = as_logged(run.latency_s[rows], observed.t_s[rows], observed.unit_s)
    return _series(observed.t_s[rows], latency_s, width_s, bins)


def _series(t_s: Floats, latency_s: Floats, width_s: float, bins: int) -> dict[str, Floats]:
    came = np.minimum((t_s / width_s).astype(np.int64), bins - 1)
    ended = ((t_s + latency_s) / width_s).astype(np.int64)
    counts = np.bincount(came, minlength=bins)
    totals = np.bincount(came, weights=latency_s, minlength=bins)
    is_enough = counts >= LEAST
    order = np.argsort(came, kind="stable")
    starts = np.searchsorted(came[order], np.arange(bins + 1))
    p95 = np.full(bins, np.nan)
    for place in np.flatnonzero(is_enough).tolist():
        p95[place] = np.quantile(latency_s[order[starts[place] : starts[place + 1]]], 0.95)
    per_s = np.bincount(ended[ended < bins], minlength=bins) / width_s
    per_s[-1] = np.nan  # the log ends within it
    return {
        "per_s": per_s,
        "mean_s": np.where(is_enough, totals / np.maximum(counts, 1), np.nan),
        "p95_s": p95,
    }


def _averaged(each: Sequence[dict[str, Floats]]) -> dict[str, Floats]:
    return {name: np.mean([series[name] for series in each], axis=0) for name in each[0]}


def _plain(series: dict[str, Floats]) -> dict[str, list[float | None]]:
    return {
        name: [None if value != value else float(f"{value:.6g}") for value in values.tolist()]
        for name, values in series.items()
    }
