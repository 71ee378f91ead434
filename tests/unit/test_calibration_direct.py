"""What a log tells without a simulation."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.calibration.direct import measured, think_times, told_by_modes, two_modes
from experiments.calibration.work import unloaded_s
from experiments.scoring.observed import Observed


def drawn(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed))


def observed(t_s: np.ndarray, response_s: np.ndarray, user: np.ndarray | None = None) -> Observed:
    order = np.argsort(t_s, kind="stable")
    many = len(t_s)
    zeros = np.zeros(many, np.int64)
    unknown = np.full(many, np.nan)
    return Observed(
        "x.log", ("only",), t_s[order] - t_s.min(), 0, zeros, zeros if user is None else user[order], zeros, zeros - 1,
        response_s[order], unknown, unknown, np.ones(many, bool), np.full(many, -1, np.int8), 0.0, {},
    )  # fmt: skip


def test_two_modes_are_told_apart() -> None:
    chance = drawn(1)
    is_hit = chance.random(4000) < 0.7
    values = np.where(is_hit, 0.002, 0.030) * np.exp(0.3 * chance.standard_normal(4000))
    modes = two_modes(values)
    assert modes is not None
    assert 0.004 < modes.threshold_s < 0.018
    assert float(told_by_modes(values, modes.threshold_s).mean()) == pytest.approx(float(is_hit.mean()), abs=0.01)


@pytest.mark.parametrize("values", [
    0.01 * np.exp(0.8 * drawn(2).standard_normal(4000)), drawn(3).exponential(0.01, 4000), np.full(4000, 0.01),
    np.zeros(4000), np.array([0.1] * 20),
])  # fmt: skip
def test_one_mode_is_not_two(values: np.ndarray) -> None:
    assert two_modes(values) is None


def test_think_times_are_from_the_end_of_an_answer_to_the_next_request() -> None:
    chance = drawn(4)
    t_s, response_s, user = [], [], []
    for number in range(40):
        at = chance.random() * 10
        for _ in range(30):
            took = chance.exponential(0.2)
            t_s.append(at)
            response_s.append(took)
            user.append(number)
            at += took + chance.gamma(2.0, 2.5)
    found, visits = think_times(observed(np.array(t_s), np.array(response_s), np.array(user)), 1800.0, 0.0)
    assert found is not None
    assert found.fitted is not None
    assert found.count == 40 * 29
    assert found.low_s < 5.0 < found.high_s
    assert found.fitted.kind == "gamma"
    assert found.fitted.shape == pytest.approx(2.0, rel=0.15)
    assert found.farther is not None
    assert found.farther > 0.05
    assert visits == {"visitors": 40, "sessions": 40, "requests_per_session": 30.0}


def test_a_fit_of_the_wrong_form_is_rejected() -> None:
    chance = drawn(5)
    values = np.concatenate([chance.normal(1.0, 0.05, 2000), chance.normal(9.0, 0.05, 2000)])
    found = measured("pauses", values, 0.0)
    assert found is not None
    assert found.farther is not None
    assert found.farther < 0.05


def test_too_few_are_not_measured() -> None:
    assert measured("pauses", np.ones(10), 0.0) is None


def test_response_times_without_load_follow_from_how_they_grow_with_it() -> None:
    chance = drawn(6)
    parts = []
    for stretch, rate in enumerate([20, 40, 60, 80] * 8):
        came = stretch * 10 + np.sort(chance.random(rate * 10)) * 10
        parts.append((came, np.full(rate * 10, 0.01 / (1 - rate * 0.01))))
    t_s, response_s = (np.concatenate(column) for column in zip(*parts, strict=True))
    assert unloaded_s(observed(t_s, response_s), 0) < 0.5 * float(response_s.mean()) + 1e-9
