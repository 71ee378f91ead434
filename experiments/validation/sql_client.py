"""Whoever sends statements to a simulated PostgreSQL, one after another, on a connection of its own."""

from __future__ import annotations

from typing import Any

from experiments.validation.databases import Stand
from models.outcomes import CallFailure
from models.request import Request
from sim.environment import Activity


class Held:
    """A connection by itself."""

    def __init__(self) -> None:
        self.epoch = 0
        self.is_broken = False
        self.transaction: Any = None
        self.uses: dict[str, int] = {}
        self.planned_uses = 10.0


class Client:
    """Sends statements on a connection of its own, and notes what becomes of each."""

    def __init__(self, stand: Stand, server: Any, user: int = 0) -> None:
        self._env = stand.env
        self._server = server
        self.connection = Held()
        self.request = Request(user, user, 0, user, 0, 0.0)
        self.log: list[tuple[str, float]] = []

    def send(self, at_s: float, *queries: str | float, in_transaction: bool = False) -> None:
        """From `at_s` on: queries by name, and pauses between them, at the end a commit where it is a transaction."""

        def work() -> Activity:
            if in_transaction:
                self._server.begin(self.connection, False)
            try:
                for query in queries:
                    if isinstance(query, float):
                        yield query
                    else:
                        yield from self._server.execute(self.request, query, 0, self.connection)
                if in_transaction:
                    yield from self._server.commit(self.request, self.connection)
                self.log.append(("done", self._env.now))
            except CallFailure as failure:
                self.log.append((failure.reason, self._env.now))
                self._server.roll_back(self.connection)

        self._env.start(work(), delay=at_s - self._env.now)


ROWS: dict[str, Any] = {
    "tables": {"rows": {}},
    "queries": {
        "find": {"cpu": "51us", "table": "rows"},
        "save": {"cpu": "100us", "table": "rows", "writes": True},
        "slow": {"cpu": "10ms", "io": "5s"},
    },
}
