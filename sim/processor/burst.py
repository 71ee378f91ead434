"""One thread's CPU burst, and the quota of a container. See the package for what is modelled."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

from sim.environment import Environment, Light

LEAST_S = 1e-9
"""A demand of at most this is met at once, and what is due within this has happened..."""
GRAIN = 1e-15
"""...or within this part of the present instant: four steps of the clock, which grow long late in a run."""

END, NUMBER, CONTAINER, LIGHT, DONE, DEMAND, BEGUN_AT, THROTTLED_BEFORE = range(8)


class Burst(list[Any]):
    """One thread's CPU burst: the virtual time at which it ends, its number, its container (None: it has ended or was
    cancelled), the parked process or else what to call at the end, its demand, and the instant and the container's
    throttled time at which it began. A list because it is its own heap entry: lists compare without a call."""

    __slots__ = ()

    def withdraw(self, light: Light) -> None:
        """The process is interrupted: the burst is cancelled. Nothing to undo where it has just ended."""
        if self[CONTAINER] is not None:
            self[CONTAINER]._drop(self)

    def call(self) -> None:
        """Tell who is not a process that the burst has ended, unless it was cancelled at that very instant."""
        done, self[DONE] = self[DONE], None
        if done is not None:
            done()


def tell(env: Environment, ended: list[Burst], throttled_s: float) -> None:
    """Let those go on, inside this call, who waited for bursts that have ended. One may interrupt the next."""
    for burst in ended:
        light = burst[LIGHT]
        if light is None:
            burst.call()
        elif light.waiting is burst:
            env.resume(light, throttled_s - burst[THROTTLED_BEFORE])


@dataclass(frozen=True, slots=True)
class Quota:
    """`quota_s` CPU-seconds in every period of `period_s`; boundaries at `phase_s` + k `period_s`."""

    quota_s: float
    period_s: float
    phase_s: float

    def __post_init__(self) -> None:
        """Refuse what Linux refuses (sched-bwc.rst: at least 1 ms each, a period of at most 1 s)."""
        if not 0.001 <= self.quota_s < inf:
            raise ValueError(f"a CPU quota must be at least 1 ms a period, got {self.quota_s} s")
        if not 0.001 <= self.period_s <= 1.0:
            raise ValueError(f"a CPU quota's period must be from 1 ms to 1 s, got {self.period_s} s")
        if not -inf < self.phase_s < inf:
            raise ValueError(f"a CPU quota's phase must be finite, got {self.phase_s} s")
