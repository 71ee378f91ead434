# cython: annotation_typing=True
"""The server: connections, and statements on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, Protocol

from models.database.connections import CLOSED, Connections, Host
from models.database.locks import RowLocks, Transaction
from models.database.query import Query
from models.database.replication import Commit, Replay
from models.database.spec import PostgresSpec
from models.outcomes import (
    ConnectionLost,
    InstanceDied,
    ReadOnlyDatabase,
    StatementTimeout,
)
from models.request import Request
from models.spec import Context
from sim.environment import Activity, Light
from sim.errors import SimulationError
from sim.patience import Deadlines


class Connection(Protocol):
    """What its holder keeps of a connection."""

    epoch: int
    """The life of the server to which it belongs."""
    is_broken: bool
    """Set when a query found the connection gone: whoever pools it throws it away."""
    transaction: Any
    """The transaction under way on it, None where every statement is one of its own."""
    uses: dict[str, int]
    """How often each query has been sent on it."""
    planned_uses: float
    """After so many uses of a query, it is not planned any more."""


class _Watch:
    """A statement that the server will cancel."""

    __slots__ = ("light",)

    def __init__(self, light: Light | None) -> None:
        self.light = light


class Postgres(Connections):
    """The server. Pools `connect` and `disconnect`; whoever has a connection may `execute`, one at a time, and
    `begin`, `commit` and `roll_back`."""

    __slots__ = (
        "_commit_waits", "_idle_limit", "_idle_outs", "_locks", "_queries", "_read_only", "_replay", "_spec",
        "_standbys", "_statement_limit", "_statement_timeouts", "_sync", "_waits_for_arrival", "_waste", "execute",
    )  # fmt: skip

    def __init__(self, context: Context, spec: PostgresSpec, host: Host, primary: Postgres | None = None) -> None:
        path, probe = context.path, context.probe
        super().__init__(context, spec, host)
        self._spec = spec
        schema, root = (spec, path) if primary is None else (primary._spec, primary._path)
        self._waste = context.probe.tally(f"{path}.waste_s")
        """Time spent on queries for callers who had gone when they ended."""
        self._queries = {
            name: Query(
                context.at("queries").at(name), f"{root}.queries.{name}", query, schema.tables.get(query.table or "")
            )
            for name, query in schema.queries.items()
        }
        self._locks = RowLocks(context, path, spec.lock_timeout, spec.deadlock_timeout)
        self._statement_timeouts = probe.count(f"{path}.statement_timeouts")
        self._read_only = probe.count(f"{path}.refused_writes")
        self._idle_outs = probe.count(f"{path}.idle_in_transaction")
        self._commit_waits = probe.tally(f"{path}.commit_wait_s")
        self._statement_limit = self._deadlines(spec.statement_timeout, _is_watched, self._cancel)
        self._idle_limit = self._deadlines(spec.idle_in_transaction_session_timeout, self._is_idle, self._throw_out)
        self._standbys: dict[str, Replay] = {}
        """Of a primary: where commits go, by the path of the standby."""
        self._sync: Replay | None = None
        self._waits_for_arrival = spec.synchronous_commit == "on"
        self._replay: Replay | None = None
        """Of a standby: what it has received."""
        if primary is not None:
            self._follow(context, primary)
        is_plain = primary is None and self._statement_limit is None and self._idle_limit is None
        for query in self._queries.values():
            is_plain = is_plain and query.is_plain
        self.execute: Callable[..., Activity] = self._work if is_plain else self._statement
        """Run a query of class `query`: (request, query, lane, connection, given_s=None). `given_s` replaces its drawn
        demand. Raises `ConnectionLost`, and marks the connection as broken, when the server has died since the
        connection was made; `StatementTimeout`, `LockTimeout`, `DeadlockDetected`, `ReadOnlyDatabase`."""

    def _deadlines(self, limit_s: float, is_pending: Any, expire: Any) -> Deadlines[Any] | None:
        return Deadlines(self._env, limit_s, is_pending, expire) if limit_s else None

    def _follow(self, context: Context, primary: Postgres) -> None:
        delay = context.streams.sequence(f"{self._path}.replication_delay", self._spec.replication_delay.distribution())
        self._replay = primary._standbys[self._path] = Replay(context.at("replay"), delay, self.host)
        if primary._spec.synchronous_standby == self._path.rpartition(".")[2]:
            primary._sync = self._replay

    def reset(self) -> None:
        super().reset()
        self._locks.clear()

    def recover(self) -> Activity:
        """The container is up again: a standby goes on replaying."""
        if self._replay is not None:
            self._replay.recover()
        return
        yield

    def add_lag(self, seconds: float) -> None:
        """A fault: from now on commits reach this standby so much later; a negative number takes it back."""
        if self._replay is None:
            raise SimulationError(f"{self._path}: not a standby, so there is no replication to slow down")
        self._replay.add_lag(seconds)

    def ping(self, connection: Connection, demand_s: float) -> Activity:
        """Validate a connection: one round trip, which burns the server's CPU. Returns whether it is alive."""
        if connection.epoch != self.epoch:
            yield demand_s
            return False
        host = self.host
        resident = host.enter()
        try:
            yield host.run(demand_s)
        except InstanceDied as death:
            if death.path != host.path:
                raise
        finally:
            host.leave(resident)
        return connection.epoch == self.epoch

    # Statements

    def _work(
        self, request: Request, query: str, lane: int, connection: Connection, given_s: float | None = None
    ) -> Activity:
        """The statement itself: plan, burn CPU, wait for the disk."""
        if connection.epoch != self.epoch:
            self._lose(connection)
        env, host = self._env, self.host
        kind: Query = self._queries[query]
        cpu_s, io_s = kind.demand_s(request.identity, lane, given_s)
        if not kind.is_plain:
            cpu_s += kind.plan_s(request.identity, lane, connection.uses, connection.planned_uses)
        began_at_s: float = env.now
        resident = host.enter()
        try:
            if cpu_s:
                yield host.run(cpu_s)
            if io_s:
                yield io_s
        except InstanceDied as death:
            if death.path != host.path:
                raise
            self._lose(connection)
        finally:
            host.leave(resident)
            spent_s = env.now - began_at_s
            kind.time_s.observe(spent_s)
            if request.outcome is not None:
                self._waste.observe(spent_s)
            if connection.epoch != CLOSED:  # else the client has given up long ago, and counted its waiting
                request.db_s += spent_s

    def _statement(
        self, request: Request, query: str, lane: int, connection: Connection, given_s: float | None = None
    ) -> Activity:
        """A statement under the server's rules: in a transaction, or one of its own."""
        if connection.epoch != self.epoch:
            self._lose(connection)
        kind = self._queries[query]
        opened: Transaction | None = connection.transaction
        transaction = opened or Transaction()
        transaction.has_begun = True
        transaction.statements += 1
        if kind.writes and (self._replay is not None or transaction.is_read_only):
            self._read_only.add()
            self._rest(connection, opened)
            raise ReadOnlyDatabase(self._path)
        row = kind.row_of(request)
        watch = None
        if self._statement_limit is not None:
            watch = _Watch(self._env.active)
            self._statement_limit.add(watch)
        try:
            if kind.writes and row is not None:
                yield from self._lock(connection, row, transaction, request)
            elif row is not None and self._replay is not None:
                self._replay.note_read(row)
            yield from self._work(request, query, lane, connection, given_s)
            if watch is not None:
                watch.light = None
            if kind.writes:
                transaction.replay_s.append(kind.replay_s(request.identity, lane))
                if row is not None:
                    transaction.rows.append(row)
            if opened is None:
                yield from self._commit(request, connection, transaction)
        finally:
            if watch is not None:
                watch.light = None
            if opened is None:
                self._locks.release(transaction)
            else:
                self._rest(connection, opened)

    def _lock(self, connection: Connection, row: Any, transaction: Transaction, request: Request) -> Activity:
        env, host = self._env, self.host
        began_at_s = env.now
        resident = host.enter()
        try:
            yield from self._locks.take(row, transaction)
        except InstanceDied as death:
            if death.path != host.path:
                raise
            self._lose(connection)
        finally:
            host.leave(resident)
            if connection.epoch != CLOSED:
                request.wait_s += env.now - began_at_s

    # Transactions

    def begin(self, connection: Connection, is_read_only: bool) -> None:
        """What follows on the connection is one transaction. The server hears of it with the first statement."""
        connection.transaction = Transaction(is_read_only)

    def commit(self, request: Request, connection: Connection) -> Activity:
        """End the transaction on the connection. Raises `ConnectionLost`."""
        transaction: Transaction | None = connection.transaction
        connection.transaction = None
        if transaction is None:  # its client has given the connection up while this was on its way
            self._lose(connection)
        if not transaction.has_begun:
            return
        if connection.epoch != self.epoch:
            self._lose(connection)
        try:
            yield from self._commit(request, connection, transaction)
        finally:
            self._locks.release(transaction)

    def roll_back(self, connection: Connection) -> None:
        """End the transaction on the connection, if there is one, as if it had not been."""
        transaction, connection.transaction = connection.transaction, None
        if transaction is not None:
            self.abort(transaction)

    def abort(self, transaction: Transaction) -> None:
        """Nothing of the transaction remains."""
        transaction.statements += 1
        self._locks.release(transaction)

    def _commit(self, request: Request, connection: Connection, transaction: Transaction) -> Activity:
        """What was written goes to the standbys; the synchronous one is waited for."""
        if not transaction.replay_s:
            return
        sent = [
            (standby, standby.receive(transaction.rows, transaction.replay_s)) for standby in self._standbys.values()
        ]
        for standby, commit in sent:
            if standby is self._sync:
                yield from self._await(standby, commit, request, connection)
        for standby, commit in sent:
            standby.expose(commit)

    def _await(self, standby: Replay, commit: Commit, request: Request, connection: Connection) -> Activity:
        """Wait for the synchronous standby, however long it takes."""
        began_at_s = self._env.now
        resident = self.host.enter()
        try:
            yield from standby.arrival(commit) if self._waits_for_arrival else standby.application(commit)
        except InstanceDied as death:
            if death.path != self.host.path:
                raise
            raise ConnectionLost(self._path) from death
        finally:
            self.host.leave(resident)
            waited_s = self._env.now - began_at_s
            if connection.epoch != CLOSED:
                request.db_s += waited_s
            self._commit_waits.observe(waited_s)

    # What the server does by itself

    def _cancel(self, watch: _Watch) -> None:
        """statement_timeout: the statement stops, its connection survives."""
        light, watch.light = watch.light, None
        assert light is not None
        self._statement_timeouts.add()
        self._env.throw(light, StatementTimeout(self._path))

    def _rest(self, connection: Connection, transaction: Transaction | None) -> None:
        """A statement has ended: from now on its transaction is idle."""
        if transaction is not None:
            transaction.statements += 1
            if self._idle_limit is not None:
                self._idle_limit.add((connection, transaction, transaction.statements))

    @staticmethod
    def _is_idle(idle: tuple[Connection, Transaction, int]) -> bool:
        connection, transaction, statements = idle
        return connection.transaction is transaction and transaction.statements == statements

    def _throw_out(self, idle: tuple[Connection, Transaction, int]) -> None:
        """idle_in_transaction_session_timeout: the connection is closed, its holder finds out by using it."""
        connection = idle[0]
        if connection.epoch == self.epoch:
            self._idle_outs.add()
            self._locks.release(idle[1])
            connection.is_broken = True
            self.disconnect(connection.epoch)
            connection.epoch = CLOSED

    def _lose(self, connection: Connection) -> NoReturn:
        connection.is_broken = True
        raise ConnectionLost(self._path)


def _is_watched(watch: _Watch) -> bool:
    return watch.light is not None
