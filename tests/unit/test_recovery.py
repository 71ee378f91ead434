"""Verdicts on what was recorded: recovered, stuck, too short to tell; causes read from notes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.recovery import Episode, courses, episodes, judge_recovery, recovery_figures
from experiments.report.storms import verdict_text
from models.outcomes import Outcome
from models.request import Request
from sim.environment import Environment
from sim.recorder import Notes, Recorder

Rate = Callable[[float], float]


@dataclass
class Story:
    """A run as clients saw it: `rate` requests come each second, answered after `latency_s`, of which a share fails."""

    length_s: float = 200.0
    warm_up_s: float = 0.0
    per_s: int = 40
    latency_s: Rate = lambda t: 0.1
    success: Rate = lambda t: 1.0
    notes: list[tuple[float, str, str]] = field(default_factory=list)
    bin_s: float = 1.0

    def play(self) -> Any:
        env = Environment()
        recorder = Recorder(env, ["get"], self.warm_up_s, self.bin_s)

        def tell(at_s: float, path: str, text: str) -> Any:
            yield at_s
            recorder.note(path, text)

        def ask(number: int) -> Any:
            at_s = number / self.per_s
            yield at_s
            request = Request(number, number, 0, 0, 0, at_s)
            recorder.arrived(request)
            yield self.latency_s(at_s)
            good = number % 10 < round(10 * self.success(at_s))
            request.outcome, request.status = (Outcome.SUCCEEDED, 200) if good else (Outcome.FAILED, 500)
            request.reason = "" if good else "failed"
            request.ended_at_s = env.now
            recorder.ended(request)

        for note in self.notes:
            env.start(tell(*note))
        for number in range(int(self.length_s * self.per_s)):
            env.start(ask(number))
        env.run(self.length_s)
        return SimpleNamespace(recording=recorder.result())


def surge(begins: float, ends: float | None, path: str = "traffic.surges.rush") -> list[tuple[float, str, str]]:
    return [(begins, path, "begins: 2 times the load"), *([] if ends is None else [(ends, path, "ends")])]


def between(low: float, high: float, inside: float, outside: float) -> Rate:
    return lambda t: inside if low <= t < high else outside


# --- causes ---


def noted(*lines: tuple[float, str, str]) -> list[Episode]:
    return episodes(Notes(tuple(sorted(lines)), len(lines)))


def test_causes_are_read_from_notes() -> None:
    assert noted(
        (5.0, "services.api.replica-1", "killed, out of memory"),
        (10.0, "faults.slow-db", "begins: 5 times slower"),
        (20.0, "faults.slow-db", "ends"),
        (30.0, "traffic.surge", "begins: 2 times the load"),
        (40.0, "services.api", "begins: not a cause"),
    ) == [Episode(("faults.slow-db",), 10.0, 20.0), Episode(("traffic.surge",), 30.0, inf)]


def test_causes_that_overlap_or_touch_are_one_episode() -> None:
    found = noted(
        *surge(10, 30, "traffic.surges.a"), *surge(20, 40, "traffic.surges.b"), *surge(40, 50, "faults.c"),
        *surge(60, 70, "traffic.surges.a"),
    )  # fmt: skip
    assert found == [
        Episode(("faults.c", "traffic.surges.a", "traffic.surges.b"), 10, 50),
        Episode(("traffic.surges.a",), 60, 70),
    ]


def test_an_end_without_a_beginning_is_nothing() -> None:
    assert noted((3.0, "faults.x", "ends"), (4.0, "faults.y", "")) == []


# --- verdicts ---


def only(story: Story) -> Any:
    (course,) = courses(story.play())
    return course


def test_who_is_well_all_along_has_recovered_at_once() -> None:
    course = only(Story(notes=surge(60, 90)))
    assert (course.verdict, course.after_s) == ("recovered", 0.0)
    assert course.before.goodput_per_s == pytest.approx(40.0, rel=0.01)
    assert course.before.success_rate == 1.0
    assert course.before.p95_ms == pytest.approx(100, rel=0.06)


def test_failures_that_outlast_the_cause_by_20_seconds() -> None:
    course = only(Story(notes=surge(60, 90), success=between(60, 110, 0.3, 1.0)))
    assert course.verdict == "recovered"
    assert course.after_s == pytest.approx(20.0, abs=3.0)
    assert course.worst.goodput_per_s == pytest.approx(12.0)
    assert course.worst.success_rate == pytest.approx(0.3)
    assert course.finally_.success_rate == 1.0


def test_answers_that_come_but_slowly_are_not_well() -> None:
    course = only(Story(notes=surge(60, 90), latency_s=between(60, 120, 0.5, 0.1)))
    assert course.verdict == "recovered"
    assert course.after_s == pytest.approx(30.0, abs=2.0)
    assert course.worst.p95_ms == pytest.approx(500, rel=0.06)


def test_down_for_ever_is_stuck() -> None:
    course = only(Story(notes=surge(60, 90), success=between(60, inf, 0.0, 1.0)))
    assert (course.verdict, course.after_s) == ("stuck", None)
    assert course.observed_s == pytest.approx(110.0)
    assert course.finally_.goodput_per_s == 0.0


def test_nothing_ends_at_all_is_stuck_too() -> None:
    assert only(Story(notes=surge(60, 90), latency_s=between(60, inf, 1e6, 0.1))).verdict == "stuck"


def test_a_relapse_within_30_seconds_is_no_recovery() -> None:
    bad = between(60, 92, 0.3, 1.0)
    relapse = between(110, 125, 0.3, 1.0)
    course = only(Story(notes=surge(60, 90), success=lambda t: min(bad(t), relapse(t))))
    assert course.verdict == "recovered"
    assert course.after_s == pytest.approx(35.0, abs=3.0)


@pytest.mark.parametrize(
    "story",
    [
        Story(length_s=140, notes=surge(60, 90), success=between(60, inf, 0.0, 1.0)),  # 50 s seen afterwards
        Story(length_s=200, notes=surge(60, 90), success=between(60, 180, 0.0, 1.0)),  # well for the last 20 s
        Story(notes=surge(60, None), success=between(60, inf, 0.0, 1.0)),  # the cause does not go
        Story(notes=surge(5, 30)),  # hardly anything before
        Story(notes=surge(60, 90), warm_up_s=55),
        Story(length_s=100, notes=surge(60, 90)),  # hardly anything afterwards
    ],
)
def test_too_short_to_tell(story: Story) -> None:
    course = only(story)
    assert (course.verdict, course.after_s) == ("too_short", None)


def test_what_was_down_already_cannot_come_back() -> None:
    story = Story(length_s=300, notes=[*surge(60, 70), *surge(200, 210)], success=between(60, inf, 0.0, 1.0))
    first, second = courses(story.play())
    assert (first.verdict, second.verdict, second.after_s) == ("stuck", "down_before", None)


def test_the_next_cause_ends_the_watch() -> None:
    story = Story(
        length_s=300, notes=[*surge(60, 80), *surge(120, 130), *surge(200, 210)], success=between(60, 125, 0.0, 1.0)
    )
    verdicts = [(course.verdict, course.observed_s) for course in courses(story.play())]
    assert verdicts[0] == ("too_short", 40.0)
    assert verdicts[2] == ("recovered", 90.0)


def test_bins_longer_than_a_window() -> None:
    story = Story(length_s=1200, per_s=4, bin_s=15.0, notes=surge(300, 400), success=between(300, inf, 0.0, 1.0))
    assert only(story).verdict == "stuck"
    story.success = between(300, 450, 0.0, 1.0)
    course = only(story)
    assert course.verdict == "recovered" and 45 <= course.after_s <= 66


# --- over replications ---


def test_replications_are_counted_and_their_times_averaged() -> None:
    late = [Story(notes=surge(60, 90), success=between(60, 90 + s, 0.0, 1.0)).play() for s in (10, 20)]
    stuck = Story(notes=surge(60, 90), success=between(60, inf, 0.0, 1.0)).play()
    (both,) = judge_recovery(late)
    assert (both["verdict"], both["recovered_in"], both["of"]) == ("recovered", 2, 2)
    assert both["after_s"] == pytest.approx(15.0, abs=3.0)
    assert both["after_interval_s"][0] < both["after_s"] < both["after_interval_s"][1]
    assert verdict_text(both).startswith("recovered in 2 of 2 replications, 1")
    (mixed,) = judge_recovery([*late, stuck])
    assert (mixed["verdict"], mixed["recovered_in"], mixed["stuck_in"]) == ("mixed", 2, 1)
    assert "STUCK in 1 of 3" in verdict_text(mixed)
    (one,) = judge_recovery([stuck])
    assert one["verdict"] == "stuck" and one["after_s"] is None and one["after_interval_s"] is None
    assert one["band"]["goodput_at_least_per_s"] == pytest.approx(0.9 * 40 - 3 * 2.0, rel=0.01)
    assert one["band"]["p95_at_most_ms"] == pytest.approx(2 * one["before"]["p95_ms"])


def test_figures_for_objectives() -> None:
    twice = Story(length_s=300, notes=[*surge(60, 70), *surge(180, 190)], success=between(180, inf, 0.0, 1.0)).play()
    assert recovery_figures(twice) == {
        "traffic.surges.rush": {"recovered_share": 1.0, "after_s": 0.0},
        "traffic.surges.rush (2)": {"recovered_share": 0.0, "after_s": None},
    }
    assert recovery_figures(Story(length_s=20).play()) == {}
    assert judge_recovery([Story(length_s=20).play()]) == []
