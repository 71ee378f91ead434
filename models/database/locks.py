"""Locks of rows: held until the transaction ends, waited for first come first served.

A transaction waits for one lock at a time and a lock has one holder, so that a circle is found by following holders.
"""

from __future__ import annotations

from collections import deque

from models.outcomes import DeadlockDetected, LockTimeout
from models.spec import Context
from sim.environment import Activity, Environment, Light
from sim.patience import Deadlines

Row = tuple[str, int]


class Transaction:
    """What a server keeps of a transaction, also of one that is a single statement."""

    __slots__ = ("has_begun", "is_read_only", "locks", "replay_s", "rows", "statements", "waits_for")

    def __init__(self, is_read_only: bool = False) -> None:
        self.is_read_only = is_read_only
        self.has_begun = False
        """Whether the server has seen a statement of it."""
        self.statements = 0
        """Counts beginnings and ends of statements: still the same means idle since."""
        self.locks: list[_Lock] = []
        self.waits_for: _Lock | None = None
        self.rows: list[Row] = []
        """What it has written, and the CPU time of each write's replay."""
        self.replay_s: list[float] = []


class _Lock:
    __slots__ = ("holder", "queue", "row")

    def __init__(self, row: Row, holder: Transaction) -> None:
        self.row = row
        self.holder = holder
        self.queue: deque[_Waiter] = deque()


class _Waiter:
    """Somebody in a lock's queue. Between the hand-over and the next step the lock is the transaction's already, and
    goes on with its end: nothing is to be withdrawn then."""

    __slots__ = ("is_waiting", "light", "lock", "transaction")

    def __init__(self, light: Light, lock: _Lock, transaction: Transaction) -> None:
        self.light = light
        self.lock = lock
        self.transaction = transaction
        self.is_waiting = True

    def withdraw(self, light: Light) -> None:
        if self.is_waiting:
            self.is_waiting = False
            self.transaction.waits_for = None
            self.lock.queue.remove(self)


class RowLocks:
    """All locks of one server."""

    __slots__ = ("_deadlock_check", "_deadlocks", "_env", "_held", "_limit", "_path", "_timeouts", "_waits")

    def __init__(self, context: Context, path: str, lock_timeout_s: float, deadlock_timeout_s: float) -> None:
        env: Environment = context.env
        self._env = env
        self._path = path
        self._held: dict[Row, _Lock] = {}
        self._limit = Deadlines(env, lock_timeout_s, _is_waiting, self._time_out) if lock_timeout_s else None
        self._deadlock_check = Deadlines(env, deadlock_timeout_s, _is_waiting, self._look_for_deadlock)
        self._timeouts = context.probe.count(f"{path}.lock_timeouts")
        self._deadlocks = context.probe.count(f"{path}.deadlocks")
        self._waits = context.probe.tally(f"{path}.lock_wait_s")

    def take(self, row: Row, transaction: Transaction) -> Activity:
        """Lock `row` for `transaction`. Raises `LockTimeout`, `DeadlockDetected`."""
        lock = self._held.get(row)
        if lock is None:
            lock = self._held[row] = _Lock(row, transaction)
            transaction.locks.append(lock)
            return
        if lock.holder is transaction:
            return
        env = self._env
        assert env.active is not None
        waiter = _Waiter(env.active, lock, transaction)
        env.park(waiter)
        lock.queue.append(waiter)
        transaction.waits_for = lock
        if self._limit is not None:
            self._limit.add(waiter)
        self._deadlock_check.add(waiter)
        began_at_s = env.now
        try:
            yield
        finally:
            self._waits.observe(env.now - began_at_s)

    def release(self, transaction: Transaction) -> None:
        """The transaction has ended: whoever waited longest for each of its rows has the lock at this instant."""
        locks, transaction.locks = transaction.locks, []
        for lock in locks:
            if not lock.queue:
                if self._held.get(lock.row) is lock:
                    del self._held[lock.row]
                continue
            waiter = lock.queue.popleft()
            waiter.is_waiting = False
            lock.holder = waiter.transaction
            lock.holder.waits_for = None
            lock.holder.locks.append(lock)
            self._env.wake(waiter.light)

    def clear(self) -> None:
        """The server has died, and with it every transaction."""
        self._held.clear()

    def _time_out(self, waiter: _Waiter) -> None:
        self._timeouts.add()
        self._env.throw(waiter.light, LockTimeout(self._path))

    def _look_for_deadlock(self, waiter: _Waiter) -> None:
        """Whoever looks first finds itself in the circle, and gives way."""
        lock: _Lock | None = waiter.lock
        seen: list[Transaction] = []
        while lock is not None:
            holder = lock.holder
            if holder is waiter.transaction:
                self._deadlocks.add()
                self._env.throw(waiter.light, DeadlockDetected(self._path))
                return
            if holder in seen:
                return  # a circle of others: one of them will find it
            seen.append(holder)
            lock = holder.waits_for


def _is_waiting(waiter: _Waiter) -> bool:
    return waiter.is_waiting
