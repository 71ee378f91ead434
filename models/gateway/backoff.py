"""Pauses between the tries of the Retry filter, as reactor-extra computes them.

Source   reactor-addons, reactor-extra: retry/Backoff.java (exponential), AbstractRetry.java (calculateBackoff),
         RandomJitter.java; whole percents of jitter, whole milliseconds of what it adds.
"""

from __future__ import annotations

from math import inf

from models.gateway.spec import BackoffSpec


class BackoffRule:
    """Decides; never waits. `last_s`: the pause before, 0 for none; `number` counts from 1; `chance` in [0, 1)."""

    __slots__ = ("_factor", "_first_s", "_from_previous", "_maximum_s", "_percent")

    def __init__(self, spec: BackoffSpec) -> None:
        self._first_s = spec.first
        self._maximum_s = inf if spec.maximum is None else spec.maximum
        self._factor = spec.factor
        self._from_previous = spec.based_on_previous_value
        self._percent = int(100 * spec.random_factor)

    def pause_s(self, number: int, last_s: float, chance: float) -> float:
        pause_s = last_s * self._factor if self._from_previous else self._grown(number)
        return self._jittered(min(max(pause_s, self._first_s), self._maximum_s), chance)

    def _grown(self, number: int) -> float:
        """first x factor ** (number - 1), without a power that could round differently elsewhere."""
        pause_s = self._first_s
        for _ in range(number - 1):
            pause_s *= self._factor
            if pause_s >= self._maximum_s:
                break
        return pause_s

    def _jittered(self, pause_s: float, chance: float) -> float:
        offset_ms = int(pause_s * self._percent * 10 + 1e-6)
        low_ms = max(-int((pause_s - self._first_s) * 1000 + 1e-6), -offset_ms)
        high_ms = offset_ms
        if self._maximum_s < inf:
            high_ms = min(int((self._maximum_s - pause_s) * 1000 + 1e-6), offset_ms)
        return pause_s + (low_ms + int(chance * (high_ms - low_ms))) / 1000
