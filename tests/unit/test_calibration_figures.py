"""What log and simulation are compared by, and whose errors that is weighed by. Response times are made by hand."""

from __future__ import annotations

import numpy as np

from experiments.calibration.figures import Figures
from experiments.scoring.observed import Observed
from experiments.scoring.simulated import Simulated

MANY = 2000
ROWS = np.ones(MANY, dtype=bool)


def times(number: int) -> np.ndarray:
    chance = np.random.Generator(np.random.Philox(key=[number, 12]))
    return 0.01 * chance.exponential(size=MANY)


def log_of(response_s: np.ndarray) -> Observed:
    none, zero = np.full(MANY, np.nan), np.zeros(MANY, dtype=np.int64)
    return Observed(
        log="log", routes=("get",), t_s=np.arange(MANY) * 0.1, began_ns=0, route=zero, user=zero, ip=zero, key=zero - 1,
        response_s=response_s, upstream_s=none, connect_s=none, is_good=ROWS, cache=np.full(MANY, -1, dtype=np.int8),
        unit_s=0.0, told={},
    )  # fmt: skip


def run_of(latency_s: np.ndarray, is_good: np.ndarray = ROWS) -> Simulated:
    return Simulated(
        latency_s, is_good, np.full(MANY, -1, dtype=np.int8), np.zeros(MANY, dtype=np.int64), {}, {}, ("vm", 0.1)
    )


def test_the_chance_of_a_log_is_not_in_the_weights() -> None:
    runs = [run_of(times(1000)), run_of(times(1001))]
    weighed = []
    for number in range(2):
        figures = Figures(log_of(times(number)), ROWS, frozenset())
        own = figures.roots[0]
        figures.weigh_by(runs)
        assert not np.allclose(figures.roots[0], own, rtol=0.02)
        weighed.append(figures.roots[0])
    np.testing.assert_array_equal(weighed[0], weighed[1])


def test_errors_are_those_of_the_simulations() -> None:
    figures = Figures(log_of(times(1)), ROWS, frozenset())
    of_log = figures.roots[0]
    figures.weigh_by([run_of(times(1))])
    np.testing.assert_allclose(figures.roots[0], of_log, err_msg="the same times have the same errors")
    figures.weigh_by([run_of(0.01 + 0.1 * times(2))])
    assert abs(figures.roots[0][0, 0]) > 5 * abs(of_log[0, 0]), "a mean of less spread is known better"


def test_a_simulation_that_answers_nobody_weighs_nothing() -> None:
    figures = Figures(log_of(times(1)), ROWS, frozenset())
    before = figures.roots
    figures.weigh_by([run_of(times(2), ~ROWS)])
    assert figures.roots is before
