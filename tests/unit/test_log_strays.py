"""Stamps far from all the others: bad lines while they are few, the log's own time where they are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments.logs import read_logs, read_window
from experiments.logs.batch import NS, joined
from experiments.logs.strays import FAR_NS, Strays

DAY = 86_400 * NS


def stay(strays: Strays, *days: float) -> list[bool]:
    at_ns = np.array([int(day * DAY) for day in days], np.int64)
    found = strays.stay(at_ns)
    return [True] * len(days) if found is None else found.tolist()


@pytest.mark.parametrize("odd", [0, 16_000, 16_800, 49_674])
@pytest.mark.parametrize("place", [0, 7, 19])
def test_one_clock_that_nobody_has_set_is_no_request(odd: int, place: int) -> None:
    days = [16_400 + number / 100 for number in range(19)]
    days.insert(place, odd)
    assert [number for number, is_in in enumerate(stay(Strays(100), *days)) if not is_in] == [place]


def test_a_quiet_month_is_no_reason() -> None:
    assert all(stay(Strays(100), *range(10), *(10 + FAR_NS / DAY * 0.9 + number for number in range(10))))


def test_a_log_of_two_times_keeps_both() -> None:
    strays = Strays(100)
    assert all(stay(strays, *range(100)))
    assert all(stay(strays, *(5_000 + number for number in range(50))))
    assert all(stay(strays, *(2_000 + number / 10 for number in range(50)))), "what lies between is near"


def test_time_goes_on_from_batch_to_batch_and_strays_do_not_stretch_it() -> None:
    strays = Strays(1000)
    for begin in range(0, 3000, 100):
        days = [begin + number / 10 for number in range(1000)]
        assert stay(strays, *days, 40_000.0) == [True] * 1000 + [False]


@pytest.mark.parametrize("days", [(0, 16_000), (1, 5_000, 10_000, 15_000), (16_000, 0, 16_000)])
def test_a_handful_of_lines_says_nothing(days: tuple[int, ...]) -> None:
    assert all(stay(Strays(100), *days))


def test_they_are_bad_lines_and_shown(tmp_path: Path) -> None:
    stamps = [f"2015-10-25T03:{number // 60:02}:{number % 60:02}Z" for number in range(300)]
    stamps[100] = "1970-01-01T00:00:07Z"
    stamps[299] = "2106-02-07T06:28:15Z"
    log = tmp_path / "a.log"
    log.write_text("junk\n" + "\n".join(stamps) + "\n")
    reading = read_logs([str(log)])
    batch = joined(list(reading.batches()))
    assert (reading.lines, reading.requests, reading.bad, len(batch)) == (301, 298, 3, 298)
    assert reading.bad_shown == [
        "line 1: 'junk'", "line 102: stamped 1970-01-01T00:00:07Z, 16,733 days from the others"
    ]  # fmt: skip


def test_whoever_says_both_edges_means_all_between(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("1970-01-02T00:00:00Z\n" + "2015-10-25T03:11:25Z\n" * 50 + "2106-02-07T06:28:15Z\n")
    reading = read_logs([str(log)], window=read_window("1970-01-01", "2016-01-01"))
    assert sum(map(len, reading.batches())) == 51
    assert (reading.requests, reading.outside, reading.bad) == (52, 1, 0)
    one = read_logs([str(log)], window=read_window("2015-01-01", None))
    assert sum(map(len, one.batches())) == 50
    assert (one.requests, one.outside, one.bad) == (50, 0, 2)
