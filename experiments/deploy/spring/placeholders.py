"""`${name:default}` in values: resolved against all properties, cycles and bombs refused.

Models   A name is looked up as it is written, then under relaxed binding; what stands after the first colon counts
         where it is found nowhere. Names and defaults may hold further placeholders.
Source   Spring Framework 5.3, PropertyPlaceholderHelper
Omits    #{...}: expressions are code, and are never evaluated.
Checked  tests/unit/test_spring_text.py, tests/properties/test_spring_fuzz.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

DEEPEST = 24
LONGEST = 100_000
MOST = 10_000

T = TypeVar("T")

Lookup = Callable[[str], "tuple[str, T] | None"]
"""The text of a property before its own placeholders are resolved, and what it comes from."""


class BadPlaceholder(Exception):
    """A placeholder that nobody can resolve: a cycle, or one too deep or too long."""


@dataclass(slots=True)
class Resolved(Generic[T]):
    """A text whose placeholders have been put in."""

    text: str
    missing: list[str] = field(default_factory=list)
    """Names that are found nowhere and have no default: they stay as they were written."""
    used: list[T] = field(default_factory=list)
    """What the names came from."""


def resolve(text: str, lookup: Lookup[T]) -> Resolved[T]:
    """`text` with all that it names. Raises BadPlaceholder."""
    result: Resolved[T] = Resolved("")
    result.text = _Resolver(lookup, result).put_in(text, ())
    return result


def default_of(text: str) -> tuple[int, int] | None:
    """Where the default stands in a text that is one placeholder with a default that holds no other."""
    if not text.startswith("${") or _end_of(text, 2) != len(text) - 1:
        return None
    colon = _colon(text[2:-1])
    if colon is None or "${" in text[2:]:
        return None
    return 3 + colon, len(text) - 1


def only_name(text: str) -> str | None:
    """The name where the text is one placeholder, with or without a default."""
    if not text.startswith("${") or _end_of(text, 2) != len(text) - 1:
        return None
    inside = text[2:-1]
    colon = _colon(inside)
    name = inside if colon is None else inside[:colon]
    return None if "${" in name else name.strip()


class _Resolver(Generic[T]):
    def __init__(self, lookup: Lookup[T], result: Resolved[T]) -> None:
        self._lookup = lookup
        self._result = result
        self._length = 0
        self._count = 0

    def put_in(self, text: str, names: tuple[str, ...]) -> str:
        if len(names) > DEEPEST:
            raise BadPlaceholder(f"placeholders nest more than {DEEPEST} deep, from ${{{names[0]}}} on")
        parts: list[str] = []
        at = 0
        while True:
            begin = text.find("${", at)
            end = -1 if begin < 0 else _end_of(text, begin + 2)
            piece = text[at:] if end < 0 else text[at:begin]
            self._length += len(piece)
            if self._length > LONGEST:
                raise BadPlaceholder(f"its placeholders make it longer than {LONGEST} characters")
            parts.append(piece)
            if end < 0:
                return "".join(parts)
            parts.append(self._one(text[begin + 2 : end], names))
            at = end + 1

    def _one(self, inside: str, names: tuple[str, ...]) -> str:
        self._count += 1
        if self._count > MOST:
            raise BadPlaceholder(f"more than {MOST} placeholders make it up")
        colon = _colon(inside)
        name = self.put_in(inside if colon is None else inside[:colon], (*names, inside[:60])).strip()
        found = self._lookup(name)
        if found is not None:
            if name in names:
                raise BadPlaceholder(f"${{{name}}} needs itself")
            self._result.used.append(found[1])
            return self.put_in(found[0], (*names, name))
        if colon is not None:
            return self.put_in(inside[colon + 1 :], (*names, name))
        self._result.missing.append(name)
        return f"${{{inside}}}"


def _end_of(text: str, at: int) -> int:
    """Where the brace that closes a placeholder stands, whose inside begins at `at`; -1 where there is none."""
    depth = 0
    while at < len(text):
        if text[at] == "{":
            depth += 1
        elif text[at] == "}":
            if depth == 0:
                return at
            depth -= 1
        at += 1
    return -1


def _colon(inside: str) -> int | None:
    """Where the default begins, if there is one: the first colon outside inner placeholders."""
    depth = 0
    for at, character in enumerate(inside):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == ":" and depth == 0:
            return at
    return None
