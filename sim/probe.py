"""What components report to.

Components keep no statistics. They ask a probe for a `Station`, `Count`, `Level` or `Tally` when they are built,
and report changes to it on the path; whoever made the probe reads them. Levels are reported when they change, so
time averages are exact. `NullProbe` hands out instruments that nobody reads.

Units    Seconds; levels in whatever the component says.
Checked  tests/unit/test_probe.py; the identities that `audit` proves hold in every run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sim.environment import Environment


class Station:
    """Exact account of one queue with servers: who came, waits, is served, was refused, left.

    Areas are integrals over time (unit: seconds x number). What is kept of one is its balance, the sum of instants out
    minus instants in: balance + number x now is the sum of the times spent so far, and that is the area.
    """

    __slots__ = (
        "at_once", "busy", "busy_balance", "env", "expired", "granted", "kind", "most_waiting", "path", "queued",
        "refused", "servers", "waiting", "waiting_balance",
    )  # fmt: skip

    def __init__(self, env: Environment, path: str, servers: float, kind: str) -> None:
        self.env = env
        self.path = path
        self.kind = kind
        """What the servers are, in the glossary's words: permit, thread, lease, connection, core, command thread."""
        self.servers = servers
        self.at_once = self.queued = self.granted = self.expired = self.refused = 0
        """How many were served when they came, had to wait; were served after that, left unserved; were turned away."""
        self.waiting = self.busy = self.most_waiting = 0
        self.waiting_balance = self.busy_balance = 0.0

    @property
    def arrivals(self) -> int:
        return self.at_once + self.queued + self.refused

    @property
    def started(self) -> int:
        """Whose service has begun."""
        return self.at_once + self.granted

    @property
    def busy_area(self) -> float:
        return self.busy_balance + self.busy * self.env.now

    @property
    def waiting_area(self) -> float:
        return self.waiting_balance + self.waiting * self.env.now

    def start(self) -> None:
        """Somebody came and is served at once."""
        self.busy_balance -= self.env.now
        self.busy += 1
        self.at_once += 1

    def end(self) -> None:
        """Somebody has been served."""
        self.busy_balance += self.env.now
        self.busy -= 1

    def wait(self) -> None:
        """Somebody came and waits."""
        self.waiting_balance -= self.env.now
        self.waiting = waiting = self.waiting + 1
        if waiting > self.most_waiting:
            self.most_waiting = waiting
        self.queued += 1

    def pass_on(self) -> None:
        """Somebody has been served, and whoever waited longest is served in their place: as many are as before."""
        self.waiting_balance += self.env.now
        self.waiting -= 1
        self.granted += 1

    def grant(self) -> None:
        """Somebody who waited is served now, by a server that was free."""
        self.pass_on()
        self.busy_balance -= self.env.now
        self.busy += 1

    def leave(self) -> None:
        """Somebody who waited left unserved."""
        self.waiting_balance += self.env.now
        self.waiting -= 1
        self.expired += 1

    def refuse(self) -> None:
        """Somebody came and was turned away."""
        self.refused += 1

    def resize(self, servers: float) -> None:
        self.servers = servers


class Count:
    """How often something happened."""

    __slots__ = ("path", "total")

    def __init__(self, path: str) -> None:
        self.path = path
        self.total = 0

    def add(self, number: int = 1) -> None:
        self.total += number


class Level:
    """A quantity that holds until it changes: its time average is exact, its peak known."""

    __slots__ = ("area", "changed_at", "env", "path", "peak", "value")

    def __init__(self, env: Environment, path: str, value: float = 0.0) -> None:
        self.env = env
        self.path = path
        self.value = self.peak = value
        self.area = 0.0
        self.changed_at = env.now

    def set(self, value: float) -> None:
        now = self.env.now  # settle(), without the call
        self.area += self.value * (now - self.changed_at)
        self.changed_at = now
        self.value = value
        if value > self.peak:
            self.peak = value

    def settle(self) -> None:
        now = self.env.now
        self.area += self.value * (now - self.changed_at)
        self.changed_at = now


class Source(Protocol):
    """Whoever keeps an account: while nothing has begun and nothing goes on, it does not change."""

    @property
    def begun(self) -> int:
        """How many things have begun so far."""

    @property
    def runnable(self) -> int:
        """How many of them go on."""


class Meter(Level):
    """An account that somebody else keeps exactly, read when it is needed: its rate over a span is its time average.

    `read()` returns the total so far, e.g. CPU-seconds; the level's average is then cores in use. Where the `source`
    is told, one that rests need not be read again: as long as `source.begun == seen`.
    """

    __slots__ = ("_read", "seen", "source")

    def __init__(self, env: Environment, path: str, read: Callable[[], float], source: Source | None = None) -> None:
        super().__init__(env, path)
        self._read = read
        self.source = source
        self.seen = -1
        """What had begun when it was last read, if all of that was over; otherwise -1."""
        self.settle()

    def settle(self) -> None:
        self.area = self._read()
        self.changed_at = self.env.now
        source = self.source
        if source is not None:
            self.seen = -1 if source.runnable else source.begun


class Tally:
    """Values seen one by one: how many, their sum, the largest."""

    __slots__ = ("count", "largest", "path", "total")

    def __init__(self, path: str) -> None:
        self.path = path
        self.count = 0
        self.total = 0.0
        self.largest = 0.0

    def observe(self, value: float) -> None:
        self.count += 1
        self.total += value
        if value > self.largest:
            self.largest = value


class Probe(Protocol):
    """Hands out instruments by path. Asking twice for one path is an error of the model."""

    def station(self, path: str, servers: float, kind: str) -> Station: ...
    def count(self, path: str) -> Count: ...
    def level(self, path: str, value: float = 0.0) -> Level: ...
    def meter(self, path: str, read: Callable[[], float], source: Source | None = None) -> Meter: ...
    def tally(self, path: str) -> Tally: ...
    def note(self, path: str, text: str) -> None:
        """Something worth a line in the report happened now: a breaker opened, a replica was killed."""


class NullProbe:
    """Instruments that nobody reads."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    def station(self, path: str, servers: float, kind: str) -> Station:
        return Station(self._env, path, servers, kind)

    def count(self, path: str) -> Count:
        return Count(path)

    def level(self, path: str, value: float = 0.0) -> Level:
        return Level(self._env, path, value)

    def meter(self, path: str, read: Callable[[], float], source: Source | None = None) -> Meter:
        return Meter(self._env, path, read, source)

    def tally(self, path: str) -> Tally:
        return Tally(path)

    def note(self, path: str, text: str) -> None:
        return None
