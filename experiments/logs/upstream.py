"""What a log tells of the servers behind the one that wrote it: their share of the time, tries, connecting, its cache.

Models   Sums by whatever requests are told apart by, so that means and shares are exact. The share of time is that of
         the servers behind in the response times of the requests that say both; all tries of a request count together.
Source   nginx's ngx_http_upstream_module.
Checked  tests/unit/test_log_upstream.py
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[Any]

_SUMS: Final = ("asked", "asked_s", "both", "both_s", "response_s", "connected", "connect_s", "tried", "again",
                "looked_up", "hits")  # fmt: skip


class Upstream:
    """Sums over requests, by number: of a target, of a route."""

    def __init__(self) -> None:
        self._sums = np.zeros((len(_SUMS), 0))

    def add(
        self, number: Numbers, size: int, *, response_s: Floats, upstream_s: Floats, connect_s: Floats, tries: Numbers,
        cache: Numbers,
    ) -> None:  # fmt: skip
        """Requests; a number below zero counts for nothing but the whole, which is number `size`."""
        self._make_room(size + 1)
        place = np.where(number >= 0, number, size)
        is_asked, is_timed, is_connected = (np.isfinite(each) for each in (upstream_s, response_s, connect_s))
        is_both = is_asked & is_timed
        each = (
            is_asked, np.where(is_asked, upstream_s, 0), is_both, np.where(is_both, upstream_s, 0),
            np.where(is_both, response_s, 0), is_connected, np.where(is_connected, connect_s, 0),
            tries > 0, tries > 1, cache >= 0, cache == 1,
        )  # fmt: skip
        for row, values in enumerate(each):
            self._sums[row] += np.bincount(place, weights=values, minlength=self._sums.shape[1])

    def _make_room(self, size: int) -> None:
        old = self._sums
        if size > old.shape[1]:  # the last column is of what has no number, and stays the last
            self._sums = np.zeros((len(_SUMS), size))
            self._sums[:, : max(0, old.shape[1] - 1)] = old[:, :-1]
            self._sums[:, -1:] += old[:, -1:].sum(axis=1, keepdims=True)

    def whole(self) -> dict[str, Any] | None:
        """Of all requests; None where the log says nothing of it."""
        return _figures(self._sums.sum(axis=1))

    def by_group(self, group: Numbers, groups: int) -> list[dict[str, Any] | None]:
        """Of groups of numbers. `group`: of each number."""
        sums = np.array([np.bincount(group, weights=row[: len(group)], minlength=groups) for row in self._sums])
        return [_figures(sums[:, number]) for number in range(groups)]


def _figures(sums: Floats) -> dict[str, Any] | None:
    told = dict(zip(_SUMS, sums.tolist(), strict=True))
    if not told["asked"] and not told["looked_up"]:
        return None

    def per(part: str, whole: str) -> float | None:
        return told[part] / told[whole] if told[whole] else None

    return {
        "count": int(told["asked"]), "mean_s": per("asked_s", "asked"), "response_mean_s": per("response_s", "both"),
        "share_of_time": per("both_s", "response_s"), "connect_mean_s": per("connect_s", "connected"),
        "several_tries_share": per("again", "tried"), "cache_hit_share": per("hits", "looked_up"),
    }  # fmt: skip
