"""The search: finds what can be found, gives up what cannot, and says why. Figures are made by hand, nothing is run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from experiments.calibration.last_steps import ExactSearch
from experiments.calibration.parameters import Parameter
from experiments.calibration.solution import Solution
from experiments.calibration.solve import Search

NOISE = 0.01


def unknown(name: str, start: float, what: str = "mean") -> Parameter:
    return Parameter(name, what, start)


def search(parameters: list[Parameter], truth: dict[str, float], figures) -> Solution:  # type: ignore[no-untyped-def]
    """Search with figures that are a function of values, known to NOISE."""
    observed = np.log(np.array(figures(truth)))

    def residuals(values: Mapping[str, float], quick: bool) -> np.ndarray:
        all_values = {each.name: each.start for each in parameters} | dict(values)
        return (observed - np.log(np.array(figures(all_values)))) / NOISE

    return Search(parameters, residuals, lambda text: None).run(lambda: None)


def test_finds_what_each_figure_tells() -> None:
    found = search(
        [unknown("a", 1.0), unknown("b", 5.0)], {"a": 3.0, "b": 2.0}, lambda v: [v["a"] + v["b"], v["a"], v["a"] * 2]
    )
    assert found.values["a"] == pytest.approx(3.0, rel=0.02)
    assert found.values["b"] == pytest.approx(2.0, rel=0.06)
    assert not found.lost
    assert found.errors["a"] < found.errors["b"]


def test_queueing_like_figures_are_found_far_from_the_start() -> None:
    def figures(v: Mapping[str, float]) -> list[float]:
        return [v["a"] / max(0.01, 1 - load * v["a"]) + v["b"] for load in (0.01, 0.04, 0.08)]

    found = search([unknown("a", 2.0), unknown("b", 2.0)], {"a": 8.0, "b": 1.0}, figures)
    assert found.values["a"] == pytest.approx(8.0, rel=0.05)


def test_two_that_only_their_sum_is_known_of_trade_against_each_other() -> None:
    found = search([unknown("a", 2.0), unknown("b", 3.0)], {"a": 4.0, "b": 6.0}, lambda v: [v["a"] + v["b"]] * 4)
    total = sum(found.values.get(name, start) for name, start in (("a", 2.0), ("b", 3.0)))
    assert total == pytest.approx(10.0, rel=0.03)
    assert found.lost or max(found.errors.values()) > 0.15, "a sum alone does not tell its parts"


def test_what_nothing_depends_on_is_given_up_and_stays() -> None:
    found = search([unknown("a", 2.0), unknown("idle", 3.0)], {"a": 4.0, "idle": 9.0}, lambda v: [v["a"], v["a"] + 1])
    assert found.values.keys() == {"a"}
    assert found.lost == {"idle": []}


def test_a_weak_effect_is_given_up_unless_it_contradicts_the_scenario() -> None:
    def figures(v: Mapping[str, float]) -> list[float]:
        return [v["a"], 1 + 0.015 * np.log(v["weak"])]

    near = search([unknown("a", 2.0), unknown("weak", 3.0)], {"a": 2.0, "weak": 3.3}, figures)
    assert "weak" in near.lost


def test_small_spreads_are_moved_by_a_part_of_themselves() -> None:
    """Where the square is 0.12, slopes over the 0.2 that does for larger ones are those of another shape."""
    seen: list[dict[str, float]] = []

    def figures(v: Mapping[str, float]) -> list[float]:
        seen.append(dict(v))
        return [1 + v["small"], 1 + v["large"]]

    search([unknown("small", 0.35, "spread"), unknown("large", 1.2, "spread")], {"small": 0.35, "large": 1.2}, figures)
    start = {"small": 0.35**2, "large": 1.2**2}
    moves = {name: max(v[name] ** 2 - square for v in seen) for name, square in start.items()}
    assert moves == pytest.approx({"small": 0.2 * 0.35**2, "large": 0.2})


def test_nothing_to_search_for() -> None:
    found = search([], {}, lambda v: [1.0, 2.0])
    assert found.values == {}
    assert found.misfit == pytest.approx(0.0)


def test_a_form_that_does_not_fit_widens_the_errors() -> None:
    fitting = search([unknown("a", 1.0)], {"a": 2.0}, lambda v: [v["a"], v["a"], v["a"]])
    truth_offset = iter([1.0])

    def figures(v: Mapping[str, float]) -> list[float]:
        odd = next(truth_offset, 0.0)
        return [v["a"] * (1 + 0.2 * odd), v["a"], v["a"] * (1 - 0.2 * odd)]

    other = search([unknown("a", 1.0)], {"a": 2.0}, figures)
    assert other.misfit > 50
    assert other.errors["a"] > 5 * fitting.errors["a"]


def test_shapes_are_chosen_together() -> None:
    """Either change alone looks worse than none; both together are the truth."""
    parameters = [unknown("a", 1.0)]
    observed = np.array([0.0, 0.0, 0.0])

    def residuals(values: Mapping[str, float], quick: bool) -> np.ndarray:
        return (observed + np.array([1.0, 0.2, -0.2]) * (1 - values["a"])) / NOISE

    searching = Search(parameters, residuals, lambda text: None)
    searching.now = np.array([10.0, 8.0, -9.0])
    searching._take_slopes()
    shifts = {"one": np.array([0.0, -20.0, 1.0]), "two": np.array([0.0, 12.0, 8.0])}
    assert searching.best_of(shifts, 6.0) == ("one", "two")
    assert searching.best_of(shifts, 1e6) == ()
    assert searching.best_of({"one": shifts["one"] * 1e-3}, 6.0) == (), "what changes next to nothing is not worth it"


def test_what_is_badly_known_apart_says_so() -> None:
    found = search(
        [unknown("a", 2.0), unknown("b", 3.0)], {"a": 2.1, "b": 3.1}, lambda v: [v["a"] + v["b"], v["a"] * 1.1 + v["b"]]
    )
    told = found.together | found.lost
    assert "b" in told.get("a", []) or "a" in told.get("b", [])


def test_a_longer_look_at_the_end_corrects_what_chance_did() -> None:
    def residuals(values: Mapping[str, float], quick: bool) -> np.ndarray:
        return (1.1 - values["a"]) * np.ones(2) / NOISE

    def longer(values: Mapping[str, float], number: int = 0) -> np.ndarray:
        return 1.25 * (1.0 - values["a"]) * np.ones(2) / NOISE

    searching = ExactSearch([unknown("a", 1.0)], residuals, lambda text: None)
    first = searching.run(lambda: None)
    assert first.values["a"] == pytest.approx(1.1, rel=0.01)
    error = first.errors["a"]
    second = searching.polished(longer, longer)
    assert second.values["a"] == pytest.approx(1.0, rel=0.01)
    assert second.errors["a"] == pytest.approx(error / 1.25, rel=0.05)
