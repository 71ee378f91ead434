"""One request as the recorder reads it, and a block of ended requests as columns."""

from __future__ import annotations

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


RECORD: Final = np.dtype(
    [
        ("ordinal", "i8"), ("arrived_at_s", "f8"), ("ended_at_s", "f8"), ("wait_s", "f8"), ("cpu_s", "f8"),
        ("throttled_s", "f8"), ("cache_s", "f8"), ("db_s", "f8"), ("delay_s", "f8"), ("attempts", "i4"),
        ("endpoint", "i4"), ("status", "i4"), ("outcome", "i2"), ("reason", "i2"),
    ]
)  # fmt: skip
"""One ended request: 88 bytes."""

Records = npt.NDArray[Any]


class Columns:
    """Records to be written number by number: a column of each field."""

    __slots__ = (
        "arrived_at_s", "attempts", "cache_s", "cpu_s", "db_s", "delay_s", "ended_at_s", "endpoint", "ordinal",
        "outcome", "reason", "status", "throttled_s", "wait_s",
    )  # fmt: skip

    def __init__(self, records: Records) -> None:
        def column(name: str) -> Any:
            return records[name].data

        self.ordinal = column("ordinal")
        self.arrived_at_s = column("arrived_at_s")
        self.ended_at_s = column("ended_at_s")
        self.wait_s = column("wait_s")
        self.cpu_s = column("cpu_s")
        self.throttled_s = column("throttled_s")
        self.cache_s = column("cache_s")
        self.db_s = column("db_s")
        self.delay_s = column("delay_s")
        self.attempts = column("attempts")
        self.endpoint = column("endpoint")
        self.status = column("status")
        self.outcome = column("outcome")
        self.reason = column("reason")

    def write(
        self, row: int, request: Recorded, ended_at_s: float, outcome: int | None, status: int, reason: int
    ) -> None:
        """Write a request as it is now: later work on it, behind its client's back, is not seen."""
        self.ordinal[row] = request.ordinal
        self.arrived_at_s[row] = request.arrived_at_s
        self.ended_at_s[row] = ended_at_s
        self.wait_s[row] = request.wait_s
        self.cpu_s[row] = request.cpu_s
        self.throttled_s[row] = request.throttled_s
        self.cache_s[row] = request.cache_s
        self.db_s[row] = request.db_s
        self.delay_s[row] = request.delay_s
        self.attempts[row] = request.attempts
        self.endpoint[row] = request.endpoint
        self.status[row] = status
        self.outcome[row] = outcome
        self.reason[row] = reason


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
