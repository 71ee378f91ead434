"""The numbers that are moved until the simulated response times are those of the log.

Models   A group of durations has a mean and, unless its kind has a fixed shape, a spread; a class of cached data has
         the exponent of its popularity. The unknowns are the logarithm of the mean and the square of the spread:
         variances add up, so that is what response times tell.
Checked  tests/unit/test_calibration_places.py
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from experiments.calibration.places import CacheClass, Group, Place
from experiments.calibration.shapes import FIXED, LEAST_SPREAD, MOST_SPREAD, written
from models.system import SystemSpec

FIRST_SPREAD: Final = 0.5
"""Where the search begins for a spread that the scenario says is 0."""
MOST_POPULARITY: Final = 4.0
Values = Mapping[str, float]
Families = Mapping[str, str]


@dataclass(frozen=True)
class Parameter:
    """One unknown."""

    name: str
    what: str
    """mean, spread or popularity."""
    start: float
    """As the scenario has it."""
    group: Group | None = None
    cache: CacheClass | None = None

    @property
    def first(self) -> float:
        """Where the search begins."""
        return FIRST_SPREAD if self.what == "spread" and self.start < LEAST_SPREAD else self.start

    def inner(self, value: float) -> float:
        """The unknown that is searched for: what response times depend on in about a straight line."""
        if self.what == "mean":
            return math.log(value)
        return value * value if self.what == "spread" else value

    def outer(self, inner: float) -> float:
        """Its value, within bounds."""
        if self.what == "popularity":
            return min(max(inner, 0.0), MOST_POPULARITY)
        if self.what == "spread":
            return min(math.sqrt(max(inner, (LEAST_SPREAD / 2) ** 2)), MOST_SPREAD)
        return math.exp(min(max(inner, -30.0), 15.0))

    def paths(self) -> list[str]:
        """What of the scenario it is."""
        if self.cache is not None:
            return [self.cache.said]
        assert self.group is not None
        return [place.said for place in self.group.places]


def mean_of(group: Group) -> Parameter:
    return Parameter(f"{group.name} (mean)", "mean", group.mean_s, group=group)


def spread_of(group: Group) -> Parameter:
    return Parameter(f"{group.name} (spread)", "spread", group.spread, group=group)


def popularity_of(cache: CacheClass) -> Parameter:
    return Parameter(cache.said, "popularity", cache.popularity, cache=cache)


def parameters_of(groups: Sequence[Group], classes: Sequence[CacheClass]) -> list[Parameter]:
    """The unknowns of groups and classes."""
    found = []
    for group in groups:
        found.append(mean_of(group))
        if group.family not in FIXED:
            found.append(spread_of(group))
    return found + [popularity_of(cache) for cache in classes]


def changed(group: Group, values: Values, families: Families, digits: Mapping[str, int]) -> list[tuple[Place, Any]]:
    """What each place of a group is with these values: the split of the mean stays, spreads grow alike."""
    mean_s = values.get(mean_of(group).name, group.mean_s)
    spread = values.get(spread_of(group).name)
    family = families.get(group.name, group.family)
    found = []
    for place in group.places:
        share = place.mean_s / group.mean_s
        own = place.spread
        if spread is not None:
            own = spread * (place.spread / group.spread if group.spread > 0 else share**-0.5)
        many = digits.get(group.name, 9)
        found.append((place, written(family, share * mean_s, own, place.value, many)))
    return found


def applied(
    parameters: Sequence[Parameter], values: Values, families: Families,
    digits: Mapping[str, int] | None = None,
) -> dict[tuple[str | int, ...], Any]:  # fmt: skip
    """What the parameters make of the scenario: new values by their paths in the document."""
    found: dict[tuple[str | int, ...], Any] = {}
    groups = {each.group.name: each.group for each in parameters if each.group is not None and each.name in values}
    for group in groups.values():
        for place, value in changed(group, values, families, digits or {}):
            found[place.path] = value
    for each in parameters:
        if each.cache is not None and each.name in values:
            found[(*each.cache.path, "popularity")] = float(f"{values[each.name]:.{(digits or {}).get(each.name, 9)}g}")
    return found


def with_values(document: Mapping[str, Any], changes: Mapping[tuple[str | int, ...], Any]) -> SystemSpec:
    """The system with other values at some paths."""
    after = copy.deepcopy(dict(document))
    for path, value in changes.items():
        inside: Any = after
        for key in path[:-1]:
            inside = inside[key]
        inside[path[-1]] = value
    return SystemSpec.model_validate(after)
