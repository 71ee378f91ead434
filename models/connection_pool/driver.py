"""pgjdbc's time limits: logging in, and socketTimeout on every answer.

Without socketTimeout (pgjdbc's default is 0) a client waits for an answer for ever: a database that hangs keeps
connections, threads and callers with it. With it the client leaves and closes its end; the server does not notice
until it has worked the statement off, and keeps connection, locks and the rest until then.
"""

from __future__ import annotations

from typing import Any

from models.connection_pool.connection import Connection, Database, Server
from models.outcomes import SocketTimeout
from models.request import Request
from sim.environment import Activity, Environment, Timer
from sim.errors import Failure
from sim.patience import TimeLimit, TimeLimitReached

CLOSED = -1
"""The epoch of a connection whose end the server will see to."""


class Login:
    """Establishes connections, and gives up after `limit_s` (None: never)."""

    __slots__ = ("_database", "_env", "_limit_s", "_path")

    def __init__(self, env: Environment, path: str, database: Database, limit_s: float | None) -> None:
        self._env = env
        self._path = path
        self._database = database
        self._limit_s = limit_s

    def connect(self) -> Activity:
        """The epoch of a new connection. Raises what the database says, or `SocketTimeout`."""
        if self._limit_s is None:
            return (yield from self._database.connect())
        env, light = self._env, self._env.active
        assert light is not None
        timer = Timer(env, lambda: env.throw(light, SocketTimeout(self._path)))
        timer.arm(env.now + self._limit_s)
        try:
            return (yield from self._database.connect())
        finally:
            timer.disarm()


class _Exchange:
    """A statement on its way: whether it has ended, whether its client has gone, and the transaction it left."""

    __slots__ = ("epoch", "is_cut", "is_done", "transaction")

    def __init__(self) -> None:
        self.is_done = self.is_cut = False
        self.epoch = CLOSED
        """Of the connection that the server still has when it is through."""
        self.transaction: Any = None


class Driver:
    """Stands between the holder of a connection and the server, where there is a socketTimeout."""

    __slots__ = ("_database", "_env", "_limit", "_path", "_server", "_timeouts")

    def __init__(self, env: Environment, path: str, database: Any, limit_s: float, timeouts: Any) -> None:
        self._env = env
        self._path = path
        self._database: Database = database
        self._server: Server = database
        self._limit = TimeLimit(env, limit_s)
        self._timeouts = timeouts

    def execute(
        self, request: Request, query: str, lane: int, connection: Connection, given_s: float | None = None
    ) -> Activity:
        return self._ask(request, connection, self._server.execute(request, query, lane, connection, given_s))

    def commit(self, request: Request, connection: Connection) -> Activity:
        return self._ask(request, connection, self._server.commit(request, connection))

    def begin(self, connection: Connection, is_read_only: bool) -> None:
        self._server.begin(connection, is_read_only)

    def roll_back(self, connection: Connection) -> None:
        self._server.roll_back(connection)

    def abort(self, transaction: Any) -> None:
        self._server.abort(transaction)

    def _ask(self, request: Request, connection: Connection, work: Activity) -> Activity:
        exchange = _Exchange()
        began_at_s = self._env.now
        try:
            yield from self._limit.call(self._work_off(exchange, work))
        except TimeLimitReached as reached:
            self._cut(exchange, connection)
            self._timeouts.add()
            request.db_s += self._env.now - began_at_s
            raise SocketTimeout(self._path) from reached
        except Failure:
            if not exchange.is_done:  # the client is interrupted, not the work
                self._cut(exchange, connection)
            raise

    @staticmethod
    def _cut(exchange: _Exchange, connection: Connection) -> None:
        """Close the client's end; the server will close its own."""
        exchange.is_cut = True
        if connection.is_open:  # else its pool has died, and taken it off the server
            exchange.epoch = connection.epoch
        exchange.transaction, connection.transaction = connection.transaction, None
        connection.is_broken = True
        connection.epoch = CLOSED

    def _work_off(self, exchange: _Exchange, work: Activity) -> Activity:
        try:
            yield from work
        finally:
            exchange.is_done = True
            if exchange.is_cut:
                if exchange.transaction is not None:
                    self._server.abort(exchange.transaction)
                self._database.disconnect(exchange.epoch)
