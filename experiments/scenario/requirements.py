"""What pydantic's error types require, in words for people.

Types that no specification can meet (dates, URLs, arguments of functions) say that the value must be valid, and the
caller shows it: never pydantic's own sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from experiments.scenario.paths import did_you_mean
from sim.quantities import format_duration, format_size, parse_duration, parse_rate, parse_size

_Context = Mapping[str, Any]
_Said = tuple[str, str]
"""A requirement, which begins with `must`, and the next step, which may be empty."""

_NUMBER: _Said = ("must be a number", "")
_WHOLE: _Said = ("must be a whole number", "")
_LIST: _Said = ("must be a list", "")
_MAPPING: _Said = ("must be a mapping (lines of key: value)", "")
_SWITCH: _Said = ("must be true or false", "")

_PLAIN: dict[str, _Said] = {
    "bool_type": _SWITCH,
    "bool_parsing": _SWITCH,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": ("must be a smaller whole number", ""),
    "int_from_float": ("must be a whole number", "Round it."),
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": ("must be a finite number", ""),
    "string_type": ("must be text", "Put it in quotes to have it as text."),
    "invalid_key": ("must have text as keys", ""),
    "none_required": ("must be null", "Remove it."),
    "list_type": _LIST,
    "tuple_type": _LIST,
    "set_type": _LIST,
    "frozen_set_type": _LIST,
    "iterable_type": _LIST,
    "dict_type": _MAPPING,
    "mapping_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "dataclass_type": _MAPPING,
    "recursion_loop": ("must not contain itself", ""),
}

_COUNTED: dict[str, tuple[str, str, str, str]] = {
    "too_short": ("must have at least", "min_length", "entry", "Add one."),
    "too_long": ("must have at most", "max_length", "entry", "Remove some."),
    "string_too_short": ("must have at least", "min_length", "character", ""),
    "string_too_long": ("must have at most", "max_length", "character", ""),
}
"""Requirement, the name of its number, what is counted, the next step."""

BOUNDS: dict[str, tuple[str, str, str]] = {
    "greater_than": ("must be more than", "gt", "Raise it."),
    "greater_than_equal": ("must be at least", "ge", "Raise it."),
    "less_than": ("must be less than", "lt", "Lower it."),
    "less_than_equal": ("must be at most", "le", "Lower it."),
    "multiple_of": ("must be a multiple of", "multiple_of", "Round it."),
}
"""Requirement, the name of the bound, the next step."""


def requirement_of(kind: str, context: _Context, given: Any, is_whole: bool = False) -> _Said:
    """What an error type means for a value that was given. `is_whole`: only whole numbers are possible there."""
    if kind in _PLAIN:
        requirement, step = _PLAIN[kind]
        return requirement, step or _unit_step(kind, given)
    if kind in _COUNTED:
        requirement, name, noun, step = _COUNTED[kind]
        return f"{requirement} {_plural(context.get(name, 1), noun)}", step
    if kind in BOUNDS:
        requirement, name, step = BOUNDS[kind]
        bound = context.get(name, 0)
        if kind == "greater_than" and is_whole and isinstance(given, int):
            return f"must be at least {bound + 1}", step
        return f"{requirement} {_in_unit_of(given, bound)}", step
    if kind in ("literal_error", "enum"):
        return _one_of(str(context.get("expected", "")), given)
    if kind == "string_pattern_mismatch":
        return f"must match the pattern {context.get('pattern', '')}", ""
    return "must be valid here", ""


def nearest_of(given: object, known: Sequence[str]) -> str:
    """The next step after a wrong choice, where one of the right ones is near."""
    hint = did_you_mean(given, known) if isinstance(given, str) else ""
    return hint if hint.startswith("Did you mean") else ""


def _one_of(expected: str, given: Any) -> _Said:
    names = re.findall(r"'([^']*)'", expected)
    if not names:
        return f"must be {expected or 'one of the known values'}", ""
    return f"must be {'one of ' if len(names) > 1 else ''}{', '.join(names)}", nearest_of(given, names)


def _in_unit_of(given: Any, bound: Any) -> str:
    """A bound in the unit in which the value was written."""
    units: tuple[tuple[Callable[[str], Any], Callable[[Any], str]], ...] = (
        (parse_duration, format_duration),
        (parse_size, format_size),
    )
    for parse, write in units if isinstance(given, str) and bound else ():
        try:
            parse(given)
            return write(bound)
        except ValueError:
            continue
    return f"{bound:g}" if isinstance(bound, float) and abs(bound) < 1e15 else str(bound)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun.removesuffix('y')}{'ies' if noun[-1] == 'y' else 's'}"


def _unit_step(kind: str, given: Any) -> str:
    """Somebody who writes a unit where a bare number is wanted."""
    if not isinstance(given, str) or not kind.startswith(("int_", "float_")):
        return ""
    for parse in (parse_duration, parse_size, parse_rate):
        try:
            parse(given)
        except ValueError:
            continue
        return "Write it without a unit."
    return ""
