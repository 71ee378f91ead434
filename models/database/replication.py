"""Streaming replication: what a primary commits, and the standby's single process that replays it.

A commit reaches a standby after `replication_delay` (and what a fault adds), never before an earlier one. Replay takes
one after the other, burning the standby's CPU: with more writes than it can replay, or a busy container, the lag grows.
No process waits while there is nothing to replay: a timer starts one when the next commit is due.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

from models.database.locks import Row
from models.outcomes import InstanceDied
from models.spec import Context
from sim.bins import BINS, bin_of
from sim.environment import Activity, Light, Timer
from sim.streams import Sequential


class Host(Protocol):
    """The standby's container."""

    @property
    def is_started(self) -> bool:
        """It lives: one that refuses connections keeps those it has, and replays."""
        ...

    @property
    def path(self) -> str: ...
    def run(self, demand_s: float, /) -> Any: ...
    def enter(self) -> Light: ...
    def leave(self, light: Light, /) -> None: ...


class Commit:
    """A commit on its way to one standby."""

    __slots__ = ("_env", "committed_at_s", "due_s", "is_replayed", "replay_s", "rows", "waiting")

    def __init__(self, env: Any, rows: Sequence[Row], writes_s: Sequence[float], due_s: float) -> None:
        self._env = env
        self.rows = rows
        self.replay_s = writes_s
        self.committed_at_s = env.now
        self.due_s = due_s
        """When it arrives, without what a fault adds."""
        self.is_replayed = False
        self.waiting: Light | None = None
        """The process that commits, where it waits for the replay."""

    def withdraw(self, light: Light) -> None:
        """It is interrupted: the commit stands."""
        self.waiting = None

    def replayed(self) -> None:
        self.is_replayed = True
        waiting, self.waiting = self.waiting, None
        if waiting is not None:
            self._env.wake(waiting)


class Replay:
    """A standby's end of the stream. `added_lag_s`: what a fault adds to the delay."""

    __slots__ = (
        "_added_ns", "_awaiting", "_backlog", "_delay", "_env", "_host", "_is_working", "_lag", "_lag_bins",
        "_last_due_s", "_level", "_newest", "_reads", "_replayed", "_stale_reads", "_timer", "added_lag_s",
    )  # fmt: skip

    def __init__(self, context: Context, delay: Sequential, host: Host) -> None:
        env, path, probe = context.env, context.path, context.probe
        self._env = env
        self._host = host
        self._delay = delay
        self.added_lag_s = 0.0
        self._added_ns = 0
        """The same in whole nanoseconds: what several faults add and take back leaves no rest."""
        self._backlog: deque[Commit] = deque()
        self._newest: dict[Row, Commit] = {}
        """Of every row the newest commit that is not replayed."""
        self._last_due_s = 0.0
        self._is_working = False
        self._awaiting: dict[Light, None] = {}
        """Who waits for a commit to arrive here, or for this standby to come back before that."""
        self._timer = Timer(env, self._begin)
        self._level = probe.level(f"{path}.backlog")
        self._replayed = probe.count(f"{path}.replayed_writes")
        self._reads = probe.count(f"{path}.tracked_reads")
        self._stale_reads = probe.count(f"{path}.stale_reads")
        self._lag = probe.tally(f"{path}.lag_s")
        self._lag_bins = [probe.count(f"{path}.lag_bins.{number}") for number in range(BINS)]

    # what the primary does

    def receive(self, rows: Sequence[Row], replay_s: Sequence[float]) -> Commit:
        """The primary has committed."""
        self._last_due_s = due_s = max(self._last_due_s, self._env.now + self._delay.next())
        commit = Commit(self._env, rows, replay_s, due_s)
        self._backlog.append(commit)
        self._level.set(len(self._backlog))
        if not self._is_working and not self._timer.armed:
            self._await_next()
        return commit

    def expose(self, commit: Commit) -> None:
        """The commit has become visible on the primary: without it, a read here is stale."""
        if not commit.is_replayed:
            for row in commit.rows:
                self._newest[row] = commit

    def arrival(self, commit: Commit) -> Activity:
        """Wait until the standby, which must be up, has the commit."""
        env, host = self._env, self._host
        while not host.is_started or commit.due_s + self.added_lag_s > env.now:
            light = env.park(self)
            self._awaiting[light] = None
            if host.is_started:
                env.wake(light, None, commit.due_s + self.added_lag_s - env.now)
            yield
            self._awaiting.pop(light, None)

    def application(self, commit: Commit) -> Activity:
        """Wait until the standby has replayed the commit."""
        if not commit.is_replayed:
            commit.waiting = self._env.park(commit)
            yield

    def withdraw(self, light: Light) -> None:
        """Who waits for a commit to arrive here is interrupted."""
        self._awaiting.pop(light, None)

    # what queries here do

    def note_read(self, row: Row) -> None:
        """A query reads `row` here and now."""
        self._reads.add()
        if row in self._newest:
            self._stale_reads.add()

    # replaying

    def add_lag(self, seconds: float) -> None:
        """From now on commits arrive this much later; a negative number takes it back."""
        self._added_ns = max(0, self._added_ns + round(seconds * 1e9))
        self.added_lag_s = self._added_ns / 1e9
        if self._timer.armed:
            self._await_next()
        self._look_again()

    def recover(self) -> None:
        """The container is up again: go on where replay stopped."""
        if not self._is_working:
            self._await_next()
        self._look_again()

    def _look_again(self) -> None:
        """Who waits for a commit to arrive here may wait longer now, or not at all."""
        awaiting, self._awaiting = self._awaiting, {}
        for light in awaiting:
            self._env.wake(light)

    def _await_next(self) -> None:
        if self._backlog:
            self._timer.arm(max(self._env.now, self._backlog[0].due_s + self.added_lag_s))

    def _begin(self) -> None:
        if self._host.is_started:
            self._is_working = True
            self._env.start_now(self._work())

    def _work(self) -> Activity:
        """Replay what has arrived, one commit after the other."""
        backlog, env, host = self._backlog, self._env, self._host
        while backlog and backlog[0].due_s + self.added_lag_s <= env.now:
            resident = host.enter()
            try:
                for write_s in backlog[0].replay_s:
                    if write_s:
                        yield host.run(write_s)
            except InstanceDied:
                self._is_working = False
                return
            finally:
                host.leave(resident)
            self._apply(backlog.popleft())
        self._is_working = False
        self._await_next()

    def _apply(self, commit: Commit) -> None:
        self._level.set(len(self._backlog))
        self._replayed.add(len(commit.replay_s))
        lag_s = self._env.now - commit.committed_at_s
        self._lag.observe(lag_s)
        self._lag_bins[bin_of(lag_s)].add()
        for row in commit.rows:
            if self._newest.get(row) is commit:
                del self._newest[row]
        commit.replayed()
