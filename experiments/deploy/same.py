"""Whether two ways of writing a value mean the same: 60s and 1m, 512M and 0.5G, 1 and 1.0."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sim.quantities import parse_duration, parse_rate, parse_size

_PARSERS: tuple[Callable[[object], Any], ...] = (parse_duration, parse_size, parse_rate)


def same(one: object, other: object) -> bool:
    """Whether the two are one value of a scenario."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if _is_list(one) and _is_list(other):
        assert isinstance(one, Sequence) and isinstance(other, Sequence)
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, bool) or isinstance(other, bool) or one is None or other is None:
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other
    return one == other or any(_reads_alike(parse, one, other) for parse in _PARSERS)


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _reads_alike(parse: Callable[[object], Any], one: object, other: object) -> bool:
    try:
        return bool(parse(one) == parse(other))
    except (ValueError, OverflowError, TypeError):
        return False
