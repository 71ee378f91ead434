"""Move parameters until simulated figures are the observed ones, and tell what the log does not know.

Models   Gauss-Newton on figures in units of their errors: the slopes come from simulations with each parameter moved a
         little under common random numbers, are kept up to date by Broyden's rule and taken anew where the search ends.
         The covariance of what is found follows from the slopes (delta method); where the scenario's form does not fit
         the log it is widened by how badly.
         A parameter whose error would be larger than `MOST_ERROR` is not identifiable: it goes back to the scenario's
         value, the worst one first, and the others are fitted given that. What it trades against are the parameters
         whose errors go with its own.
Source   Nocedal and Wright 2006, chapters 10 and 8.1; Raue et al. 2009, doi:10.1093/bioinformatics/btp358, for what
         identifiability means here.
Checked  tests/unit/test_calibration_solve.py
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any, Final

import numpy as np

from experiments.calibration.slopes import SlopeSets
from experiments.calibration.solution import Floats, Residuals, Solution, Unknown

STEP: Final = {"mean": 0.12, "spread": 0.2, "popularity": 0.1}
"""How far parameters are moved to see what that does, ..."""
SMALL: Final = 0.1
"""... but spreads (squared) by that part of themselves, down to this. Where there is a tenth, slopes over two tenths
are not those of the point: what makes up for one another does not seem to, and steps stay short."""
LONGEST_MOVE: Final = {"mean": 0.7, "spread": 0.7, "popularity": 0.4}
MOST_ERROR: Final = {"mean": 0.4, "spread": 0.25, "popularity": 0.3}
"""Standard errors above these are not worth the name of a result: 40 % of a mean, a quarter of an exponential's
squared spread, ..."""
OF_SPREAD: Final = 0.5
"""... or half of a larger one."""
BEFORE: Final = {"mean": 1.0, "spread": 1.0, "popularity": 1.0}
"""Standard errors of what the scenario says: they keep what nothing depends on where it was."""
HOPELESS: Final = 0.9
"""A parameter that the log leaves nearly as unknown as it was, by this part, is not worth a search."""
DAMPING: Final = (0.0, *(10.0**power for power in range(-2, 9)))
CONTRADICTS: Final = 2.0
"""So many standard errors from the scenario's value, a parameter is fitted, however wide its interval."""
TOGETHER: Final = 0.8
"""Correlation from which two parameters are said to trade against each other."""
FIRST_ROUNDS: Final = 3
MOST_ROUNDS: Final = 7
RESHAPED: Final = 2
"""So often at most, shapes are chosen: the first choice is made while others are still wrong."""
SETTLED: Final = 0.1
"""A step that would lower the misfit by less than this (in squared errors) ends the search."""


class Search:
    """One search. `told` hears how many simulations have been made."""

    def __init__(
        self, unknowns: Sequence[Any], residuals: Residuals, told: Callable[[str], None],
        firsts: Mapping[str, float] | None = None,
    ) -> None:  # fmt: skip
        self._residuals = residuals
        self._told = told
        self.unknowns: list[Unknown] = list(unknowns)
        starts = firsts or {}
        self.at: dict[str, float] = {each.name: each.inner(starts.get(each.name, each.first)) for each in self.unknowns}
        self._slopes: dict[str, Floats] = {}
        self._taken: dict[str, Floats] = {}
        """The slopes as they were simulated, ..."""
        self._taken_at: dict[str, float] = {}
        """... and where."""
        self._sets: SlopeSets | None = None
        """Slopes whose chance is known, once there are some."""
        self._known = {each.name: each.inner(each.start) for each in self.unknowns}
        self.solution = Solution()
        self.now: Floats = np.zeros(0)

    # --- simulating ----------------------------------------------------------------------------------------------

    def values(self, at: Mapping[str, float] | None = None) -> dict[str, float]:
        at = self.at if at is None else at
        return {each.name: each.outer(at[each.name]) for each in self.unknowns}

    def _simulate(self, at: Mapping[str, float], text: str, quick: bool = False) -> Floats:
        self._told(text)
        self.solution.simulations += 1
        return self._residuals(self.values(at), quick)

    def _take_slopes(self) -> None:
        here = self._simulate(self.at, "here", quick=True)
        for number, each in enumerate(self.unknowns):
            moved = dict(self.at)
            step = self._reach(each)
            moved[each.name] += step
            text = f"what does {each.name} move? {number + 1} of {len(self.unknowns)}"
            self._slopes[each.name] = (here - self._simulate(moved, text, quick=True)) / step
        self._taken, self._taken_at = dict(self._slopes), dict(self.at)

    # --- linear algebra ------------------------------------------------------------------------------------------

    def _matrix(self) -> Floats:
        if self._sets is not None:
            return self._sets.mean
        return np.stack([self._slopes[each.name] for each in self.unknowns], axis=1)

    def _information(self) -> Floats:
        if self._sets is not None:
            return self._sets.information(self._before())
        slopes = self._matrix()
        return np.asarray(slopes.T @ slopes + self._before())

    def _before(self) -> Floats:
        """What is known without the log."""
        return np.diag(np.array([BEFORE[each.what] for each in self.unknowns]) ** -2.0)

    def _covariance(self) -> Floats:
        if self._sets is not None:
            return self._sets.covariance(self._before())
        return np.asarray(np.linalg.inv(self._information()))

    def _step(self, now: Floats | None = None) -> tuple[Floats, float]:
        """The Gauss-Newton step, damped so that nothing goes too far at once, and by how much it should lower the
        misfit."""
        now = self.now if now is None else now
        slopes, information = self._matrix(), self._information()
        pull = np.array(
            [(self._known[each.name] - self.at[each.name]) / BEFORE[each.what] ** 2 for each in self.unknowns]
        )
        longest = np.array([LONGEST_MOVE[each.what] for each in self.unknowns])
        for damping in DAMPING:
            step = np.linalg.solve(information + damping * np.eye(len(pull)), slopes.T @ now + pull)
            if bool((np.abs(step) <= longest).all()):
                break
        after = now - slopes @ step
        return step, float(now @ now - after @ after)

    def _updated(self, step: Floats, before: Floats) -> None:
        """Broyden's rule: the slopes that explain the last step."""
        slopes = self._matrix()
        surprise = (before - self.now) - slopes @ step
        change = np.outer(surprise, step) / float(step @ step)
        for number, each in enumerate(self.unknowns):
            self._slopes[each.name] = slopes[:, number] + change[:, number]

    # --- the search ----------------------------------------------------------------------------------------------

    def run(self, reshape: Callable[[], object]) -> Solution:
        """Search, drop what cannot be known, search again until all that is left can be.

        `reshape` is called when the parameters are about right, and again if that does not fit: it may change what is
        simulated, see `retried`.
        """
        self.now = self._simulate(self.at, "with the first values")
        if self.unknowns:
            self._take_slopes()
            self._drop_hopeless()
            self._descend(FIRST_ROUNDS)
            self._fresh_slopes()
            reshape()
            self._descend()
            self._fresh_slopes()  # the first choice was made while other parameters were still off
            reshape()
        while self.unknowns:
            self._descend()
            if self._fresh_slopes():
                self._descend(FIRST_ROUNDS)
            if not self._drop_unknown():
                break
        return self._finished()

    def finish(self, reshape: Callable[[], bool]) -> Solution:
        """A search from values that are nearly right, with simulations that are dear: as few as will do."""
        self.now = self._simulate(self.at, "all of the log")
        if self.unknowns:
            self._take_slopes()
            self._drop_hopeless()
            self._descend(FIRST_ROUNDS)
            for _ in range(RESHAPED):
                self._fresh_slopes()
                if not reshape():
                    break
        while self.unknowns:
            self._descend(FIRST_ROUNDS)
            self._fresh_slopes()
            if not self._drop_unknown():
                break
        return self._finished()

    def _fresh_slopes(self) -> bool:
        """What Broyden's rule makes of slopes is good for steps, not for errors: simulate them where that is far off.
        True where it was."""
        far = self._is_far(1.0)
        if far:
            self._take_slopes()
        else:
            self._slopes = {each.name: self._taken[each.name] for each in self.unknowns}
        return far

    def _reach(self, each: Unknown) -> float:
        """How far to move it to see what that does."""
        own = min(1.0, max(self.at[each.name], SMALL)) if each.what == "spread" else 1.0
        return STEP[each.what] * own

    def _is_far(self, times: float) -> bool:
        """Whether slopes were taken farther away than so many times what they were taken over."""
        return any(
            abs(self.at[each.name] - self._taken_at[each.name]) > times * self._reach(each) for each in self.unknowns
        )

    def _moved(self, moves: Floats) -> dict[str, float]:
        """Where these moves lead, within bounds."""
        at = dict(self.at)
        for each, move in zip(self.unknowns, moves, strict=True):
            at[each.name] = each.inner(each.outer(at[each.name] + float(move)))
        return at

    def simulated_here(self, text: str) -> Floats:
        """Residuals at this point, good for differences: what other shapes do to them, say."""
        return self._simulate(self.at, text, quick=True)

    def best_of(self, shifts: Mapping[str, Floats], clearly: float) -> tuple[str, ...]:
        """Which of these changes together fit best once the parameters have followed; each must lower the misfit by
        `clearly` to be worth it.

        One at a time they mislead: while one shape is wrong, the parameters and the other shapes make up for it.
        """
        found: list[tuple[float, tuple[str, ...]]] = []
        for many in range(len(shifts) + 1):
            for names in combinations(shifts, many):
                trial = self.now
                for name in names:
                    trial = trial + shifts[name]
                after = trial - self._matrix() @ self._step(trial)[0]
                found.append((float(after @ after) + clearly * many, names))
        return min(found)[1]

    def retried(self, text: str) -> bool:
        """Whether what is simulated now fits better, a few steps to where it fits best included. If not, all is as it
        was."""
        before, at, slopes = self.now, dict(self.at), dict(self._slopes)
        self.now = self._simulate(at, text)
        self._descend(FIRST_ROUNDS)
        if float(self.now @ self.now) < float(before @ before):
            return True
        self.now, self.at, self._slopes = before, at, slopes
        return False

    def _descend(self, most: int = MOST_ROUNDS) -> None:
        for number in range(most):
            step, gain = self._step()
            if gain < SETTLED:
                return
            if not self._advance(step, number):
                return
        self.solution.is_settled = most < MOST_ROUNDS

    def _advance(self, step: Floats, number: int) -> bool:
        """Go a step, or a part of it, as long as that is downhill."""
        for part in (1.0, 0.3):
            trial = self._moved(part * step)
            found = self._simulate(trial, f"round {number + 1}: misfit {self._misfit():.2f}")
            before, is_lower = self.now, float(found @ found) < float(self.now @ self.now)
            if is_lower:
                moved = np.array([trial[each.name] - self.at[each.name] for each in self.unknowns])
                self.at, self.now = trial, found
                if float(moved @ moved) > 1e-12:
                    self._updated(moved, before)
                return True
        return False

    def _misfit(self) -> float:
        return float(self.now @ self.now) / max(1, len(self.now) - len(self.unknowns))

    def _drop_hopeless(self) -> None:
        """Give up at once what even a perfect fit would not tell."""
        self._drop(lambda each, error: error / BEFORE[each.what] / HOPELESS, 1.0)

    def _drop_unknown(self) -> bool:
        """Give up what is known too badly, unless the log speaks against the scenario's value. True where any was."""

        def excess(each: Unknown, error: float) -> float:
            return 0.0 if self._contradicts(each, error) else self._excess(each, error)

        return self._drop(excess, self._widening())

    def _drop(self, excess: Callable[[Unknown, float], float], widening: float) -> bool:
        """Give up parameters, the worst one first, until no excess is above 1."""
        dropped = False
        while self.unknowns:
            covariance = self._covariance()
            errors = np.sqrt(np.diag(covariance)) * widening
            found = [excess(each, float(error)) for each, error in zip(self.unknowns, errors, strict=True)]
            worst = int(np.argmax(found))
            if found[worst] <= 1.0:
                break
            dropped = True
            self._give_up(worst, covariance)
        if dropped and self.unknowns:
            self.now = self._simulate(self.at, "without what cannot be told")
        return dropped

    def _contradicts(self, each: Unknown, error: float) -> bool:
        return abs(self.at[each.name] - each.inner(each.start)) > CONTRADICTS * error

    def _excess(self, each: Unknown, error: float) -> float:
        limit = MOST_ERROR[each.what]
        if each.what == "spread":
            limit = max(limit, OF_SPREAD * self.at[each.name])
        return float(error) / limit

    def _give_up(self, place: int, covariance: Floats) -> None:
        others = self._trades(place, covariance)
        gone = self.unknowns.pop(place)
        del self._slopes[gone.name]
        if self._sets is not None:
            self._sets = self._sets.without(place)
        self.solution.lost[gone.name] = others

    def _trades(self, place: int, covariance: Floats) -> list[str]:
        """The parameters whose errors go with this one's, closest first."""
        errors = np.sqrt(np.diag(covariance))
        together = np.abs(covariance[place]) / (errors * errors[place])
        others = [
            (-float(together[other]), each.name) for other, each in enumerate(self.unknowns)
            if other != place and float(together[other]) >= TOGETHER
        ]  # fmt: skip
        return [name for _, name in sorted(others)]

    def _widening(self) -> float:
        return float(max(1.0, self._misfit()) ** 0.5)

    def _finished(self) -> Solution:
        found = self.solution
        found.values = self.values()
        found.misfit = self._misfit()
        found.residuals = self.now
        if self.unknowns:
            covariance = self._covariance()
            found.covariance = covariance * self._widening() ** 2
            errors = np.sqrt(np.diag(found.covariance))
            trades = {each.name: self._trades(place, covariance) for place, each in enumerate(self.unknowns)}
            found.together = {name: others for name, others in trades.items() if others}
            found.errors = {each.name: float(error) for each, error in zip(self.unknowns, errors, strict=True)}
        return found
