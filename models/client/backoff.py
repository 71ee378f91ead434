"""The pause before a retry.

Source   Exponential Backoff and Jitter, AWS Architecture Blog, 2015: full jitter = U(0, min(cap, base x 2^n)), equal
         jitter = half of that fixed and half uniform.
"""

from __future__ import annotations

from models.client.spec import ClientBackoffSpec
from sim.streams import DURATION_STEP_S


class Backoff:
    """The rule: how long to pause before a retry."""

    __slots__ = ("_cap_s", "_factor", "_fixed_share", "_base_s", "is_random")

    def __init__(self, spec: ClientBackoffSpec) -> None:
        self._base_s = spec.base
        self._factor = spec.factor
        self._cap_s = spec.cap
        self._fixed_share = {"none": 1.0, "full": 0.0, "equal": 0.5}[spec.jitter]
        self.is_random = spec.jitter != "none"

    def longest_s(self, retry: int) -> float:
        """The pause before retry 0, 1, 2 before chance has its say."""
        pause_s = self._base_s
        for _ in range(retry):
            if pause_s >= self._cap_s:
                break
            pause_s *= self._factor
            if self._factor == 1.0:
                break
        return min(pause_s, self._cap_s)

    def pause_s(self, retry: int, chance: float) -> float:
        """The pause before retry 0, 1, 2; `chance` is uniform in [0, 1)."""
        longest_s, fixed = self.longest_s(retry), self._fixed_share
        return round(longest_s * (fixed + (1.0 - fixed) * chance) / DURATION_STEP_S) * DURATION_STEP_S
