"""The load of a scenario as points and stages, and curves that add up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from experiments.shapes.curve import Stage, load_of, points_of, simplified, stages_of, summed
from models.workload import WorkloadSpec


def load(duration_s: float = 100.0, **traffic: Any) -> Any:
    return load_of(WorkloadSpec.model_validate({"mix": {"a": 1}, **traffic}), 1, duration_s)


OPEN = {"open": {"rate": "10/s"}}


@pytest.mark.parametrize(
    ("traffic", "points"),
    [
        (OPEN, [(0, 10), (100, 10)]),
        ({**OPEN, "shape": {"kind": "ramp", "at": "20s", "lasts": "40s"}}, [(0, 0), (20, 0), (60, 10), (100, 10)]),
        ({**OPEN, "shape": {"kind": "ramp", "start": 1, "end": 5, "lasts": "200s"}}, [(0, 10), (100, 30)]),
        (
            {**OPEN, "shape": {"kind": "step", "levels": [1, 3, 2], "lasts": "40s"}},
            [(0, 10), (40, 10), (40, 30), (80, 30), (80, 20), (100, 20)],
        ),
        (
            {**OPEN, "surges": {"a": {"at": "50s", "lasts": "10s", "factor": 4}}},
            [(0, 10), (50, 10), (50, 40), (60, 40), (60, 10), (100, 10)],
        ),
        (
            {"users": {"population": 6, "think_time": "1s"}, "shape": {"kind": "ramp", "lasts": "30s"}},
            [(0, 0), (30, 6), (100, 6)],
        ),
    ],
)
def test_a_load_is_its_shape_times_its_level(traffic: dict[str, Any], points: list[tuple[float, float]]) -> None:
    found = load(**traffic)
    assert np.array(found.points) == pytest.approx(np.array(points))
    assert found.kind == ("closed" if "users" in traffic else "open")
    assert (found.ends_s, found.peak) == (100, max(level for _, level in points))


def test_bursts_are_those_of_the_first_replication() -> None:
    shape = {"kind": "bursty", "factor": 5, "calm": {"kind": "exponential", "mean": "9s"}, "burst": "3s"}
    found = load(**OPEN, shape=shape)
    assert found == load(**OPEN, shape=shape)
    assert {level for _, level in found.points} == {10, 50}
    rises = [at_s for (at_s, level), (_, after) in zip(found.points, found.points[1:], strict=False) if after > level]
    falls = [at_s for (at_s, level), (_, after) in zip(found.points, found.points[1:], strict=False) if after < level]
    assert [fall - rise for rise, fall in zip(rises, falls, strict=False)] == pytest.approx([3.0] * len(falls))


def test_stages_lead_through_the_points_and_back() -> None:
    points = [(0.0, 5.0), (10.0, 5.0), (10.0, 8.0), (25.0, 2.0)]
    start, stages = stages_of(points)
    assert (start, stages) == (5.0, [Stage(10, 5), Stage(0, 8), Stage(15, 2)])
    assert points_of(start, stages) == points


def test_points_on_a_line_are_left_out_and_steps_are_kept() -> None:
    points = [(0, 1), (1, 2), (2, 3), (2, 3), (2, 0), (2, 5), (4, 5), (4, 5), (6, 5)]
    found = simplified([(float(at_s), float(level)) for at_s, level in points])
    assert found == [(0, 1), (2, 3), (2, 0), (2, 5), (6, 5)]


def test_curves_add_up_and_are_nothing_before_and_after() -> None:
    first = [(0.0, 10.0), (20.0, 10.0)]
    second = [(10.0, 0.0), (30.0, 20.0)]
    assert summed([first, second]) == [(0, 10), (10, 10), (20, 20), (20, 10), (30, 20)]
    assert summed([[(5.0, 1.0), (6.0, 1.0)]]) == [(0, 0), (5, 0), (5, 1), (6, 1)]
