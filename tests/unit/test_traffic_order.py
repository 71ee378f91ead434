"""Requests in order: those that are a little out of place are put there, those far out are left out and counted."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.logs.batch import Batch, batch_of
from experiments.traffic.counts import SECOND_NS
from experiments.traffic.order import Sorter


def batches(instants: list[int], each: int, resolution_ns: int = 1) -> list[Batch]:
    at_ns = np.array(instants, np.int64)
    line = np.arange(1, len(at_ns) + 1)
    return [
        batch_of(line[k : k + each], at_ns[k : k + each], resolution_ns=resolution_ns)
        for k in range(0, len(at_ns), each)
    ]


def lines_of(sorter: Sorter, given: list[Batch]) -> list[int]:
    return [line for found in sorter.ordered(given) for line in found.rows.line.tolist()]


def test_rows_within_reach_are_put_in_order() -> None:
    instants = [30, 10, 20, 60, 50, 40, 90, 80, 70]
    sorter = Sorter(held=3)
    found = list(sorter.ordered(batches(instants, 3)))
    assert [at for each in found for at in each.instant_ns.tolist()] == sorted(instants)
    assert sorter.late == 0


def test_what_comes_far_too_late_is_left_out_and_counted() -> None:
    sorter = Sorter(held=2)
    assert lines_of(sorter, batches([10, 20, 30, 40, 50, 60, 5, 70], 2)) == [1, 2, 3, 4, 5, 6, 8]
    assert sorter.late == 1


def test_equal_instants_stay_in_the_order_of_the_lines() -> None:
    assert lines_of(Sorter(held=4), batches([7] * 9, 3)) == list(range(1, 10))


def test_whole_seconds_are_spread_within_themselves() -> None:
    given = batches([5 * SECOND_NS] * 2000 + [6 * SECOND_NS] * 2000, 500, SECOND_NS)
    found = list(Sorter().ordered(given))
    instants = np.concatenate([each.instant_ns for each in found])
    seconds = np.concatenate([each.rows.at_ns for each in found])
    assert (np.diff(instants) >= 0).all()
    assert (instants // SECOND_NS * SECOND_NS == seconds).all()
    parts = instants % SECOND_NS / SECOND_NS
    assert parts.mean() == pytest.approx(0.5, abs=0.02)
    assert parts.std() == pytest.approx(12**-0.5, abs=0.01)
