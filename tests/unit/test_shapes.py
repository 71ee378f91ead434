"""Shapes of traffic in scenarios: ramps, points, days, bursts; surges; users who come and go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from pydantic import ValidationError

from models.workload import WorkloadSpec

PlayFixture = Callable[..., Any]


def system(traffic: dict[str, Any]) -> dict[str, Any]:
    delay = [{"kind": "delay", "duration": {"kind": "exponential", "mean": "100ms"}}]
    return {
        "machines": {"vm": {"cores": 4, "memory": "4G"}},
        "services": {"api": {"machine": "vm", "endpoints": {"get": {"steps": delay}}}},
        "routes": {"get": {"service": "api", "endpoint": "get"}},
        "traffic": {"mix": {"get": 1}, **traffic},
    }


def users(population: int, **more: Any) -> dict[str, Any]:
    return {"users": {"population": population, "think_time": "1s"}, **more}


def even(**more: Any) -> dict[str, Any]:
    return {"open": {"kind": "constant", "rate": "10/s"}, **more}


def per_second(rows: list[dict[str, Any]], seconds: int) -> list[int]:
    counted = Counter(int(row["t_s"] - 1e-6) for row in rows)
    return [counted[second] for second in range(seconds)]


SURGE = {"surges": {"news": {"at": "2s", "lasts": "1s", "factor": 3}}}


@pytest.mark.parametrize(
    ("shape", "counts"),
    [
        ({"surges": SURGE["surges"]}, [10, 10, 30, 10, 10, 10]),
        ({"shape": {"kind": "ramp", "lasts": "4s"}}, [1, 4, 6, 9, 10, 10]),
        ({"shape": {"kind": "ramp", "start": 1, "end": 0, "at": "2s", "lasts": "2s"}}, [10, 10, 7, 3, 0, 0]),
        (
            {"shape": {"kind": "piecewise", "every": "3s", "points": [
                {"at": "0s", "factor": 2}, {"at": "1s", "factor": 2}, {"at": "1s", "factor": 0.5},
            ]}},
            [20, 5, 5, 20, 5, 5],
        ),
        ({"shape": {"kind": "diurnal", "low": 0, "day": "4s", "peak_at": "2s"}}, [1, 8, 8, 1, 1, 8]),
        ({"shape": {"kind": "step", "levels": [1, 0.5, 3], "lasts": "2s"}}, [10, 10, 5, 5, 30, 30]),
        ({"shape": {"kind": "spike", "at": "1s", "factor": 3, "lasts": "2s"}}, [10, 30, 30, 10, 10, 10]),
        (
            {"shape": {"kind": "spike", "at": "1s", "factor": 3, "rise": "1s", "lasts": "1s", "fall": "2s"}},
            [10, 20, 30, 25, 15, 10],
        ),
        ({"shape": {"kind": "cycle", "part": "1s", "levels": [1, 2, 0.5]}}, [10, 20, 5, 10, 20, 5]),
        ({"shape": {"kind": "cycle", "part": "1s", "levels": [1, 2, 0.5], "begins_at": "4s"}}, [20, 5, 10, 20, 5, 10]),
        ({"shape": {"kind": "cycle", "part": "2s", "levels": [1, 2], "begins_at": "1s"}}, [10, 20, 20, 10, 10, 20]),
    ],
)  # fmt: skip
def test_open_arrivals_follow_the_shape(play: PlayFixture, shape: dict[str, Any], counts: list[int]) -> None:
    rows = play(system(even(**shape))).until(6.0001).end()
    seen = per_second(rows, 6)
    assert all(abs(one - other) <= 1 for one, other in zip(seen, counts, strict=True)), seen


def test_bursts_come_and_go(play: PlayFixture) -> None:
    bursty = {"kind": "bursty", "factor": 20, "calm": "2s", "burst": "1s"}
    rows = play(system(even(shape=bursty))).until(6.0001).end()
    assert per_second(rows, 6) == [10, 10, 200, 10, 10, 200]


def test_surges_are_noted(play: PlayFixture) -> None:
    surges = {"news": {"at": "2s", "lasts": "1s", "factor": 3}, "tv": {"at": "4s", "lasts": "9s", "factor": 0.5}}
    for traffic in (even(surges=surges), users(4, surges=surges)):
        game = play(system(traffic)).until(6.0)
        game.end()
        assert game.notes == [
            (2.0, "traffic.surges.news", "begins: 3 times the load"),
            (3.0, "traffic.surges.news", "ends"),
            (4.0, "traffic.surges.tv", "begins: 0.5 times the load"),
        ]


def test_more_users_come_for_a_while_and_go_again(play: PlayFixture) -> None:
    rows = play(system(users(10, surges={"news": {"at": "20s", "lasts": "20s", "factor": 3}}))).until(80.0).end()
    by_user: dict[int, list[float]] = {}
    for row in rows:
        by_user.setdefault(row["user"], []).append(row["t_s"])
    assert sorted(by_user) == list(range(30))
    for user, times in by_user.items():
        if user < 10:
            assert times[0] == 1.0 and times[-1] > 77.0
        else:
            assert times[0] == 21.0 and 38.0 < times[-1] < 40.0


def test_who_comes_again_goes_on_where_it_left_off(play: PlayFixture) -> None:
    surges = {name: {"at": at, "lasts": "5s", "factor": 2} for name, at in (("one", "5s"), ("two", "20s"))}
    rows = play(system(users(1, surges=surges))).until(40.0).end()
    own = [row for row in rows if row["user"] == 1]
    assert {int(row["t_s"]) // 5 for row in own} == {1, 4}
    assert len({row["latency_s"] for row in own}) == len(own)
    # the same wishes in the same order as those of a user who never went
    whole = play(system(users(2))).until(40.0).end()
    stayed = [row["latency_s"] for row in whole if row["user"] == 1]
    assert [row["latency_s"] for row in own] == pytest.approx(stayed[: len(own)])


def test_who_stays_is_not_disturbed(play: PlayFixture) -> None:
    def first_users(traffic: dict[str, Any]) -> list[tuple[float, int, float]]:
        rows = play(system(traffic)).until(30.0).end()
        return [(row["t_s"], row["user"], row["latency_s"]) for row in rows if row["user"] < 5 and row["t_s"] < 29]

    surges = {"news": {"at": "10s", "lasts": "5s", "factor": 8}}
    assert first_users(users(5, surges=surges)) == first_users(users(5))


def test_users_ramp_up_one_by_one(play: PlayFixture) -> None:
    rows = play(system(users(10, shape={"kind": "ramp", "lasts": "10s"}))).until(20.0).end()
    first = {}
    for row in rows:
        first.setdefault(row["user"], row["t_s"])
    assert [first[user] for user in range(10)] == pytest.approx([user + 0.5 + 1.0 for user in range(10)])


def test_a_user_has_one_request_at_a_time_whatever_happens(play: PlayFixture) -> None:
    shape = {"kind": "piecewise", "every": "400ms", "points": [
        {"at": "0s", "factor": 1}, {"at": "200ms", "factor": 1}, {"at": "200ms", "factor": 0},
    ]}  # fmt: skip
    rows = play(system({"users": {"population": 5, "think_time": "130ms"}, "shape": shape})).until(30.0).end()
    assert len(rows) > 300
    for user in range(5):
        own = [row for row in rows if row["user"] == user]
        assert all(two["t_s"] - one["t_s"] - one["latency_s"] > 0.1299 for one, two in pairwise(own))


@pytest.mark.parametrize(
    ("traffic", "says"),
    [
        (users(5, shape={"kind": "bursty", "factor": 2, "calm": "1s", "burst": "1s"}), "cannot be bursty"),
        ({"trace": {"file": "t.csv"}, **SURGE}, "its own instants"),
        (users(1_000_000, **SURGE), "at most 1048576 users"),
        (even(shape={"kind": "piecewise", "points": [{"at": "1s", "factor": 1}]}), "begin at 0 s"),
        (even(shape={"kind": "bursty", "factor": 2, "calm": "0s", "burst": "1s"}), "must have a rate"),
    ],
)
def test_nonsense_is_refused(traffic: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        WorkloadSpec.model_validate({"mix": {"get": 1}, **traffic})


def test_a_flash_crowd_dies_away_by_halves() -> None:
    shape = {"kind": "flash_crowd", "at": "1m", "rise": "30s", "factor": 9, "half_life": "8m"}
    spec = WorkloadSpec.model_validate({**even(shape=shape), "mix": {"get": 1}})
    assert spec.shape is not None
    at = dict(spec.shape.profile().points)  # type: ignore[union-attr]
    assert [at[second] for second in (0, 60, 90)] == [1, 1, 9]
    for halvings in (1, 2, 3, 7):
        assert at[90 + 480 * halvings] == pytest.approx(1 + 8 / 2**halvings, rel=1e-12)
    assert spec.shape.profile().points[-1] == (90 + 480 * 8, 1)  # type: ignore[union-attr]


def test_a_cycle_begins_anywhere_and_stays_the_same_cycle() -> None:
    levels = [0.5, 1, 3, 0]
    for begins_s in (0, 1, 2.5, 7.25, 8, 31.75):
        shape = {"kind": "cycle", "part": "2s", "levels": levels, "begins_at": f"{begins_s}s"}
        spec = WorkloadSpec.model_validate({**even(shape=shape), "mix": {"get": 1}})
        profile = spec.shape.profile()  # type: ignore[union-attr]
        for until_s in (0.75, 3, 8, 19.5):
            first = sum(levels) * 2 * (begins_s // 8) + area(levels, begins_s % 8)
            end_s = begins_s + until_s
            assert profile.expected(until_s) == pytest.approx(
                sum(levels) * 2 * (end_s // 8) + area(levels, end_s % 8) - first
            )


def area(levels: list[float], until_s: float) -> float:
    return sum(level * min(2.0, max(0.0, until_s - 2 * part)) for part, level in enumerate(levels))


@pytest.mark.parametrize(
    ("shape", "complaint"),
    [
        ({"kind": "cycle", "part": "1s", "levels": [0, 0]}, "nothing would ever arrive"),
        ({"kind": "cycle", "part": "1s", "levels": [1]}, "at least 2"),
        ({"kind": "flash_crowd", "at": "1s", "factor": 1, "half_life": "1s"}, "greater than 1"),
        ({"kind": "spike", "at": "1s", "factor": 2, "lasts": "0s"}, "greater than 0"),
    ],
)
def test_shapes_that_are_none_are_refused(shape: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        WorkloadSpec.model_validate({**even(shape=shape), "mix": {"get": 1}})
