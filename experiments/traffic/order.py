"""Requests in the order in which they came: what asks who comes after whom needs that, and logs write when they end.

Models   A row is held back until HELD later lines have been read, so lines that far out of place are put in order. What
         comes later still is counted and left out: it would have to be told of a time that is over.
         Where stamps are whole seconds, line n stands at the fraction mix64(n) of its second, as in a replay.
Checked  tests/unit/test_traffic_order.py, tests/properties/test_traffic.py
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from experiments.logs.batch import Batch, Integers, joined
from experiments.replay.spread import STEPS_IN_A_SECOND, spread_steps
from experiments.traffic.counts import SECOND_NS

HELD: Final = 1 << 17


@dataclass(slots=True)
class Ordered:
    """Rows in order, and the instants that order them."""

    rows: Batch
    instant_ns: Integers
    """Never falls; within the stamp's resolution of `rows.at_ns`."""


class Sorter:
    """Puts batches in order. `late` counts what came too late for that."""

    def __init__(self, held: int = HELD) -> None:
        self.late = 0
        self._held = held
        self._done_ns: int | None = None

    def ordered(self, batches: Iterable[Batch]) -> Iterator[Ordered]:
        """The rows of all batches. One is given out for each that comes, and one at the end."""
        waiting: Ordered | None = None
        for batch in batches:
            instant_ns = _instants(batch)
            if waiting is not None:
                batch = joined([waiting.rows, batch])
                instant_ns = np.concatenate([waiting.instant_ns, instant_ns])
            order = np.argsort(instant_ns, kind="stable")
            cut = max(0, len(order) - self._held)
            waiting = Ordered(batch.part(order[cut:]), instant_ns[order[cut:]])
            yield self._given(Ordered(batch.part(order[:cut]), instant_ns[order[:cut]]))
        if waiting is not None:
            yield self._given(waiting)

    def _given(self, found: Ordered) -> Ordered:
        if self._done_ns is not None and len(found.instant_ns) and found.instant_ns[0] < self._done_ns:
            fresh = found.instant_ns >= self._done_ns
            self.late += int((~fresh).sum())
            found = Ordered(found.rows.part(fresh), found.instant_ns[fresh])
        if len(found.instant_ns):
            self._done_ns = int(found.instant_ns[-1])
        return found


def _instants(batch: Batch) -> Integers:
    steps = spread_steps(batch.line, batch.resolution_ns)
    return batch.at_ns + (steps * (SECOND_NS / STEPS_IN_A_SECOND)).astype(np.int64)
