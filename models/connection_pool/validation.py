"""Validating a connection that was idle: one round trip to a database that may hang."""

from __future__ import annotations

from operator import attrgetter

from sim.environment import Activity, Environment, Light
from sim.errors import Failure
from sim.patience import Deadlines


class TimeIsUp(Failure):
    """A limit of the pool's own, inside it."""


class _Wait:
    """A round trip under way, and the borrower that waits for it."""

    __slots__ = ("is_open", "light")

    def __init__(self, light: Light) -> None:
        self.light = light
        self.is_open = True


class Validations:
    """All validations of a pool: they share their limit, so that one which is answered in time costs no event."""

    __slots__ = ("_deadlines", "_env")

    def __init__(self, env: Environment, limit_s: float) -> None:
        self._env = env
        self._deadlines: Deadlines[_Wait] = Deadlines(env, limit_s, attrgetter("is_open"), self._expire)

    def within_limit(self, ping: Activity) -> Activity:
        """What `ping` returns, or False when the limit (validationTimeout) is reached first."""
        light = self._env.active
        assert light is not None
        wait = _Wait(light)
        self._deadlines.add(wait)
        try:
            return (yield from ping)
        except TimeIsUp:
            return False
        finally:
            wait.is_open = False

    def _expire(self, wait: _Wait) -> None:
        self._env.throw(wait.light, TimeIsUp())
