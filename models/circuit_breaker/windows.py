"""What a breaker looks at: results in a sliding window, and rates in the arithmetic of the real one.

Models   A window of the last so many results, or of those in the last so many seconds of the wall clock.
Units    Integer nanoseconds of the wall clock.
Source   Resilience4j 2.3, core/metrics/{FixedSizeSlidingWindow,SlidingTimeWindow}Metrics.java, SnapshotImpl.java.
Omits    Lock-free windows; a clock that is set back.
Checked  experiments/validation/circuit_breaker.py, tests/properties/test_circuit_breaker.py
"""

from __future__ import annotations

from collections import deque

import numpy as np

SECOND_NS = 1_000_000_000


class Window:
    """Totals over the results in a window."""

    __slots__ = ("calls", "failed", "slow")

    def __init__(self) -> None:
        self.calls = self.failed = self.slow = 0

    def record(self, now_ns: int, is_failed: bool, is_slow: bool) -> None:
        raise NotImplementedError


class CountWindow(Window):
    """The last `size` results."""

    __slots__ = ("_results", "_size")

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size
        self._results: deque[tuple[bool, bool]] = deque()

    def record(self, now_ns: int, is_failed: bool, is_slow: bool) -> None:
        self._results.append((is_failed, is_slow))
        self.failed += is_failed
        self.slow += is_slow
        if self.calls < self._size:
            self.calls += 1
        else:
            was_failed, was_slow = self._results.popleft()
            self.failed -= was_failed
            self.slow -= was_slow


class TimeWindow(Window):
    """Results of the current second of the clock and the `size` - 1 before it: `size` - 1 to `size` seconds."""

    __slots__ = ("_seconds", "_size")

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size
        self._seconds: deque[list[int]] = deque()  # [second, calls, failed, slow] where there were any

    def record(self, now_ns: int, is_failed: bool, is_slow: bool) -> None:
        self.settle(now_ns)
        second = now_ns // SECOND_NS
        seconds = self._seconds
        if not seconds or seconds[-1][0] != second:
            seconds.append([second, 0, 0, 0])
        current = seconds[-1]
        current[1] += 1
        current[2] += is_failed
        current[3] += is_slow
        self.calls += 1
        self.failed += is_failed
        self.slow += is_slow

    def settle(self, now_ns: int) -> None:
        """Forget the seconds that have left the window by `now_ns`."""
        oldest = now_ns // SECOND_NS - self._size
        while self._seconds and self._seconds[0][0] <= oldest:
            _, calls, failed, slow = self._seconds.popleft()
            self.calls -= calls
            self.failed -= failed
            self.slow -= slow


def rate_reaches(number: int, calls: int, threshold: float) -> bool:
    """Whether `number` of `calls`, in percent, is at least `threshold`, in the 32-bit floats of the real breaker."""
    if not number:
        return False  # thresholds are above 0
    margin = number * 100.0 / calls - threshold
    if abs(margin) > 1e-4:  # further apart than 32-bit rounding can bring them
        return margin > 0
    return bool(np.float32(number) * np.float32(100) / np.float32(calls) >= np.float32(threshold))
