"""The part of a log that is looked at: from an instant to another.

Models   An instant is a date and time (ISO 8601 or as in access logs; without a time zone it is UTC; a date alone is
         its midnight), or +10m: so long after the first request that stands in the log. The stamp of a request must be
         at or after the first and before the second.
Checked  tests/unit/test_replay_window.py
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from experiments.errors import InputError, shown
from experiments.logs.stamps import clf_ns, iso_ns
from sim.quantities import parse_duration

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LONGEST_S: Final = 1e10
_EXAMPLES: Final = "Write e.g. 2026-01-31T18:00+01:00, or +10m for ten minutes after the log's first request."


@dataclass(frozen=True)
class Edge:
    """An instant: in ns since 1970, or since the first request of the log."""

    ns: int
    is_relative: bool

    def after(self, first_ns: int) -> int:
        return self.ns + first_ns if self.is_relative else self.ns


@dataclass(frozen=True)
class Window:
    """What of a log is looked at. Without edges: all of it."""

    begin: Edge | None = None
    end: Edge | None = None

    @property
    def is_everything(self) -> bool:
        return self.begin is None and self.end is None

    @property
    def is_told(self) -> bool:
        """Whether both edges are instants: then no stamp between them is too far away."""
        return (
            self.begin is not None and self.end is not None
            and not self.begin.is_relative and not self.end.is_relative
        )  # fmt: skip

    def holds(self, at_ns: npt.NDArray[np.int64], first_ns: int) -> npt.NDArray[np.bool_]:
        """Which instants are inside."""
        inside = np.ones(len(at_ns), bool)
        if self.begin is not None:
            inside &= at_ns >= self.begin.after(first_ns)
        if self.end is not None:
            inside &= at_ns < self.end.after(first_ns)
        return inside


def read_window(begin: str | None, end: str | None) -> Window:
    """The window of `--from` and `--to`. Raises InputError."""
    window = Window(_edge("--from", begin), _edge("--to", end))
    if (
        window.begin is not None and window.end is not None
        and window.begin.is_relative == window.end.is_relative and window.end.ns <= window.begin.ns
    ):  # fmt: skip
        raise InputError(f"--to: must be after --from ({begin}), got {shown(end)}. Nothing would be left.")
    return window


def _edge(option: str, text: str | None) -> Edge | None:
    if text is None:
        return None
    stripped = text.strip()
    if stripped.startswith("+"):
        try:
            seconds = parse_duration(stripped[1:])
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds <= _LONGEST_S:
            raise InputError(f"{option}: must be a duration after +, got {shown(text)}. {_EXAMPLES}")
        return Edge(round(seconds * 1e9), True)
    whole = f"{stripped}T00:00" if _DATE.fullmatch(stripped) else stripped
    raw = whole.encode("utf-8", "replace")
    ns = iso_ns(raw)
    ns = clf_ns(raw) if ns is None else ns
    if ns is None:
        raise InputError(f"{option}: must be an instant, got {shown(text)}. {_EXAMPLES}")
    return Edge(ns, False)
