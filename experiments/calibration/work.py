"""One calibration at work: what is compared, what is moved, and the simulations between them.

Models   The part of the log that is fitted and the part that is held out are contiguous. Of a long log the stretch with
         the widest range of load stands for all. The first twentieth of a stretch is simulated but not compared, for
         the real system was not empty when it began.
Checked  tests/unit/test_calibration_recovery.py
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from experiments.calibration.direct import Modes, told_by_modes, two_modes
from experiments.calibration.figures import LEAST, Figures
from experiments.calibration.parameters import Parameter, applied, with_values
from experiments.calibration.places import Finder, Group, find_places
from experiments.calibration.utilisation import Used, compared
from experiments.errors import InputError, shown
from experiments.scenario import Scenario
from experiments.scoring.observed import HOW_TO_LOG, Floats, Observed
from experiments.scoring.simulated import Simulated, simulate, under_log
from models.system import SystemSpec

MOST_SIMULATED: Final = 1_000_000
ROUGHLY: Final = 15_000
"""Requests that a first, rough search is made with."""
SLOPED: Final = 40_000
"""Requests that slopes are simulated with: for steps, common random numbers make these enough; the last ones take
several times as many where that is too few."""
OTHER_CHANCE: Final = 100_000
"""The runs for slopes of the last steps have other draws than those that are compared with the log."""
WEIGHED: Final = 3
"""Runs that errors are taken from in the last steps."""
ENOUGH_SIMULATED: Final = 30_000
"""Requests in one evaluation: a short log is simulated several times."""
MOST_REPLICATIONS: Final = 2
LONGER: Final = 8
"""Runs for the last step: what chance in the simulation adds is then small, ..."""
MOST_AT_LAST: Final = 900_000
"""... but of a long log as many as these requests make, ..."""
LEAST_LONGER: Final = 2
"""... and at least this many times those before."""
LEAST_REQUESTS: Final = 500
WARM_UP_SHARE: Final = 0.05
IDLE_REQUESTS: Final = 200
IDLE_GAP_S: Final = 1.0
LARGE: Final = 0.25
"""Share of a response time without load from which a duration is scaled to begin with."""
NEGLIGIBLE: Final = 0.1
"""Durations below this share of every response time they are in stay as they are: what is next to them hides them."""

Tell = Callable[[float, str], None]


@dataclass(frozen=True)
class Split:
    """Requests (by number, end excluded) that are fitted, and those that are held out; each after some to warm up."""

    begin: int
    fitted: int
    """The first one that is compared in the fit."""
    end: int
    held_begin: int
    held: int
    held_end: int


def split_of(observed: Observed, share: float, warm_up_s: float | None, most: int = MOST_SIMULATED) -> Split:
    """The last part of the time is held out. Raises InputError where there is too little to fit."""
    cut_s = observed.span_s * (1 - share)
    cut = int(np.searchsorted(observed.t_s, cut_s)) if share else len(observed)
    begin, end = _widest(observed, cut, most)
    warm_s = WARM_UP_SHARE * float(observed.t_s[end - 1] - observed.t_s[begin]) if warm_up_s is None else warm_up_s
    fitted = int(np.searchsorted(observed.t_s, observed.t_s[begin] + warm_s))
    timed = int(observed.is_timed[fitted:end].sum())
    if timed < LEAST_REQUESTS:
        raise InputError(
            f"{shown(observed.log)[1:-1]}: must have at least {LEAST_REQUESTS} answered requests with response times "
            f"to fit, got {timed} after a warm-up of {warm_s:.3g} s and without what is held out. Log for longer, at "
            "quiet and at busy hours."
        )
    held_end = min(len(observed), cut + MOST_SIMULATED // 2)
    return Split(begin, fitted, end, max(0, 2 * cut - held_end), cut, held_end)


def _widest(observed: Observed, cut: int, most: int) -> tuple[int, int]:
    """The stretch of at most so many requests whose load varies most."""
    if cut <= most:
        return 0, cut
    best, found = -1.0, (0, most)
    for begin in range(0, cut - most + 1, max(1, (cut - most) // 50)):
        t_s = observed.t_s[begin : begin + most : most // 30]
        pace = np.maximum(np.diff(t_s), 1e-9)
        ratio = float(pace.max() / pace.min())
        if ratio > best:
            best, found = ratio, (begin, begin + most)
    return found


class Bench:
    """A scenario and a stretch of a log, side by side."""

    def __init__(
        self, scenario: Scenario, observed: Observed, split: Split, seed: int, used: Sequence[Used] = ()
    ) -> None:  # fmt: skip
        """`used`: CPU that was measured beside the log."""
        self.document: Mapping[str, Any] = scenario.document
        self.scenario = scenario
        self.seed = seed
        part = observed.between(split.begin, split.end)
        self.observed = replace(part, cache=part.cache.copy())  # what two modes tell is written into it
        rows = np.arange(split.begin, split.end) >= split.fitted
        self.routes = self._routes(rows)
        self.finder: Finder = find_places(self.document, scenario.spec, self.routes)
        self.modes: dict[int, Modes] = {}
        self.cached = self._cached(rows)
        self.figures = Figures(self.observed, rows, self.cached)
        if not self.figures.cells:
            raise InputError(
                f"{shown(observed.log)[1:-1]}: must have at least {LEAST} answered requests of an endpoint at one "
                f"level of load, got fewer of each. Log for longer. {HOW_TO_LOG}"
            )
        self.used = used
        self._cpu, self._cpu_errors = compared(used)
        self.families: dict[str, str] = {}
        self.fixed: dict[tuple[str | int, ...], Any] = {}
        """What was measured without a simulation, by its path in the document."""
        self.trace = self.observed.trace()
        self.most_waiting: dict[str, int] = {}
        """By station, how many waited there at most in the last simulation."""
        self.replications = min(MOST_REPLICATIONS, max(1, round(ENOUGH_SIMULATED / len(self.observed))))
        self.longer = max(LEAST_LONGER * self.replications, min(LONGER, MOST_AT_LAST // len(self.observed)))
        self._part = self._sloped()

    def _routes(self, rows: Any) -> list[int]:
        timed = rows & self.observed.is_timed
        counts = np.bincount(self.observed.route[timed], minlength=len(self.observed.routes))
        return [number for number, count in enumerate(counts.tolist()) if count >= LEAST]

    def _cached(self, rows: Any) -> frozenset[int]:
        """Routes with one cache of which the log tells hits and misses, by a column or by two modes."""
        seen, found = self.observed, set()
        asked = [number for routes in self.finder.classes.values() for number in routes]
        for number in self.routes:
            if asked.count(number) != 1:
                continue
            here = rows & seen.is_timed & (seen.route == number)
            if float((seen.cache[here] >= 0).mean()) >= 0.9:
                found.add(number)
            elif (modes := two_modes(seen.response_s[here])) is not None:
                self.modes[number] = modes
                of_route = seen.route == number
                seen.cache[of_route] = told_by_modes(seen.response_s[of_route], modes.threshold_s)
                found.add(number)
        return frozenset(found)

    # --- simulating ----------------------------------------------------------------------------------------------

    def spec_with(self, parameters: Sequence[Parameter], values: Mapping[str, float]) -> SystemSpec:
        changes = {**self.fixed, **applied(parameters, values, self.families)}
        return with_values(self.document, changes)

    def run(self, spec: SystemSpec, replication: int) -> Simulated:
        run = simulate(under_log(spec), self.trace, self.seed, replication)
        self.most_waiting = run.most_waiting
        return self.by_modes(run)

    def by_modes(self, run: Simulated) -> Simulated:
        """Where modes tell hits from misses, they tell them in the simulation, too."""
        cache = run.cache
        for number, modes in self.modes.items():
            here = run.route == number
            cache = np.where(here, told_by_modes(run.latency_s, modes.threshold_s), cache)
        return replace(run, cache=cache)

    def residuals(self, parameters: Sequence[Parameter], values: Mapping[str, float], quick: bool = False) -> Floats:
        """(observed - simulated) in units of errors, those of the simulation itself included. `quick`: of one run, of a
        stretch if the log is long: good for differences only."""
        if quick and self._part is not None:
            found = self._of_part(self.spec_with(parameters, values), self._part, 0)
        else:
            found = self._residuals(parameters, values, 1 if quick else self.replications)
        return found / _with_noise(self.replications)

    def longer_residuals(
        self, parameters: Sequence[Parameter], values: Mapping[str, float], is_exact: bool = True
    ) -> Floats:  # fmt: skip
        """The same of more runs, whose own errors are smaller, or in the units of that."""
        runs = self.longer if is_exact else LEAST_LONGER * self.replications
        return self._residuals(parameters, values, runs) / _with_noise(self.longer)

    def weigh(self, parameters: Sequence[Parameter], values: Mapping[str, float]) -> None:
        """From here on, errors are those of simulations with these values."""
        spec = self.spec_with(parameters, values)
        self.figures.weigh_by(self.run(spec, OTHER_CHANCE - 1 - number) for number in range(WEIGHED))

    def one_residuals(self, parameters: Sequence[Parameter], values: Mapping[str, float], number: int) -> Floats:
        """The same of one run that shares no chance with those, nor with one of another number, in the same units."""
        part = self._part or (0, len(self.observed))
        found = self._of_part(self.spec_with(parameters, values), part, OTHER_CHANCE + number)
        return found / _with_noise(self.longer)

    def _residuals(self, parameters: Sequence[Parameter], values: Mapping[str, float], runs: int) -> Floats:
        spec = self.spec_with(parameters, values)
        total, cpu = np.zeros(self.figures.count), np.zeros(len(self.used))
        for replication in range(runs):
            run = self.run(spec, replication)
            total += self.figures.simulated(run)
            cpu += self._simulated_cpu(run)
        return self._in_errors(total / runs, cpu / runs)

    def _in_errors(self, figures: Floats, cpu: Floats) -> Floats:
        """(observed - simulated) in units of errors."""
        times = self.figures.whitened(self.figures.observed - figures)
        return np.concatenate([times, (self._cpu - cpu) / self._cpu_errors])

    def _simulated_cpu(self, run: Simulated) -> Floats:
        """Logarithms of the CPU time of a request, by container that it was measured of."""
        each = [run.cpu_s[used.container] / len(run.latency_s) for used in self.used]
        return np.log(np.maximum(each, 1e-9))

    def _of_part(self, spec: SystemSpec, part: tuple[int, int], replication: int) -> Floats:
        run = self.by_modes(simulate(under_log(spec), self.observed.between(*part).trace(), self.seed, replication))
        return self._in_errors(self.figures.simulated(run, part[0]), self._simulated_cpu(run))

    def _sloped(self) -> tuple[int, int] | None:
        """The stretch that slopes are simulated with; None: all of it, for the log is short, or no stretch has every
        figure."""
        if len(self.observed) <= 1.5 * SLOPED:
            return None
        begin, end = _widest(self.observed, len(self.observed), SLOPED)
        return (begin, end) if self.figures.has_all(begin, end) else None

    # --- where to begin ------------------------------------------------------------------------------------------

    def idle_factors(self, groups: Sequence[Group]) -> dict[str, float]:
        """Factors on the groups' means that give response times without load as the log has them.

        What the log's would be without load is the regression of response times on load, extrapolated to none.
        Only what is a large part of a response time is scaled: small parts are likelier to be what the scenario says.
        """
        nominal = self._idle_means()
        factors = {}
        for group in groups:
            total = weight = 0.0
            for number, often in group.routes.items():
                if number in nominal and often * group.mean_s >= LARGE * nominal[number]:
                    count = often * float((self.observed.route == number).sum())
                    total += count * np.log(unloaded_s(self.observed, number) / nominal[number])
                    weight += count
            factors[group.name] = float(np.exp(np.clip(total / weight, -3, 3))) if weight else 1.0
        return factors

    def _idle_means(self) -> dict[int, float]:
        route = np.concatenate([np.full(IDLE_REQUESTS, number) for number in self.routes])
        t_s = np.arange(len(route)) * IDLE_GAP_S
        trace = replace(self.trace, t_s=t_s, endpoint=route, user=np.arange(len(route)), ip=None, key=None)
        run = simulate(under_log(self.scenario.spec), trace, self.seed, 0)
        means = {}
        for number in self.routes:
            here = run.latency_s[(run.route == number) & run.is_good]
            if len(here) and float(here.mean()) > 0:
                means[number] = float(here.mean())
        return means


def _with_noise(runs: int) -> float:
    """Errors of a log and of so many simulations of it, in units of the log's own."""
    return float((1 + 1 / runs) ** 0.5)


def unloaded_s(observed: Observed, number: int) -> float:
    """The mean response time of a route without load.

    On a shared processor R = D / (1 - rate x D / c): 1 / R falls in a straight line from 1 / D as the rate grows.
    """
    here = observed.is_timed & (observed.route == number)
    span_s = max(observed.span_s, 1e-9)
    stretch = np.minimum(observed.t_s / span_s * 30, 29).astype(np.int64)
    rate = np.bincount(stretch, minlength=30).astype(np.float64)
    counts = np.bincount(stretch[here], minlength=30)
    totals = np.bincount(stretch[here], weights=observed.response_s[here], minlength=30)
    told = (counts >= 5) & (totals > 0)
    whole = max(float(observed.response_s[here].mean()), observed.unit_s / 4, 1e-6)
    if int(told.sum()) < 3:
        return whole
    speed = counts[told] / totals[told]
    weight = np.sqrt(counts[told])
    matrix = np.stack([np.ones(int(told.sum())), rate[told]], axis=1) * weight[:, None]
    (intercept, _), *_ = np.linalg.lstsq(matrix, speed * weight, rcond=None)
    return float(np.clip(1 / intercept if intercept > 0 else whole, 0.5 * whole, whole))
