"""sim/statistics.py against textbook numbers, brute force and exact order statistics."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sim.statistics import (
    BINS,
    LogHistogram,
    bin_edges,
    bin_index,
    compare_paired,
    estimates,
    flatten,
    is_enough_for_quantile,
    mser5,
    replications_needed,
    t_interval,
    t_quantile,
)

LAW_4_26 = [1.20, 1.50, 1.68, 1.89, 0.95, 1.49, 1.58, 1.55, 0.50, 1.09]
"""Law, Simulation Modeling and Analysis, example 4.26: 90 % interval 1.34 +- 0.24."""


@pytest.mark.parametrize("degrees", [1, 2, 9, 29, 1000])
@pytest.mark.parametrize("probability", [0.9, 0.975, 0.9995])
def test_t_quantile_is_students(degrees, probability):
    assert t_quantile(probability, degrees) == pytest.approx(stats.t.ppf(probability, degrees), rel=1e-9)


def test_interval_of_a_textbook():
    estimate = t_interval(LAW_4_26, confidence=0.90)
    assert round(estimate.mean, 2) == 1.34
    assert round(estimate.high - estimate.mean, 2) == 0.24
    assert estimate.mean - estimate.low == pytest.approx(estimate.high - estimate.mean)


def test_one_replication_has_no_interval_and_none_no_mean():
    estimate = t_interval([3.5])
    assert (estimate.mean, estimate.low, estimate.high, estimate.count) == (3.5, None, None, 1)
    with pytest.raises(ValueError, match="at least one"):
        t_interval([])


@pytest.mark.parametrize("half_width", [0.02, 0.1, 0.3, 5.0])
def test_replications_needed_is_the_least_number(half_width):
    deviation = float(np.std(LAW_4_26, ddof=1))
    needed = replications_needed(LAW_4_26, half_width)
    widths = {n: float(stats.t.ppf(0.975, n - 1)) * deviation / n**0.5 for n in (needed - 1, needed) if n > 1}
    assert widths[needed] <= half_width
    assert needed == 2 or widths[needed - 1] > half_width


def test_replications_needed_where_nobody_can_say():
    assert replications_needed([1.0], 0.1) is None
    assert replications_needed([0.0, 1.0], 1e-9) is None
    assert replications_needed([2.0, 2.0], 0.0) == 2


def test_paired_difference_tells_better_from_worse():
    baseline = [10.0, 12.0, 11.0, 13.0, 9.0]
    lower = [value - 2.0 + 0.1 * place for place, value in enumerate(baseline)]
    assert compare_paired(baseline, lower).verdict == "better"
    assert compare_paired(baseline, lower, lower_is_better=False).verdict == "worse"
    assert compare_paired(lower, baseline).verdict == "worse"
    better = compare_paired(baseline, lower)
    assert better.mean == pytest.approx(-1.8)
    assert better.low < better.mean < better.high < 0
    assert better.more_replications == 0


def test_paired_difference_says_how_many_more_replications():
    rng = np.random.Generator(np.random.Philox(7))
    noise = rng.normal(0.0, 1.0, 400)
    few = compare_paired([0.0] * 5, (noise[:5] - noise[:5].mean() + 0.2).tolist())
    assert few.verdict == "not distinguishable"
    enough = 5 + few.more_replications
    # With exactly so many of the same spread the interval just excludes zero.
    spread = float(np.std(noise[:5], ddof=1))
    assert stats.t.ppf(0.975, enough - 1) * spread / enough**0.5 <= 0.2
    assert stats.t.ppf(0.975, enough - 2) * spread / (enough - 1) ** 0.5 > 0.2


def test_equal_pairs_are_not_distinguishable_by_any_number():
    same = compare_paired([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert (same.verdict, same.mean, same.more_replications) == ("not distinguishable", 0.0, None)
    assert compare_paired([1.0], [5.0]).verdict == "not distinguishable"
    with pytest.raises(ValueError, match="pairs"):
        compare_paired([1.0], [])


def test_flatten_writes_json_pointers():
    document = {"a": {"p/95": 1, "x~y": None}, "list": [2.5, {"b": 3}], "name": "text", "flag": True, "empty": {}}
    assert flatten(document) == {"/a/p~195": 1.0, "/a/x~0y": None, "/list/0": 2.5, "/list/1/b": 3.0}


def test_estimates_merge_by_pointer():
    merged = estimates([{"/x": 1.0, "/q": 2.0, "/r": 4.0}, {"/x": 3.0, "/q": None}, {"/x": 5.0, "/q": 1.0, "/r": 2.0}])
    assert merged["/x"] == t_interval([1.0, 3.0, 5.0])
    assert merged["/q"] is None
    assert merged["/r"] == t_interval([4.0, 0.0, 2.0])
    assert estimates([{"/x": 1.0, "/n": float("nan")}]) == {"/x": t_interval([1.0]), "/n": None}


def naive_mser5(values):
    means = [sum(values[i : i + 5]) / 5 for i in range(0, len(values) - len(values) % 5, 5)]
    best = min(
        range(len(means) - 4),
        key=lambda d: sum((m - sum(means[d:]) / len(means[d:])) ** 2 for m in means[d:]) / len(means[d:]) ** 2,
    )
    return best * 5


@pytest.mark.parametrize("seed", range(5))
def test_mser5_is_the_formula(seed):
    rng = np.random.Generator(np.random.Philox(seed))
    values = rng.normal(5.0, 1.0, 403) - 8.0 * np.exp(-np.arange(403) / 20.0)
    found = mser5(values)
    assert found.deleted == naive_mser5(values.tolist())
    assert found.is_settled
    assert 20 <= found.deleted <= 150


def test_mser5_finds_a_step_and_admits_defeat():
    step = [0.0] * 100 + [1.0, 1.2, 0.8, 1.1, 0.9] * 60
    assert mser5(step) == mser5(np.array(step))
    assert mser5(step).deleted == 100
    assert not mser5(np.arange(400.0)).is_settled
    assert not mser5([1.0] * 49).is_settled
    assert mser5([1.0] * 400).deleted == 0


def test_bins_are_narrow_and_hold_what_is_put_into_them():
    edges = bin_edges()
    assert len(edges) == BINS + 1
    assert edges[1] < 1e-6
    assert edges[-2] > 1e6
    widths = edges[2:-1] / edges[1:-2] - 1.0
    assert widths.min() > 0.0019
    assert widths.max() <= 1 / 256
    for shift, expected in ((0.0, np.arange(1, BINS - 1)), (-1.0, np.arange(0, BINS - 2))):
        inside = edges[1:-2] if shift == 0.0 else np.nextafter(edges[1:-2], 0.0)
        assert (bin_index(inside) == expected).all()
    assert bin_index(np.array([0.0, 1e-9, 1e9])).tolist() == [0, 0, BINS - 1]


def test_merged_bins_share_edges():
    fine, merged = bin_edges(), bin_edges(16)
    values = np.array([0.0, 1e-6, 3.3e-4, 0.02, 7.0, 9e5, 1e9])
    place = bin_index(values) // 16
    assert (merged[place] <= values).all()
    assert (values < merged[place + 1]).all()
    assert set(merged[:-1]) <= set(fine)


@settings(max_examples=60)
@given(
    st.lists(st.floats(1e-5, 1e5), min_size=1, max_size=300),
    st.sampled_from([0.0, 0.25, 0.5, 0.9, 0.95, 0.99, 1.0]),
)
def test_quantiles_lie_in_the_bin_of_the_order_statistic(values, q):
    histogram = LogHistogram()
    histogram.add(np.array(values))
    exact = float(np.quantile(values, q, method="inverted_cdf"))
    assert histogram.quantile(q, at_any_count=True) == pytest.approx(exact, rel=1 / 256)
    assert (histogram.count, histogram.max, histogram.smallest) == (len(values), max(values), min(values))
    assert histogram.mean == pytest.approx(sum(values) / len(values), rel=1e-12)


def test_interpolation_beats_the_width_of_a_bin():
    values = np.random.Generator(np.random.Philox(3)).exponential(0.02, 400_000)
    histogram = LogHistogram()
    histogram.add(values)
    for q in (0.5, 0.9, 0.95, 0.99):
        assert histogram.quantile(q) == pytest.approx(float(np.quantile(values, q)), rel=5e-4)


def test_zero_durations_are_kept_as_zero():
    histogram = LogHistogram()
    histogram.add(np.array([0.0] * 90 + [0.25] * 10))
    assert histogram.quantile(0.5) == 0.0
    assert histogram.quantile(0.95, at_any_count=True) == pytest.approx(0.25, rel=1 / 256)
    assert histogram.count_below(0.0) == 90


def test_a_merged_histogram_saw_everything():
    values = np.random.Generator(np.random.Philox(4)).lognormal(-4.0, 2.0, 5000)
    parts, whole = LogHistogram(), LogHistogram()
    for chunk in np.array_split(values, 7):
        part = LogHistogram()
        part.add(chunk)
        parts.merge(part)
    whole.add(values)
    assert (parts.counts == whole.counts).all()
    assert (parts.count, parts.smallest, parts.largest) == (whole.count, whole.smallest, whole.largest)
    assert parts.total == pytest.approx(whole.total, rel=1e-12)


def test_a_histogram_travels_small():
    histogram = LogHistogram()
    histogram.add(np.linspace(0.010, 0.020, 1000))
    data = pickle.dumps(histogram)
    assert len(data) < 4000
    back = pickle.loads(data)
    assert (back.counts == histogram.counts).all()
    assert back.quantile(0.5) == histogram.quantile(0.5)


def test_count_below_is_a_distribution_function():
    values = np.random.Generator(np.random.Philox(5)).exponential(0.1, 20_000)
    histogram = LogHistogram()
    histogram.add(values)
    for limit in (0.0001, 0.05, 0.1, 0.3, 2.0):
        assert histogram.count_below(limit) == pytest.approx(np.count_nonzero(values <= limit), abs=12)
    assert histogram.count_below(-1.0) == 0
    assert histogram.count_below(histogram.largest) == 20_000


@pytest.mark.parametrize(("q", "least"), [(0.5, 40), (0.95, 400), (0.99, 2000), (0.999, 20_000)])
def test_a_quantile_needs_twenty_samples_beyond_it(q, least):
    assert is_enough_for_quantile(q, least)
    assert not is_enough_for_quantile(q, least - 1)
    histogram = LogHistogram()
    histogram.add(np.full(least - 1, 0.5))
    assert histogram.quantile(q) is None
    histogram.add(np.array([0.5]))
    assert histogram.quantile(q) == 0.5


def test_nonsense_is_refused():
    histogram = LogHistogram()
    for wrong in (-0.1, float("nan")):
        with pytest.raises(ValueError, match="a duration of"):
            histogram.add(np.array([1.0, wrong]))
    histogram.add(np.array([]))
    assert (histogram.count, histogram.mean, histogram.max, histogram.quantile(0.5)) == (0, None, None, None)
    with pytest.raises(ValueError, match="between 0 and 1"):
        histogram.quantile(95)


def test_scipy_is_not_imported_before_it_is_needed():
    code = "import sys, sim.statistics; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
