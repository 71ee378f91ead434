"""A quantile function that is costly to solve for, as a table of polynomials.

The logarithm of the quantile is a smooth function of the standard normal number with the same share below it. It is
interpolated in strips half a unit wide, by polynomials through 12 points each; for the gamma distribution to 1e-12
(tests/unit/test_distributions.py), twenty times faster than Newton's method.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from sim.elementary import Array, exp, log, normal_quantile, normal_shares

_POINTS: Final = np.array(
    [0.991445, -0.991445, 0.130526, -0.608761, 0.793353, -0.130526, -0.923880, 0.608761, -0.382683, 0.923880, -0.793353,
     0.382683]
)  # fmt: skip
"""Chebyshev's points for 12, to six digits, in an order that keeps the divided differences small."""

_STRIPS: Final = 34
_EDGE: Final = 8.5
_LEAST: Final = 2.0**-53
"""The least uniform above 0 that is drawn; the table reaches a little further on either side."""


class QuantileTable:
    """Stands in for `solve`, which takes the shares below and above a number, and finds the number."""

    __slots__ = ("_coefficients", "_solve")

    def __init__(self, solve: Callable[[Array, Array], Array]) -> None:
        self._solve = solve
        centres = -_EDGE + 0.25 + 0.5 * np.arange(_STRIPS)
        z = centres[:, None] + 0.25 * _POINTS
        heights = log(solve(*normal_shares(z)))
        for order in range(1, len(_POINTS)):
            spans = _POINTS[order:] - _POINTS[:-order]
            heights[:, order:] = (heights[:, order:] - heights[:, order - 1 : -1]) / spans
        self._coefficients = np.ascontiguousarray(heights.T)

    def ppf(self, u: Array) -> Array:
        z = np.clip(normal_quantile(u), -_EDGE, _EDGE)
        place = (z + _EDGE) * 2.0
        strip = np.minimum(place.astype(np.int64), _STRIPS - 1)
        t = (place - strip) * 2.0 - 1.0
        value = self._coefficients[-1].take(strip)
        for coefficients, point in zip(self._coefficients[-2::-1], _POINTS[-2::-1], strict=True):
            value *= t - point
            value += coefficients.take(strip)
        value = np.where(u > 0.0, exp(value), 0.0)
        beyond = (u > 0.0) & (u < _LEAST)
        if beyond.any():
            value[beyond] = self._solve(u[beyond], 1.0 - u[beyond])
        return value
