"""A pooled connection, and what a pool needs of the database behind it."""

from __future__ import annotations

from typing import Protocol

from sim.environment import Activity


class Database(Protocol):
    """Where connections come from."""

    epoch: int

    def connect(self) -> Activity: ...
    def opened_since(self, begun_at_s: float, /) -> tuple[float, int] | None: ...
    def disconnect(self, epoch: int, /) -> None: ...


class Connection:
    """A connection in a pool, lent or idle. Its holder may mark it as broken."""

    __slots__ = ("epoch", "expires_at_s", "is_broken", "is_open", "last_used_at_s")

    def __init__(self, epoch: int, now_s: float, expires_at_s: float) -> None:
        self.epoch = epoch
        """The life of the database it belongs to; gone when the database is in another."""
        self.last_used_at_s = now_s
        self.expires_at_s = expires_at_s
        self.is_broken = False
        self.is_open = True
