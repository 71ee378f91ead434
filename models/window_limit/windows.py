"""The four windows: what each counts, and whom it admits. They decide, and never wait.

Units    Integer nanoseconds.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol


class Window(Protocol):
    """The books of one key. Decides; never waits."""

    def admit(self, now_ns: int) -> bool: ...


class FixedWindow:
    """One count, of the period in which `now_ns` lies."""

    __slots__ = ("count", "limit", "number", "period_ns")

    def __init__(self, limit: int, period_ns: int) -> None:
        self.limit = limit
        self.period_ns = period_ns
        self.number = -1
        self.count = 0

    def admit(self, now_ns: int) -> bool:
        number = now_ns // self.period_ns
        if number != self.number:
            self.number = number
            self.count = 0
        if self.count >= self.limit:
            return False
        self.count += 1
        return True


class AnchoredWindow:
    """One count, and when it ends."""

    __slots__ = ("count", "ends_at_ns", "limit", "period_ns")

    def __init__(self, limit: int, period_ns: int) -> None:
        self.limit = limit
        self.period_ns = period_ns
        self.ends_at_ns = 0
        self.count = 0

    def admit(self, now_ns: int) -> bool:
        if not self.count or now_ns >= self.ends_at_ns:
            self.ends_at_ns = now_ns + self.period_ns
            self.count = 0
        if self.count >= self.limit:
            return False
        self.count += 1
        return True


class SlidingLog:
    """When each request passed that passed within the last period."""

    __slots__ = ("limit", "passed_at_ns", "period_ns")

    def __init__(self, limit: int, period_ns: int) -> None:
        self.limit = limit
        self.period_ns = period_ns
        self.passed_at_ns: deque[int] = deque()

    def admit(self, now_ns: int) -> bool:
        passed_at_ns, gone_ns = self.passed_at_ns, now_ns - self.period_ns
        while passed_at_ns and passed_at_ns[0] <= gone_ns:
            passed_at_ns.popleft()
        if len(passed_at_ns) >= self.limit:
            return False
        passed_at_ns.append(now_ns)
        return True


class SlidingCounter:
    """This period's count and the last one's."""

    __slots__ = ("before", "count", "limit", "number", "period_ns")

    def __init__(self, limit: int, period_ns: int) -> None:
        self.limit = limit
        self.period_ns = period_ns
        self.number = -1
        self.count = self.before = 0

    def admit(self, now_ns: int) -> bool:
        number, elapsed_ns = divmod(now_ns, self.period_ns)
        if number != self.number:
            self.before = self.count if number == self.number + 1 else 0
            self.count = 0
            self.number = number
        weighed = self.before * (self.period_ns - elapsed_ns) + self.count * self.period_ns
        if weighed >= self.limit * self.period_ns:
            return False
        self.count += 1
        return True
