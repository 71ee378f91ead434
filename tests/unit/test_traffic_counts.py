"""Counts in bins: exact whatever the order, exact after they have become wider."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.traffic.counts import DAY_NS, SECOND_NS, WIDTHS_NS, Counts, regrouped


def at(*seconds: float) -> np.ndarray:
    return np.array([round(second * SECOND_NS) for second in seconds], np.int64)


def test_bins_are_as_wide_as_the_stamps_are_exact() -> None:
    assert Counts(1).width_ns == 1_000_000
    assert Counts(SECOND_NS).width_ns == SECOND_NS
    assert Counts(2 * SECOND_NS).width_ns == 10 * SECOND_NS
    assert Counts(10 * DAY_NS).width_ns == DAY_NS


def test_every_width_is_a_whole_number_of_every_finer_one() -> None:
    for number, wide in enumerate(WIDTHS_NS):
        assert all(wide % finer == 0 for finer in WIDTHS_NS[:number])


def test_requests_are_counted_in_their_second() -> None:
    counts = Counts(SECOND_NS)
    counts.add(at(100, 100.9, 103))
    counts.add(at(98, 101))
    found, begins_ns = counts.per(SECOND_NS)
    assert found.tolist() == [1, 0, 2, 1, 0, 1]
    assert begins_ns == 98 * SECOND_NS
    assert counts.total == 5
    assert counts.span_s == 5


def test_wider_bins_begin_at_whole_multiples_since_1970() -> None:
    counts = Counts(SECOND_NS)
    counts.add(at(59, 60, 119, 120))
    found, begins_ns = counts.per(60 * SECOND_NS)
    assert found.tolist() == [1, 2, 1]
    assert begins_ns == 0
    with pytest.raises(ValueError, match="multiples of"):
        counts.per(SECOND_NS // 10)


def test_before_1970_there_are_bins_too() -> None:
    counts = Counts(SECOND_NS)
    counts.add(at(-2.5, -1, 0))
    assert counts.per(SECOND_NS)[0].tolist() == [1, 0, 1, 1]


def test_where_the_span_outgrows_the_bins_they_become_wider_and_stay_exact() -> None:
    rng = np.random.default_rng(1)
    instants = rng.integers(-(10**15), 10**16, 20_000)
    few = Counts(1, most_bins=1000)
    for part in np.array_split(instants, 50):
        few.add(part)
    assert few.width_ns == DAY_NS
    assert few.total == len(instants)
    numbers = instants // DAY_NS
    expected = np.bincount(numbers - numbers.min())
    assert few.per(DAY_NS)[0].tolist() == expected.tolist()


def test_one_request_has_a_span_of_one_bin() -> None:
    counts = Counts(SECOND_NS)
    assert counts.span_s == 0
    counts.add(at(5))
    assert counts.span_s == 1


def test_regrouping_splits_nothing() -> None:
    found, first = regrouped(np.array([1, 2, 3, 4, 5]), 9, 4)
    assert (found.tolist(), first) == ([6, 9], 2)
