"""Requests of a log in columns: what every format makes of what it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

NS: Final = 1_000_000_000

_KINDS: Final[dict[str, tuple[Any, Any]]] = {
    "line": (np.int64, 0),
    "at_ns": (np.int64, 0),
    "target": (np.int32, -1),
    "user": (np.int64, -1),
    "ip": (np.int64, -1),
    "status": (np.int16, 0),
    "response_s": (np.float64, np.nan),
    "upstream_s": (np.float64, np.nan),
    "connect_s": (np.float64, np.nan),
    "tries": (np.int16, 0),
    "cache": (np.int8, -1),
    "bytes": (np.int64, -1),
}
"""Columns, their types, and what stands where a log does not say."""


@dataclass(slots=True)
class Batch:
    """Columns of equal length, one row a request, in the order of the lines."""

    line: Integers
    """From 1, over all files. In files of counts: the number of the request."""
    at_ns: Integers
    """When the request came, in ns since 1970 (UTC): the stamp, less the response time where the end was stamped."""
    target: npt.NDArray[np.int32]
    """Index into `Names.targets`; -1 unknown."""
    user: Integers
    """Number in `Names.users`; -1 unknown."""
    ip: Integers
    """Number in `Names.ips`; -1 unknown."""
    status: npt.NDArray[np.int16]
    """0 unknown."""
    response_s: Floats
    """As the writer of the log saw it; NaN unknown."""
    upstream_s: Floats
    """Response times of the servers behind it, all tries together; NaN unknown."""
    connect_s: Floats
    """Time to connect to the servers behind it, or to the system itself in a client's log; NaN unknown."""
    tries: npt.NDArray[np.int16]
    """Servers that were asked; 0 unknown."""
    cache: npt.NDArray[np.int8]
    """1 hit, 0 miss, -1 unknown."""
    bytes: Integers
    """Size of the answer; -1 unknown."""
    resolution_ns: int = NS
    """How exact the stamps are: a request came in [at_ns, at_ns + resolution_ns)."""

    def __len__(self) -> int:
        return len(self.line)

    def part(self, rows: Any) -> Batch:
        """Some of the rows: a slice, indices or a mask."""
        return Batch(**{name: getattr(self, name)[rows] for name in COLUMNS}, resolution_ns=self.resolution_ns)


COLUMNS: Final = tuple(_KINDS)


def batch_of(line: Integers, at_ns: Integers, *, resolution_ns: int = NS, **known: Any) -> Batch:
    """A batch of the columns that a format knows; the others are unknown."""
    columns = {"line": line, "at_ns": at_ns, **known}
    whole = {name: _column(name, columns.get(name), len(line)) for name in COLUMNS}
    return Batch(**whole, resolution_ns=resolution_ns)


def _column(name: str, values: Any, count: int) -> npt.NDArray[Any]:
    kind, unknown = _KINDS[name]
    return np.full(count, unknown, kind) if values is None else np.ascontiguousarray(values, kind)


def joined(batches: Sequence[Batch]) -> Batch:
    """Several batches as one, in the order of their lines."""
    if len(batches) == 1:
        return batches[0]
    coarsest = max(batch.resolution_ns for batch in batches)
    columns = {name: np.concatenate([getattr(batch, name) for batch in batches]) for name in COLUMNS}
    return Batch(**columns, resolution_ns=coarsest)
