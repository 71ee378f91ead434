"""Arrivals that follow a curve: as many as the area under it says, over many seeds, and no more scattered."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

import numpy as np
import pytest

from models.workload import WorkloadSpec
from models.workload.open import arrivals
from models.workload.shapes import segments_of
from sim.arrivals import expected
from sim.curves import scaled, surged
from sim.streams import Streams

SURGES = {"one": {"at": "10s", "lasts": "5s", "factor": 4}, "two": {"at": "12s", "lasts": "10s", "factor": 0.5}}
SEEDS = 400
SPANS = ((0.0, 8.0), (8.0, 13.0), (13.0, 30.0))


@pytest.mark.parametrize(
    "shape",
    [
        None,
        {"kind": "ramp", "start": 0.1, "end": 2, "at": "4s", "lasts": "20s"},
        {"kind": "diurnal", "low": 0.2, "day": "24s", "peak_at": "9s"},
        {"kind": "piecewise", "points": [{"at": "0s", "factor": 1}, {"at": "9s", "factor": 3}], "every": "11s"},
        {"kind": "step", "levels": [1, 0.2, 2], "lasts": "7s"},
        {"kind": "spike", "at": "5s", "rise": "2s", "factor": 4, "lasts": "3s", "fall": "9s"},
        {"kind": "flash_crowd", "at": "6s", "rise": "1s", "factor": 6, "half_life": "2s"},
        {"kind": "cycle", "levels": [0.3, 0, 2], "part": "5s", "begins_at": "3s"},
    ],
)
def test_as_many_arrive_as_the_integral_says(shape: dict[str, Any] | None) -> None:
    spec = WorkloadSpec.model_validate(
        {"open": {"rate": "20/s"}, "mix": {"a": 1}, "surges": SURGES, **({"shape": shape} if shape else {})}
    )

    def area(until_s: float) -> float:
        curve = scaled(segments_of(spec.shape, Streams(1, 0), "none"), 20.0)
        return expected(surged(curve, spec.all_surges()), until_s)

    counts = np.zeros((SEEDS, len(SPANS)))
    for seed in range(SEEDS):
        times = np.array(list(takewhile(lambda t: t < 30.0, arrivals(spec).instants(Streams(seed, 0, 64), "t"))))
        for column, (low, high) in enumerate(SPANS):
            counts[seed, column] = ((times >= low) & (times < high)).sum()
    for column, (low, high) in enumerate(SPANS):
        mean = area(high) - area(low)
        assert abs(counts[:, column].mean() - mean) < 4 * (mean / SEEDS) ** 0.5
        # a Poisson count's variance is its mean; the sample variance's standard error is about mean x sqrt(2 / n)
        assert abs(counts[:, column].var(ddof=1) - mean) < 4.5 * mean * (2 / SEEDS) ** 0.5


def test_bursts_have_the_mean_rate_of_their_phases_and_more_scatter() -> None:
    """Means 3 s at 20/s and 1 s at 100/s: 40/s in the long run; begins calm."""
    bursty = {
        "kind": "bursty", "factor": 5, "calm": {"kind": "exponential", "mean": "3s"},
        "burst": {"kind": "exponential", "mean": "1s"},
    }  # fmt: skip
    spec = WorkloadSpec.model_validate({"open": {"rate": "20/s"}, "mix": {"a": 1}, "shape": bursty})
    counts = []
    for seed in range(200):
        times = takewhile(lambda t: t < 60.0, arrivals(spec).instants(Streams(seed, 0, 64), "t"))
        counts.append(sum(t >= 20.0 for t in times))
    mean, variance = float(np.mean(counts)), float(np.var(counts, ddof=1))
    assert abs(mean - 1600) < 4 * (variance / 200) ** 0.5
    # index of dispersion of an MMPP-2 (Fischer, Meier-Hellstern): 1 + 2 d^2 p q / (rate (a + b)), less for a short span
    limit = 1 + 2 * 80**2 * 0.75 * 0.25 / (40 * (1 / 3 + 1))
    assert 0.7 * limit < variance / mean < 1.3 * limit
