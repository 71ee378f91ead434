"""Ended requests in the order in which they arrived: the digest of a run, and rows for whoever asked for them.

Requests end in another order than they arrive. They are put in their places in blocks of consecutive ordinals, and a
block is done with when its last request has ended; so one request that never ends holds up one block, not the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from sim.errors import SimulationError
from sim.recorder.record import OUTCOMES, RECORD, Recorded, Records
from sim.statistics import Integers

DIGEST_BLOCK: Final = 1024
ROW_BLOCK: Final = 16_384

DIGEST_ROW: Final = np.dtype(
    [
        ("replication", "<i4"), ("request", "<i8"), ("endpoint", "<i2"), ("outcome", "<i1"), ("status", "<i2"),
        ("attempts", "<i4"), ("latency_us", "<i8"),
    ]
)  # fmt: skip
"""What the digest sees of a request: 29 bytes. Latency in whole microseconds, rounded; -1 while in flight."""

Extras = tuple[int, int, str, str, dict[str, float] | None]
"""What only rows show: user, ip, replica, cache, seconds by step."""


class RowSink(Protocol):
    """Whoever wants one row a request."""

    @property
    def steps(self) -> Sequence[str]:
        """Steps (service.endpoint.step) that get a column of their own."""

    def write(self, columns: dict[str, npt.NDArray[Any] | list[Any]]) -> None:
        """Take a block of rows, in order of arrival; all blocks have the same columns."""


@dataclass
class _Block:
    rows: npt.NDArray[Any]
    extras: list[Extras | None]
    filled: int = 0


class _InOrder:
    """Blocks of `size` consecutive ordinals, filled in any order."""

    def __init__(self, size: int, dtype: np.dtype[Any], keeps_extras: bool) -> None:
        self._size = size
        self._dtype = dtype
        self._extras = size if keeps_extras else 0
        self._open: dict[int, _Block] = {}

    def put(self, ordinals: Integers, rows: npt.NDArray[Any], extras: Sequence[Extras]) -> list[tuple[int, _Block]]:
        """Put rows in their places. Returns the blocks that are full now, by number."""
        order = np.argsort(ordinals, kind="stable")
        ordered, rows = ordinals[order], rows.take(order)
        numbers = ordered // self._size
        starts = np.flatnonzero(np.diff(numbers, prepend=-1)).tolist()
        full = []
        for start, stop in zip(starts, [*starts[1:], len(ordered)], strict=True):
            number = int(numbers[start])
            block = self._open.get(number)
            if block is None:
                empty: list[Extras | None] = [None] * self._extras
                block = self._open[number] = _Block(np.empty(self._size, dtype=self._dtype), empty)
            places = ordered[start:stop] - number * self._size
            first, last = int(places[0]), int(places[-1])
            if last - first + 1 == stop - start:  # nobody between them ended before or ends later: one piece
                block.rows[first : last + 1] = rows[start:stop]
            else:
                block.rows[places] = rows[start:stop]
            block.filled += stop - start
            if self._extras:
                for place, source in zip(places.tolist(), order[start:stop].tolist(), strict=True):
                    block.extras[place] = extras[source]
            if block.filled == self._size:
                full.append((number, self._open.pop(number)))
        return full

    def rest(self, count: int) -> list[tuple[int, _Block]]:
        """The last, shorter block once all of `count` ordinals are in. SimulationError if any is missing."""
        number, size = divmod(count, self._size)
        last = self._open.pop(number, None)
        if self._open or (size and (last is None or last.filled != size)):
            raise SimulationError("the ledger lacks requests that arrived and neither ended nor are in flight")
        if last is None:
            return []
        last.rows = last.rows[:size]
        last.extras = last.extras[:size]
        return [(number, last)]


class _InTurn:
    """Keeps what is ready too early until everything before it has come."""

    def __init__(self) -> None:
        self._next = 0
        self._early: dict[int, Any] = {}

    def pass_on(self, number: int, item: Any) -> list[Any]:
        self._early[number] = item
        ready = []
        while self._next in self._early:
            ready.append(self._early.pop(self._next))
            self._next += 1
        return ready


class Digest:
    """blake2b over the blake2b of each block of 1024 rows, in order of arrival."""

    def __init__(self, replication: int) -> None:
        self._replication = replication
        self._in_order = _InOrder(DIGEST_BLOCK, DIGEST_ROW, keeps_extras=False)
        self._in_turn = _InTurn()
        self._hash = blake2b(digest_size=16)

    def add(self, records: Records) -> None:
        rows = np.empty(len(records), dtype=DIGEST_ROW)
        rows["replication"] = self._replication
        rows["request"] = records["ordinal"]
        for name in ("endpoint", "outcome", "status", "attempts"):
            rows[name] = records[name]
        latency_us = np.rint((records["ended_at_s"] - records["arrived_at_s"]) * 1e6)
        rows["latency_us"] = np.where(np.isnan(latency_us), -1.0, latency_us)
        self._hash_all(self._in_order.put(np.ascontiguousarray(records["ordinal"]), rows, ()))

    def close(self, count: int) -> str:
        """The digest over all `count` requests, in hexadecimal."""
        self._hash_all(self._in_order.rest(count))
        return self._hash.hexdigest()

    def _hash_all(self, blocks: list[tuple[int, _Block]]) -> None:
        for number, block in blocks:
            for digest in self._in_turn.pass_on(number, blake2b(block.rows.tobytes(), digest_size=32).digest()):
                self._hash.update(digest)


class Rows:
    """Writes the rows of every request to a sink, in order of arrival. Holds back what waits for its turn."""

    def __init__(self, sink: RowSink, endpoints: Sequence[str], warm_up_s: float, replication: int) -> None:
        self._sink = sink
        self._endpoints = list(endpoints)
        self._warm_up_s = warm_up_s
        self._replication = replication
        self._steps = list(sink.steps)
        self._in_order = _InOrder(ROW_BLOCK, RECORD, keeps_extras=True)
        self._in_turn = _InTurn()

    def extras(self, request: Recorded) -> Extras:
        """What rows show beside the record, as it is now."""
        steps = request.steps_s
        kept = None if steps is None else {step: steps[step] for step in self._steps if step in steps}
        return request.user, request.ip, request.replica, request.cache, kept

    def add(self, records: Records, extras: Sequence[Extras]) -> None:
        self._write_all(self._in_order.put(np.ascontiguousarray(records["ordinal"]), records, extras))

    def close(self, count: int) -> None:
        self._write_all(self._in_order.rest(count))

    def _write_all(self, blocks: list[tuple[int, _Block]]) -> None:
        for number, block in blocks:
            for ready in self._in_turn.pass_on(number, block):
                self._sink.write(self._columns(ready))

    def _columns(self, block: _Block) -> dict[str, npt.NDArray[Any] | list[Any]]:
        rows = block.rows
        users, ips, replicas, caches, steps = zip(*(extra for extra in block.extras if extra is not None), strict=True)
        columns: dict[str, npt.NDArray[Any] | list[Any]] = {
            "replication": np.full(len(rows), self._replication, dtype=np.int32),
            "request": rows["ordinal"].copy(),
            "t_s": rows["arrived_at_s"].copy(),
            "user": np.array(users, dtype=np.int64),
            "ip": np.array(ips, dtype=np.int64),
            "endpoint": [self._endpoints[number] for number in rows["endpoint"].tolist()],
            "outcome": [OUTCOMES[number] for number in rows["outcome"].tolist()],
            "status": rows["status"].astype(np.int32),
            "latency_s": rows["ended_at_s"] - rows["arrived_at_s"],
            "replica": list(replicas),
            "attempts": rows["attempts"].copy(),
        }
        for name in ("wait_s", "cpu_s", "throttled_s", "cache_s", "db_s"):
            columns[name] = rows[name].copy()
        columns["cache"] = list(caches)
        columns["warm_up"] = rows["arrived_at_s"] < self._warm_up_s
        for step in self._steps:
            columns[step] = np.array([float("nan") if kept is None else kept.get(step, float("nan")) for kept in steps])
        return columns
