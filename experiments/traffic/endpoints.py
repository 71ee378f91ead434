"""What is asked for, endpoint by endpoint: how often, with what answers, how fast.

Models   Counts and means are kept for every target, so they are exact. Endpoints are the templates that are learnt from
         all targets once the log has ended, as a replay does. Quantiles of an endpoint's response times are those of a
         sample: of all requests up to MOST_TIMES, then of one in 2, 4, 8, ..., chosen by a hash of the line.
Checked  tests/unit/test_traffic_endpoints.py, tests/unit/test_traffic_measure.py
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from experiments.logs.batch import Batch
from experiments.logs.names import Names
from experiments.logs.upstream import Upstream
from experiments.replay.learning import learn
from experiments.traffic.histogram import Floats, Histogram, Integers
from experiments.traffic.sessions import kept

MOST_TIMES: Final = 1 << 20
MOST_ENDPOINTS: Final = 500
"""Endpoints of a result; what is asked for less than those stands together."""
OTHERS: Final = "everything else"
UNKNOWN: Final = "not told"


class Endpoints:
    """Requests by target, their answers and their response times."""

    def __init__(self, names: Names, most_times: int = MOST_TIMES) -> None:
        self._names = names
        self._most_times = most_times
        self.halvings = 0
        """One response time in 2 ** this is in the sample."""
        self.by_target = np.zeros(0, np.int64)
        """Requests of every target."""
        self._errors = np.zeros(0, np.int64)
        self._timed = np.zeros(0, np.int64)
        self._total_s = np.zeros(0)
        self.untold = 0
        """Requests of which the log does not say what they are for."""
        self.status = np.zeros(1000, np.int64)
        self.times = Histogram()
        self.upstream = Upstream()
        self._sample: list[tuple[Integers, Integers, Floats]] = []
        self._sampled = 0

    def add(self, rows: Batch) -> None:
        """Requests in any order."""
        self._make_room(len(self._names.targets))
        size, is_told = len(self.by_target), rows.target >= 0
        self.untold += int((~is_told).sum())
        self.by_target += np.bincount(rows.target[is_told], minlength=size)
        self._errors += np.bincount(rows.target[is_told & (rows.status >= 500) & (rows.status < 600)], minlength=size)
        self.status += np.bincount(np.clip(rows.status, 0, 999), minlength=1000)
        self.upstream.add(
            rows.target, size, response_s=rows.response_s, upstream_s=rows.upstream_s, connect_s=rows.connect_s,
            tries=rows.tries, cache=rows.cache,
        )  # fmt: skip
        is_timed = rows.response_s >= 0
        if is_timed.any():
            self._add_times(rows.part(is_timed))

    def _make_room(self, size: int) -> None:
        more = size - len(self.by_target)
        if more:
            for name in ("by_target", "_errors", "_timed", "_total_s"):
                old = getattr(self, name)
                setattr(self, name, np.concatenate([old, np.zeros(more, old.dtype)]))

    def _add_times(self, rows: Batch) -> None:
        self.times.add(rows.response_s)
        told = rows.part(rows.target >= 0)
        size = len(self.by_target)
        self._timed += np.bincount(told.target, minlength=size)
        self._total_s += np.bincount(told.target, weights=told.response_s, minlength=size)
        chosen = kept(told.line, self.halvings)
        self._sample.append((told.line[chosen], told.target[chosen].astype(np.int64), told.response_s[chosen]))
        self._sampled += int(chosen.sum())
        while self._sampled > self._most_times:
            self.halvings += 1
            self._sample = [thinned(part, self.halvings) for part in self._sample]
            self._sampled = sum(len(part[0]) for part in self._sample)

    def by_path(self) -> Integers:
        """Requests of every path, whatever the method: reading and changing a thing are about the same thing. Names
        that a log has instead of paths are those of endpoints, and not among them."""
        requests: dict[str, int] = {}
        for (_, path), count in zip(self._names.targets, self.by_target.tolist(), strict=False):
            if path.startswith("/"):
                requests[path] = requests.get(path, 0) + count
        return np.fromiter(requests.values(), np.int64, len(requests))

    def as_list(self) -> list[dict[str, Any]]:
        """Figures for the result, the most asked for first."""
        targets = self._names.targets[: len(self.by_target)]
        names, number = endpoints_of(targets, self.by_target)
        requests = np.bincount(number, weights=self.by_target, minlength=len(names)).astype(np.int64)
        order = sorted(range(len(names)), key=lambda each: (-int(requests[each]), names[each]))
        place = np.zeros(len(names) + 1, np.int64)
        place[order] = np.minimum(np.arange(len(order)), MOST_ENDPOINTS)
        number = place[number]
        names = [names[each] for each in order[:MOST_ENDPOINTS]] + [OTHERS] * (len(order) > MOST_ENDPOINTS)
        found = self._figures(names, number)
        if self.untold:
            unknown = {"endpoint": UNKNOWN, "requests": self.untold, "errors_5xx": 0}
            found.append({**unknown, "response_s": None, "upstream": None})
        total = sum(each["requests"] for each in found)
        shared = [{"endpoint": each["endpoint"], "share": each["requests"] / total, **each} for each in found]
        return sorted(shared, key=lambda each: (each["endpoint"] == OTHERS, -each["requests"], each["endpoint"]))

    def _figures(self, names: Sequence[str], number: Integers) -> list[dict[str, Any]]:
        """By endpoint. `number`: which endpoint each target is of."""
        size = len(names)
        sums = [
            np.bincount(number, weights=column, minlength=size)
            for column in (self.by_target, self._errors, self._timed, self._total_s)
        ]
        targets = np.concatenate([part[1] for part in self._sample]) if self._sample else np.zeros(0, np.int64)
        times = np.concatenate([part[2] for part in self._sample]) if self._sample else np.zeros(0)
        of = number[targets] if len(targets) else targets
        order = np.lexsort((times, of))
        starts = np.searchsorted(of[order], np.arange(size + 1))
        upstream = self.upstream.by_group(number, size)
        found = []
        for each, name in enumerate(names):
            requests, errors, timed, total_s = (float(column[each]) for column in sums)
            ranked = times[order[starts[each] : starts[each + 1]]]
            figures = None if not timed else {"count": int(timed), "mean_s": total_s / timed, **quantiles(ranked)}
            counts = {"endpoint": name, "requests": int(requests), "errors_5xx": int(errors)}
            found.append({**counts, "response_s": figures, "upstream": upstream[each]})
        return [each for each in found if each["requests"]]

    def statuses(self) -> dict[str, int]:
        """Requests by status; `not told` where the log does not say."""
        return {str(status) if status else UNKNOWN: int(self.status[status]) for status in np.flatnonzero(self.status)}


def thinned(part: tuple[Integers, Integers, Floats], halvings: int) -> tuple[Integers, Integers, Floats]:
    """The part of a sample that stays when only one in 2 ** `halvings` is kept."""
    stays = kept(part[0], halvings)
    return part[0][stays], part[1][stays], part[2][stays]


def quantiles(ranked: Floats) -> dict[str, float | None]:
    """Of sorted durations; None where there are none."""
    at = {q: ranked[math.ceil(q / 100 * len(ranked)) - 1] if len(ranked) else None for q in (50, 90, 95, 99)}
    return {f"p{q}_s": None if value is None else float(value) for q, value in at.items()}


_Node = dict[str | None, Any]
"""Words to further nodes; {} what is variable; None: the template that ends here."""


def endpoints_of(targets: Sequence[tuple[str, str]], requests: Integers) -> tuple[list[str], Integers]:
    """The endpoints that targets are of, and the number of each target's."""
    tries: dict[str, _Node] = {}
    for template in learn(zip(targets, requests.tolist(), strict=True)):
        node = tries.setdefault(template.method, {})
        for part in template.path.split("/"):
            node = node.setdefault("{}" if part.startswith("{") else part, {})
        node[None] = template.path
    numbers: dict[str, int] = {}
    found = [numbers.setdefault(_endpoint(tries, *target), len(numbers)) for target in targets]
    return list(numbers), np.array(found, np.int64)


def _endpoint(tries: dict[str, _Node], method: str, path: str) -> str:
    """The template of a target; a target that has none is its own endpoint."""
    node: _Node = tries.get(method, {})
    for part in path.split("/"):
        if part not in node and "*" in node:
            node = node["*"]
            break
        node = node.get(part) or node.get("{}") or {}
    return f"{method} {node.get(None, path)}".strip()
