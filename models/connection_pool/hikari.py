# cython: annotation_typing=True
"""The pool at work: lending and taking back, and the ends of connections."""

from __future__ import annotations

from math import floor, inf

from models.connection_pool.adder import Adder
from models.connection_pool.connection import Connection, Database
from models.connection_pool.driver import Driver, Login
from models.connection_pool.lives import Lives
from models.connection_pool.settings import HikariSpec, Settings
from models.connection_pool.validation import TimeIsUp, Validations
from models.outcomes import ConnectionRefused, DatabaseRefused, InstanceDied, PoolTimeout, SocketTimeout
from models.request import Request
from models.spec import Context
from sim.environment import Activity
from sim.environment.scheduled import Timer
from sim.errors import Failure

TRUSTED_FOR_S = 0.5
"""A connection used within this time is lent without validation (aliveBypassWindowMs)."""
FIRST_HOUSEKEEPING_S, HOUSEKEEPING_PERIOD_S = 0.1, 30.0
START_FAILURE_PAUSE_S = 1.0
"""A start whose first connection fails sleeps first, and then sees whether its initializationFailTimeout is over."""


class Hikari(Lives):
    """`connection = yield from pool.borrow(request)`, use it, and `pool.give_back(connection)` in any case."""

    __slots__ = (
        "_connection_timeout_s", "_first_tick_s", "_idle_timeout_s", "_initialization_s", "_is_closed", "_login",
        "_tick", "_timeouts", "_trim_is_planned", "_validation", "_validations", "path",
    )  # fmt: skip

    def __init__(self, context: Context, spec: HikariSpec, database: Database) -> None:
        env, path, probe = context.env, context.path, context.probe
        settings = Settings.of(spec)
        for remark in settings.remarks:
            probe.note(path, remark)
        super().__init__(context, settings, database, probe.station(path, settings.maximum, "lease"))
        self.path = path
        self._connection_timeout_s = settings.connection_timeout_s
        self._idle_timeout_s = settings.idle_timeout_s
        self._login = Login(env, path, database, settings.login_s)
        self._adder = Adder(env, settings.growth, database, self._login, self)
        self._timeouts = probe.count(f"{path}.timeouts")
        socket_timeouts = probe.count(f"{path}.socket_timeouts")
        if spec.socket_timeout:
            self._server = Driver(env, path, database, spec.socket_timeout, socket_timeouts)
        self._validation = context.streams.sequence(f"{path}.validation", spec.validation.distribution())
        self._validations = Validations(env, spec.validation_timeout)
        self._initialization_s = -1.0 if spec.initialization_fail_timeout is None else spec.initialization_fail_timeout
        self._tick = Timer(env, self._housekeep)
        self._shrink = Timer(env, self._let_surplus_go)
        self._first_tick_s = 0.0
        self._fill_is_planned = self._trim_is_planned = False
        self._is_closed = True

    # Starting and closing

    def start(self) -> Activity:
        """Make the first connection; the others follow in the background. Raises what keeps the database from it."""
        self._open()
        life, began_at_s, epoch = self._adder.life, self._env.now, None
        while self._initialization_s >= 0 and epoch is None and life == self._adder.life:
            try:
                epoch = yield from self._login.connect()
            except (ConnectionRefused, DatabaseRefused, SocketTimeout):
                yield START_FAILURE_PAUSE_S
                if self._env.now - began_at_s >= self._initialization_s:
                    if self._initialization_s:
                        raise
                    break
        if life != self._adder.life:  # closed while it connected
            if epoch is not None:
                self._database.disconnect(epoch)
            raise InstanceDied(self.path)
        self._first_tick_s = self._env.now + FIRST_HOUSEKEEPING_S
        if epoch is None:
            self._watch()
        elif self._minimum:
            self.join(epoch)
        else:
            self._database.disconnect(epoch)

    def start_warm(self) -> None:
        """The pool of a replica that has been up for long: `minimum_idle` connections of all ages, in no time."""
        self._open()
        self._first_tick_s = self._env.now + self._chance.next() * HOUSEKEEPING_PERIOD_S
        while self.idle < self._minimum:
            opened = self._database.opened_since(-inf)
            if opened is None:
                self._adder.fill()
                return
            connection = self._admit(opened[1], self._env.now)
            if self._lifetime_s:
                self._end_at(connection, self._env.now + self._chance.next() * self._lifetime_s)
            self._leases.idle.append(connection)

    def _open(self) -> None:
        self.close()
        self._is_closed = False

    def close(self) -> None:
        """The replica is gone: so are its connections. Who still has one gives it back to nobody."""
        self._is_closed = True
        self._adder.stop()
        self._tick.disarm()
        self._shrink.disarm()
        self._fill_is_planned = self._trim_is_planned = False
        self._next_end_s = inf
        self._leases.idle.clear()
        connections, self._connections = self._connections, {}
        for connection in connections:
            connection.is_open = False
            self._database.disconnect(connection.epoch)
        self._level.set(0)

    # What is there

    @property
    def total(self) -> int:
        return len(self._connections)

    @property
    def idle(self) -> int:
        return len(self._leases.idle)

    @property
    def in_use(self) -> int:
        return self._leases.station.busy

    @property
    def waiting(self) -> int:
        return self._leases.waiting

    # Lending

    def take_idle(self) -> Connection | None:
        """Lend at once, where nothing stands against it; else None, and `borrow` is the way.

        `connection = pool.take_idle() or (yield from pool.borrow(request))` spares the common case a generator.
        """
        now, idle = self._env.now, self._leases.idle
        if not idle or now - idle[-1].last_used_at_s > TRUSTED_FOR_S or now >= self._next_end_s:
            return None
        return self._take()

    def _take(self) -> Connection:
        connection: Connection = self._leases.take()
        if not self._fill_is_planned and len(self._leases.idle) < self._minimum:
            self._watch()
        return connection

    def borrow(self, request: Request) -> Activity:
        """Lend a connection. Raises `PoolTimeout`. Waiting adds to `request.wait_s`, validating to `request.db_s`."""
        env = self._env
        began_at_s = env.now
        while True:
            if self._keepalive_s and self._seen_epoch != self._database.epoch:
                self._keep_alive()
            if env.now >= self._next_end_s:
                self._catch_up()
            if self._adder.is_resting:
                self._adder.go_on()
            connection = self._take() if self._leases.idle else (yield from self._wait(request, began_at_s))
            if env.now - connection.last_used_at_s <= TRUSTED_FOR_S:
                return connection
            if (yield from self._is_alive(connection, request)):
                return connection
            self.give_back(connection, is_broken=True)
            if env.now - began_at_s >= self._connection_timeout_s:
                self._timeouts.add()
                raise PoolTimeout(self.path)

    def _wait(self, request: Request, came_at_s: float) -> Activity:
        """Wait for what is left of the borrower's time since `came_at_s`."""
        if self._is_closed:
            raise InstanceDied(self.path)
        env = self._env
        began_at_s, light = env.now, env.active
        self._leases.take()
        hurry = None
        if came_at_s < began_at_s:  # it has spent some on connections that were dead
            assert light is not None
            hurry = Timer(env, lambda: env.throw(light, TimeIsUp()))
            hurry.arm(came_at_s + self._connection_timeout_s)
        self._adder.ask_for_waiters()
        try:
            connection = yield
        except TimeIsUp:
            connection = None
        finally:
            request.wait_s += env.now - began_at_s
            if hurry is not None:
                hurry.disarm()
        if connection is None:
            self._timeouts.add()
            raise PoolTimeout(self.path)
        self._watch()
        return connection

    def _is_alive(self, connection: Connection, request: Request) -> Activity:
        """One round trip to the database, which may hang."""
        began_at_s = self._env.now
        ping = self._database.ping(connection, self._validation.next())
        try:
            return (yield from self._validations.within_limit(ping))
        except Failure:
            self.give_back(connection)
            raise
        finally:
            request.db_s += self._env.now - began_at_s

    def give_back(self, connection: Connection, is_broken: bool = False) -> None:
        """Take a lent connection back: for the longest waiter, else idle, unless it has come to its end."""
        leases = self._leases
        if not connection.is_open:
            leases.discard()
            return
        now = self._env.now
        if is_broken or connection.is_broken or connection.expires_at_s <= now:
            leases.discard()
            self._drop(connection)
            self._adder.fill()
            if leases.waiting:
                self._adder.ask_for_waiters()
            self._watch()
            return
        connection.last_used_at_s = now
        leases.give_back(connection)
        if not self._trim_is_planned and len(leases.idle) > self._minimum:
            self._watch()

    def join(self, epoch: int) -> None:
        """A new connection: for the longest waiter, else idle."""
        self._leases.offer(self._admit(epoch, self._env.now))
        self._watch()

    # Housekeeping: a grid of instants, of which only those are visited at which there is something to do

    def _watch(self) -> None:
        """See to it that the housekeeper comes if there is something to do."""
        idle = len(self._leases.idle)
        if idle < self._minimum:
            if not self._fill_is_planned:
                self._plan_fill()
        elif idle > self._minimum and not self._trim_is_planned:
            self._plan_trim()

    def _plan_fill(self) -> None:
        """Fewer idle than wanted: the housekeeper will see it at its next instant, unless the adder knows already or
        the pool is full, which stays so until a connection ends."""
        if len(self._connections) >= self._maximum:
            self._fill_is_planned = True
        elif not self._adder.is_resting:
            self._fill_is_planned = True
            self._tick.arm(self._tick_after(self._env.now))

    def _plan_trim(self) -> None:
        """More idle than wanted: they end at the housekeeper's first instant after idle_timeout, or as they expire."""
        self._trim_is_planned = True
        if self._idle_timeout_s and not self._tick.armed:
            due_s = self._leases.idle[0].last_used_at_s + self._idle_timeout_s
            self._tick.arm(self._tick_after(max(due_s, self._env.now)))
        if self._next_end_s < inf and not self._shrink.armed:
            self._shrink.arm(max(self._next_end_s, self._env.now))

    def _tick_after(self, when_s: float) -> float:
        """The housekeeper's first instant after `when_s`."""
        first_s = self._first_tick_s
        if when_s < first_s:
            return first_s
        number = floor((when_s - first_s) / HOUSEKEEPING_PERIOD_S) + 1
        while first_s + number * HOUSEKEEPING_PERIOD_S <= when_s:  # the division may have come out one grain short
            number += 1
        return first_s + number * HOUSEKEEPING_PERIOD_S

    def _housekeep(self) -> None:
        self._fill_is_planned = self._trim_is_planned = False
        if self._keepalive_s and self._seen_epoch != self._database.epoch:
            self._keep_alive()
        self._catch_up()
        idle = self._leases.idle
        if self._idle_timeout_s:
            unused_since_s = self._env.now - self._idle_timeout_s
            while len(idle) > self._minimum and idle[0].last_used_at_s < unused_since_s:
                self._drop(idle.pop(0))
        self._adder.fill()
        self._watch()

    def _let_surplus_go(self) -> None:
        """A life has ended while more were idle than wanted: no replacement hides it from the database."""
        self._trim_is_planned = False
        self._catch_up()
        self._watch()
