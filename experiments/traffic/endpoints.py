"""What is asked for, endpoint by endpoint: how often, with what answers, how fast.

Models   An endpoint is a method and the begin of a path: its first parts, those with a digit as {id}. The first
         MOST_ENDPOINTS are told apart, the rest together.
Checked  tests/unit/test_traffic_measure.py
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from experiments.logs.batch import Batch
from experiments.logs.names import Names, coarse
from experiments.traffic.histogram import Histogram

MOST_ENDPOINTS: Final = 500
PARTS: Final = 3
OTHERS: Final = "everything else"
UNKNOWN: Final = "not told"


def endpoint_of(method: str, path: str) -> str:
    """The endpoint that a target is counted under."""
    parts = coarse(path).split("/")
    cut = "/".join(parts[: PARTS + 1]) + ("/..." if len(parts) > PARTS + 1 else "")
    return f"{method} {cut}".strip()


class Endpoints:
    """Requests by target, and response times by endpoint."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._endpoint_of_target = np.zeros(1, np.int64)
        """The last one is that of -1, the target that is not told."""
        self._numbers: dict[str, int] = {UNKNOWN: 0}
        self._requests = np.zeros(MOST_ENDPOINTS + 2, np.int64)
        self._errors = np.zeros(MOST_ENDPOINTS + 2, np.int64)
        self._times: dict[int, Histogram] = {}
        self.by_target = np.zeros(0, np.int64)
        """Requests of every target."""
        self.status = np.zeros(1000, np.int64)
        self.times = Histogram()

    def add(self, rows: Batch) -> None:
        """Requests in any order."""
        self._learn()
        number = self._endpoint_of_target[rows.target]
        size = len(self._requests)
        self._requests += np.bincount(number, minlength=size)
        self._errors += np.bincount(number[(rows.status >= 500) & (rows.status < 600)], minlength=size)
        self.by_target += np.bincount(rows.target[rows.target >= 0], minlength=len(self.by_target))
        self.status += np.bincount(np.clip(rows.status, 0, 999), minlength=1000)
        is_timed = rows.response_s >= 0
        if is_timed.any():
            self.times.add(rows.response_s[is_timed])
            for each in np.unique(number[is_timed]).tolist():
                self._times.setdefault(each, Histogram()).add(rows.response_s[is_timed & (number == each)])

    def _learn(self) -> None:
        """Endpoints of the targets that are new."""
        known, targets = len(self.by_target), self._names.targets
        if len(targets) == known:
            return
        numbers = [self._number(endpoint_of(*targets[index])) for index in range(known, len(targets))]
        self._endpoint_of_target = np.concatenate([self._endpoint_of_target[:-1], numbers, [0]]).astype(np.int64)
        self.by_target = np.concatenate([self.by_target, np.zeros(len(numbers), np.int64)])

    def _number(self, name: str) -> int:
        if name not in self._numbers and len(self._numbers) > MOST_ENDPOINTS:
            name = OTHERS
        return self._numbers.setdefault(name, len(self._numbers))

    def by_path(self) -> np.ndarray:
        """Requests of every path, whatever the method: reading and changing a thing are about the same thing."""
        numbers: dict[str, int] = {}
        path = np.array([numbers.setdefault(path, len(numbers)) for _, path in self._names.targets], np.int64)
        known = len(self.by_target)
        return np.bincount(path[:known], weights=self.by_target).astype(np.int64) if known else self.by_target

    def as_list(self) -> list[dict[str, Any]]:
        """Figures for the result, the most asked for first."""
        total = int(self._requests.sum())
        found = []
        for name, number in self._numbers.items():
            requests = int(self._requests[number])
            if requests:
                times = self._times.get(number)
                found.append({
                    "endpoint": name, "requests": requests, "share": requests / total,
                    "errors_5xx": int(self._errors[number]),
                    "response_s": None if times is None else times.as_dict(),
                })  # fmt: skip
        return sorted(found, key=lambda each: (-each["requests"], each["endpoint"]))

    def statuses(self) -> dict[str, int]:
        """Requests by status; `not told` where the log does not say."""
        return {str(status) if status else UNKNOWN: int(self.status[status]) for status in np.flatnonzero(self.status)}
