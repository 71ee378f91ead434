"""Rows on disk: sorted in blocks, merged, and handed over as a path."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from experiments.spool import SMALL, Sorter, SpooledTrace, Table, portable
from experiments.trace import Trace

KIND = np.dtype([("at", np.int64), ("line", np.int64)])


def rows_of(at: np.ndarray) -> np.ndarray:
    rows = np.empty(len(at), KIND)
    rows["at"], rows["line"] = at, np.arange(len(at))
    return rows


@pytest.mark.parametrize("run", [1, 7, 100, 1000])
@pytest.mark.parametrize("order", ["rising", "falling", "shuffled", "equal", "nearly"])
def test_rows_come_in_order_and_equal_ones_as_they_were_added(run: int, order: str, tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    at = {
        "rising": np.arange(500), "falling": np.arange(500)[::-1], "shuffled": chance.integers(0, 60, 500),
        "equal": np.zeros(500, np.int64), "nearly": np.arange(500) + chance.integers(-9, 9, 500),
    }[order]  # fmt: skip
    rows = rows_of(at)
    sorter = Sorter(tmp_path / "runs", KIND, "at", run)
    for first in range(0, 500, 33):
        sorter.add(rows[first : first + 33])
    assert sorter.rows == 500
    merged = np.concatenate(list(sorter.in_order()))
    assert merged.tolist() == rows[np.argsort(at, kind="stable")].tolist()
    assert not list(tmp_path.iterdir())


def test_only_runs_that_overlap_are_held(tmp_path: Path) -> None:
    sorter = Sorter(tmp_path / "runs", KIND, "at", 5000)
    for first in range(0, 100_000, 5000):
        sorter.add(rows_of(first + np.arange(5000)[::-1]))
    blocks = [len(block) for block in sorter.in_order()]
    assert sum(blocks) == 100_000
    assert max(blocks) <= 5000


def test_nothing_is_in_order(tmp_path: Path) -> None:
    assert list(Sorter(tmp_path / "runs", KIND, "at").in_order()) == []


def test_a_table_reads_what_was_added(tmp_path: Path) -> None:
    table = Table(tmp_path / "table", KIND)
    for first in (0, 40):
        table.add(rows_of(np.arange(first, first + 40)))
    table.close()
    assert table.part(39, 3)["at"].tolist() == [39, 40, 41]
    assert [len(block) for block in table.blocks(30)] == [30, 30, 20]


def test_small_traces_are_handed_over_as_they_are() -> None:
    trace = Trace(np.arange(10.0))
    assert portable(trace) is trace


def test_large_traces_are_handed_over_as_a_path() -> None:
    count = SMALL * 2 + 5
    nan = float("nan")
    t_s = np.arange(count) / 1024
    demand = np.where(np.arange(count) % 2 == 0, 0.5, nan)
    spooled = portable(Trace(t_s, endpoint=np.arange(count) % 3, demands={"api.get.cpu": demand}))
    assert isinstance(spooled, SpooledTrace)
    packed = pickle.dumps(spooled)
    assert len(packed) < 1000
    other = pickle.loads(packed)
    assert (len(other), other.last_s) == (count, t_s[-1])
    blocks = list(other.blocks())
    assert np.concatenate([block.t_s for block in blocks]).tolist() == t_s.tolist()
    assert np.concatenate([block.endpoint for block in blocks]).tolist() == (np.arange(count) % 3).tolist()
    assert np.array_equal(np.concatenate([block.demands["api.get.cpu"] for block in blocks]), demand, equal_nan=True)
    assert all(block.user is None and block.key is None for block in blocks)
    other.close()
    assert len(list(spooled.blocks())) == 3, "only its owner removes it"
    spooled.close()
    with pytest.raises(FileNotFoundError):
        list(spooled.blocks())
