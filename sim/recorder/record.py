"""One request as the recorder reads it, and a block of ended requests as columns."""

from __future__ import annotations

from struct import Struct
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sim.errors import SimulationError
from sim.statistics import Floats, Integers, bin_index

OUTCOMES: Final = ("succeeded", "refused", "failed", "abandoned", "in_flight")
"""Names of the outcomes 0 to 4. The last is not an end: it is what the end of a run finds."""

ENDS: Final = 4
ABANDONED: Final = 3
IN_FLIGHT: Final = 4
STATUSES: Final = 1000
REASONS: Final = 256

MEASURED_PARTS: Final = ("wait", "cpu", "throttled", "cache", "db", "delay")
PARTS: Final = (*MEASURED_PARTS, "left", "other")
"""What a latency is made of. What none of the measured parts accounts for is `left` where a client has left: a wait
or a burst is counted when it is over, and those that go on behind a left attempt come too late. Else it is `other`."""


class Recorded:
    """What the recorder reads of a request: times in seconds, `endpoint` an index into the recorder's endpoints."""

    __slots__ = (
        "arrived_at_s", "attempts", "cache", "cache_s", "cpu_s", "db_s", "delay_s", "ended_at_s", "endpoint", "ip",
        "ordinal", "outcome", "reason", "replica", "status", "steps_s", "throttled_s", "user", "wait_s",
    )  # fmt: skip

    ordinal: int
    """Counts arrivals in the order in which they happen."""
    endpoint: int
    user: int
    ip: int
    arrived_at_s: float
    ended_at_s: float
    outcome: int | None
    """None while the request is in flight."""
    status: int
    reason: str
    attempts: int
    replica: str
    cache: str
    """hit, miss, or empty where no cache was asked."""
    steps_s: dict[str, float] | None
    """Time spent per step path, kept only where rows ask for it."""
    wait_s: float
    """Queued: for permits, threads, connections, a core that is busy with others."""
    cpu_s: float
    throttled_s: float
    cache_s: float
    db_s: float
    delay_s: float


PACK: Final = Struct("@q8dihhhh4x")
"""One ended request in native layout: packing it costs a quarter of what a tuple made into arrays later costs."""

RECORD: Final = np.dtype(
    {
        "names": [
            "ordinal", "arrived_at_s", "ended_at_s", "wait_s", "cpu_s", "throttled_s", "cache_s", "db_s", "delay_s",
            "attempts", "endpoint", "outcome", "status", "reason",
        ],
        "formats": ["i8", *["f8"] * 8, "i4", *["i2"] * 4],
        "offsets": [*range(0, 72, 8), 72, 76, 78, 80, 82],
        "itemsize": PACK.size,
    }
)  # fmt: skip

Records = npt.NDArray[Any]


def pack_in_flight(request: Recorded, buffer: bytearray, offset: int) -> None:
    """Write a request that has not ended: no end, no status, no reason."""
    PACK.pack_into(
        buffer, offset, request.ordinal, request.arrived_at_s, float("nan"), request.wait_s, request.cpu_s,
        request.throttled_s, request.cache_s, request.db_s, request.delay_s, request.attempts, request.endpoint,
        IN_FLIGHT, 0, 0,
    )  # fmt: skip


class Batch:
    """A block of ended requests in the order in which they ended, with everything that is derived but once.

    `row` is the bin of time in which each ended, among those of this batch (`bins`). The ends_* columns count the
    distinct (row, cause, arrived after the warm-up); a cause packs endpoint, outcome, status and reason.
    """

    __slots__ = (
        "arrived", "bins", "ends_cause", "ends_count", "ends_is_measured", "ends_row", "index", "is_measured",
        "latency", "records", "row",
    )  # fmt: skip

    def __init__(self, records: Records, endpoints: int, reasons: int, warm_up_s: float, bin_s: float) -> None:
        self.records = records
        self.arrived: Floats = np.ascontiguousarray(records["arrived_at_s"])
        ended: Floats = np.ascontiguousarray(records["ended_at_s"])
        self.latency: Floats = ended - self.arrived
        self._refuse_nonsense(endpoints, ended)
        self.index: Integers = bin_index(self.latency)
        self.is_measured: npt.NDArray[np.bool_] = self.arrived >= warm_up_s
        end_bin = bin_of(ended, bin_s)
        is_new = np.empty(len(records), dtype=np.bool_)
        is_new[0] = False
        np.not_equal(end_bin[1:], end_bin[:-1], out=is_new[1:])
        self.row: Integers = np.cumsum(is_new)
        is_new[0] = True
        self.bins: Integers = end_bin[is_new]
        self._count_ends(reasons)

    def _count_ends(self, reasons: int) -> None:
        """Count by row and cause. Statuses are few: their ranks make keys small enough to count without sorting."""
        records = self.records
        statuses = np.flatnonzero(np.bincount(records["status"]))
        ranks = np.zeros(STATUSES, dtype=np.int64)
        ranks[statuses] = np.arange(len(statuses))
        endpoints = int(records["endpoint"].max()) + 1
        shape = (len(self.bins), endpoints, ENDS, len(statuses), reasons, 2)
        key = self.row.copy()
        for size, column in zip(
            shape[1:],
            (records["endpoint"], records["outcome"], ranks[records["status"]], records["reason"], self.is_measured),
            strict=True,
        ):
            key *= size
            key += column
        keys, self.ends_count = count_distinct(key, int(np.prod(shape)))
        self.ends_row, endpoint, outcome, rank, reason, measured = np.unravel_index(keys, shape)
        self.ends_is_measured: npt.NDArray[np.bool_] = measured == 1
        self.ends_cause = join_cause(endpoint, outcome, statuses[rank], reason)

    def _refuse_nonsense(self, endpoints: int, ended: Floats) -> None:
        records = self.records
        for name, limit in (("endpoint", endpoints), ("outcome", ENDS), ("status", STATUSES)):
            column = records[name]
            if int(column.min()) < 0 or int(column.max()) >= limit:
                wrong = records[(column < 0) | (column >= limit)][0]
                raise SimulationError(f"request {wrong['ordinal']} ended with {name} {wrong[name]}")
        if not float(self.latency.min()) >= 0.0 or not bool((ended[1:] >= ended[:-1]).all()):
            raise SimulationError("a request ended before it arrived, or before one that had ended earlier")


def bin_of(instants: Floats, bin_s: float) -> Integers:
    """The number of the bin of time that holds each instant."""
    return np.floor(instants / bin_s).astype(np.int64)


def count_distinct(keys: Integers, bound: int) -> tuple[Integers, Integers]:
    """Distinct keys in order and how often each occurs. `bound` is above every key; small ones are not sorted."""
    if bound > 8 * len(keys):
        return np.unique(keys, return_counts=True)
    counts = np.bincount(keys)
    used = np.flatnonzero(counts)
    return used, counts[used]


def join_cause(endpoint: Integers, outcome: Integers, status: Integers, reason: Integers) -> Integers:
    """Causes packed in one number."""
    return ((endpoint * ENDS + outcome) * STATUSES + status) * REASONS + reason


def split_cause(cause: Integers) -> tuple[Integers, Integers, Integers, Integers]:
    """Endpoint, outcome, status and reason of packed causes."""
    rest, reason = np.divmod(cause, REASONS)
    rest, status = np.divmod(rest, STATUSES)
    endpoint, outcome = np.divmod(rest, ENDS)
    return endpoint, outcome, status, reason
