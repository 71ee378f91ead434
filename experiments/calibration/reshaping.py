"""Other shapes of the same mean and spread, where they fit clearly better.

Models   Each of the largest durations may be a gamma or a lognormal. One at a time such changes mislead: while one
         shape is wrong, the parameters and the other shapes make up for it, and a flat valley keeps them there. So all
         combinations are judged together, by what each does to the figures and by how the parameters would follow.
Checked  tests/unit/test_calibration_solve.py, tests/unit/test_calibration_recovery.py
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from experiments.calibration.parameters import spread_of
from experiments.calibration.places import Group
from experiments.calibration.shapes import FIXED
from experiments.calibration.solve import Search
from experiments.calibration.work import Bench

CLEARLY: Final = 6.0
"""Another shape is taken where it lowers the misfit (in squared errors, all figures together) by at least this."""
MOST_SHAPES: Final = 3


def reshaping(bench: Bench, search: Search, groups: Sequence[Group]) -> Callable[[], bool]:
    """What tries other shapes at the point where the search is; true where some are better."""
    spreads = {spread_of(group).name: group for group in groups if group.family not in FIXED}

    def reshape() -> bool:
        fitted = [spreads[each.name] for each in search.unknowns if each.name in spreads]
        fitted.sort(key=lambda group: -share_of(bench, group))
        before = dict(bench.families)
        others = {group.name: _other(bench, group) for group in fitted[:MOST_SHAPES]}
        if not others:
            return False
        here = search.simulated_here("other shapes?")
        shifts = {}
        for name, family in others.items():
            _set(bench, {**before, name: family})
            shifts[name] = search.simulated_here(f"another shape for {name}") - here
        turned = search.best_of(shifts, CLEARLY)
        _set(bench, {**before, **{name: others[name] for name in turned}})
        if not turned:
            return False
        is_better = search.retried("other shapes")
        if not is_better:
            _set(bench, before)
        return is_better

    return reshape


def _other(bench: Bench, group: Group) -> str:
    return "gamma" if bench.families.get(group.name, group.family) != "gamma" else "lognormal"


def _set(bench: Bench, families: dict[str, str]) -> None:
    """In place, for a rough search and the one after it share them."""
    bench.families.clear()
    bench.families.update(families)


def share_of(bench: Bench, group: Group) -> float:
    """The largest share of an endpoint's response time that the group is, as the scenario has it."""
    seen = bench.observed
    most = 0.0
    for number, often in group.routes.items():
        here = seen.is_timed & (seen.route == number)
        if here.any():
            most = max(most, often * group.mean_s / max(float(seen.response_s[here].mean()), 1e-9))
    return most
