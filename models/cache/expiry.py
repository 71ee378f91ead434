"""The cycle in which Redis looks for entries whose time is over, ten times a second, on its command thread.

Models   A run looks at 20 entries with a time to live after 20 others, for as long as more than a tenth of them are
         expired, at most for 25 ms. It takes its turn on the command thread and burns CPU there, so commands wait
         behind it. Where nothing can have expired there is no run. When nobody has asked since the last run, no more
         are made, and the next command finds what they would have left.
Source   Redis 7.0, src/expire.c (activeExpireCycle, effort 1), src/server.c (databasesCron, hz 10).
Omits    The fast cycle (up to 1 ms between event loops while much is expired); the 25 ms are CPU time here, not time
         on the clock; what is caught up with costs no CPU, and is judged by the present instant.
Checked  experiments/validation/redis.py, tests/unit/test_cache_parts.py
"""

from __future__ import annotations

from math import inf
from typing import Final, Protocol

from models.cache.keyspace import Keyspace
from models.outcomes import InstanceDied
from models.spec import Context
from sim.environment import Activity
from sim.environment.scheduled import Timer
from sim.resources import Permits

PERIOD_S: Final = 0.1
REACH_S: Final = 2 * PERIOD_S
"""A run that is no further off than that need not be looked for."""


class Redis(Protocol):
    """The Redis whose entries expire."""

    @property
    def is_up(self) -> bool: ...
    @property
    def clock_offset_s(self) -> float: ...
    def burn(self, demand_s: float) -> Activity: ...


class ActiveExpiry:
    """Runs while somebody asks. `visited` is called with every command."""

    __slots__ = (
        "_cpu_s", "_cuts", "_env", "_is_running", "_is_visited", "_phase_s", "_redis", "_run", "_space", "_thread",
        "_timer",
    )  # fmt: skip

    def __init__(self, context: Context, redis: Redis, space: Keyspace, thread: Permits) -> None:
        self._env = context.env
        self._redis = redis
        self._space = space
        self._thread = thread
        self._timer = Timer(context.env, self._due)
        self._phase_s = context.streams.sequence(f"{context.path}.expiry_phase").next() * PERIOD_S
        self._run = 0
        """Number of the last run that has been made or caught up with."""
        self._is_visited = self._is_running = False
        self._cuts = context.probe.count(f"{context.path}.expiry_cuts")
        """Runs that had to stop at 25 ms."""
        self._cpu_s = context.probe.tally(f"{context.path}.expiry_cpu_s")

    def visited(self) -> None:
        """A command is carried out: runs go on, from what they have left by now."""
        self._is_visited = True
        when = self._timer.when
        if when > self._env.now + REACH_S and when > self._space.earliest_s - self._redis.clock_offset_s + REACH_S:
            self._go_on()

    @property
    def _earliest_s(self) -> float:
        """Nothing expires up to this instant of simulated time."""
        return self._space.earliest_s - self._redis.clock_offset_s

    def _go_on(self) -> None:
        if self._space.earliest_s == inf:
            return
        now = self._env.now
        done = int((now - self._phase_s) / PERIOD_S)
        if self._earliest_s < now and done > self._run and not self._is_running:
            self._space.catch_up(now + self._redis.clock_offset_s, done - self._run)
        self._run = max(done, self._run)
        self._arm()

    def _arm(self) -> None:
        """For the first run that may find something."""
        earliest_s = self._earliest_s
        if earliest_s == inf:
            self._timer.disarm()
            return
        run = max(self._run + 1, int((earliest_s - self._phase_s) / PERIOD_S) if earliest_s > 0 else 0)
        when = self._phase_s + run * PERIOD_S
        while when <= earliest_s or when < self._env.now:
            run += 1
            when = self._phase_s + run * PERIOD_S
        self._timer.arm(when)

    def _due(self) -> None:
        self._run = int((self._env.now - self._phase_s) / PERIOD_S + 0.5)
        is_visited, self._is_visited = self._is_visited, False
        if self._redis.is_up and not self._is_running and self._earliest_s < self._env.now:
            self._is_running = True
            self._env.start_now(self._look())
        if is_visited:
            self._arm()

    def _look(self) -> Activity:
        thread = self._thread
        try:
            _ = thread.acquire() or (yield)
            try:
                if not self._redis.is_up:
                    return
                is_cut, cpu_s = self._space.expire_some(self._env.now + self._redis.clock_offset_s)
                if is_cut:
                    self._cuts.add()
                if cpu_s:
                    self._cpu_s.observe(cpu_s)
                    yield from self._redis.burn(cpu_s)
            finally:
                thread.release()
        except InstanceDied:
            pass
        finally:
            self._is_running = False
