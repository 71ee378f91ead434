"""Loads over time: curves, surges on them, whole numbers of users, arrivals that follow."""

from __future__ import annotations

from itertools import islice

import pytest

from sim.arrivals import Poisson, Profile, Segment, expected
from sim.curves import Following, Surge, factor_at, scaled, surged, whole_steps
from sim.quantities import parse_rate
from sim.streams import Streams

INF = float("inf")


def test_a_surge_cuts_a_curve_where_it_begins_and_ends() -> None:
    curve = surged(Profile(((0.0, 10.0),)).segments(), [Surge(3.0, 5.0, 4.0)])
    assert list(curve) == [Segment(0, 3, 10, 10), Segment(3, 5, 40, 40), Segment(5, INF, 10, 10)]


def test_a_surge_on_a_ramp_keeps_the_ramp() -> None:
    curve = surged(Profile(((0.0, 0.0), (10.0, 10.0))).segments(), [Surge(2.0, 4.0, 3.0)])
    assert list(curve) == [
        Segment(0, 2, 0, 2), Segment(2, 4, 6, 12), Segment(4, 10, 4, 10), Segment(10, INF, 10, 10),
    ]  # fmt: skip


def test_surges_that_overlap_multiply() -> None:
    surges = [Surge(0.0, 4.0, 2.0), Surge(3.0, 6.0, 0.5)]
    assert [factor_at(surges, at) for at in (0.0, 3.0, 3.999, 4.0, 6.0)] == [2.0, 1.0, 1.0, 0.5, 1.0]
    curve = list(surged(Profile(((0.0, 1.0),)).segments(), surges))
    assert [(each.start_s, each.first) for each in curve] == [(0, 2.0), (3, 1.0), (4, 0.5), (6, 1.0)]


def test_surges_hold_in_every_round_of_a_curve_that_begins_again() -> None:
    day = Profile(((0.0, 1.0), (5.0, 2.0)), every_s=10.0)
    curve = list(islice(surged(day.segments(), [Surge(12.0, 16.0, 10.0)]), 6))
    assert [(each.start_s, each.first) for each in curve] == [
        (0, 1.0), (5, 2.0), (10, 1.0), (12, pytest.approx(14.0)), (15, 20.0), (16, 2.0),
    ]  # fmt: skip


def test_whole_steps_of_a_ramp_up_and_down() -> None:
    curve = Profile(((0.0, 0.0), (4.0, 4.0), (6.0, 4.0), (6.0, 2.0), (8.0, 0.0))).segments()
    assert list(whole_steps(curve)) == [
        (0.0, 0), (0.5, 1), (1.5, 2), (2.5, 3), (3.5, 4), (6.0, 2), (6.5, 1), (7.5, 0),
    ]  # fmt: skip


def test_whole_steps_of_a_constant_are_one() -> None:
    assert list(whole_steps(scaled(Profile(((0.0, 1.0),)).segments(), 300.0))) == [(0.0, 300)]


def test_a_surge_leaves_the_arrivals_before_it_and_brings_the_others_forward() -> None:
    rate = parse_rate("50/s")

    def instants(factor: float) -> list[float]:
        def curve(streams: Streams, purpose: str):  # type: ignore[no-untyped-def]
            return surged(Profile(((0.0, 50.0),)).segments(), [Surge(4.0, 6.0, factor)])

        return list(islice(Following(curve).instants(Streams(3, 0), "traffic.open"), 1200))

    plain = list(islice(Poisson(rate).instants(Streams(3, 0), "traffic.open"), 1200))
    calm, stormy = instants(1.0), instants(5.0)
    assert calm == pytest.approx(plain, abs=1e-5)
    before = sum(instant < 4.0 for instant in calm)
    assert before > 150 and stormy[:before] == calm[:before]
    assert all(late <= early for late, early in zip(stormy, calm, strict=True))
    assert stormy[-1] == pytest.approx(calm[-1] - 8.0, abs=1e-3)


def test_even_arrivals_follow_the_curve_too() -> None:
    def curve(streams: Streams, purpose: str):  # type: ignore[no-untyped-def]
        return surged(Profile(((0.0, 10.0),)).segments(), [Surge(1.0, 2.0, 3.0)])

    times = list(islice(Following(curve, is_even=True).instants(Streams(1, 0), "p"), 60))
    assert [sum(low < time <= low + 1 for time in times) for low in range(4)] == [10, 30, 10, 10]


def test_the_area_is_the_expected_number() -> None:
    ramp = Profile(((0.0, 0.0), (10.0, 20.0)))
    assert expected(ramp.segments(), 10.0) == pytest.approx(100.0) == ramp.expected(10.0)
    assert expected(surged(ramp.segments(), [Surge(5.0, 10.0, 2.0)]), 12.0) == pytest.approx(25 + 150 + 40)
