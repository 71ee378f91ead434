"""The last steps of a search: slopes without their chance, residuals with little of it.

Models   Where parameters nearly make up for each other, slopes of a few simulations are mostly chance in the direction
         that matters. Chance in them shortens steps (they stay where the search came in) and looks like information
         (intervals are too narrow). So the last steps have slopes from several sets of runs with chance of their own,
         which are multiplied with one another (`SlopeSets`), over a way as long as the errors are; residuals come from
         other runs, and steps are looked at again until they are short.
Checked  tests/unit/test_calibration_slopes.py, tests/unit/test_calibration_solve.py
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from experiments.calibration.slopes import SlopeSets, design, slopes_of
from experiments.calibration.solution import Floats, Solution
from experiments.calibration.solve import SETTLED, Search

LOOKS: Final = 3
"""So often at most, the last steps begin with slopes of their own."""
FAR: Final = 1.0
"""Slopes hold for so many times what they were taken over."""
LAST_STEPS: Final = 3
SHORT: Final = 2.0
"""A step that should lower the misfit by less (in squared errors) is not looked at again."""
CHANCE: Final = 0.2
"""More sets of slopes are simulated while more than this of what they seem to tell is chance, ..."""
MOST_SETS: Final = 6
"""... up to so many."""
SEEN: Final = 10.0
"""Parameters are moved by so many of their errors for these slopes: errors come out too small until then, and chance in
slopes falls as moves grow, ..."""
LEAST_OF_STEP: Final = 0.5
MOST_OF_STEP: Final = 2.0
"""... within these times what is usual."""


class ExactSearch(Search):
    """A search, and its last steps."""

    def polished(
        self, one: Callable[[Mapping[str, float], int], Floats], longer: Callable[[Mapping[str, float], bool], Floats],
    ) -> Solution:  # fmt: skip
        """The last steps. `longer` gives residuals of several runs, of all of them where it is to be exact; `one` those
        of one run in the same units, whose chance is that of its number and not theirs."""
        for number in range(LOOKS):
            if not self.unknowns:
                break
            self._look(one, number * MOST_SETS)
            self._drop_unknown()
            if not self.unknowns or not self._settle(longer):
                break
        return self._finished()

    def _look(self, one: Callable[[Mapping[str, float], int], Floats], first: int) -> None:
        """Slopes at this point, from as many sets as chance in them asks for; `first`: the number of the first."""
        errors = np.sqrt(np.diag(self._covariance()))
        normal = np.array([self._reach(each) for each in self.unknowns])
        wanted = np.clip(SEEN * errors, normal * LEAST_OF_STEP, normal * MOST_OF_STEP)
        signs, up, down = design(len(self.unknowns)), self._moved(wanted), self._moved(-wanted)
        steps = np.array([(up[each.name] - down[each.name]) / 2 for each in self.unknowns])  # less at a bound
        sets: list[Floats] = []
        while len(sets) < MOST_SETS:
            figures = []
            for number, row in enumerate(signs):
                at = self._moved(row * wanted)
                self._told(f"how exactly? set {len(sets) + 1}, run {number + 1} of {len(signs)}")
                self.solution.simulations += 1
                figures.append(-one(self.values(at), first + len(sets)))
            sets.append(slopes_of(signs, steps, figures))
            if len(sets) > 1 and SlopeSets(tuple(sets)).most_chance(self._before()) <= CHANCE:
                break
        self._sets, self._taken_at = SlopeSets(tuple(sets)), dict(self.at)

    def _settle(self, longer: Callable[[Mapping[str, float], bool], Floats]) -> bool:
        """Steps with these slopes until they are small. True where they led farther than slopes hold."""
        self.now = longer(self.values(), False)
        self.at = self._moved(self._step()[0])
        self.now = longer(self.values(), True)
        for _ in range(LAST_STEPS):
            step, gain = self._step()
            start, before = dict(self.at), self.now
            self.at = self._moved(step)
            if gain < SHORT:
                self.now = before - self._matrix() @ step
                break
            self.now = longer(self.values(), True)
            if float(self.now @ self.now) > float(before @ before) + SETTLED:
                self.at = start
                self.at = self._moved(step / 2)
                self.now = longer(self.values(), True)
        return self._is_far(FAR)
