"""Which profiles are active, and which documents that switches on.

Models   spring.profiles.active (default where none), groups, include; on-profile expressions with !, &, |, parentheses
         and commas.
Source   Spring Boot 2.7, Profiles; Spring Framework 5.3, ProfilesParser
Checked  tests/unit/test_spring_text.py
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

_TOKEN = re.compile(r"\s*([()!&|]|[^()!&|\s]+)")
LONGEST = 1000


class BadExpression(Exception):
    """An on-profile expression that Spring would refuse."""


def accepts(expressions: Sequence[str], active: Collection[str]) -> bool:
    """Whether any of the expressions holds. Raises BadExpression."""
    return any(_accepts(expression, active) for expression in expressions)


def _accepts(expression: str, active: Collection[str]) -> bool:
    tokens = [token for token in _TOKEN.findall(expression) if token]
    if not tokens or len(expression) > LONGEST:
        raise BadExpression("must be profiles joined by & or |")
    # Two stacks instead of calls within calls: brackets may be as deep as the text is long.
    levels: list[list[str | bool]] = [[]]
    for token in tokens:
        if token == "(":
            levels.append([])
        elif token == ")":
            if len(levels) == 1:
                raise BadExpression("has a ) too many")
            value = _flat(levels.pop())
            levels[-1].append(value)
        elif token in "!&|":
            levels[-1].append(token)
        else:
            levels[-1].append(token in active)
    if len(levels) > 1:
        raise BadExpression("lacks a )")
    return _flat(levels[0])


def _flat(items: list[str | bool]) -> bool:
    """The value of an expression without parentheses; & and | must not be mixed in one."""
    values: list[bool] = []
    operators: set[str] = set()
    negate, expects_value = False, True
    for item in items:
        if isinstance(item, bool):
            if not expects_value:
                raise BadExpression("lacks & or | between two profiles")
            values.append(item != negate)
            negate, expects_value = False, False
        elif item == "!":
            if not expects_value:
                raise BadExpression("has a ! in the wrong place")
            negate = not negate
        else:
            if expects_value:
                raise BadExpression(f"lacks a profile before {item}")
            operators.add(item)
            expects_value = True
    if expects_value or len(operators) > 1:
        raise BadExpression("lacks a profile" if expects_value else "mixes & and | without parentheses")
    return any(values) if "|" in operators else all(values)


def expand(active: Sequence[str], groups: Mapping[str, Sequence[str]]) -> list[str]:
    """The active profiles with the members of their groups behind each, every one once."""
    found: list[str] = []
    pending = list(reversed(active))
    while pending:
        profile = pending.pop()
        if profile in found:
            continue
        found.append(profile)
        pending += reversed(list(groups.get(profile, ())))
    return found
