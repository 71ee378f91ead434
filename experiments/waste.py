"""Work for callers who had gone, and how much more work there was because they tried again.

A burst of CPU or a query counts as a whole where its caller had gone by its end. A caller has gone when it has given up
the request, or left this attempt of it; other attempts are no waste.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.recorder import InstrumentFigures, RequestFigures

CLIENT = "traffic.client"


def waste(instruments: InstrumentFigures, requests: RequestFigures, span_s: float) -> dict[str, Any]:
    """Figures of one replication. `amplification`: attempts of a request in the mean; `retry_share`: of all attempts,
    those that were not the first of their request."""
    cpu_s, bursts = _tallied(instruments, ".waste_cpu_s")
    db_s, queries = _tallied(instruments, ".waste_s")
    served_s = 0.0
    for path, level in instruments.levels.items():
        if path.startswith("services.") and path.endswith(".cpu_s"):
            served_s += (level.mean or 0.0) * span_s
    unattended_s = 0.0
    for path, level in instruments.levels.items():
        if path.endswith(".unattended"):
            unattended_s += level.area
    left = 0
    for path, number in instruments.counts.items():
        if path.endswith((".time_limiter.left", ".read_timeout.left")):
            left += number
    ended = requests.count()
    attempts = int(np.sum(requests.attempts))
    return {
        "cpu_s": cpu_s,
        "cpu_share": cpu_s / served_s if served_s else None,
        "bursts": bursts,
        "db_s": db_s,
        "queries": queries,
        "calls_left": left,
        "unattended_s": unattended_s,
        "attempts_left": instruments.counts.get(f"{CLIENT}.attempts_left", 0),
        "retries": instruments.counts.get(f"{CLIENT}.retry.retries", 0),
        "retries_refused": instruments.counts.get(f"{CLIENT}.retry.budget.refused", 0),
        "reloads": instruments.counts.get(f"{CLIENT}.reload.reloads", 0),
        "amplification": attempts / ended if ended else None,
        "retry_share": 1.0 - ended / attempts if attempts else None,
    }


def _tallied(instruments: InstrumentFigures, ending: str) -> tuple[float, int]:
    total, count = 0.0, 0
    for path, tally in instruments.tallies.items():
        if path.endswith(ending):
            total += tally.total
            count += tally.count
    return total, count
