"""A budget of retries: requests earn them, retries spend them, and both are forgotten after a while.

Models   Every request deposits 1000 tokens, a retry costs 1000 / ratio, and `min_per_s` retries a second are kept in
         reserve for the whole of `ttl`. Deposits and costs stand in a window of ten slices; a slice ends when it is
         looked at a tenth of `ttl` or more after it began, and is forgotten nine slices later.
Units    Seconds.
Source   Finagle 24.2 service/RetryBudget.scala; util util-core util/TokenBucket.scala, util/WindowedAdder.scala.
Omits    Rounding of the clock to milliseconds.
Checked  tests/unit/test_retry_budget.py, tests/properties/test_retries_properties.py
"""

from __future__ import annotations

from typing import Final

SLICES: Final = 10
SCALE: Final = 1000


class WindowedSum:
    """What was added in about the last `span_s`."""

    __slots__ = ("_now_sum", "_past", "_place", "_since_s", "_slice_s")

    def __init__(self, span_s: float, now: float) -> None:
        self._slice_s = span_s / SLICES
        self._past = [0] * (SLICES - 1)
        self._place = 0
        self._now_sum = 0
        self._since_s = now

    def add(self, number: int, now: float) -> None:
        self._roll(now)
        self._now_sum += number

    def total(self, now: float) -> int:
        self._roll(now)
        return self._now_sum + sum(self._past)  # whole numbers

    def _roll(self, now: float) -> None:
        """End the present slice if its time is over, and forget as many as have been slept through."""
        elapsed_s = now - self._since_s
        if elapsed_s < self._slice_s:
            return
        past = self._past
        past[self._place] = self._now_sum
        self._now_sum = 0
        for _ in range(min(int(elapsed_s / self._slice_s) - 1, len(past))):
            self._place = (self._place + 1) % len(past)
            past[self._place] = 0
        self._place = (self._place + 1) % len(past)
        self._since_s = now


class RetryBudget:
    """The rule: `deposit` for every request, `withdraw` before every retry."""

    __slots__ = ("_cost", "_deposit", "_reserve", "_window")

    def __init__(self, ratio: float, min_per_s: int, ttl_s: float, now: float) -> None:
        self._deposit = SCALE if ratio else 0
        self._cost = int(SCALE / ratio) if ratio else 1
        self._reserve = min_per_s * int(ttl_s) * self._cost
        self._window = WindowedSum(ttl_s, now)

    def deposit(self, now: float) -> None:
        self._window.add(self._deposit, now)

    def withdraw(self, now: float) -> bool:
        """Whether a retry is granted; it is then paid for."""
        if self._window.total(now) + self._reserve < self._cost:
            return False
        self._window.add(-self._cost, now)
        return True
