"""Users behind an address."""

from __future__ import annotations

import numpy as np

from experiments.logs.batch import batch_of
from experiments.traffic.visitors import Visitors


def seen(visitors: Visitors, pairs: list[tuple[int, int]]) -> None:
    ip, user = np.array(pairs).T
    visitors.add(batch_of(np.arange(len(ip)), np.zeros(len(ip), np.int64), user=user, ip=ip))


def test_distinct_users_are_counted_per_address() -> None:
    visitors = Visitors()
    seen(visitors, [(1, 1), (1, 1), (1, 2), (2, 1), (-1, 5), (3, -1)])
    seen(visitors, [(1, 3), (2, 1), (4, 9)])
    assert visitors.as_dict() == {
        "addresses": 3, "one_in": 1, "mean": 5 / 3, "p50": 1, "p95": 3, "max": 3, "shared_addresses": 1,
    }  # fmt: skip


def test_who_is_not_known_says_nothing() -> None:
    visitors = Visitors()
    seen(visitors, [(-1, 1), (1, -1)])
    assert visitors.as_dict() is None


def test_of_too_many_pairs_whole_addresses_are_kept() -> None:
    visitors = Visitors(most=1000)
    for first in range(0, 2000, 100):
        seen(visitors, [(ip, 10 * ip + user) for ip in range(first, first + 100) for user in range(1 + ip % 3)])
    found = visitors.as_dict()
    assert found is not None
    assert found["one_in"] == 8
    assert abs(found["mean"] - 2) < 0.15
    assert found["max"] == 3
