"""Observed beside simulated: errors and what of them is chance, and both series. Response times are made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.scoring.errors import compare
from experiments.scoring.observed import Observed
from experiments.scoring.overlay import overlay
from experiments.scoring.simulated import Simulated

MANY = 4000
"""Ten a second, every fourth one a `put`."""
ROUTE = (np.arange(MANY) % 4 == 3).astype(np.int64)
EVERY = np.ones(MANY, dtype=bool)


def times(number: int, mean_s: float = 0.01) -> np.ndarray:
    return mean_s * np.random.Generator(np.random.Philox(key=[number, 14])).exponential(size=MANY)


def log(response_s: np.ndarray, is_good: np.ndarray = EVERY, unit_s: float = 0.0) -> Observed:
    none, zero = np.full(MANY, np.nan), np.zeros(MANY, dtype=np.int64)
    return Observed(
        log="log", routes=("get", "put"), t_s=np.arange(MANY) * 0.1, began_ns=7, route=ROUTE, user=zero, ip=zero,
        key=zero - 1, response_s=response_s, upstream_s=none, connect_s=none, is_good=is_good,
        cache=np.full(MANY, -1, dtype=np.int8), unit_s=unit_s, told={},
    )  # fmt: skip


def run(latency_s: np.ndarray, is_good: np.ndarray = EVERY) -> Simulated:
    return Simulated(latency_s, is_good, np.full(MANY, -1, dtype=np.int8), ROUTE, {}, {}, ("vm", 0.1))


def test_errors_are_those_of_each_endpoint() -> None:
    seen = times(1)
    slower = np.where(ROUTE == 1, 1.5 * seen, seen)
    all_, get, put = compare(log(seen), [run(slower), run(slower)], EVERY)
    assert [(each.name, each.count) for each in (all_, get, put)] == [("all", 4000), ("get", 3000), ("put", 1000)]
    assert set(get.figures) == {"mean", "p50", "p95", "p99"}
    assert set(put.figures) == {"mean", "p50", "p95"}, "a thousand do not tell a p99"
    for figure in put.figures.values():
        assert figure.error == pytest.approx(0.5)
        assert figure.observed_low < figure.observed < figure.observed_high
        assert (figure.simulated_low, figure.simulated_high) == pytest.approx((figure.simulated, figure.simulated))
    assert all(figure.error == 0.0 for figure in get.figures.values())
    assert 0 < all_.figures["mean"].error < 0.5


def test_what_chance_explains_is_told_from_what_it_does_not() -> None:
    """Ten logs and as many simulations of the same: of 110 figures nearly all agree; 30 % longer, no mean does."""
    agree = differ = 0
    for number in range(10):
        runs = [run(times(100 + 3 * number + place)) for place in range(3)]
        longer = [run(1.3 * each.latency_s) for each in runs]
        observed = log(times(number))
        agree += sum(figure.is_noise for each in compare(observed, runs, EVERY) for figure in each.figures.values())
        differ += sum(not each.figures["mean"].is_noise for each in compare(observed, longer, EVERY))
    assert agree >= 0.95 * 110
    assert differ == 30


def test_only_what_succeeded_is_compared() -> None:
    failed = np.arange(MANY) % 2 == 0
    seen = np.where(failed, 99.0, 0.02)
    (figure,) = {each.figures["mean"] for each in compare(log(seen, ~failed), [run(seen, ~failed)], EVERY)[:1]}
    assert (figure.observed, figure.simulated) == pytest.approx((0.02, 0.02))
    assert compare(log(seen, ~failed), [run(seen, ~EVERY)], EVERY) == [], "where nothing succeeded, nothing is said"


def test_few_requests_tell_no_far_quantile() -> None:
    few = np.arange(MANY) < 120
    all_ = compare(log(times(1)), [run(times(2))], few)[0]
    assert all_.count == 120
    assert set(all_.figures) == {"mean", "p50"}
    assert all_.figures["mean"].simulated_low is None, "one replication has no interval"


def test_a_coarse_clock_is_the_same_for_both() -> None:
    exact = np.full(MANY, 0.0123)
    rounded = np.floor((np.arange(MANY) * 0.1 % 0.001 + exact) * 1000) / 1000
    figure = compare(log(rounded, unit_s=0.001), [run(exact)], EVERY)[0].figures["mean"]
    assert abs(figure.error) < 0.05


def test_series_are_by_bin_of_arrival_and_of_answer() -> None:
    """400 s in bins of 5 s: 50 requests each, answered 6 s later from the 200th second on."""
    late = np.arange(MANY) * 0.1 >= 200
    found = overlay(log(np.where(late, 6.0, 0.01)), [run(np.full(MANY, 0.01)), run(np.full(MANY, 0.03))])
    assert (found["bin_s"], found["begins_ns"]) == (5.0, 7)
    assert list(found["endpoints"]) == ["all", "get", "put"]
    seen, simulated = found["endpoints"]["all"]["observed"], found["endpoints"]["all"]["simulated"]
    assert len(seen["per_s"]) == 80
    assert (seen["mean_s"][39], seen["mean_s"][40], seen["p95_s"][40]) == (0.01, 6.0, 6.0)
    assert (seen["per_s"][39], seen["per_s"][40], seen["per_s"][41], seen["per_s"][50]) == (10.0, 0.0, 8.0, 10.0)
    assert seen["per_s"][-1] is None, "the log ends within it"
    assert simulated["mean_s"][10] == pytest.approx(0.02), "the mean over replications"
    put = found["endpoints"]["put"]["observed"]
    assert put["mean_s"][0] is None, "12 requests say nothing of a response time"
    assert put["per_s"][10] == pytest.approx(2.5, abs=0.11)
