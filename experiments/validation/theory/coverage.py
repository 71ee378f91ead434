"""How a simulation is compared with a closed form, so that a right program passes and a wrong one does not.

A model is run in 20 experiments of 5 replications with fixed seeds. Two things are asked of every figure: the 95 %
intervals of the experiments must cover the truth as often as they claim (at least 16 of 20: a correct interval misses
that once in 390 figures), and the interval over all replications together must be narrow and hold it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from experiments.validation.check import Disagreement
from sim.statistics import t_interval

EXPERIMENTS, REPLICATIONS, LEAST_COVERED = 20, 5, 16
ALMOST_SURE = 0.9999
AGREEMENT = "95 % intervals cover it at least 16 times in 20"

Figures = Callable[[int, int], Mapping[str, float | None]]
"""The figures of one replication, by seed and number."""


def expect_covered(figures: Figures, seed: int, truth: Mapping[str, float], narrow: float = 0.1) -> None:
    """Compare every figure in `truth` with its closed form. `narrow`: half the width of the interval over all
    replications is at most this share of the truth."""
    values: dict[str, list[float]] = {name: [] for name in truth}
    covered = dict.fromkeys(truth, 0)
    for experiment in range(EXPERIMENTS):
        runs = [figures(seed + experiment, number) for number in range(REPLICATIONS)]
        for name, exact in truth.items():
            seen = [float(run[name] or 0.0) for run in runs]
            values[name] += seen
            low, high = _interval(seen, 0.95)
            covered[name] += low <= exact <= high
    for name, exact in truth.items():
        low, high = _interval(values[name], ALMOST_SURE)
        if not low <= exact <= high:
            raise Disagreement(f"{name}: theory says {exact:.6g}, all runs [{low:.6g}, {high:.6g}]")
        if high - low > 2 * narrow * exact:
            raise Disagreement(f"{name}: [{low:.6g}, {high:.6g}] is too wide to say anything")
        if covered[name] < LEAST_COVERED:
            raise Disagreement(f"{name}: {covered[name]} of {EXPERIMENTS} intervals cover {exact:.6g}")


def _interval(values: list[float], confidence: float) -> tuple[float, float]:
    interval = t_interval(values, confidence)
    assert interval.low is not None and interval.high is not None  # there are several values
    return interval.low, interval.high


def erlang_b(servers: int, load: float) -> float:
    """Share refused by M/G/c/c, by the stable recursion."""
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = load * blocked / (number + load * blocked)
    return blocked


def erlang_c(servers: int, load: float) -> float:
    """Share that waits in M/M/c."""
    blocked = erlang_b(servers, load)
    return blocked / (1 - load / servers * (1 - blocked))
