"""Event loops: a few threads, each with connections of its own.

Models   A connection belongs to one loop for good, and a user keeps their connection: what a request does on the loop
         waits for what others of the same loop do, while other loops may be idle. A loop serves in order of arrival.
Source   Reactor Netty 1.2, resources/LoopResources.java (max(4, CPUs) loops, no queue limit); netty 4.1,
         util/concurrent/DefaultEventExecutorChooserFactory.java (connections go round the loops).
Omits    Connections pooled by a proxy, which spread one user's requests over loops.
Checked  tests/unit/test_event_loops.py, experiments/validation/reactor_netty.py

Use, inside a light process:

    loop = loops.of(request.user)
    _ = loop.acquire() or (yield)
    try: ...
    finally: loop.release()
"""

from __future__ import annotations

from collections import deque

from sim.environment import Environment
from sim.environment.scheduled import Light
from sim.errors import SimulationError
from sim.probe import Station

LEAST_LOOPS = 4


def default_loops(cpus: int) -> int:
    """Reactor Netty's loops, by the processors that the JVM sees."""
    return max(LEAST_LOOPS, cpus)


class Loop:
    """One loop: who is on it, and who waits for it. All loops of a process report to one station."""

    __slots__ = ("_env", "_granted", "_queue", "_station", "_waiting", "is_busy")

    def __init__(self, env: Environment, station: Station) -> None:
        self._env = env
        self._station = station
        self._queue: deque[tuple[Light, int]] = deque()
        self._waiting = 0
        self._granted = _Granted(self)
        self.is_busy = False

    def acquire(self) -> bool:
        """True: the loop is taken. False: the running process waits for it and must `yield`."""
        if self.is_busy:
            light = self._env.park(self)
            self._queue.append((light, light.ticket))
            self._waiting += 1
            self._station.wait()
            return False
        self.is_busy = True
        station = self._station
        station.busy_balance -= self._env.now  # station.start(), as in sim.resources
        station.busy += 1
        station.at_once += 1
        return True

    def release(self) -> None:
        """The longest waiter has it at this instant."""
        if not self.is_busy:
            raise SimulationError(f"{self._station.path}: a loop was released that nobody had")
        if not self._waiting:
            self.is_busy = False
            station = self._station
            station.busy_balance += self._env.now  # station.end()
            station.busy -= 1
            return
        self._waiting -= 1
        self._station.pass_on()
        light, ticket = self._queue.popleft()
        while light.ticket != ticket:
            light, ticket = self._queue.popleft()
        self._env.wake(light, True)
        light.waiting = self._granted

    def withdraw(self, light: Light) -> None:
        """An interrupted process leaves the queue; its entry is skipped later, by its ticket."""
        self._waiting -= 1
        self._station.leave()
        if not self._waiting:
            self._queue.clear()


class _Granted:
    """What a process waits in between the hand-over and its next step."""

    __slots__ = ("_loop",)

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def withdraw(self, light: Light) -> None:
        self._loop.release()


class Loops:
    """The loops of one process."""

    __slots__ = ("_loops",)

    def __init__(self, env: Environment, number: int, station: Station) -> None:
        self._loops = [Loop(env, station) for _ in range(number)]

    def of(self, user: int) -> Loop:
        """The loop of this user's connection."""
        return self._loops[user % len(self._loops)]
