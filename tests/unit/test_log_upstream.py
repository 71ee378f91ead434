"""What a log tells of the servers behind the one that wrote it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from experiments.logs.upstream import Upstream

NAN = np.nan


def add(sums: Upstream, number: list[int], size: int, upstream_s: list[float], **known: list[float]) -> None:
    count = len(number)
    unknown = [NAN] * count
    sums.add(
        np.array(number), size, response_s=np.array(known.get("response_s", unknown)), upstream_s=np.array(upstream_s),
        connect_s=np.array(known.get("connect_s", unknown)), tries=np.array(known.get("tries", [0] * count)),
        cache=np.array(known.get("cache", [-1] * count)),
    )  # fmt: skip


def figures(of: dict[str, Any] | None) -> dict[str, Any]:
    assert of is not None
    return of


def test_the_share_of_the_time_is_that_of_requests_that_say_both() -> None:
    sums = Upstream()
    add(sums, [0, 0, 1], 2, [0.1, NAN, 0.3], response_s=[0.2, 9.0, 0.3], tries=[1, 0, 2], cache=[0, 1, 0])
    whole = figures(sums.whole())
    assert whole["count"] == 2
    assert whole["mean_s"] == pytest.approx(0.2)
    assert whole["share_of_time"] == pytest.approx(0.4 / 0.5)
    assert whole["connect_mean_s"] is None
    assert whole["several_tries_share"] == 0.5
    assert whole["cache_hit_share"] == pytest.approx(1 / 3)
    first, second = map(figures, sums.by_group(np.array([0, 1]), 2))
    assert (first["share_of_time"], first["cache_hit_share"]) == (0.5, 0.5)
    assert (second["several_tries_share"], second["response_mean_s"]) == (1.0, 0.3)


def test_numbers_may_become_more_and_may_be_missing() -> None:
    sums = Upstream()
    add(sums, [0, -1], 1, [0.1, 0.2])
    add(sums, [2, 1, -1], 3, [0.3, NAN, 0.4])
    assert figures(sums.whole())["count"] == 4
    assert [each and each["count"] for each in sums.by_group(np.array([0, 1, 1]), 2)] == [1, 1]


def test_a_log_that_says_nothing_of_it() -> None:
    sums = Upstream()
    add(sums, [0, 1], 2, [NAN, NAN], tries=[1, 1])
    assert sums.whole() is None
    assert sums.by_group(np.array([0, 1]), 2) == [None, None]
