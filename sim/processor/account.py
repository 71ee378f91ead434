"""A container's CPU state and its accounts: what can be read at any instant. See the package for what is modelled."""

from __future__ import annotations

from math import floor, inf
from typing import TYPE_CHECKING

from sim.environment import Environment
from sim.heap import new_heap, things
from sim.processor.burst import GRAIN, LEAST_S, Burst, Quota, VirtualTime

if TYPE_CHECKING:
    from sim.processor.cores import Processor


class Account:
    """State of one container, as of an instant since which its pace has been constant, and its accounts.

    Every account is exact at any instant, and reading one changes nothing. Areas are integrals over time.
    """

    __slots__ = (
        "_at", "_budget_s", "_cpu_s", "_entry", "_env", "_excess", "_first", "_fits", "_freezes", "_frozen_area",
        "_frozen_at", "_frozen_thread_s", "_frozen_wall_s", "_heap", "_is_frozen", "_is_sharing", "_is_stopped",
        "_level", "_n", "_period_s", "_phase_s", "_present_area", "_present_s", "_processor", "_progress", "_pull",
        "_quota_s", "_rate", "_refill_at", "_shared", "_slowed_s", "_speed", "_stretch", "_throttled_thread_s",
        "_throttled_wall_s", "begun", "cancelled_s", "demand_done_s", "path", "quota", "rounding_s", "weight",
    )  # fmt: skip

    def __init__(self, env: Environment, processor: Processor, path: str, weight: float, quota: Quota | None) -> None:
        self._env = env
        self._processor: Processor | None = processor
        self._shared: VirtualTime = processor.shared
        self.path = path
        self.weight = weight
        self.quota = quota
        self._heap = new_heap()
        """The bursts, by virtual time of the end and number. Cancelled ones stay until they come up."""
        self._first = inf
        """The virtual time at which the first of them ends."""
        self._n = 0
        self._at = env.now
        """The instant to which the state and the accounts belong."""
        self._progress = 0.0
        """Virtual time: CPU-seconds that each thread present has had since the container was idle."""
        self._rate = 0.0
        """How fast that goes: `_speed`; 0 while idle, stopped or sharing."""
        self._speed = processor._speed
        """How fast it goes in a thread that has a core: the core's speed, less what the container is slowed by."""
        self._excess = 0.0
        """CPU time burned for every second's worth of demand beyond that second: 1 where it is slower by 2."""
        self._stretch = 1.0
        """1 + `_excess`: CPU time burned for every second's worth of demand."""
        self._pull = weight
        """What reaches the demand of its threads, all together, for each step of the level: `weight` / `_stretch`."""
        self._is_sharing = False
        """Gets less than a core a thread: its virtual time follows that of the cores that are shared..."""
        self._level = 0.0
        """...and this is the level to which the state belongs."""
        self._fits = False
        """Where there are too few cores: its share has a core for each of its threads."""
        self._entry = 0
        """Number of its valid entry among the processor's events."""
        self._is_stopped = False
        """None of its threads runs: its budget is spent, or it is frozen."""
        self._is_frozen = False
        self._freezes = 0
        self._frozen_at = self._frozen_area = 0.0
        """When it was frozen, and how much presence had been counted by then."""
        self._quota_s, self._period_s, self._phase_s = (
            (inf, inf, 0.0) if quota is None else (quota.quota_s, quota.period_s, quota.phase_s)
        )
        self._budget_s = 0.0
        self._refill_at = inf
        if quota is not None:
            self._refill(self._at, 0.0)
        self._cpu_s = self._present_area = self._present_s = self._throttled_wall_s = self._throttled_thread_s = 0.0
        self._slowed_s = self._frozen_wall_s = self._frozen_thread_s = 0.0
        self.begun = 0
        """Bursts that were ever begun."""
        self.demand_done_s = 0.0
        """Demand of the bursts that have ended."""
        self.cancelled_s = 0.0
        """CPU time that cancelled bursts had been given."""
        self.rounding_s = 0.0
        """CPU time given to ended bursts beyond their demand (or short of it): the grain of the clock, and at most
        `LEAST_S` + `GRAIN` x now for each of them, times the speed."""

    @property
    def runnable(self) -> int:
        """Bursts present, whether stopped or not."""
        return self._n

    @property
    def is_throttled(self) -> bool:
        """Its threads are stopped until the next boundary."""
        return self._is_stopped and not self._is_frozen

    @property
    def is_frozen(self) -> bool:
        """Its threads are stopped until `thaw`."""
        return self._is_frozen

    @property
    def cpu_s(self) -> float:
        """CPU time handed out: the integral of the rates. Equals `served_s` + `rounding_s` + `slowed_s`."""
        return self._cpu_s + self._n * self._gain() * self._stretch

    @property
    def slowed_s(self) -> float:
        """CPU time that was handed out and served nobody, because the container was slower than it should be."""
        return self._slowed_s + self._n * self._gain() * self._excess

    @property
    def served_s(self) -> float:
        """CPU demand served: all of the ended bursts, of cancelled and present ones the part that was."""
        served_s = self.demand_done_s + self.cancelled_s
        progress = self._progress + self._gain()
        for burst in self._present():
            served_s += burst.demand_s - (burst.end - progress)
        return served_s

    @property
    def present_area(self) -> float:
        """Integral of the number of bursts present. Equals `present_s`."""
        return self._present_area + self._n * (self._env.now - self._at)

    @property
    def present_s(self) -> float:
        """Sum of the times for which bursts have been present, those still there included."""
        present_s = self._present_s
        for burst in self._present():
            present_s += self._env.now - burst.begun_at_s
        return present_s

    @property
    def throttled_wall_s(self) -> float:
        """Time during which threads were stopped because the budget was spent."""
        if self._is_stopped and not self._is_frozen:
            return self._throttled_wall_s + (self._env.now - self._at)
        return self._throttled_wall_s

    @property
    def throttled_thread_s(self) -> float:
        """The same, summed over the threads that were stopped."""
        if self._is_stopped and not self._is_frozen:
            return self._throttled_thread_s + self._n * (self._env.now - self._at)
        return self._throttled_thread_s

    @property
    def frozen_wall_s(self) -> float:
        """Time for which the container was frozen, whether anybody was there or not."""
        return self._frozen_wall_s + (self._env.now - self._frozen_at if self._is_frozen else 0.0)

    @property
    def frozen_thread_s(self) -> float:
        """The same, summed over the threads that were stopped by it."""
        return self._frozen_thread_s + (self.present_area - self._frozen_area if self._is_frozen else 0.0)

    def _present(self) -> list[Burst]:
        return [burst for burst in things(self._heap) if burst.container is not None]

    def _gain(self) -> float:
        """CPU-seconds that each thread has had since the state was last brought to now."""
        if self._is_sharing and self._n:
            return (self._shared.read(self._env.now) - self._level) * self._pull / self._n
        return self._rate * (self._env.now - self._at)

    def _sync(self, now: float) -> None:
        """Bring the state to now. Its pace has been constant since it was last brought up."""
        elapsed = now - self._at
        if not elapsed:
            return
        n = self._n
        self._at = now
        self._present_area += n * elapsed
        if self._is_sharing:
            shared = self._shared
            level = shared.value + shared.pace * (now - shared.at)
            each = (level - self._level) * self._pull / n
            self._level = level
        else:
            each = self._rate * elapsed
        self._progress += each
        used_s = n * each
        if self._excess:
            lost_s = used_s * self._excess
            self._slowed_s += lost_s
            used_s += lost_s
        self._cpu_s += used_s
        if self.quota is not None:
            if self._is_stopped and not self._is_frozen:
                self._throttled_wall_s += elapsed
                self._throttled_thread_s += n * elapsed
            if now >= self._refill_at - LEAST_S - GRAIN * now:
                self._refill(now, used_s / elapsed)
            else:
                self._budget_s -= used_s

    def _refill(self, now: float, usage: float) -> None:
        """A boundary has passed, or many: the budget is a full one, less what `usage` (a rate) took since the last of
        them. Boundaries are computed from their integer, never by adding periods up."""
        phase_s, period_s = self._phase_s, self._period_s
        periods = floor((now - phase_s) / period_s)
        if phase_s + (periods + 1) * period_s <= now + LEAST_S + GRAIN * now:
            periods += 1
        since = now - (phase_s + periods * period_s)
        self._refill_at = phase_s + (periods + 1) * period_s
        self._budget_s = self._quota_s - (usage * since if since > 0.0 else 0.0)
