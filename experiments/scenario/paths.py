"""Paths into a scenario as people write them: `services.place-service.endpoints.get-place.steps.query.demand`.

Names are separated by dots; a name that has a dot itself is quoted. Elements of a list of steps go by their names (the
kind, kind_2 and so on where none is given), wherever they are nested, as in every other place where a step is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher, get_close_matches
from typing import Any

Key = str | int
Path = tuple[Key, ...]

_BARE = re.compile(r"[^.=\"'\s\[\]\x00-\x1f\x7f]+")
_SUGGESTIONS = 3
_WORSE_AT_MOST = 0.15
"""Of the names that are near, those are told that are about as near as the nearest."""


def parse_path(text: str) -> tuple[str, ...]:
    """The names in a written path. Raises ValueError where it is not one."""
    names, end = read_path(text)
    if end != len(text):
        raise ValueError(f"must be names separated by dots, got {text[end:][:20]!r} after {text[:end][-20:]!r}")
    return names


def read_path(text: str) -> tuple[tuple[str, ...], int]:
    """The path that `text` begins with, and where it ends. Raises ValueError."""
    names: list[str] = []
    position = 0
    while True:
        name, position = _read_name(text, position)
        names.append(name)
        if text[position : position + 1] != ".":
            return tuple(names), position
        position += 1


def _read_name(text: str, position: int) -> tuple[str, int]:
    quote = text[position : position + 1]
    if quote in ('"', "'") and quote:
        end = text.find(quote, position + 1)
        if end < 0:
            raise ValueError(f"must close its quote, got {text[position:][:20]}")
        return text[position + 1 : end], end + 1
    match = _BARE.match(text, position)
    if match is None:
        raise ValueError(f"must have a name at position {position + 1}, got {text[position:][:20]!r}")
    return match[0], match.end()


def format_path(path: Sequence[Key]) -> str:
    """The path as it is written: names with dots are quoted."""
    return ".".join(_quoted(str(key)) for key in path)


def _quoted(name: str) -> str:
    if _BARE.fullmatch(name) and name.isprintable():
        return name
    quote = "'" if '"' in name else '"'
    return f"{quote}{name if name.isprintable() else repr(name)[1:-1]}{quote}"


def step_names(items: Sequence[Any]) -> dict[str, Path]:
    """Where the named elements of a list are, relative to it, those inside others included, in document order."""
    found: dict[str, Path] = {}
    counts: dict[str, int] = {}
    for at, item in _elements(items, ()):
        name = item.get("name")
        if not isinstance(name, str) or not name:
            kind = item.get("kind")
            if not isinstance(kind, str):
                continue
            counts[kind] = counts.get(kind, 0) + 1
            name = kind if counts[kind] == 1 else f"{kind}_{counts[kind]}"
        found.setdefault(name, at)
    return found


def step_at(items: Sequence[Any], name: str) -> Path | None:
    """Where the element called `name`, or with that index, is; None where there is none."""
    at = step_names(items).get(name)
    if at is None and name.isdecimal() and int(name[:9]) < len(items):
        return (int(name[:9]),)
    return at


def _elements(items: Sequence[Any], at: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for index, item in enumerate(items):
        if isinstance(item, dict):
            yield (*at, index), item
            for key, inner in item.items():
                if isinstance(inner, list):
                    yield from _elements(inner, (*at, index, key))


def spoken(path: Path, document: Any) -> Path:
    """The path with the elements of lists called by their names: what a person would write."""
    said: list[Key] = []
    value = document
    for position, key in enumerate(path):
        if isinstance(value, list) and isinstance(key, int):
            rest = path[position:]
            for name, at in reversed(step_names(value).items()):  # an inner step comes after the one around it
                if rest[: len(at)] == at:
                    return (*said, name, *rest[len(at) :])
        said.append(key)
        value = child(value, key)
    return tuple(said)


def heard(names: Sequence[str], document: Any) -> Path:
    """The opposite of `spoken`, as far as the document goes: written names to keys and indices.

    What the document does not have stays as it was written, from there on.
    """
    path: list[Key] = []
    value = document
    for position, name in enumerate(names):
        if isinstance(value, list):
            at = step_at(value, name)
            if at is None:
                return (*path, *names[position:])
            path += at
            for key in at:
                value = child(value, key)
        else:
            path.append(name)
            value = child(value, name)
    return tuple(path)


def child(value: Any, key: Key) -> Any:
    """What `value` holds under `key`; None where it holds nothing there."""
    if isinstance(value, dict):
        return value.get(key)
    if isinstance(value, list) and isinstance(key, int) and 0 <= key < len(value):
        return value[key]
    return None


def at_path(document: Any, path: Path) -> Any:
    """What the document holds at `path`; None where it holds nothing there."""
    for key in path:
        document = child(document, key)
    return document


def did_you_mean(name: str, known: Sequence[str], what: str = "") -> str:
    """The next step after a wrong name: the nearest right ones, else all there are."""
    near = get_close_matches(name, known, n=_SUGGESTIONS, cutoff=0.6)
    near = [each for each in near if _likeness(name, each) >= _likeness(name, near[0]) - _WORSE_AT_MOST]
    if near:
        return f"Did you mean {_or(near)}?"
    if not known:
        return f"There are no {what or 'names'} here."
    listed = list(known)[:12]
    return f"{what.capitalize() or 'Known'}: {', '.join(listed)}{', ...' if len(known) > len(listed) else '.'}"


def _likeness(name: str, other: str) -> float:
    return SequenceMatcher(None, other, name).ratio()


def _or(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
