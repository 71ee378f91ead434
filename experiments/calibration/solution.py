"""What the search moves, what it asks for, and what it comes back with.

Checked  tests/unit/test_calibration_solve.py
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Unknown(Protocol):
    """A parameter, as far as the search is concerned."""

    @property
    def name(self) -> str: ...
    @property
    def what(self) -> str: ...
    @property
    def start(self) -> float: ...
    @property
    def first(self) -> float: ...
    def inner(self, value: float) -> float: ...
    def outer(self, inner: float) -> float: ...


class Residuals(Protocol):
    """(observed - simulated) in units of errors, with parameters at these values and the others as the scenario has
    them. What is meant for slopes may be `quick`, and then all of it must be."""

    def __call__(self, values: Mapping[str, float], quick: bool) -> Floats: ...


@dataclass
class Solution:
    """What was found."""

    values: dict[str, float] = field(default_factory=dict)
    """By name, of what is identifiable."""
    errors: dict[str, float] = field(default_factory=dict)
    """Standard errors of the inner values."""
    covariance: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    """Of the inner values, in the order of `values`."""
    misfit: float = 0.0
    """Mean squared error of the figures in units of what chance explains: about 1 where the scenario fits."""
    lost: dict[str, list[str]] = field(default_factory=dict)
    """What is not identifiable, with what it trades against (empty: nothing depends on it)."""
    together: dict[str, list[str]] = field(default_factory=dict)
    """What is identifiable, but only badly apart: what each trades against."""
    simulations: int = 0
    is_settled: bool = True
    residuals: Floats = field(default_factory=lambda: np.zeros(0))
