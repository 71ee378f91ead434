"""How response times grow with what is under way: counts by hand, a regression whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from experiments.calibration.crowding import growth, kinds_of, resampled_growth, told_apart, under_way
from experiments.calibration.figures import Figures
from experiments.scoring.observed import Observed

MANY = 6000


def log(stamp_s: float = 0.001) -> Observed:
    """Two endpoints. Each `a` under way adds 2 ms to a `b`, and each `b` adds 5 ms to a `b`; `a` takes no notice."""
    chance = np.random.Generator(np.random.Philox(key=[1, 13]))
    t_s = np.cumsum(chance.exponential(0.004, MANY))
    route = (chance.random(MANY) < 0.3).astype(np.int64)
    took_s = chance.exponential(0.010, MANY)
    for number in range(MANY):
        if route[number]:
            near = slice(max(0, number - 60), number)
            is_there = t_s[near] + took_s[near] > t_s[number]
            beside = np.bincount(route[near][is_there], minlength=2)
            took_s[number] += 0.002 * beside[0] + 0.005 * beside[1]
    none, zero = np.full(MANY, np.nan), np.zeros(MANY, dtype=np.int64)
    return Observed(
        log="log", routes=("a", "b"), t_s=t_s, began_ns=0, route=route, user=zero, ip=zero, key=zero - 1,
        response_s=took_s, upstream_s=none, connect_s=none, is_good=np.ones(MANY, dtype=bool),
        cache=np.full(MANY, -1, dtype=np.int8), unit_s=0.0, told={}, stamp_s=stamp_s,
    )  # fmt: skip


def test_what_is_under_way_is_counted() -> None:
    t_s = np.array([0.0, 1.0, 2.0, 2.0, 3.0])
    took_s = np.array([2.0, 1.5, np.nan, 9.0, 1.0])
    kinds = np.array([0, 1, 0, -1, 1])
    assert under_way(t_s, took_s, kinds).tolist() == [
        [0, 0, 0],
        [1, 0, 0],
        [0, 1, 0],  # what ends now is gone
        [0, 1, 0],  # what comes now is not there, nor what nobody knows the end of
        [0, 0, 0],  # nor what is of no kind
    ]


def test_the_busiest_endpoints_are_kinds_of_their_own() -> None:
    observed = log()
    assert [kinds_of(observed)[observed.route == route].tolist()[0] for route in (0, 1)] == [0, 1]
    rising = replace(
        observed, routes=("a", "b", "c", "d"), route=np.arange(MANY) % 4, response_s=np.arange(MANY) % 4 + 1.0
    )
    assert kinds_of(rising)[:4].tolist() == [2, 2, 1, 0], "d takes longest; a and b are the rest"
    half = observed.response_s.copy()
    half[::2] = np.nan
    some = replace(observed, response_s=half)
    assert (kinds_of(some)[::2] == -1).all() and (kinds_of(some)[1::2] >= 0).all()


@pytest.mark.parametrize(("stamp_s", "told"), [(0.001, True), (1.0, False)])
def test_stamps_must_be_fine_beside_response_times(stamp_s: float, told: bool) -> None:
    observed = log(stamp_s)
    assert bool((kinds_of(observed) >= 0).all()) == told
    figures = Figures(observed, np.ones(MANY, dtype=bool), frozenset())
    assert figures.tells_under_way == told
    assert [cell.kinds for cell in figures.cells] == ([(0, 1), (0, 1)] if told else [(), ()])


def test_growth_is_what_one_more_adds() -> None:
    observed = log()
    others = under_way(observed.t_s, observed.response_s, kinds_of(observed))[:, :2]
    here = observed.route == 1
    mean_s = float(observed.response_s[here].mean())
    assert growth(observed.response_s[here], others[here]) == pytest.approx([0.002 / mean_s, 0.005 / mean_s], abs=0.05)
    assert growth(observed.response_s[~here], others[~here]) == pytest.approx([0.0, 0.0], abs=0.05)
    slower = growth(2 * observed.response_s[here], others[here])
    assert slower == pytest.approx(growth(observed.response_s[here], others[here])), "in parts of the mean"


def test_resampled_growth_is_that_of_the_rows_taken_so_often() -> None:
    observed = log()
    others = under_way(observed.t_s, observed.response_s, kinds_of(observed))[:, :2]
    stretch = np.arange(MANY) % 3
    weights = np.array([[1.0, 1.0, 1.0], [2.0, 0.0, 1.0]])
    found = resampled_growth(observed.response_s, others, stretch, weights)
    assert found[0].tolist() == pytest.approx(growth(observed.response_s, others))
    rows = np.concatenate([np.flatnonzero(stretch == 0)] * 2 + [np.flatnonzero(stretch == 2)])
    assert found[1].tolist() == pytest.approx(growth(observed.response_s[rows], others[rows]))


def test_what_never_differs_tells_nothing() -> None:
    others = np.zeros((MANY, 3))
    others[:, 1] = np.arange(MANY) % 2
    others[:, 2] = 4.0
    assert told_apart(others) == (1,)
    assert growth(np.ones(MANY), np.zeros((MANY, 1))) == [0.0], "nor does it break a simulation in which it is so"
