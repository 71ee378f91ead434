"""What the checks of limiters share: a clock, a Redis, and requests at given instants. No vectors of its own."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from models.limit_keys import RecentBuckets
from models.outcomes import CacheUnavailable, Refused
from models.request import Request
from models.spec import Context
from sim.environment import Activity, Environment
from sim.probe import NullProbe
from sim.streams import Streams


class Phase(Streams):
    """Streams in which every phase is `phase` (of a second, or of a period)."""

    def __init__(self, phase: float = 0.0) -> None:
        super().__init__(1, 0)
        self._phase = phase

    def sequence(self, purpose: str, distribution: Any = None) -> Any:
        return SimpleNamespace(next=lambda: self._phase)


class Redis:
    """Takes `round_trip_s`, then answers unless it is down."""

    def __init__(self, env: Environment, round_trip_s: float = 0.0) -> None:
        self._env = env
        self.round_trip_s = round_trip_s
        self.is_down = False

    def run_script(self, writes: bool = True) -> Activity:
        yield self.round_trip_s
        if self.is_down:
            raise CacheUnavailable("caches.redis")

    def books(self, context: Context, ttl_s: float) -> RecentBuckets:
        """With room for all."""
        return RecentBuckets(max(1, int(ttl_s)))

    def clock_s(self) -> float:
        """Its own clock: that of the simulation."""
        return self._env.now


def context_of(env: Environment, phase: float = 0.0) -> Context:
    return Context(env, Phase(phase), NullProbe(env), "limit")


def passes(
    env: Environment, limiter: Any, at_s: Sequence[float], users: Sequence[int] = (), endpoint: int = 0
) -> list[int]:
    """1 for every request that passes. They come at these instants, of one user or of `users` in turn."""
    passed: list[int] = []

    def ask() -> Activity:
        for number, when in enumerate(at_s):
            if when > env.now:
                yield when - env.now
            user = users[number] if users else 1
            request = Request(number, number, endpoint, user, 9, env.now)
            try:
                if limiter.waits:
                    yield from limiter.check(request)
                else:
                    limiter.take(request)
                passed.append(1)
            except Refused:
                passed.append(0)

    env.start(ask())
    env.run()
    return passed
