# cython: annotation_typing=True
"""Transactions, and connections that are kept from one statement to the next."""

from __future__ import annotations

from typing import Any

from models.replica import Replica
from models.request import Request, Visit
from models.service.data_source import Source
from models.service.spec import DatabaseStepSpec, TransactionStepSpec
from models.spec import Context
from models.step import Step, take, take_timed
from sim.environment import Activity


class Session:
    """One source's connection as a visit keeps it: from its first use, or a transaction's beginning, to `close`."""

    __slots__ = ("_is_begun", "_is_read_only", "_pool", "_replica", "_source", "connection")

    def __init__(self, source: Source, replica: Replica) -> None:
        self._source = source
        self._replica = replica
        self._pool: Any = None
        self.connection: Any = None
        self._is_begun = self._is_read_only = False

    def open(self, request: Request) -> Activity:
        """Borrow the connection, unless it is here. Returns it."""
        if self.connection is None:
            self._pool = pool = self._replica.pools[self._source.pool(self._is_read_only)]
            self.connection = pool.take_idle() or (yield from pool.borrow(request))
            if self._is_begun:
                self.connection.server.begin(self.connection, self._is_read_only)
        return self.connection

    def begin(self, request: Request, is_read_only: bool) -> Activity:
        """Begin a transaction: with a connection, unless the source is lazy."""
        if not self._source.is_lazy:
            yield from self.open(request)
        self._is_begun, self._is_read_only = True, is_read_only
        if self.connection is not None:
            self.connection.server.begin(self.connection, is_read_only)

    def commit(self, request: Request) -> Activity:
        if self.connection is not None:
            yield from self.connection.server.commit(request, self.connection)

    def end(self) -> None:
        """The transaction is over; what was not committed has not been."""
        self._is_begun = self._is_read_only = False
        if self.connection is not None:
            self.connection.server.roll_back(self.connection)

    def close(self) -> None:
        if self.connection is not None:
            connection, self.connection = self.connection, None
            self._pool.give_back(connection)


class Scope:
    """A replica as steps see it that share connections."""

    __slots__ = ("_replica", "sessions")

    def __init__(self, replica: Any, sessions: dict[str, Session]) -> None:
        self._replica = replica
        self.sessions = sessions

    def __getattr__(self, name: str) -> Any:
        return getattr(self._replica, name)


class HeldDatabaseStep(Step):
    """One query on the connection that a transaction, or the whole visit, keeps."""

    __slots__ = ("_given", "_query", "_source")

    def __init__(self, context: Context, spec: DatabaseStepSpec, given: str) -> None:
        super().__init__(context, spec.name, spec.probability)
        self._source = spec.pool
        self._query = spec.query
        self._given = given

    def process(self, request: Request, visit: Visit, replica: Any) -> Activity:
        session: Session = replica.sessions[self._source]
        connection = session.connection or (yield from session.open(request))
        given_s = request.given_s(self._given)
        yield from connection.server.execute(request, self._query, visit.lane, connection, given_s)


class TransactionStep(Step):
    """Steps in one transaction. `joins_session`: its connection is that which the visit keeps."""

    __slots__ = ("_env", "_is_read_only", "_joins_session", "_source", "_steps")

    def __init__(
        self, context: Context, spec: TransactionStepSpec, source: Source, steps: list[Step], joins_session: bool
    ) -> None:
        super().__init__(context, spec.name, spec.probability)
        self._env = context.env
        self._source = source
        self._is_read_only = spec.read_only
        self._steps = steps
        self._joins_session = joins_session

    def process(self, request: Request, visit: Visit, replica: Any) -> Activity:
        if self._joins_session:
            yield from self._transact(request, visit, replica, replica.sessions[self._source.name])
            return
        session = Session(self._source, replica)
        others = replica.sessions if isinstance(replica, Scope) else {}
        try:
            scope = Scope(replica, {**others, self._source.name: session})
            yield from self._transact(request, visit, scope, session)
        finally:
            session.close()

    def _transact(self, request: Request, visit: Visit, replica: Any, session: Session) -> Activity:
        yield from session.begin(request, self._is_read_only)
        try:
            yield from _take_all(self._steps, request, visit, replica, self._env)
            yield from session.commit(request)
        finally:
            session.end()


class JoinedStep(Step):
    """A transaction within one on the same source: its steps are the outer one's (PROPAGATION_REQUIRED)."""

    __slots__ = ("_env", "_steps")

    def __init__(self, context: Context, spec: TransactionStepSpec, steps: list[Step]) -> None:
        super().__init__(context, spec.name, spec.probability)
        self._env = context.env
        self._steps = steps

    def process(self, request: Request, visit: Visit, replica: Replica) -> Activity:
        return _take_all(self._steps, request, visit, replica, self._env)


def _take_all(steps: list[Step], request: Request, visit: Visit, replica: Any, env: Any) -> Activity:
    if request.steps_s is None:
        return take(steps, request, visit, replica)
    return take_timed(steps, request, visit, replica, env)


def in_view(sources: list[Source], steps: list[Step], env: Any) -> Any:
    """The work of an endpoint whose connections, once used, are kept until the request ends (open-in-view)."""

    def work(request: Request, visit: Visit, replica: Replica) -> Activity:
        sessions = {source.name: Session(source, replica) for source in sources}
        try:
            yield from _take_all(steps, request, visit, Scope(replica, sessions), env)
        finally:
            for session in sessions.values():
                session.close()

    return work
