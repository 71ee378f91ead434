"""The heap: what is in it, when it has to be collected, and what that costs. Decides; never waits.

Models   Serial: eden, two survivor spaces, the old generation, sized as HotSpot sizes them (NewRatio 2, SurvivorRatio
         8, at least 40 % of the old generation free after a full collection). What does not fit a survivor space, and
         what has survived where the last survivors filled more than half of one, is promoted. A young collection is
         only tried where the old generation has room for what is expected to be promoted; else it is a full one.
Source   OpenJDK 17: gc/serial/defNewGeneration.cpp, tenuredGeneration.cpp (promotion_attempt_is_safe,
         compute_new_size), gc/shared/gcUtil.cpp (padded average), ageTable.cpp.
Omits    Ages beyond the first, objects too large for eden, shrinking.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.jvm.spec import MIB, Ergonomics, JvmSpec

GENERATION_GRAIN_BYTES = 64 << 10
LEAST_ROOM_BYTES = 64 << 10
"""Less than this after a full collection is no room (assumed: a buffer)."""


@dataclass(frozen=True, slots=True)
class Collection:
    """One pause: which kind, and the CPU time it takes, in how many threads."""

    is_full: bool
    work_s: float
    threads: int


class PaddedAverage:
    """What the next value is expected to be at most: an average that forgets, plus three deviations."""

    __slots__ = ("_average", "_count", "_deviation")

    def __init__(self) -> None:
        self._average = self._deviation = 0.0
        self._count = 0

    def add(self, value: float) -> None:
        self._count += 1
        weight = max(10, 100 // self._count) / 100
        self._average += weight * (value - self._average)
        if value:
            self._deviation += weight * (abs(value - self._average) - self._deviation)

    @property
    def padded(self) -> float:
        return self._average + 3 * self._deviation


class Heap:
    """The heap of the serial collector."""

    __slots__ = (
        "_aged", "_eden", "_ergonomics", "_expected", "_fresh", "_leaked", "_left_over", "_old_capacity", "_old_live",
        "_old_used", "_pending", "_promoted", "_spec", "_survivor", "_was_crowded", "eden_used", "epoch", "is_full",
    )  # fmt: skip

    def __init__(self, spec: JvmSpec, ergonomics: Ergonomics) -> None:
        self._spec = spec
        self._ergonomics = ergonomics
        self.epoch = 0
        """Number of collections so far: who began in an earlier one has been moved since."""
        self.eden_used = 0
        self._fresh = self._aged = self._promoted = 0
        """Bytes in use by requests: allocated since the last collection, in a survivor space, promoted."""
        self._pending = self._leaked = 0
        """Bytes since the last collection that will live on for a while, and for good."""
        self._old_live = spec.live_set
        self._old_used = min(spec.live_set, self.max_old)
        self._was_crowded = False
        self._left_over = 0
        """Bytes in use that a full collection found no room for in the old generation."""
        self.is_full = False
        """The last collection was a full one, and nothing has been allocated since."""
        self._expected = PaddedAverage()
        self._old_capacity = ergonomics.initial_heap - aligned_down(ergonomics.initial_heap // 3)
        self._eden = self._survivor = 0
        self._resize()
        self._spill(spec.live_set)

    # what requests do

    @property
    def room(self) -> int:
        return self._eden - self.eden_used

    def take(self, size: int) -> bool:
        """Allocate, if there is room."""
        used = self.eden_used + size
        if used > self._eden:
            return False
        self.eden_used = used
        self.is_full = False
        return True

    def enter(self) -> int:
        """A request has allocated what it needs. Returns what `leave` wants to know."""
        spec = self._spec
        self._fresh += spec.live_per_request
        self._pending += spec.tenured_per_request
        self._leaked += spec.leak_per_request
        return self.epoch

    def leave(self, epoch: int) -> None:
        """Its bytes are garbage from now on, wherever they are."""
        live = self._spec.live_per_request
        if epoch == self.epoch:
            self._fresh -= live
            return
        moved = self._aged + self._promoted
        promoted = min(self._promoted, live * self._promoted // moved) if moved else 0
        self._promoted -= promoted
        self._aged = max(0, self._aged - live + promoted)

    # what the collector does

    @property
    def live(self) -> int:
        return self._old_live + self._promoted + self._aged + self._fresh + self._leaked

    @property
    def used(self) -> int:
        return self._old_used + self.eden_used + self._aged

    @property
    def touched(self) -> int:
        """Bytes of the heap that the process holds: all of the young generation, the old one as far as it is used."""
        return min(self._ergonomics.max_heap, self._eden + 2 * self._survivor + self._old_used)

    @property
    def max_old(self) -> int:
        return self._ergonomics.max_heap - aligned_down(self._ergonomics.max_heap // 3)

    def collect(self, now_s: float) -> Collection:
        """Collect what must be collected to go on."""
        if self._left_over:
            return self.collect_all()
        young_used = self.eden_used + self._aged
        if self.max_old - self._old_used >= min(young_used, self._expected.padded):
            return self._collect_young()
        return self.collect_all()

    def _collect_young(self) -> Collection:
        copied, promoted = self._move()
        self._expected.add(promoted)
        self._grow_old()
        work_s = self._spec.pause_cpu + self._spec.copy_cpu * copied / MIB
        return Collection(False, work_s, self._ergonomics.gc_threads)

    def _move(self) -> tuple[int, int]:
        """Copy what is in use out of the young generation. Returns how much, and how much of it into the old one."""
        promoted = self._aged if self._was_crowded else 0
        kept = self._fresh + self._aged - promoted
        overflow = max(0, kept - self._survivor)
        promoted += overflow
        kept -= overflow
        lasting = self._pending + self._leaked
        self._was_crowded = 2 * kept > self._survivor
        self._fresh, self._aged = 0, kept
        self._promoted += promoted
        self._old_live += self._leaked
        self._old_used += promoted + lasting
        self._pending = self._leaked = self.eden_used = 0
        self.epoch += 1
        return kept + promoted + lasting, promoted + lasting

    def collect_all(self) -> Collection:
        """A full collection: everything in use is compacted into the old generation, what does not fit stays."""
        live = self.live
        self._promoted += self._aged + self._fresh
        self._old_live += self._leaked
        self._fresh = self._aged = self._pending = self._leaked = 0
        self.epoch += 1
        self._was_crowded = False
        self.is_full = True
        self._old_used = min(live, self.max_old)
        self._resize()
        self._spill(live)
        return Collection(True, self._spec.pause_cpu + self._spec.mark_cpu * live / MIB, self._ergonomics.gc_threads)

    def _spill(self, live: int) -> None:
        """What did not fit the old generation is in eden, and may fill a survivor space as well."""
        self.eden_used = self._left_over = live - self._old_used
        if self._left_over:
            self._eden += self._survivor

    def _grow_old(self) -> None:
        if self._old_used > self._old_capacity:
            self._old_capacity = min(self.max_old, self._old_used)

    def _resize(self) -> None:
        """At least 40 % of the old generation shall be free; the young one is half as large as it is."""
        largest, smallest = self._ergonomics.max_heap, self._ergonomics.initial_heap
        self._old_capacity = min(self.max_old, max(self._old_capacity, self._old_used * 10 // 6))
        young = -(-self._old_capacity // 2 // GENERATION_GRAIN_BYTES) * GENERATION_GRAIN_BYTES
        young = min(aligned_down(largest // 3), max(young, aligned_down(smallest // 3)))
        self._survivor = aligned_down(young // 10)
        self._eden = young - 2 * self._survivor


def aligned_down(size: int) -> int:
    return size // GENERATION_GRAIN_BYTES * GENERATION_GRAIN_BYTES
