"""Connections that begin and end: lifetimes, and what they did while nobody looked."""

from __future__ import annotations

from bisect import insort
from math import floor, inf

from models.connection_pool.adder import Adder
from models.connection_pool.connection import Connection, Database
from models.connection_pool.settings import Settings
from models.spec import Context
from sim.environment import Environment
from sim.environment.scheduled import Timer
from sim.probe import Station
from sim.resources import Leases


class Lives:
    """The connections of a pool."""

    __slots__ = (
        "_adder", "_chance", "_connections", "_created", "_database", "_env", "_fill_is_planned", "_keepalive_chance",
        "_keepalive_s", "_keepalive_variance", "_leases", "_level", "_lifetime_s", "_lifetime_variance", "_maximum",
        "_minimum", "_next_end_s", "_planned_uses", "_retired", "_seen_epoch", "_server", "_shrink",
    )  # fmt: skip

    _adder: Adder
    _shrink: Timer
    _fill_is_planned: bool

    def __init__(self, context: Context, settings: Settings, database: Database, station: Station) -> None:
        path, probe = context.path, context.probe
        self._env: Environment = context.env
        self._database = database
        self._server: object = database
        """Where statements on its connections go."""
        self._maximum, self._minimum = settings.maximum, settings.minimum_idle
        self._lifetime_s, self._lifetime_variance = settings.max_lifetime_s, settings.lifetime_variance
        self._keepalive_s, self._keepalive_variance = settings.keepalive_s, settings.keepalive_variance
        self._planned_uses = settings.planned_uses
        self._leases: Leases = Leases(context.env, station, settings.connection_timeout_s)
        self._level = probe.level(f"{path}.connections")
        self._created = probe.count(f"{path}.created")
        self._retired = probe.count(f"{path}.retired")
        self._chance = context.streams.sequence(f"{path}.lifetimes")
        self._keepalive_chance = context.streams.sequence(f"{path}.keepalives")
        self._connections: dict[Connection, None] = {}
        self._next_end_s = inf
        """When the next life ends."""
        self._seen_epoch = database.epoch
        """The database's life in which somebody looked last, where connections are kept alive."""

    def _admit(self, epoch: int, now_s: float) -> Connection:
        connection = Connection(epoch, now_s, inf, self._server, self._planned_uses)
        self._connections[connection] = None
        self._created.add()
        self._level.set(len(self._connections))
        if self._lifetime_s:
            variance = self._chance.next() * self._lifetime_variance
            self._end_at(connection, now_s + (self._lifetime_s - variance * self._lifetime_s))
        if self._keepalive_s:
            variance = self._keepalive_chance.next() * self._keepalive_variance
            connection.keepalive_s = self._keepalive_s - variance * self._keepalive_s
        return connection

    def _keep_alive(self) -> None:
        """The database has died since somebody looked: each idle connection is found dead, and replaced, when its
        turn to be checked comes; unless somebody wants it before."""
        database = self._database
        self._seen_epoch = database.epoch
        for connection in self._leases.idle:
            if connection.epoch != database.epoch and connection.keepalive_s:
                checks = floor((database.died_at_s - connection.keepalive_from_s) / connection.keepalive_s) + 1
                due_s = connection.keepalive_from_s + checks * connection.keepalive_s
                if due_s < connection.expires_at_s:
                    self._end_at(connection, due_s)

    def _end_at(self, connection: Connection, when_s: float) -> None:
        connection.expires_at_s = when_s
        if when_s < self._next_end_s:
            self._next_end_s = when_s
            if self._shrink.armed:
                self._shrink.arm(max(self._env.now, when_s))

    def _drop(self, connection: Connection) -> None:
        """A connection has come to its end; nobody has it."""
        del self._connections[connection]
        connection.is_open = False
        self._fill_is_planned = False
        self._retired.add()
        self._level.set(len(self._connections))
        self._database.disconnect(connection.epoch)

    def _catch_up(self) -> None:
        """What lifetimes did while nobody looked: idle connections that came to their end were replaced one by one,
        and so were their replacements."""
        idle, adder = self._leases.idle, self._adder
        life, adder_is_free_at_s = adder.life, -inf
        while (ended := self._first_ended()) is not None:
            idle.remove(ended)
            self._drop(ended)
            if len(idle) >= self._minimum or len(self._connections) >= self._maximum:
                continue
            opened = None
            if not adder.is_adding:
                opened = self._database.opened_since(max(ended.expires_at_s, adder_is_free_at_s))
            if life != adder.life:  # the memory of the new connection was the last straw for this very replica
                return
            if opened is None:
                adder.fill()
            else:
                adder_is_free_at_s = opened[0] + adder.pause_s
                insort(idle, self._admit(opened[1], opened[0]), key=_last_used_at_s)
        self._next_end_s = inf
        for connection in self._connections:  # those that ended in use are seen to on their return
            if self._env.now < connection.expires_at_s < self._next_end_s:
                self._next_end_s = connection.expires_at_s

    def _first_ended(self) -> Connection | None:
        """The idle connection that came to its end first."""
        first, now = None, self._env.now
        for connection in self._leases.idle:
            if connection.expires_at_s <= now and (first is None or connection.expires_at_s < first.expires_at_s):
                first = connection
        return first


def _last_used_at_s(connection: Connection) -> float:
    return connection.last_used_at_s
