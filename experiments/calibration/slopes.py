"""Slopes of simulated figures, and what they tell once chance in them is taken out.

Models   Every parameter is moved up in half of the runs of a set and down in the other half, all of them at once, in a
         two-level design (Hadamard, folded over): each run tells of each parameter, what squares and products of moves
         do cancels out, and so does what chance does to all runs of a set alike. Slopes squared are larger than what
         they tell: their chance is squared with them, and looks like information where next to nothing depends on a
         parameter, or where others make up for it. Several sets, with chance of their own, are multiplied with one
         another instead, never with themselves: chance cancels. Errors of what is found grow by the chance that stays.
Source   Box, Hunter and Hunter 2005, Statistics for Experimenters, 2nd ed., chapters 5 and 6 (folded designs);
         Fuller 1987, Measurement Error Models, chapter 2 (moments corrected for errors in regressors).
Checked  tests/unit/test_calibration_slopes.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from experiments.calibration.solution import Floats

MOST_CHANCE: Final = 0.9
"""More of what slopes seem to tell is not called chance: in a direction that they tell nothing of, the corrected rest
may be anything, even less than nothing. Errors are then ten times what the slopes seem to say."""


def design(many: int) -> npt.NDArray[np.int64]:
    """Runs times parameters: 1 where the run moves the parameter up, -1 where down."""
    signs = np.ones((1, 1), dtype=np.int64)
    while len(signs) < many:
        signs = np.block([[signs, signs], [signs, -signs]])
    return np.concatenate([signs, -signs])[:, :many]


def slopes_of(signs: npt.NDArray[np.int64], steps: Floats, figures: Sequence[Floats]) -> Floats:
    """By how much each figure grows with each parameter, from one run a row of the design."""
    rise = np.stack(list(figures)).T @ signs / len(signs)
    return np.asarray(rise / steps)


@dataclass(frozen=True)
class SlopeSets:
    """Sets of slopes of the same, each figures times parameters, with chance of their own; two at least."""

    sets: tuple[Floats, ...]

    @property
    def mean(self) -> Floats:
        return np.asarray(np.mean(np.stack(self.sets), axis=0))

    def without(self, place: int) -> SlopeSets:
        """The same with a parameter less."""
        return SlopeSets(tuple(np.delete(each, place, axis=1) for each in self.sets))

    def most_chance(self, before: Floats) -> float:
        """How much of what they seem to tell is chance, where it is most. `before`: information from elsewhere."""
        return float(self._parts(before)[1].max())

    def information(self, before: Floats) -> Floats:
        """What they tell: all products of one set with another, where chance leaves anything of it."""
        root, chance, axes = self._parts(before)
        kept = (axes * (1 - np.minimum(chance, MOST_CHANCE))) @ axes.T
        return np.asarray(root @ kept @ root.T)

    def covariance(self, before: Floats) -> Floats:
        """Of what is found with these slopes, from figures with independent errors of 1."""
        inverse = np.linalg.inv(self.information(before))
        return np.asarray(inverse @ self._seeming(before) @ inverse)

    def _seeming(self, before: Floats) -> Floats:
        mean = self.mean
        return np.asarray(mean.T @ mean + before)

    def _parts(self, before: Floats) -> tuple[Floats, Floats, Floats]:
        """A root of what they seem to tell; in its units, directions with the part of each that is chance."""
        root: Floats = np.asarray(np.linalg.cholesky(self._seeming(before)), dtype=np.float64)
        mean, many = self.mean, len(self.sets)
        chance = np.zeros_like(root)
        for each in self.sets:
            chance += (each - mean).T @ (each - mean) / (many * (many - 1))
        left = np.linalg.solve(root, chance)
        parts, axes = np.linalg.eigh(np.linalg.solve(root, left.T))
        return np.asarray(root), np.asarray(parts), np.asarray(axes)
