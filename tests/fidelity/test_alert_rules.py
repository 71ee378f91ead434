"""Prometheus' `for`: pending, firing, reset."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from experiments.alerts import firing
from models.system import AlertSpec

FIDELITY = "9"


def first_firing(hold: str, is_true: Callable[[float], bool], every: str = "15s") -> float:
    rule = AlertSpec.model_validate(
        {"series": "cpu_share", "above": 0.5, "window": "15s", "hold": hold, "every": every}
    )
    return firing(rule, lambda _, now: float(is_true(now)), 600.0)[0][0]


@pytest.mark.parametrize(("hold", "fires_at_s"), [("0s", 30.0), ("20s", 60.0), ("1m", 90.0)])
def test_true_from_30_s_evaluated_every_15_s(hold: str, fires_at_s: float) -> None:
    """FIDELITY 9 [M]: eval 15 s, true from 30 s: for 0 / 20 s / 1 m fires 30 / 60 / 90 s."""
    assert first_firing(hold, lambda now: now >= 30.0) == fires_at_s


def test_one_false_evaluation_resets_it() -> None:
    """FIDELITY 9 [M]: one false at 120 s, true at 135 s, for 1 m: fires 195 s."""
    rule = AlertSpec.model_validate(
        {"series": "cpu_share", "above": 0.5, "window": "15s", "hold": "1m", "every": "15s"}
    )
    spans = firing(rule, lambda _, now: float(now >= 75.0 and now != 120.0), 600.0)
    assert spans == [(195.0, 600.0)]


def test_defaults() -> None:
    """FIDELITY 9: "Scrape 1 m, evaluation 1 m"."""
    assert AlertSpec.model_validate({"series": "cpu_share", "above": 0.8}).every == 60.0
