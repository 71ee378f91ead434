"""Score a scenario by a log: simulate it under the log's traffic and put both side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.logs.spans import Mask
from experiments.logs.upstream import Upstream
from experiments.scenario import Scenario
from experiments.scoring.errors import compare
from experiments.scoring.observed import Observed
from experiments.scoring.overlay import overlay
from experiments.scoring.simulated import simulate, under_log

Tell = Callable[[float, str], None]
WARM_UP_SHARE = 0.02
"""Of the log: simulated but not compared, for the real system was not empty when it began."""


def score(
    scenario: Scenario, observed: Observed, *, replications: int, seed: int, warm_up_s: float | None, tell: Tell
) -> dict[str, Any]:
    """The document of a score: errors per endpoint, and both series over time."""
    system, trace = under_log(scenario.spec), observed.trace()
    runs = []
    for number in range(replications):
        tell(number / replications, f"replication {number + 1} of {replications}")
        runs.append(simulate(system, trace, seed, number))
    begin_s = WARM_UP_SHARE * observed.span_s if warm_up_s is None else warm_up_s
    errors = compare(observed, runs, observed.t_s >= begin_s)
    failed = [1 - float(run.is_good.mean()) for run in runs]
    return {
        "scenario": scenario.name, "log": observed.log, "seed": seed, "replications": replications,
        "lines": observed.told, "warm_up_s": begin_s, "span_s": observed.span_s,
        "endpoints": {each.name: each.as_dict() for each in errors},
        "upstream": upstream(observed, observed.is_timed & (observed.t_s >= begin_s)),
        "observed_failure_share": 1 - float(observed.is_good.mean()),
        "simulated_failure_share": float(np.mean(failed)), "series": overlay(observed, runs),
    }  # fmt: skip


def upstream(observed: Observed, rows: Mask) -> dict[str, dict[str, Any]] | None:
    """What the log tells of the servers behind the one that wrote it, by route and of all; None where it does not."""
    sums = Upstream()
    size = len(observed.routes)
    names = ("response_s", "upstream_s", "connect_s", "tries", "cache")
    sums.add(observed.route[rows], size, **{name: getattr(observed, name)[rows] for name in names})
    whole = sums.whole()
    if whole is None:
        return None
    by_route = zip(observed.routes, sums.by_group(np.arange(size), size), strict=True)
    return {"all": whole} | {name: figures for name, figures in by_route if figures is not None}
