"""Bursts fitted to a log: the fit finds the process that made it, and has the log's index when simulated."""

from __future__ import annotations

from itertools import takewhile

import numpy as np
import pytest

from experiments.traffic.counts import SECOND_NS, Counts
from experiments.traffic.dispersion import Mmpp, dispersions, fit_mmpp
from models.workload import WorkloadSpec
from models.workload.open import arrivals
from sim.streams import Streams


def simulated(process: Mmpp, requests: int, seed: int) -> Counts:
    """So many requests of a scenario whose traffic has this shape."""
    spec = WorkloadSpec.model_validate(
        {
            "open": {"rate": f"{process.calm_per_s:.9g}/s"},
            "mix": {"a": 1},
            "shape": {
                "kind": "bursty",
                "factor": process.burst_per_s / process.calm_per_s,
                "calm": {"kind": "exponential", "mean": f"{process.calm_s:.9g}s"},
                "burst": {"kind": "exponential", "mean": f"{process.burst_s:.9g}s"},
            },
        }
    )
    span_s = requests / process.mean_per_s
    times = np.array(list(takewhile(lambda t: t < span_s, arrivals(spec).instants(Streams(seed, 0), "traffic.open"))))
    counts = Counts(SECOND_NS)
    counts.add((times * SECOND_NS).astype(np.int64))
    return counts


@pytest.mark.parametrize(
    "process",
    [
        Mmpp(calm_per_s=5, burst_per_s=60, calm_s=20, burst_s=4),
        Mmpp(calm_per_s=20, burst_per_s=30, calm_s=5, burst_s=5),
        Mmpp(calm_per_s=0.1, burst_per_s=50, calm_s=4, burst_s=1),
    ],
    ids=["rare bursts", "mild", "nearly on and off"],
)
def test_the_fit_finds_the_process_and_has_its_index(process: Mmpp) -> None:
    counts = simulated(process, 400_000, seed=3)
    found = dispersions(counts)
    fit = fit_mmpp(found, counts.total / counts.span_s)
    assert fit.mean_per_s == pytest.approx(counts.total / counts.span_s, rel=1e-9)
    for name in ("burst_per_s", "calm_s", "burst_s"):
        assert getattr(fit, name) == pytest.approx(getattr(process, name), rel=0.15), name
    again = simulated(fit, 400_000, seed=11)
    for before, after in zip(found, dispersions(again), strict=False):
        if before.windows >= 1000:  # else chance alone moves an index by more than a few per cent
            assert after.index == pytest.approx(before.index, rel=0.15), before.window_s
            assert fit.index(before.window_s) == pytest.approx(before.index, rel=0.15), before.window_s


def test_bursts_that_would_need_a_rate_below_zero_get_one_just_above() -> None:
    """Requests that come in clumps with nothing between: the calm rate is nearly none, the mean is kept."""
    rng = np.random.default_rng(8)
    starts = np.cumsum(rng.exponential(50.0, 1000))
    clumps = [start + rng.uniform(0, lasts, rng.poisson(100 * lasts))
              for start, lasts in zip(starts, rng.exponential(2.0, 1000), strict=True)]  # fmt: skip
    counts = Counts(SECOND_NS)
    counts.add((np.concatenate(clumps) * SECOND_NS).astype(np.int64))
    mean = counts.total / counts.span_s
    fit = fit_mmpp(dispersions(counts), mean)
    assert 0 < fit.calm_per_s < 0.1 * mean
    assert fit.mean_per_s == pytest.approx(mean)
    assert fit.burst_s == pytest.approx(2.0, rel=0.3)
