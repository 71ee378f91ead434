"""What JVMs and listening sockets measured, as part of a replication's figures."""

from __future__ import annotations

from typing import Any

from sim.bins import BINS, quantile_s
from sim.recorder import InstrumentFigures, TallyFigures
from sim.statistics import is_enough_for_quantile

YOUNG, DROPS = ".jvm.young_s", ".syn_drops"


def jvms(instruments: InstrumentFigures, span_s: float) -> dict[str, Any]:
    """Collections, pauses, heap and threads of every JVM, by the path of its process."""
    tree: dict[str, Any] = {}
    for path in instruments.tallies:
        if path.endswith(YOUNG):
            process = path.removesuffix(YOUNG)
            tree[process] = _jvm(instruments, f"{process}.jvm", span_s)
    return tree


def _jvm(instruments: InstrumentFigures, path: str, span_s: float) -> dict[str, Any]:
    young, full = instruments.tallies[f"{path}.young_s"], instruments.tallies[f"{path}.full_s"]
    return {
        "young": _pauses(young),
        "full": _pauses(full),
        "paused_share": (young.total + full.total) / span_s if span_s else None,
        "pause_p99_ms": _p99_ms([instruments.counts[f"{path}.pause_bins.{number}"] for number in range(BINS)]),
        "markings": instruments.tallies[f"{path}.marking_s"].count,
        "heap_peak_bytes": instruments.levels[f"{path}.heap_bytes"].peak,
        "threads_peak": instruments.levels[f"{path}.threads"].peak,
        "out_of_memory": instruments.counts[f"{path}.out_of_memory"],
    }


def _p99_ms(bins: list[int]) -> float | None:
    """To within a tenth; nothing where too few pauses stand behind it."""
    pause_s = quantile_s(bins, 0.99) if is_enough_for_quantile(0.99, sum(bins)) else None
    return None if pause_s is None else 1000 * pause_s


def _pauses(tally: TallyFigures) -> dict[str, Any]:
    return {
        "count": tally.count,
        "mean_ms": None if tally.mean is None else 1000 * tally.mean,
        "max_ms": 1000 * tally.largest if tally.count else None,
    }


def listeners(instruments: InstrumentFigures) -> dict[str, Any]:
    """Dropped SYNs of every listening socket."""
    return {
        path.removesuffix(DROPS): {"syn_drops": count}
        for path, count in instruments.counts.items()
        if path.endswith(DROPS)
    }
