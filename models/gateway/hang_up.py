"""The gateway's time limits: at the limit it hangs up, and what it does for the request stops.

What a service has begun it goes on with: whoever carries a request on to a service does so in a process of its own.
"""

from __future__ import annotations

from operator import attrgetter

from sim.environment import Activity, Environment, Light
from sim.patience import Cancelled, Deadlines


class _Exchange:
    """Something under way behind a limit, and the process that is in it."""

    __slots__ = ("is_open", "light")

    def __init__(self, light: Light) -> None:
        self.light = light
        self.is_open = True


class HungUp(Cancelled):
    """Thrown into a request's process: the limit around `exchange` is reached. Limits around it let it pass."""

    def __init__(self, exchange: _Exchange) -> None:
        super().__init__("no answer within the gateway's time limit")
        self.exchange = exchange


class HangUp:
    """`yield from hang_up.within(work)` raises `LimitReached` at the limit; the work is stopped by then."""

    __slots__ = ("_deadlines", "_env", "limit_s")

    def __init__(self, env: Environment, limit_s: float) -> None:
        self._env = env
        self.limit_s = limit_s
        self._deadlines: Deadlines[_Exchange] = Deadlines(env, limit_s, attrgetter("is_open"), self._hang_up)

    def within(self, work: Activity) -> Activity:
        light = self._env.active
        assert light is not None
        exchange = _Exchange(light)
        self._deadlines.add(exchange)
        try:
            yield from work
        except HungUp as late:
            if late.exchange is not exchange:
                raise
            raise LimitReached from late
        finally:
            exchange.is_open = False

    def _hang_up(self, exchange: _Exchange) -> None:
        self._env.throw(exchange.light, HungUp(exchange))


class LimitReached(Exception):
    """The work behind a `HangUp` took too long. Whoever set the limit turns it into a failure of its own."""
