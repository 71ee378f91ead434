"""The waits of a pool that is M/M/1: do their intervals cover the truth as often as they claim?"""

from __future__ import annotations

from math import sqrt

from scipy import stats

from experiments.validation.theory.pool import HOLDING_S, waits_s


def test_intervals_cover_the_truth_as_often_as_they_claim() -> None:
    """16 disjoint groups of 4 seeds: of their 90 % intervals, 11 or more of 16 hold the truth (99.7 % likely)."""
    utilisation = 0.4
    truth_s = utilisation * HOLDING_S / (1.0 - utilisation)
    runs = [waits_s(1, utilisation, 1000 + seed, borrowers=2000) for seed in range(64)]
    means = [float(sum(run)) / len(run) for run in runs]
    held = 0
    for group in range(16):
        mean, half_width = estimate(means[4 * group : 4 * group + 4], confidence=0.90)
        held += abs(mean - truth_s) <= half_width
    assert 11 <= held <= 16


def estimate(values: list[float], confidence: float = 0.99) -> tuple[float, float]:
    """Mean, and half the width of Student's interval."""
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, float(stats.t.ppf(0.5 + confidence / 2, len(values) - 1)) * sqrt(variance / len(values))
