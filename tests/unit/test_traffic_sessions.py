"""Sessions and think times against a plain reckoning, one request at a time."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from experiments.logs.batch import Batch, batch_of
from experiments.traffic.counts import SECOND_NS
from experiments.traffic.sessions import Sessions, kept, latest, levels


def rows(*requests: tuple[float, int, float]) -> Batch:
    """Arrival, user, response time."""
    at, user, took = (np.array(column) for column in zip(*requests, strict=True))
    return batch_of(np.arange(1, len(at) + 1), (at * SECOND_NS).astype(np.int64), user=user, response_s=took)


def test_a_pause_runs_from_the_end_of_one_request_to_the_next() -> None:
    sessions = Sessions(gap_s=60)
    sessions.add(rows((0, 1, 2.0), (10, 1, 0.5), (11, 1, 0.0), (100, 1, 1.0)))
    sessions.end()
    assert sessions.think.total == pytest.approx(8 + 0.5)
    assert sessions.think.count == 2
    assert (sessions.away.count, sessions.away.total) == (1, pytest.approx(89))
    assert (sessions.lengths.count, sessions.lengths.total) == (2, 4)
    assert sessions.lasts.greatest == pytest.approx(11)


def test_who_does_not_wait_for_the_answer_thinks_for_no_time() -> None:
    sessions = Sessions()
    sessions.add(rows((0, 1, 30.0), (1, 1, 0.1), (5, 1, 0.1)))
    assert (sessions.think.count, sessions.think.zeros) == (2, 2)


def test_without_a_user_the_address_is_the_visitor_and_nobody_is_nobody() -> None:
    sessions = Sessions()
    at = np.arange(4) * SECOND_NS
    sessions.add(batch_of(np.arange(4), at, user=np.array([-1, 3, -1, -1]), ip=np.array([3, 3, 3, -1])))
    sessions.end()
    assert (sessions.visitors, sessions.unknown) == (2, 1)
    assert (sessions.lengths.count, sessions.think.total) == (2, 2.0)


@pytest.mark.parametrize("part", [1, 7, 1000])
def test_it_is_the_same_however_the_log_is_cut(part: int) -> None:
    rng = np.random.default_rng(9)
    at = np.sort(rng.exponential(20, 3000).cumsum())
    user, took = rng.integers(0, 25, 3000), rng.exponential(15, 3000)
    sessions = Sessions(gap_s=900)
    for first in range(0, 3000, part):
        piece = slice(first, first + part)
        sessions.add(rows(*zip(at[piece], user[piece], took[piece], strict=True)))
    sessions.end()

    thinks, aways, lengths, lasts = [], [], [], []
    began: dict[int, float] = {}
    ends: dict[int, float] = {}
    open_: dict[int, int] = defaultdict(int)
    for at_s, who, took_s in zip(at.tolist(), user.tolist(), took.tolist(), strict=True):
        if who in ends:
            pause = max(0.0, at_s - ends[who])
            if pause > 900:
                aways.append(pause)
                lengths.append(open_.pop(who))
                lasts.append(ends[who] - began.pop(who))
            else:
                thinks.append(pause)
        began.setdefault(who, at_s)
        open_[who] += 1
        ends[who] = max(ends.get(who, 0.0), at_s + took_s)
    lengths += open_.values()
    lasts += [ends[who] - began[who] for who in open_]
    assert sessions.think.count == len(thinks)
    assert sessions.think.total == pytest.approx(sum(thinks))
    assert sessions.think.zeros == thinks.count(0.0)
    assert (sessions.away.count, sessions.away.total) == (len(aways), pytest.approx(sum(aways)))
    assert (sessions.lengths.count, sessions.lengths.total) == (len(lengths), 3000)
    assert sessions.lengths.squares == pytest.approx(sum(length**2 for length in lengths))
    assert sessions.lasts.total == pytest.approx(sum(lasts))
    assert len(aways) > 20


def test_of_too_many_visitors_whole_ones_are_followed() -> None:
    sessions = Sessions(gap_s=1e6, most=1000)
    users = np.tile(np.arange(5000), 3)
    at = np.repeat([0, 10, 20], 5000) + np.tile(np.arange(5000) / 1e4, 3)
    for first in range(0, 15_000, 2500):
        piece = slice(first, first + 2500)
        sessions.add(rows(*zip(at[piece], users[piece], np.zeros(2500), strict=True)))
    sessions.end()
    found = sessions.as_dict(1e-3)
    assert found is not None
    assert found["one_in"] == 8
    assert 400 < found["visitors"] <= 1000
    assert sessions.lengths.mean == 3
    assert sessions.think.mean == pytest.approx(10)


def test_those_who_are_followed_no_more_leave_nothing_behind() -> None:
    """Visitors 0 to 2999 come before the sample is made smaller, and think for as many seconds as their number says."""
    first, late = np.arange(3000), np.arange(3000, 9000)
    sessions = Sessions(gap_s=1e5, most=4000)
    for users, at in ((first, first / 1e4), (first, 1 + 1.0 * first), (late, np.full(6000, 4000.0))):
        sessions.add(rows(*zip(at[order := np.argsort(at)], users[order], np.zeros(len(users)), strict=True)))
    sessions.end()
    followed = first[kept(2 * first + 1, sessions.halvings)]
    assert sessions.halvings == 2
    assert sessions.think.count == len(followed)
    assert sessions.think.total == pytest.approx((1 + followed - followed / 1e4).sum())
    assert sessions.lengths.count == sessions.visitors
    assert sessions.lengths.total == sessions.visitors + len(followed)


def test_a_level_says_how_many_halvings_a_visitor_stays() -> None:
    numbers = np.arange(10_000)
    for halvings in range(8):
        assert (kept(numbers, halvings) == (levels(numbers) >= halvings)).all()


def test_running_maxima_stay_within_their_groups() -> None:
    ends = np.array([5, 3, 9, 1, 2, 1, 8, 7])
    starts, stops = np.array([0, 3, 6]), np.array([3, 6, 8])
    assert latest(ends, starts, stops).tolist() == [5, 5, 9, 1, 2, 2, 8, 8]
