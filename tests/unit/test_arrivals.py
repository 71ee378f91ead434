"""Arrival processes: exact instants, draws that keep, profiles that count right, and sessions."""

from fractions import Fraction
from itertools import islice, pairwise

import numpy as np
import pytest

from sim.arrivals import Constant, Modulated, Poisson, Profile, Renewal, Trace
from sim.distributions import Constant as Fixed
from sim.distributions import Erlang, Exponential
from sim.quantities import parse_rate
from sim.sessions import SessionRule
from sim.streams import Streams, closed_identity

STEP_S = 2.0**-30


def first(count, process, seed=1, purpose="open"):
    return list(islice(process.instants(Streams(seed, 0), purpose), count))


def before(end_s, process, seed=1):
    times = []
    for at_s in process.instants(Streams(seed, 0), "open"):
        if at_s >= end_s:
            return np.array(times)
        times.append(at_s)
    return np.array(times)


def test_constant_arrivals_come_on_time_for_ever():
    assert first(3, Constant(parse_rate("4/s"))) == [0.25, 0.5, 0.75]
    assert first(6000, Constant(parse_rate("100/60s")))[99::100] == [60.0 * minute for minute in range(1, 61)]
    thirds = first(30_000, Constant(parse_rate("3/s")))
    assert all(at_s == float(Fraction(number + 1, 3)) for number, at_s in enumerate(thirds))


def test_poisson_gaps_are_the_draws_of_their_ordinals():
    draws = Streams(1, 0).draws("open.gap", Exponential(1 / 700))
    steps = 0
    for ordinal, at_s in enumerate(first(2000, Poisson(parse_rate("700/s")))):
        steps += int(draws.at(ordinal) * 2**30)
        assert at_s == steps * STEP_S


def test_another_rate_keeps_the_draws():
    slow, fast = first(1000, Poisson(parse_rate("50/s"))), first(1000, Poisson(parse_rate("100/s")))
    for one, other in zip(slow, fast, strict=True):
        assert one == pytest.approx(2 * other, abs=1000 * STEP_S)


def test_instants_are_exact_at_ten_million_seconds():
    """Every instant is the float nearest to the exact sum of the gaps before it."""
    gap = Exponential(50_000.0)
    draws = Streams(1, 0).draws("open.gap", gap)
    exact = Fraction(0)
    times = first(400, Renewal(gap))
    for ordinal, at_s in enumerate(times):
        exact += Fraction(draws.at(ordinal))
        assert at_s == float(exact)
    assert times[-1] > 1e7


def test_renewal_takes_any_gaps():
    assert first(3, Renewal(Fixed(0.5))) == [0.5, 1.0, 1.5]
    gaps = np.diff(first(5000, Renewal(Erlang(0.1, 16))))
    assert gaps.std() / gaps.mean() == pytest.approx(0.25, abs=0.02)


def test_streams_of_different_names_differ():
    assert first(5, Poisson(parse_rate("1/s"))) != first(5, Poisson(parse_rate("1/s")), purpose="other")


@pytest.mark.parametrize("process", [Poisson, Constant])
def test_a_rate_of_nothing_is_refused(process):
    with pytest.raises(ValueError, match="rate must be above 0, got 0/1s"):
        process(parse_rate("0/s"))


def test_gaps_of_nothing_are_refused():
    with pytest.raises(ValueError, match="gap must be 1 ns or more on average, got 0 s"):
        Renewal(Fixed(0.0))


@pytest.mark.parametrize("many", [tuple, list, np.array])
def test_a_trace_is_played_as_recorded(many):
    times = [0.0, 0.1, 0.1, 0.30000000000000004, 1e7 + 1 / 3]
    trace = Trace(many(times))
    played = first(10, trace)
    assert played == times
    assert {type(at_s) for at_s in played} == {float}
    assert len(trace) == 5
    long = np.cumsum(np.full(3000, 0.1))
    assert first(5000, Trace(long)) == long.tolist()
    assert first(1, Trace([])) == []


def test_a_trace_keeps_its_own_copy():
    times = np.array([1.0, 2.0])
    trace = Trace(times)
    times[0] = 9.0
    assert first(2, trace) == [1.0, 2.0]


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([1.0, 0.5], "times must not fall, but entry 1 does. Sort the recording by time."),
        ([-1.0], "times must be 0 s or later, got -1. Count from the start of the recording."),
        ([float("nan")], "times must be finite numbers of seconds"),
        ([0.0, float("inf")], "times must be finite numbers of seconds"),
        ([[1.0]], "times must be finite numbers of seconds"),
    ],
)
def test_recordings_that_cannot_be_are_refused(times, message):
    with pytest.raises(ValueError, match=message):
        Trace(times)


def test_a_flat_profile_is_a_poisson_process():
    flat, poisson = first(1000, Profile(((0.0, 50.0),))), first(1000, Poisson(parse_rate("50/s")))
    for one, other in zip(flat, poisson, strict=True):
        assert one == pytest.approx(other, abs=2000 * STEP_S)


def test_a_profile_puts_arrivals_where_the_expected_number_has_grown_by_its_draws():
    """The other way round: the expected number of arrivals until arrival n is the sum of the first n draws."""
    profile = Profile(((0.0, 0.0), (10.0, 40.0), (20.0, 40.0), (20.0, 5.0), (30.0, 60.0), (35.0, 0.0)), every_s=40.0)
    draws = Streams(1, 0).draws("open.gap", Exponential(1.0))
    expected, highest_rate = 0.0, 60.0
    times = first(4000, profile)
    for ordinal, at_s in enumerate(times):
        expected += draws.at(ordinal)
        assert profile.expected(at_s) == pytest.approx(expected, abs=highest_rate * STEP_S + 1e-7)
    assert times[-1] > 3 * 40.0
    assert all(one <= other for one, other in pairwise(times))


def test_a_profile_counts_what_it_should():
    assert Profile(((0.0, 0.0), (10.0, 40.0))).expected(5.0) == 50.0
    assert Profile(((0.0, 0.0), (10.0, 40.0))).expected(12.0) == 280.0
    spike = Profile(((0.0, 10.0), (5.0, 10.0), (5.0, 100.0), (6.0, 100.0), (6.0, 10.0)))
    assert [spike.expected(at_s) for at_s in (5.0, 5.5, 6.0, 16.0)] == [50.0, 100.0, 150.0, 250.0]
    day = Profile(((0.0, 0.0), (12.0, 2.0), (24.0, 0.0)), every_s=24.0)
    assert [day.expected(24.0 * days) for days in (1, 2, 3)] == [24.0, 48.0, 72.0]


def test_nothing_arrives_while_the_rate_is_zero():
    pause = Profile(((0.0, 20.0), (10.0, 20.0), (10.0, 0.0), (20.0, 0.0), (20.0, 20.0)))
    times = before(100.0, pause)
    assert not ((times >= 10.0) & (times < 20.0)).any()
    assert (times < 10.0).any()
    assert (times >= 20.0).any()


def test_a_profile_that_falls_to_zero_ends():
    times = list(Profile(((0.0, 10.0), (10.0, 0.0))).instants(Streams(1, 0), "open"))
    assert 20 < len(times) < 90
    assert max(times) <= 10.0
    assert list(Profile(((0.0, 0.0),)).instants(Streams(1, 0), "open")) == []


def test_a_profile_is_exact_after_a_thousand_days():
    """The same day again and again: the instants of the last are as exact as those of the first."""
    day_s = 86_400.0
    profile = Profile(((0.0, 0.0), (43_200.0, 0.002), (86_400.0, 0.0)), every_s=day_s)
    draws = Streams(1, 0).draws("open.gap", Exponential(1.0))
    expected = Fraction(0)
    for ordinal, at_s in enumerate(first(11_000, profile)):
        expected += Fraction(draws.at(ordinal))
        days, rest_s = divmod(at_s, day_s)
        until = days * 86.4 + profile.expected(rest_s)
        assert until == pytest.approx(float(expected), abs=1e-6)
    assert at_s > 1e7
    assert at_s * 2**30 == int(at_s * 2**30)


@pytest.mark.parametrize(
    ("points", "every_s", "message"),
    [
        ((), None, "points must begin at 0 s"),
        (((1.0, 5.0),), None, "points must begin at 0 s"),
        (((0.0, 5.0), (2.0, 5.0), (1.0, 5.0)), None, "points must stand in order of time, but 1 s follows 2 s"),
        (((0.0, -1.0),), None, "rates must be 0 or more and finite, got -1 at 0 s"),
        (((0.0, float("nan")),), None, "rates must be 0 or more and finite, got nan"),
        (((0.0, 1.0), (float("nan"), 1.0)), None, "points must stand in order of time"),
        (((0.0, 1.0), (float("inf"), 1.0)), None, "rates must be 0 or more and finite, got 1 at inf s"),
        (((0.0, 1.0), (10.0, 1.0)), 5.0, r"every must be at least as long as the profile \(10 s\), got 5"),
        (((0.0, 1.0),), 0.0, "every must be at least as long"),
        (((0.0, 0.0), (5.0, 0.0)), 10.0, "rates must not all be 0 in a profile that begins again"),
    ],
)
def test_profiles_that_cannot_be_are_refused(points, every_s, message):
    with pytest.raises(ValueError, match=message):
        Profile(points, every_s)


def test_bursts_follow_their_phases():
    bursts = Modulated(((100.0, Fixed(1.0)), (0.0, Fixed(3.0)), (10.0, Fixed(1.0))))
    times = before(500.0, bursts)
    phase = times % 5.0
    assert not ((phase >= 1.0) & (phase < 4.0)).any()
    assert abs((phase < 1.0).sum() - 10_000) < 400
    assert abs((phase >= 4.0).sum() - 1_000) < 130


def test_bursts_draw_how_long_they_hold():
    """Where one phase is silent, the gaps that span it show its draws, whatever the rate of the other."""
    silent = Streams(1, 0).draws("open.phase.1", Exponential(10.0))
    loud = Streams(1, 0).draws("open.phase.0", Exponential(10.0))
    for rate in (50.0, 500.0):
        times = before(200.0, Modulated(((rate, Exponential(10.0)), (0.0, Exponential(10.0)))))
        start_s = 0.0
        for turn in range(4):
            start_s += loud.at(turn)
            end_s = start_s + silent.at(turn)
            assert not ((times >= start_s) & (times < end_s)).any()
            start_s = end_s
        assert times[0] < loud.at(0)


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        (((0.0, Fixed(1.0)),), "phases must not all have rate 0"),
        (((5.0, Fixed(0.0)),), "a phase must have a rate of 0 or more and last, got 5 for 0 s"),
        (((-5.0, Fixed(1.0)),), "a phase must have a rate of 0 or more and last, got -5 for 1 s"),
    ],
)
def test_bursts_that_cannot_be_are_refused(phases, message):
    with pytest.raises(ValueError, match=message):
        Modulated(phases)


@pytest.mark.parametrize(
    "process",
    [
        Poisson(parse_rate("1e6/s")),
        Profile(((0.0, 0.1), (7.7, 1e5), (7.7, 0.3), (9.1, 0.3)), every_s=9.3),
        Modulated(((3.3, Exponential(0.1)), (1e5, Exponential(0.01)))),
        Constant(parse_rate("7/s")),
    ],
    ids=lambda process: type(process).__name__,
)
def test_instants_never_fall(process):
    times = first(20_000, process)
    assert all(one <= other for one, other in pairwise(times))
    assert times[0] >= 0


def test_users_think_and_go_away_after_a_session():
    streams = Streams(1, 0)
    rule = SessionRule(streams, "users", Exponential(5.0), Exponential(600.0), 8.0)
    think = Streams(1, 0).draws("users.think", Exponential(5.0))
    away = Streams(1, 0).draws("users.away", Exponential(600.0))
    ends = Streams(1, 0).uniforms("users.session_end")
    for user in (0, 3, 999):
        assert rule.pause_s(user, 0) == think.at(closed_identity(user, 0))
        for ordinal in range(1, 200):
            over = ends.at(closed_identity(user, ordinal - 1)) < 1 / 8
            assert rule.ends_session(user, ordinal - 1) is over
            drawn = away if over else think
            assert rule.pause_s(user, ordinal) == drawn.at(closed_identity(user, ordinal))


def test_sessions_have_the_length_that_was_asked_for():
    rule = SessionRule(Streams(1, 0), "users", Fixed(1.0), Fixed(60.0), 8.0)
    ended = [rule.ends_session(user, ordinal) for user in range(200) for ordinal in range(200)]
    assert sum(ended) / len(ended) == pytest.approx(1 / 8, abs=0.006)
    lengths = np.diff(np.flatnonzero(ended))
    assert lengths.std() == pytest.approx((1 - 1 / 8) ** 0.5 * 8, rel=0.05)
    single = SessionRule(Streams(1, 0), "users", Fixed(1.0), Fixed(60.0), 1.0)
    assert [single.pause_s(5, ordinal) for ordinal in range(4)] == [1.0, 60.0, 60.0, 60.0]


def test_without_a_gap_sessions_never_end():
    rule = SessionRule(Streams(1, 0), "users", Fixed(1.0))
    assert {rule.pause_s(user, ordinal) for user in range(50) for ordinal in range(50)} == {1.0}


@pytest.mark.parametrize(
    ("away", "requests", "message"),
    [
        (Fixed(1.0), float("inf"), "sessions need both"),
        (None, 5.0, "sessions need both"),
        (Fixed(1.0), 0.5, "requests of a session must be 1 or more on average, got 0.5"),
        (Fixed(1.0), float("nan"), "requests of a session must be 1 or more on average, got nan"),
    ],
)
def test_sessions_that_cannot_be_are_refused(away, requests, message):
    with pytest.raises(ValueError, match=message):
        SessionRule(Streams(1, 0), "users", Fixed(1.0), away, requests)
