"""One thread's CPU burst, and the quota of a container. See the package for what is modelled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

from sim.environment import Environment
from sim.environment.scheduled import Light

LEAST_S = 1e-9
"""A demand of at most this is met at once, and what is due within this has happened..."""
GRAIN = 1e-15
"""...or within this part of the present instant: four steps of the clock, which grow long late in a run."""


class VirtualTime:
    """What the containers that share cores go by: cores for every unit of weight, times speed, summed up over time."""

    __slots__ = ("at", "pace", "value")

    def __init__(self, now: float) -> None:
        self.value = 0.0
        self.pace = 0.0
        self.at = now
        """The instant to which `value` belongs, and since which it grows at `pace`."""

    def read(self, now: float) -> float:
        return self.value + self.pace * (now - self.at)


class Burst:
    """One thread's CPU burst. Made by `Container._begin`, without an `__init__`: there are two of them a request."""

    __slots__ = ("begun_at_s", "container", "demand_s", "done", "end", "light", "throttled_before_s")

    end: float
    """The virtual time of its container at which it ends."""
    container: Any
    """None: it has ended or was cancelled."""
    light: Light | None
    """The parked process, or else..."""
    done: Callable[[], None] | None
    """...what to call at the end."""
    demand_s: float
    begun_at_s: float
    throttled_before_s: float
    """For how long the container had been throttled when it began."""

    def withdraw(self, light: Light) -> None:
        """The process is interrupted: the burst is cancelled. Nothing to undo where it has just ended."""
        if self.container is not None:
            self.container._drop(self)

    def call(self) -> None:
        """Tell who is not a process that the burst has ended, unless it was cancelled at that very instant."""
        done, self.done = self.done, None
        if done is not None:
            done()


def tell(env: Environment, ended: list[Burst], throttled_s: float) -> None:
    """Let those go on, inside this call, who waited for bursts that have ended. One may interrupt the next."""
    for burst in ended:
        light = burst.light
        if light is None:
            burst.call()
        elif light.waiting is burst:
            stopped_s = throttled_s - burst.throttled_before_s
            env.resume(light, stopped_s if stopped_s else None)


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
