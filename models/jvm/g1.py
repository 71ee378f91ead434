"""The heap of G1. Decides; never waits.

Models   Eden is 60 % of the heap, less where the old regions and the reserve of 10 % leave no more; past 45 % of old
         regions it marks concurrently, and the next 8 collections clear an eighth of the old garbage each. The heap
         grows from its initial size: by a fifth of what is left where pauses take more than 1/13 of the time, and to
         keep 40 % free after marking and after full collections.
Source   OpenJDK 17: gc/g1/g1_globals.hpp, g1HeapSizingPolicy.cpp.
Omits    The pause goal and the adaptive thresholds, humongous objects, fragments, shrinking.
"""

from __future__ import annotations

from collections import deque

from models.jvm.heap import Collection, Heap
from models.jvm.spec import MIB, Ergonomics, JvmSpec

G1_YOUNG, G1_LEAST_YOUNG, G1_RESERVE, G1_MARK_FROM, G1_MIXED = 0.60, 0.05, 0.10, 0.45, 8
G1_PAUSED, G1_EXPAND, G1_PAUSES = 1 / 13, 0.20, 10
"""GCTimeRatio 12, G1ExpandByPercentOfAvailable, and over how many pauses that is watched."""


class G1Heap(Heap):
    """The heap of G1: regions, as many of them eden as those in use leave room for."""

    __slots__ = ("_committed", "_mixed_left", "_pauses", "is_marked")

    def __init__(self, spec: JvmSpec, ergonomics: Ergonomics) -> None:
        self._mixed_left = 0
        self._pauses: deque[tuple[float, float]] = deque(maxlen=G1_PAUSES)
        self.is_marked = False
        """Concurrent marking has ended: garbage in old regions is known."""
        self._committed = min(ergonomics.max_heap, max(ergonomics.initial_heap, spec.live_set * 10 // 6))
        super().__init__(spec, ergonomics)

    @property
    def max_old(self) -> int:
        return self._ergonomics.max_heap

    @property
    def touched(self) -> int:
        return min(self._committed, self._eden + self._survivor + self._old_used)

    @property
    def marking_s(self) -> float:
        """CPU time of marking, where it is time to do so; else 0."""
        if self._mixed_left or self.is_marked or self._old_used <= G1_MARK_FROM * self._committed:
            return 0.0
        return self._spec.mark_cpu * self.live / MIB

    def end_marking(self) -> None:
        self.is_marked = True
        self._grow(self.used * 10 // 6)

    def collect(self, now_s: float) -> Collection:
        moving = self._fresh + self._aged + self._pending + self._leaked
        if self._old_used + moving > self._ergonomics.max_heap:
            return self.collect_all()
        if self.is_marked:
            self.is_marked = False
            self._mixed_left = G1_MIXED
        copied, _ = self._move()
        copied += self._clear()
        work_s = self._spec.pause_cpu + self._spec.copy_cpu * copied / MIB
        self._watch(now_s, work_s / self._ergonomics.gc_threads)
        self._resize()
        if self._eden < G1_LEAST_YOUNG * self._committed:
            self._grow(self._old_used * 10 // 6)
            self._resize()
        if self._eden < G1_LEAST_YOUNG * self._committed:
            return self.collect_all()
        return Collection(False, work_s, self._ergonomics.gc_threads)

    def collect_all(self) -> Collection:
        self._grow(self.live * 10 // 6)
        self._mixed_left = 0
        return super().collect_all()

    def _clear(self) -> int:
        """Clear some of the old regions that hold garbage. Returns what has to be copied out of them."""
        left = self._mixed_left
        if not left:
            return 0
        self._mixed_left -= 1
        in_use = self._old_live + self._promoted
        garbage = self._old_used - in_use
        if garbage <= 0:
            return 0
        self._old_used -= garbage // left
        return in_use // G1_MIXED

    def _watch(self, now_s: float, pause_s: float) -> None:
        """Grow where pauses take too much of the time."""
        pauses = self._pauses
        pauses.append((now_s, pause_s))
        paused_s = 0.0
        for _, each_s in pauses:
            paused_s += each_s
        span_s = now_s - pauses[0][0]
        if len(pauses) == G1_PAUSES and paused_s > G1_PAUSED * span_s:
            self._grow(self._committed + int(G1_EXPAND * (self._ergonomics.max_heap - self._committed)))
            pauses.clear()

    def _grow(self, size: int) -> None:
        self._committed = min(self._ergonomics.max_heap, max(self._committed, size))

    def _resize(self) -> None:
        heap = self._committed
        free = heap - self._old_used - self._aged
        wanted = min(int(G1_YOUNG * heap), free - int(G1_RESERVE * heap))
        self._eden = min(free, max(wanted, int(G1_LEAST_YOUNG * heap)))
        self._survivor = max(1, self._eden // 8)
