"""A pooled connection, and what a pool needs of the database behind it."""

from __future__ import annotations

from math import inf
from typing import Any, Protocol

from models.request import Request
from sim.environment import Activity


class Database(Protocol):
    """Where connections come from, and what carries out what is sent on them."""

    epoch: int
    died_at_s: float

    def connect(self) -> Activity: ...
    def opened_since(self, begun_at_s: float, /) -> tuple[float, int] | None: ...
    def disconnect(self, epoch: int, /) -> None: ...
    def ping(self, connection: Any, demand_s: float, /) -> Activity: ...


class Server(Protocol):
    """What the holder of a connection may ask for."""

    @property
    def execute(self) -> Any: ...
    def begin(self, connection: Any, is_read_only: bool, /) -> None: ...
    def commit(self, request: Request, connection: Any, /) -> Activity: ...
    def roll_back(self, connection: Any, /) -> None: ...
    def abort(self, transaction: Any, /) -> None: ...


class Connection:
    """A connection in a pool, lent or idle. Its holder may mark it as broken."""

    __slots__ = (
        "epoch", "expires_at_s", "is_broken", "is_open", "keepalive_from_s", "keepalive_s", "last_used_at_s",
        "planned_uses", "server", "transaction", "uses",
    )  # fmt: skip

    def __init__(
        self, epoch: int, now_s: float, expires_at_s: float, server: Any = None, planned_uses: float = inf
    ) -> None:
        self.epoch = epoch
        """The life of the database it belongs to; gone when the database is in another."""
        self.last_used_at_s = now_s
        self.expires_at_s = expires_at_s
        self.is_broken = False
        self.is_open = True
        self.server: Server = server
        """Where statements go: the database, or the driver that watches over its answers."""
        self.transaction: Any = None
        """What the database keeps here of a transaction under way."""
        self.uses: dict[str, int] = {}
        """How often each query was sent, where that matters."""
        self.planned_uses = planned_uses
        """A query is planned on each of so many first uses: until the server has a generic plan."""
        self.keepalive_from_s = now_s
        self.keepalive_s = 0.0
        """Checked so often while it is idle, from then on; 0: never."""
