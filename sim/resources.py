"""Permits and leases: what a process may have to wait for, first come first served.

Models   `Permits`: a number of equal permits (bulkhead, threads, the one command thread of Redis). `Leases`: things
         with a name that are lent and come back (pool connections). What is free is granted without an event; what
         comes back goes straight to the longest waiter, so a permit is never idle while somebody waits.
         A waiter leaves at its time limit, or at once when it is interrupted, and nothing leaks.
Units    Seconds.
Source   Fair hand-off as in java.util.concurrent.Semaphore(fair) and HikariCP's ConcurrentBag.
Checked  tests/unit/test_resources.py, tests/properties/test_resources_properties.py, experiments/validation/theory/

Use, inside a light process:

    if not (permits.acquire() or (yield)):     # False only where there is a time limit, and it was reached
        raise ...
    try: ...
    finally: permits.release()

    yield permits.hold(0.002)                  # acquire and keep for 2 ms; an interrupt gives the permit back
    permits.release()
"""

from __future__ import annotations

from collections import deque
from typing import Any

from sim.environment import Environment
from sim.environment.scheduled import Light
from sim.errors import SimulationError
from sim.patience import Deadlines
from sim.probe import Station

_Waiter = tuple[Light, int, float]
"""A parked process, its ticket when it parked (a different ticket now means that it left), and the delay for
which it wants to hold (0: it only acquires)."""


class _Granted:
    """What a process waits in between the hand-off and its next step: withdrawing gives the permit back."""

    __slots__ = ("permits",)

    def __init__(self, permits: Permits) -> None:
        self.permits = permits

    def withdraw(self, light: Light) -> None:
        self.permits.release()


class Permits:
    """`capacity` equal permits. `max_wait_s` None waits for ever."""

    __slots__ = ("_deadlines", "_env", "_granted", "_queue", "capacity", "station")

    def __init__(self, env: Environment, capacity: float, station: Station, max_wait_s: float | None = None) -> None:
        if capacity <= 0:
            raise ValueError(f"capacity must be positive, got {capacity}")
        self._env = env
        self.capacity = capacity
        self.station = station
        """Who holds a permit and who waits is reported here; who is refused, the caller reports."""
        self._queue: deque[_Waiter] = deque()
        self._granted = _Granted(self)
        self._deadlines: Deadlines[_Waiter] | None = (
            None if max_wait_s is None else Deadlines(env, max_wait_s, self._is_pending, self._expire)
        )

    @property
    def in_use(self) -> int:
        return self.station.busy

    @property
    def waiting(self) -> int:
        return self.station.waiting

    # On the path of every request: calls of the station and of the environment are written out here, since they
    # would cost a tenth of the kernel's speed. A test holds them equal to the station's own.

    def try_acquire(self) -> bool:
        """Take a permit if one is free. Never waits; refusing is the caller's business (`station.refuse`)."""
        station = self.station
        busy = station.busy
        if busy >= self.capacity:
            return False
        station.busy_balance -= self._env.now  # station.start()
        station.busy = busy + 1
        station.at_once += 1
        return True

    def acquire(self) -> bool:
        """True: a permit is taken. False: the running process is queued and must `yield`, which returns True
        when a permit is handed over and False when `max_wait_s` has passed."""
        station = self.station
        busy = station.busy
        if busy >= self.capacity:
            self._enqueue(0.0)
            return False
        station.busy_balance -= self._env.now  # station.start()
        station.busy = busy + 1
        station.at_once += 1
        return True

    def hold(self, duration_s: float) -> float | None:
        """Acquire and keep for `duration_s`: `yield` what this returns, then `release`. Where a permit is free, that is
        the delay itself; a process that has to wait parks, and the grant schedules the end of its hold, so that
        waiting costs no event of its own. Knows no time limit."""
        if not duration_s >= 0.0:
            raise SimulationError(f"{self.station.path}: held for {duration_s!r} s")
        station = self.station
        busy = station.busy
        if busy < self.capacity:
            env = self._env
            station.busy_balance -= env.now  # station.start()
            station.busy = busy + 1
            station.at_once += 1
            env.active.waiting = self._granted  # type: ignore[union-attr]
            return duration_s
        if self._deadlines is not None:
            raise SimulationError("hold() knows no time limit: use acquire()")
        self._enqueue(duration_s)
        return None

    def release(self) -> None:
        """Give a permit back: the longest waiter has it at this instant."""
        station = self.station
        env = self._env
        now = env.now
        waiting = station.waiting
        if not waiting:
            busy = station.busy
            if busy <= 0:
                raise SimulationError(f"{station.path}: released more permits than were taken")
            station.busy_balance += now  # station.end()
            station.busy = busy - 1
            return
        station.waiting_balance += now  # station.pass_on()
        station.waiting = waiting - 1
        station.granted += 1
        queue = self._queue
        light, ticket, duration_s = queue.popleft()
        while light.ticket != ticket:
            light, ticket, duration_s = queue.popleft()
        light.waiting = self._granted
        if not duration_s:
            light.value = True
        env.enter(now + duration_s, light)  # env.wake(light, True, duration_s)

    def _enqueue(self, duration_s: float) -> None:
        env = self._env
        light = env.park(self)
        waiter = (light, light.ticket, duration_s)
        self._queue.append(waiter)
        station = self.station
        station.waiting_balance -= env.now  # station.wait()
        station.waiting = waiting = station.waiting + 1
        if waiting > station.most_waiting:
            station.most_waiting = waiting
        station.queued += 1
        if self._deadlines is not None:
            self._deadlines.add(waiter)

    def withdraw(self, light: Light) -> None:
        """An interrupted process leaves the queue. Its entry is skipped later, by its ticket."""
        self.station.leave()
        _tidy(self._queue, self.station.waiting, light)

    @staticmethod
    def _is_pending(waiter: _Waiter) -> bool:
        return waiter[0].ticket == waiter[1]

    def _expire(self, waiter: _Waiter) -> None:
        light = waiter[0]
        self.withdraw(light)
        light.waiting = None  # an interrupt at this very instant must not withdraw it again
        self._env.wake(light, False)


def _tidy(queue: deque[Any], waiting: int, leaving: Light) -> None:
    """`leaving` goes, of whose entry and those of others before it a queue must not fill up: `waiting` still wait."""
    if not waiting:
        queue.clear()
    elif len(queue) > 2 * waiting + 64:
        present = [entry for entry in queue if entry[0].ticket == entry[1] and entry[0] is not leaving]
        queue.clear()
        queue.extend(present)


class _Lent:
    """A lease handed to a process that has not noticed yet: withdrawing gives it back."""

    __slots__ = ("item", "leases")

    def __init__(self, leases: Leases, item: Any) -> None:
        self.leases = leases
        self.item = item

    def withdraw(self, light: Light) -> None:
        self.leases.give_back(self.item)


class Leases:
    """Things that are lent one by one: the most recently returned first, waiters in order of arrival.

    Use: `item = leases.take() or (yield)`; None means that `max_wait_s` has passed. Items must be truthy.
    """

    __slots__ = ("_deadlines", "_env", "_queue", "idle", "station")

    def __init__(self, env: Environment, station: Station, max_wait_s: float | None = None) -> None:
        self._env = env
        self.station = station
        """Who has a lease and who waits is reported here; who is refused, the caller reports."""
        self.idle: list[Any] = []
        """What nobody has, least recently used first. Owners may remove items from it; new ones are `offer`ed."""
        self._queue: deque[tuple[Light, int]] = deque()
        self._deadlines: Deadlines[tuple[Light, int]] | None = (
            None if max_wait_s is None else Deadlines(env, max_wait_s, self._is_pending, self._expire)
        )

    @property
    def waiting(self) -> int:
        return self.station.waiting

    def take(self) -> Any:
        """Lend an idle item, or queue the running process, which must then `yield`."""
        if self.idle:
            self.station.start()
            return self.idle.pop()
        light = self._env.park(self)
        waiter = (light, light.ticket)
        self._queue.append(waiter)
        self.station.wait()
        if self._deadlines is not None:
            self._deadlines.add(waiter)
        return None

    def offer(self, item: Any) -> None:
        """A new item: for the longest waiter, else idle."""
        if self.station.waiting:
            self.station.grant()
            self._lend(item)
        else:
            self.idle.append(item)

    def give_back(self, item: Any) -> None:
        """A lent item comes back: for the longest waiter, else idle."""
        if self.station.waiting:
            self.station.pass_on()
            self._lend(item)
        else:
            self.discard()
            self.idle.append(item)

    def discard(self) -> None:
        """A lent item comes back and is thrown away by its owner."""
        if self.station.busy <= 0:
            raise SimulationError(f"{self.station.path}: more leases came back than were lent")
        self.station.end()

    def _lend(self, item: Any) -> None:
        while True:
            light, ticket = self._queue.popleft()
            if light.ticket == ticket:
                break
        light.waiting = _Lent(self, item)
        self._env.wake(light, item)

    def withdraw(self, light: Light) -> None:
        self.station.leave()
        _tidy(self._queue, self.station.waiting, light)

    @staticmethod
    def _is_pending(waiter: tuple[Light, int]) -> bool:
        return waiter[0].ticket == waiter[1]

    def _expire(self, waiter: tuple[Light, int]) -> None:
        light = waiter[0]
        self.withdraw(light)
        light.waiting = None  # an interrupt at this very instant must not withdraw it again
        self._env.wake(light, None)
