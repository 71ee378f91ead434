"""How HikariCP's adder decides to grow a pool. Three generations of releases do it differently.

Work is handed to the adder thread as additions: each makes one connection, if there still is a need when its turn
comes, and tries again after a pause that grows when it cannot. `asked` counts the additions that are not done yet, as
that release counts them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GrowthRule:
    """Releases before 5.0: no pause after a connection."""

    maximum: int
    minimum_idle: int
    connection_timeout_s: float

    pause_s = 0.0
    """How long the adder sleeps after a connection."""
    goes_on = False
    """Whether one addition makes connections until the need has gone, rather than one."""
    counts_running = False
    """Whether the addition that is being worked on counts as asked for."""

    def is_wanted(self, waiting: int, asked: int) -> bool:
        """Whether a borrower that found nothing idle asks for an addition; `waiting` includes it."""
        return waiting >= asked

    def to_fill(self, total: int, idle: int, waiting: int, asked: int) -> int:
        """Additions to ask for so that `minimum_idle` are idle: after a connection has ended, and on the grid."""
        return max(0, min(self.maximum - total, self.minimum_idle - idle) - asked)

    def is_needed(self, total: int, idle: int, waiting: int) -> bool:
        """Whether an addition whose turn has come makes a connection."""
        return total < self.maximum and (waiting > 0 or idle < self.minimum_idle)

    def first_retry_s(self) -> float:
        return 0.25

    def next_retry_s(self, retry_s: float) -> float:
        """Whole milliseconds, half as long again each time."""
        return min(10.0, self.connection_timeout_s, int(retry_s * 1000.0 * 1.5) / 1000.0)


@dataclass(frozen=True, slots=True)
class GrowthRule50(GrowthRule):
    """Releases 5.0.x: an addition goes on until the need has gone, with 10 ms after each connection."""

    pause_s = 0.01
    goes_on = True
    counts_running = True

    def to_fill(self, total: int, idle: int, waiting: int, asked: int) -> int:
        return int(total < self.maximum and (idle < self.minimum_idle or waiting - asked > idle))

    def is_needed(self, total: int, idle: int, waiting: int) -> bool:
        return total < self.maximum and (waiting > idle or idle < self.minimum_idle)

    def first_retry_s(self) -> float:
        return 0.02

    def next_retry_s(self, retry_s: float) -> float:
        return min(5.0, 2 * retry_s)


@dataclass(frozen=True, slots=True)
class GrowthRule51(GrowthRule):
    """From 5.1.0: one connection an addition again, and 30 ms after each."""

    pause_s = 0.03

    def is_wanted(self, waiting: int, asked: int) -> bool:
        return waiting > asked

    def to_fill(self, total: int, idle: int, waiting: int, asked: int) -> int:
        return max(0, self.minimum_idle - idle) if total < self.maximum else 0

    def is_needed(self, total: int, idle: int, waiting: int) -> bool:
        return total < self.maximum and (waiting > idle or idle < self.minimum_idle)

    def first_retry_s(self) -> float:
        return 0.01

    def next_retry_s(self, retry_s: float) -> float:
        return min(5.0, 2 * retry_s)


def growth_rule(version: tuple[int, ...], maximum: int, minimum_idle: int, connection_timeout_s: float) -> GrowthRule:
    """The rule of a release, such as (4, 0, 3)."""
    if version >= (5, 1):
        return GrowthRule51(maximum, minimum_idle, connection_timeout_s)
    if version >= (5, 0):
        return GrowthRule50(maximum, minimum_idle, connection_timeout_s)
    return GrowthRule(maximum, minimum_idle, connection_timeout_s)
