"""Windows: instants as people write them, and which requests lie between."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.errors import InputError
from experiments.logs import read_window
from experiments.logs.window import Edge

NS = 10**9
NOON_S = 1769860800
"""2026-01-31T12:00Z."""


@pytest.mark.parametrize(
    ("text", "edge"),
    [
        ("2026-01-31T12:00Z", Edge(NOON_S * NS, False)),
        ("2026-01-31T12:00", Edge(NOON_S * NS, False)),
        ("2026-01-31 21:00:00+09:00", Edge(NOON_S * NS, False)),
        ("2026-01-31T06:30:00.250-0530", Edge(NOON_S * NS + NS // 4, False)),
        ("31/Jan/2026:13:00:00 +0100", Edge(NOON_S * NS, False)),
        ("2026-02-01", Edge((NOON_S + 12 * 3600) * NS, False)),
        ("+10m", Edge(600 * NS, True)),
        ("+0s", Edge(0, True)),
        ("+1h30m", Edge(5400 * NS, True)),
        ("+250ms", Edge(NS // 4, True)),
    ],
)
def test_instants(text: str, edge: Edge) -> None:
    assert read_window(text, None).begin == edge
    assert read_window(None, f" {text} ").end == edge


@pytest.mark.parametrize(
    "text", ["", "noon", "10m", "-10m", "+", "+10", "+x", "2026-02-30", "2026-01-31T25:00", "+1e9d"]
)
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"^--to: must be (an instant|a duration after \+), got"):
        read_window(None, text)


@pytest.mark.parametrize(("begin", "end"), [("+10m", "+10m"), ("+10m", "+5m"), ("2026-01-31", "2026-01-30")])
def test_windows_that_hold_nothing_are_refused(begin: str, end: str) -> None:
    with pytest.raises(InputError, match="--to: must be after --from"):
        read_window(begin, end)


def test_the_begin_is_inside_and_the_end_is_not() -> None:
    at_ns = (NOON_S + np.arange(5)) * NS
    assert read_window("2026-01-31T12:00:01Z", "2026-01-31T12:00:03Z").holds(at_ns, 0).tolist() == [0, 1, 1, 0, 0]
    assert read_window("+1s", None).holds(at_ns, NOON_S * NS).tolist() == [0, 1, 1, 1, 1]
    assert read_window(None, "+2s").holds(at_ns, NOON_S * NS).tolist() == [1, 1, 0, 0, 0]
    assert read_window(None, None).holds(at_ns, 0).all()
