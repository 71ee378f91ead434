"""Templates learnt from the paths of a log: `/api/places/123` is one of `/api/places/{id}`.

Models   A path is its parts between slashes; paths that begin with the same parts stand in the same place. In each
         place, a part that is a number, a UUID or hexadecimal (8 signs or more, one of them a digit) is variable. Where
         more than MOST_WORDS other words stand in one place, those with less than FREQUENT of its requests are
         variable, too; a word that patterns would not take as itself always is. All that is variable in a place becomes
         one `{id}`, `{uuid}`, `{hex}` or `{slug}`, named after what it is; what follows it is looked at together.
         The result depends on the numbers of requests only, not on their order. Memory does not grow with the log:
         paths are those that a reading keeps, see experiments/logs/names.py.
Checked  tests/unit/test_replay_learning.py, tests/properties/test_replay.py
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

MOST_WORDS: Final = 20
FREQUENT: Final = 0.05
DEEPEST: Final = 30
"""Parts of a path. What follows them is `*`."""

_KINDS: Final = (
    ("id", re.compile(r"[0-9]+")),
    ("uuid", re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")),
    ("hex", re.compile(r"(?=[^0-9]*[0-9])(?:[0-9a-f]{8,}|[0-9A-F]{8,})")),
)
_NOT_ITSELF: Final = re.compile(r"[{}*]")
_SLUG: Final = "slug"

Counted = tuple[tuple[str, ...], int]
"""The parts of a path, and its requests."""


@dataclass(frozen=True)
class Template:
    """Paths that differ only where its places are."""

    method: str
    """Empty where the log tells none."""
    path: str
    requests: int
    paths: int
    """Distinct ones."""
    example: str
    """The most frequent of them."""

    @property
    def pattern(self) -> str:
        """As `--map` reads it."""
        return f"{self.method} {self.path}".strip()


def learn(targets: Iterable[tuple[tuple[str, str], int]]) -> list[Template]:
    """The templates of targets ((method, path), requests), those that a path must be held against first in front."""
    by_method: dict[str, list[Counted]] = {}
    for (method, path), requests in targets:
        if requests and path.startswith("/"):
            by_method.setdefault(method, []).append((tuple(path[1:].split("/")), requests))
    return [
        _template(method, parts, inside)
        for method in sorted(by_method)
        for parts, inside in _templates(by_method[method], ())
    ]


def _template(method: str, parts: tuple[str, ...], inside: list[Counted]) -> Template:
    example, _ = min(inside, key=lambda entry: (-entry[1], entry[0]))
    requests = sum(requests for _, requests in inside)
    return Template(method, _path(parts), requests, len(inside), _path(example))


def _path(parts: tuple[str, ...]) -> str:
    return "/" + "/".join(parts)


def _templates(counted: list[Counted], before: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[Counted]]]:
    """Templates of paths that are alike up to `before`, and the paths of each; words in front of what is variable."""
    depth = len(before)
    ending = [entry for entry in counted if len(entry[0]) == depth]
    going_on = [entry for entry in counted if len(entry[0]) > depth]
    if ending:
        yield before, ending
    if going_on and depth == DEEPEST:
        yield (*before, "*"), going_on
        return
    words: dict[str, list[Counted]] = {}
    for entry in going_on:
        words.setdefault(entry[0][depth], []).append(entry)
    totals = {word: sum(requests for _, requests in inside) for word, inside in words.items()}
    fixed = _fixed(totals)
    for word in sorted(fixed, key=lambda word: (-totals[word], word)):
        yield from _templates(words[word], (*before, word))
    variable = [word for word in words if word not in fixed]
    if variable:
        together = [entry for word in variable for entry in words[word]]
        yield from _templates(together, (*before, f"{{{_name(variable)}}}"))


def _fixed(totals: dict[str, int]) -> set[str]:
    """The words of a place that stand for themselves."""
    plain = {word for word in totals if not _NOT_ITSELF.search(word) and _kind(word) == _SLUG}
    if len(plain) <= MOST_WORDS:
        return plain
    least = FREQUENT * sum(totals.values())
    return {word for word in plain if totals[word] >= least}


def _kind(word: str) -> str:
    return next((name for name, pattern in _KINDS if pattern.fullmatch(word)), _SLUG)


def _name(words: list[str]) -> str:
    """What a variable part is called."""
    kinds = {_kind(word) for word in words}
    return kinds.pop() if len(kinds) == 1 else _SLUG if _SLUG in kinds else "id"
