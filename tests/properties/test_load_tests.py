"""Load tests of any kind: what is exported is read back, and no file of anybody ends in a traceback."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments.errors import InputError
from experiments.shapes.curve import Load, points_of, simplified, stages_of, summed
from experiments.shapes.k6 import closed_executor, open_executor
from experiments.shapes.literals import Literals
from experiments.shapes.load_test import read_load_test
from experiments.shapes.locust import stages_of_users
from experiments.shapes.read_k6 import read_k6
from experiments.shapes.read_locust import read_locust
from models.workload import WorkloadSpec

in_folder = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def curves(draw: st.DrawFn, least_s: float = 0.0, top: int = 1000) -> list[tuple[float, float]]:
    """Points of a load: whole levels, steps and ramps."""
    points = [(0.0, float(draw(st.integers(0, top))))]
    for _ in range(draw(st.integers(1, 6))):
        at_s = points[-1][0] + draw(st.sampled_from([0.0, 2.5, 7.0, 60.0, 3600.0]))
        points.append((at_s, float(draw(st.integers(0, top)))))
    points.append((points[-1][0] + 10.0, points[-1][1]))
    return simplified(points)


def assert_same(found: Load, wanted: list[tuple[float, float]]) -> None:
    assert np.array(simplified(found.points)) == pytest.approx(np.array(simplified(wanted)), rel=1e-6, abs=1e-9)


@settings(max_examples=100)
@given(curves())
def test_stages_of_k6_come_back(points: list[tuple[float, float]]) -> None:
    for load, options in (
        (Load("open", tuple(points)), open_executor(Load("open", tuple(points)), None)),
        (Load("closed", tuple(points)), closed_executor(Load("closed", tuple(points)))),
    ):
        found, _ = read_k6(json.dumps({"scenarios": {"load": options}}), "a.json")
        assert found.kind == load.kind
        assert_same(found, points)


@settings(max_examples=100)
@given(curves())
def test_stages_of_locust_come_back(points: list[tuple[float, float]]) -> None:
    text = f"class S(LoadTestShape):\n    stages = {stages_of_users(points)!r}\n"
    found, _ = read_locust(text, "l.py")
    assert_same(found, without_instants(points))


def without_instants(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Levels that last no time are no stage: of several points at one instant the first and the last stay."""
    kept = [
        point
        for number, point in enumerate(points)
        if not (0 < number < len(points) - 1 and points[number - 1][0] == point[0] == points[number + 1][0])
    ]
    return kept[1:] if len(kept) > 1 and kept[0][0] == kept[1][0] else kept


@settings(max_examples=100)
@given(curves(), curves())
def test_sums_of_curves_are_sums_at_every_instant(
    first: list[tuple[float, float]], second: list[tuple[float, float]]
) -> None:
    both = summed([first, second])
    for at_s in np.linspace(0.013, max(first[-1][0], second[-1][0]) - 0.017, 37).tolist():
        assert level(both, at_s) == pytest.approx(level(first, at_s) + level(second, at_s), abs=1e-6)


def level(points: list[tuple[float, float]], at_s: float) -> float:
    if at_s > points[-1][0]:
        return 0.0
    times = [time_s for time_s, _ in points]
    number = int(np.searchsorted(times, at_s, side="right"))
    (from_s, low), (to_s, high) = points[number - 1], points[min(number, len(points) - 1)]
    return low + (high - low) * (at_s - from_s) / (to_s - from_s) if to_s > from_s else high


@settings(max_examples=50)
@given(curves())
def test_stages_and_points_are_the_same(points: list[tuple[float, float]]) -> None:
    assert np.array(points_of(*stages_of(points))) == pytest.approx(np.array(points))


plain: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**50), 2**50) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150)
@given(plain)
def test_json_is_read_as_json(value: Any) -> None:
    assert Literals(json.dumps(value, indent=1)).whole() == value
    assert Literals(json.dumps(value)).whole() == value


PIECES = st.sampled_from(
    [
        "export const options = {", "stages:", "scenarios:", "[", "]", "{", "}", "duration:", "'1m'", "target:", "10",
        ",", "executor:", "'ramping-vus'", "'constant-arrival-rate'", "rate:", "timeUnit:", "vus:", "-1", "1e999", "'",
        '"', "`${", "//", "/*", "*/", "\\", "\n", "startTime:", "null", "a.b(c)", "=>", "...x", "\u2028", "\0", "0x",
        "1_0",
        "class S(LoadTestShape):", "\n    stages = ", "'users':", "'duration':", "wait_time = constant(", ")",
        "'spawn_rate':", "0", "9" * 400, "(", "lambda: 0", "=", "begin",
    ]
)  # fmt: skip


@in_folder
@given(st.lists(PIECES, max_size=40).map(" ".join) | st.text(max_size=200), st.sampled_from([".js", ".py", ".ts"]))
def test_no_file_ends_in_a_traceback(tmp_path: Path, text: str, suffix: str) -> None:
    file = tmp_path / f"load{suffix}"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        section, load = read_load_test(str(file))
    except InputError as error:
        assert all(line.isprintable() for line in error.lines)  # noqa: PT017
        return
    assert load.peak > 0
    WorkloadSpec.model_validate({**section.traffic, "mix": {"a": 1}})


@in_folder
@given(curves(top=300), st.booleans())
def test_what_is_read_is_traffic_of_a_scenario(
    tmp_path: Path, points: list[tuple[float, float]], is_open: bool
) -> None:
    load = Load("open" if is_open else "closed", tuple(points))
    if not load.peak or not load.ends_s:
        return
    executor = open_executor(load, None) if is_open else closed_executor(load)
    file = tmp_path / "load.js"
    file.write_text(f"export const options = {json.dumps({'scenarios': {'a': executor}})};\n")
    section, _ = read_load_test(str(file))
    spec = WorkloadSpec.model_validate({**section.traffic, "mix": {"a": 1}})
    stated = spec.open.rate.per_second if spec.open is not None else spec.users.population  # type: ignore[union-attr]
    shape = [(0.0, 1.0)] if spec.shape is None else list(spec.shape.profile().points)  # type: ignore[union-attr]
    for at_s, wanted in points:
        levels = [stated * factor for here_s, factor in shape if here_s == at_s]
        assert spec.shape is None or any(one == pytest.approx(wanted, rel=1e-5, abs=1e-9) for one in levels)
    assert ast.literal_eval(repr(section.document())) == section.document()
