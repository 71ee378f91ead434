"""A container on shared cores: its bursts begin, end and are cancelled. See the package for what is modelled."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any

from sim.environment import Environment
from sim.environment.scheduled import Light, Timer
from sim.errors import SimulationError
from sim.heap import INTERPRETED, heappop, heappush
from sim.processor.account import Account
from sim.processor.burst import GRAIN, LEAST_S, Burst, Quota, tell

if TYPE_CHECKING:
    from sim.processor.cores import Processor


class Container(Account):
    """A group of threads with a weight and maybe a quota. Made by `Processor.container`."""

    __slots__ = ("_timer",)

    def __init__(self, env: Environment, processor: Processor, path: str, weight: float, quota: Quota | None) -> None:
        super().__init__(env, processor, path, weight, quota)
        self._timer = Timer(env, self._tick)

    def run(self, demand_s: float) -> Any:
        """Burn `demand_s` of CPU: `throttled_s = yield container.run(demand_s)`. An interrupt cancels the burst.

        The yield returns the seconds for which the burst was stopped because the container's budget was spent, None
        where it never was.
        """
        env = self._env
        light = env.active
        assert light is not None
        if LEAST_S < demand_s < inf:
            light.waiting = self._begin(demand_s, light, None)
            return None
        self._serve_at_once(demand_s)
        light.value = None
        return 0.0

    def start(self, demand_s: float, done: Callable[[], None]) -> Burst:
        """Like `run` for who is not a process: `done()` is called when the burst has ended, never inside this call."""
        if LEAST_S < demand_s < inf:
            return self._begin(demand_s, None, done)
        self._serve_at_once(demand_s)
        burst = Burst()
        burst.container = burst.light = None
        burst.done = done
        Timer(self._env, lambda: burst.call()).arm(self._env.now)
        return burst

    def cancel(self, burst: Burst) -> float:
        """Stop a burst of `start`: `done` is not called. Returns the demand it still had (0.0 if it had ended)."""
        burst.done = None
        return 0.0 if burst.container is None else self._drop(burst)

    def clear(self) -> None:
        """Cancel all bursts, as when the container is killed. Their processes stay parked: who kills it interrupts
        them."""
        for burst in self._present():
            self._drop(burst)

    def freeze(self) -> None:
        """Stop all its threads at this instant, and those that come: bursts stay where they are, get no CPU, and can be
        cancelled. Quota periods go on. Whoever freezes it also thaws it: it is frozen until the last of them has."""
        self._freezes += 1
        if self._is_frozen:
            return
        now = self._env.now
        self._sync(now)
        self._frozen_at, self._frozen_area = now, self.present_area
        was_stopped = self._is_stopped
        self._is_frozen = self._is_stopped = True
        self._rate = 0.0
        self._timer.disarm()
        if self._n and not was_stopped:
            self._run(-self._n)

    def thaw(self) -> None:
        """Let the threads go on at this instant with what they had left, unless somebody else keeps it frozen."""
        if not self._is_frozen:
            raise SimulationError(f"{self.path}: thawed more often than it was frozen")
        self._freezes -= 1
        if self._freezes:
            return
        now = self._env.now
        self._sync(now)
        self._frozen_wall_s, self._frozen_thread_s = self.frozen_wall_s, self.frozen_thread_s
        self._is_frozen = False
        n = self._n
        self._is_stopped = n > 0 and self.quota is not None and self._budget_s <= n * (LEAST_S + GRAIN * now)
        if self._is_stopped:
            self._arm(now)
        elif n:
            self._run(n)

    @property
    def slowdown(self) -> float:
        return self._stretch

    def slow_down(self, factor: float) -> None:
        """From now on, every burst takes `factor` times the CPU that its demand says. 1: as it should be."""
        if not 1.0 <= factor < inf:
            raise ValueError(f"{self.path}: a container can be slower by a factor of at least 1, got {factor}")
        processor = self._processor
        assert processor is not None
        self._sync(self._env.now)
        self._excess = factor - 1.0
        self._stretch = factor
        self._pull = self.weight / factor
        self._speed = processor._speed / factor
        if self._n and not self._is_stopped:
            self._run(0)

    def _run(self, more: int) -> None:
        """So many more of its threads run than before (fewer: less than 0), or they run at another pace."""
        processor = self._processor
        assert processor is not None
        processor._runnable += more
        if processor._is_saturated or processor._runnable > processor.cores:
            processor._changed(self)
        elif not self._is_stopped:
            self._rate = self._speed
            self._timer.disarm()
            self._arm(self._env.now)

    def _begin(self, demand_s: float, light: Light | None, done: Callable[[], None] | None) -> Burst:
        processor = self._processor
        if processor is None:
            raise SimulationError(f"{self.path}: a burst in a container that was removed")
        now = self._env.now
        n = self._n
        if n:
            self._sync(now)
        else:
            self._at = now
            if self.quota is not None and now >= self._refill_at - LEAST_S - GRAIN * now:
                self._refill(now, 0.0)
        self.begun = number = self.begun + 1
        burst = Burst()
        burst.end = end = self._progress + demand_s
        burst.container = self
        burst.light = light
        burst.done = done
        burst.demand_s = demand_s
        burst.begun_at_s = now
        burst.throttled_before_s = self._throttled_wall_s
        if INTERPRETED:
            heappush(self._heap, (end, number, burst))
        else:
            self._heap.push(end, number, burst)
        if end < self._first:
            self._first = end
        self._n = n + 1
        if self._is_stopped:
            return burst
        processor._runnable = runnable = processor._runnable + 1
        if processor._is_saturated or runnable > processor.cores:
            processor._changed(self)
            return burst
        self._rate = rate = self._speed
        if self.quota is None:
            each_s = demand_s
        else:
            each_s = self._first - self._progress
            if (n + 1) * each_s * self._stretch > 0.5 * self._budget_s:  # it might be spent before the first ends
                self._arm(now)
                return burst
        if rate:
            when = now + each_s / rate
            timer = self._timer
            if when < timer.when:
                timer.when = when = when if when > now else now  # timer.arm(when), without the call
                self._env.enter(when, timer)
        return burst

    def _serve_at_once(self, demand_s: float) -> None:
        if not 0 <= demand_s <= LEAST_S:
            raise SimulationError(f"{self.path}: a CPU demand of {demand_s!r} s")
        self.begun += 1
        self._cpu_s += demand_s
        self.demand_done_s += demand_s

    def _drop(self, burst: Burst) -> float:
        """Cancel a burst that is present. Returns the demand it still had."""
        processor = self._processor
        assert processor is not None
        now = self._env.now
        self._sync(now)
        burst.container = None
        left_s: float = burst.end - self._progress
        self.cancelled_s += burst.demand_s - left_s
        self._present_s += now - burst.begun_at_s
        self._n -= 1
        was_stopped = self._is_stopped
        if not self._n:
            self._rest()
        if not was_stopped:
            processor._runnable -= 1
            if processor._is_saturated:
                processor._changed(self)
        return left_s if left_s > 0.0 else 0.0

    def _rest(self) -> None:
        """Nobody is left, and nothing is left to happen. Virtual time starts anew, so that it never grows coarse; an
        empty container is not throttled, though its budget stays spent; frozen it stays."""
        self._timer.disarm()
        self._heap.clear()
        self._first = inf
        self._progress = self._rate = 0.0
        self._is_stopped = self._is_frozen

    def _set_rate(self, now: float) -> None:
        """From now on every thread has a core."""
        self._sync(now)
        self._rate = self._speed
        self._is_sharing = False
        self._entry = 0
        self._arm(now)

    def _arm(self, now: float) -> None:
        """See that the timer is not later than what happens next here, if the rate stays as it is."""
        rate = self._rate
        if rate:
            when = now + (self._first - self._progress) / rate
            if self.quota is not None:
                usage = self._n * rate * self._stretch
                if self._budget_s < usage * (self._refill_at - now - LEAST_S):
                    spent = now + self._budget_s / usage
                    if spent < when:
                        when = spent
                elif self._quota_s < usage * (self._period_s - LEAST_S):
                    spent = self._refill_at + self._quota_s / usage
                    if spent < when:
                        when = spent
        elif self._is_stopped and not self._is_frozen:
            when = self._refill_at
        else:
            return
        timer = self._timer
        if when < timer.when:
            timer.when = when = when if when > now else now  # timer.arm(when), without the call
            self._env.enter(when, timer)

    def _tick(self) -> None:
        """The timer: end what is due, stop or go on, bring rates and timers into order; only then tell who waited."""
        n = self._n
        processor = self._processor
        assert processor is not None
        now = self._env.now
        self._sync(now)
        rate = self._shared.pace * self._pull / n if self._is_sharing else self._rate
        grace_s = rate * (LEAST_S + GRAIN * now)
        if n > 1 or self._first > self._progress + grace_s:
            self._end_or_stop(now, grace_s)
            return
        only = self._heap[0][2] if INTERPRETED else self._heap.look()
        if only.container is None:
            self._end_or_stop(now, grace_s)
            return
        # By far the most frequent: the only burst ends. The same as below, with nobody left to look after.
        only.container = None
        self.demand_done_s += only.demand_s
        self.rounding_s += self._progress - only.end
        self._present_s += now - only.begun_at_s
        self._n = 0
        self._heap.clear()
        self._first = inf
        self._progress = self._rate = 0.0
        processor._runnable -= 1
        if processor._is_saturated:
            self._timer.disarm()
            processor._tell(self, [only])
        elif only.light is None:
            only.call()
        else:
            throttled_s = self._throttled_wall_s - only.throttled_before_s
            self._env.resume(only.light, throttled_s if throttled_s else None)

    def _end_or_stop(self, now: float, grace_s: float) -> None:
        """What the timer does: `grace_s` is the CPU-seconds to within which a thread's demand counts as met."""
        processor = self._processor
        assert processor is not None
        ran = 0 if self._is_stopped else self._n
        heap, progress = self._heap, self._progress
        due = progress + grace_s
        ended: list[Burst] = []
        while self._first <= due:
            if INTERPRETED:
                burst = heappop(heap)[2]
                self._first = heap[0][0] if heap else inf
            else:
                burst = heap.take()
                self._first = heap.first
            if burst.container is not None:
                burst.container = None
                self.demand_done_s += burst.demand_s
                self.rounding_s += progress - burst.end
                self._present_s += now - burst.begun_at_s
                ended.append(burst)
        self._n -= len(ended)
        runs = self._n
        if not runs:
            self._rest()
        elif self.quota is not None:
            self._is_stopped = self._budget_s <= ran * grace_s * self._stretch
            if self._is_stopped:
                self._rate = 0.0
                runs = 0
        processor._runnable += runs - ran
        if processor._is_saturated or processor._runnable > processor.cores:
            processor._tell(self, ended)
            return
        if runs:
            self._rate = self._speed
        self._arm(now)
        if ended:
            tell(self._env, ended, self._throttled_wall_s)
