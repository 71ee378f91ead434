"""Slopes with chance in them: what is found is right on average, errors are what they are. Figures are made by hand."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from experiments.calibration.last_steps import ExactSearch
from experiments.calibration.parameters import Parameter
from experiments.calibration.slopes import MOST_CHANCE, SlopeSets, design, slopes_of

FIGURES = 60
NOTHING = np.eye(2) * 1e-9
TRUE = np.stack([np.linspace(5, 15, FIGURES), np.linspace(5, 15, FIGURES) + np.cos(np.arange(FIGURES)) * 2.5], axis=1)
"""Two parameters that nearly make up for each other."""


def noisy(number: int, size: float) -> np.ndarray:
    chance = np.random.Generator(np.random.Philox(key=[number, 9]))
    return TRUE + size * chance.standard_normal(TRUE.shape)


@pytest.mark.parametrize("many", [1, 2, 3, 4, 6, 8, 9])
def test_every_parameter_moves_apart_from_every_other_and_from_their_products(many: int) -> None:
    signs = design(many)
    assert signs.shape == (2 * 2 ** int(np.ceil(np.log2(many))), many)
    assert (signs.T @ signs == len(signs) * np.eye(many)).all()
    products = np.stack([signs[:, a] * signs[:, b] for a in range(many) for b in range(many)], axis=1)
    assert not (signs.T @ products).any()


def test_slopes_are_exact_where_figures_bend() -> None:
    signs, steps = design(3), np.array([0.1, 0.2, 0.3])

    def figures(at: np.ndarray) -> np.ndarray:
        return np.array([2 * at[0] + 7 * at[1] * at[2] + at[1] ** 2, 5.0 - at[2] + 100 * at[0] * at[0]])

    found = slopes_of(signs, steps, [figures(row * steps) for row in signs])
    np.testing.assert_allclose(found, [[2, 0, 0], [0, 0, -1]], atol=1e-12)


def test_chance_is_no_information() -> None:
    """On average over many pairs of sets; taken at face value, chance would say more than there is."""
    true = TRUE.T @ TRUE
    size = 2.0
    sets = [SlopeSets((noisy(2 * number, size), noisy(2 * number + 1, size))) for number in range(400)]
    weak = np.linalg.inv(true)
    found = np.mean([each.information(NOTHING) for each in sets], axis=0)
    seeming = np.mean([each.mean.T @ each.mean for each in sets], axis=0)
    assert np.linalg.inv(found)[0, 0] == pytest.approx(weak[0, 0], rel=0.1)
    assert np.linalg.inv(seeming)[0, 0] < 0.7 * weak[0, 0]


def test_errors_are_those_of_what_is_found() -> None:
    """Steps from figures with errors of 1, each with slopes of its own chance: nine of ten or more within 1.96."""
    inside = 0
    for number in range(400):
        sets = SlopeSets(tuple(noisy(3 * number + k, 1.5) for k in range(3)))
        off = np.random.Generator(np.random.Philox(key=[number, 10])).standard_normal(FIGURES)
        found = np.linalg.solve(sets.information(NOTHING), sets.mean.T @ off)
        inside += abs(found[0]) < 1.96 * sets.covariance(NOTHING)[0, 0] ** 0.5
    assert 0.92 <= inside / 400 <= 0.98


def test_what_is_only_chance_has_a_wide_error_and_is_given_up() -> None:
    sets = SlopeSets((noisy(1, 0.0) * [1, 0] + noisy(2, 0.3) - TRUE, noisy(1, 0.0) * [1, 0] + noisy(3, 0.3) - TRUE))
    before = np.eye(2)
    seeming = np.linalg.inv(sets.mean.T @ sets.mean + before)
    assert sets.most_chance(before) > 0.5
    assert sets.covariance(before)[1, 1] > 2 * seeming[1, 1]
    assert sets.without(1).mean.shape == (FIGURES, 1)
    assert sets.without(1).most_chance(np.eye(1)) < 0.01
    assert sets.covariance(before)[1, 1] <= seeming[1, 1] / (1 - MOST_CHANCE) ** 2 * 1.001


def test_a_longer_look_reaches_the_truth_from_where_chance_led() -> None:
    """The first slopes are nearly chance; steps with them would go a small part of the way."""

    def longer(values: Mapping[str, float], is_exact: bool = True) -> np.ndarray:
        inner = np.log([values["a"], values["b"]])
        return TRUE * 4 @ (np.array([0.1, -0.1]) - inner)

    def one(values: Mapping[str, float], number: int) -> np.ndarray:
        chance = np.random.Generator(np.random.Philox(key=[number, 11]))
        tilt = chance.standard_normal(TRUE.shape)  # the same in all runs of a set
        return longer(values) - 3.0 * tilt @ np.log([values["a"], values["b"]])

    def rough(values: Mapping[str, float], quick: bool) -> np.ndarray:
        return longer(values) - 40.0 * np.sin(np.outer(np.arange(FIGURES), [1.0, 2.0])) @ np.log([*values.values()])

    searching = ExactSearch([Parameter("a", "mean", 1.0), Parameter("b", "mean", 1.0)], rough, lambda text: None)
    first = dict(searching.run(lambda: None).values)
    assert abs(np.log(first["a"]) - 0.1) > 0.03
    told = searching.solution.errors["a"]
    found = searching.polished(one, longer)
    assert found.values["a"] == pytest.approx(np.exp(0.1), rel=0.002)
    assert found.values["b"] == pytest.approx(np.exp(-0.1), rel=0.002)
    assert found.errors["a"] > told, "what chance seemed to tell is gone"
