"""What a replication says of databases: connections, statements that were ended, replication and stale reads."""

from __future__ import annotations

from typing import Any

from models.system import SystemSpec
from sim.bins import BINS, quantile_s
from sim.recorder import InstrumentFigures

Tree = dict[str, Any]

COUNTS = ("statement_timeouts", "lock_timeouts", "deadlocks", "idle_in_transaction", "refused_writes")


def database_figures(instruments: InstrumentFigures, spec: SystemSpec) -> Tree:
    """Of each database by its path; a standby also says how far behind it was."""
    tree: Tree = {}
    for name, database in spec.databases.items():
        path = f"databases.{name}"
        waits, commits = instruments.tallies[f"{path}.lock_wait_s"], instruments.tallies[f"{path}.commit_wait_s"]
        tree[path] = {
            "connections_peak": instruments.levels[f"{path}.open_connections"].peak,
            "refused": instruments.stations[f"{path}.connections"].refused,
            **{count: instruments.counts[f"{path}.{count}"] for count in COUNTS},
            "lock_waits": waits.count,
            "lock_wait_mean_ms": _ms(waits.mean),
            "commit_wait_mean_ms": _ms(commits.mean),
        }
        if database.standby_of is not None:
            tree[path]["replication"] = _replication(instruments, f"{path}.replay")
    return tree


def _replication(instruments: InstrumentFigures, path: str) -> Tree:
    reads, stale = instruments.counts[f"{path}.tracked_reads"], instruments.counts[f"{path}.stale_reads"]
    lag = instruments.tallies[f"{path}.lag_s"]
    bins = [instruments.counts[f"{path}.lag_bins.{number}"] for number in range(BINS)]
    return {
        "replayed_writes": instruments.counts[f"{path}.replayed_writes"],
        "backlog_mean": instruments.levels[f"{path}.backlog"].mean,
        "backlog_peak": instruments.levels[f"{path}.backlog"].peak,
        "lag_mean_ms": _ms(lag.mean),
        "lag_p50_ms": _ms(quantile_s(bins, 0.5)),
        "lag_max_ms": _ms(lag.largest if lag.count else None),
        "tracked_reads": reads,
        "stale_reads": stale,
        "stale_share": stale / reads if reads else None,
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000.0 * seconds
