"""Settings: `PATH=VALUE`, applied to a scenario's document before it is validated.

VALUE is YAML; `null` unsets. PATH goes by the names of the document and of the specification; a step goes by its name.
Where a mapping has free names (services, limiters, the mix) a new one may be set; everything else must exist.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from experiments.errors import InputError, shown
from experiments.scenario.document import Document, leaves, parse_value
from experiments.scenario.paths import (
    Key,
    Path,
    child,
    did_you_mean,
    format_path,
    parse_path,
    read_path,
    spoken,
    step_at,
    step_names,
)
from experiments.scenario.schema import ANYTHING, Node, Schema

_UNSET = ("null", "~", "Null", "NULL")
_LONGEST_ORIGIN = 70


@dataclass(frozen=True)
class Setting:
    """One value to set; `value` None unsets. `origin` is what an error about it points to."""

    names: tuple[str, ...]
    value: Any
    origin: str


def parse_setting(text: str) -> Setting:
    """A setting as it stands on the command line. Raises InputError."""
    origin = _origin(text)
    try:
        names, end = read_path(text)
    except ValueError as error:
        raise InputError(f"--set: {error}. Write PATH=VALUE, e.g. services.api.replicas=2. ({origin})") from None
    if text[end : end + 1] != "=":
        raise InputError(f"--set: must be PATH=VALUE, got {shown(text)}. Write e.g. duration=5m. ({origin})")
    written = text[end + 1 :]
    try:
        value, _ = parse_value(written, "VALUE")
    except InputError:
        raise InputError(
            f"{format_path(names)}: must be set to a YAML value, got {shown(written)}. Quote it to have it as text. "
            f"({origin})"
        ) from None
    if value is None and written.strip() not in _UNSET:
        raise InputError(f"{format_path(names)}: must have a value, got none. Write null to unset it. ({origin})")
    return Setting(names, value, origin)


def _origin(text: str) -> str:
    text = text if text.isprintable() else repr(text)[1:-1]
    return f"--set {text}" if len(text) <= _LONGEST_ORIGIN else f"--set {text[: _LONGEST_ORIGIN - 3]}..."


def written_settings(values: Mapping[str, Any], path: Path, document: Document) -> list[Setting]:
    """Settings that stand in a scenario as `path: value`, as those of a variant do. Raises InputError."""
    settings = []
    for text, value in values.items():
        origin = document.origin((*path, text))
        try:
            names = parse_path(text)
        except ValueError as error:
            raise InputError(f"{format_path(path)}: {error}. Write e.g. services.api.replicas. ({origin})") from None
        settings.append(Setting(names, value, origin))
    return settings


def apply_settings(document: Document, settings: Iterable[Setting], schema: Schema) -> Document:
    """A copy of the document in which every setting is made, in order. Raises InputError."""
    result = Document(copy.deepcopy(document.value), dict(document.origins))
    for setting in settings:
        path = find(setting.names, result, schema, setting.origin, may_add=setting.value is not None)
        if setting.value is None:
            _remove(result, path, setting.origin)
        else:
            _put(result, path, setting, schema)
    return result


def find(names: tuple[str, ...], document: Document, schema: Schema, origin: str, may_add: bool) -> Path:
    """Where written names lead: into the document, or to a key that the specification knows.

    `may_add`: the last name may be a new one where names are free. Raises InputError, which says the nearest right
    names.
    """
    value: Any = document.value
    node: Node = schema.root
    path: Path = ()
    for position, name in enumerate(names):
        if isinstance(value, list):
            at = step_at(value, name)
            if at is None:
                raise _unknown(names, position, list(step_names(value)), "elements here", document, origin)
        elif isinstance(value, dict):
            at = (name,)
            fixed = schema.names(node, value)
            is_new = name not in value and not (may_add and position == len(names) - 1)
            if name not in fixed if fixed else is_new:
                known = fixed or list(value)
                raise _unknown(names, position, known, "keys here" if fixed else "names here", document, origin)
        else:
            raise _into_single(names[:position], value, origin)
        for key in at:
            node, value = schema.child(node, value, key) or ANYTHING, child(value, key)
            path = (*path, key)
        if value is None:
            value = {}  # the specification knows it, the document leaves it to its default
    return path


def _unknown(
    names: tuple[str, ...], position: int, known: list[str], what: str, document: Document, origin: str
) -> InputError:  # fmt: skip
    step = did_you_mean(names[position], known, what)
    elsewhere = _paths_ending(document, names) if position == 0 else []
    if elsewhere:
        step = f"Did you mean {' or '.join(elsewhere)}?"
    path = format_path(names[: position + 1])
    return InputError(f"{path}: must be a path in this scenario, got {shown(names[position])}. {step} ({origin})")


def _paths_ending(document: Document, names: tuple[str, ...]) -> list[str]:
    """Paths that end as the names do: what somebody who left out the beginning may have meant."""
    found: dict[str, None] = {}
    for leaf, _ in leaves(document.value):
        said = spoken(leaf, document.value)
        for end in range(len(names) + 1, len(said) + 1):
            if said[end - len(names) : end] == names and said[0] not in ("variants", "provenance"):
                found.setdefault(format_path(said[:end]))
    return list(found)[:3]


def _into_single(names: tuple[str, ...], value: Any, origin: str) -> InputError:
    path = format_path(names)
    return InputError(
        f"{path}: must be set as a whole, got a path into a single value ({shown(value)}). "
        f"Write e.g. '{path}={{kind: ..., ...}}'. ({origin})"
    )


def _put(document: Document, path: Path, setting: Setting, schema: Schema) -> None:
    inside: Any = document.value
    node: Node = schema.root
    for key, inner_key in itertools.pairwise(path):
        inner = schema.child(node, inside, key) or ANYTHING
        if isinstance(inside, dict) and inside.get(key) is None:
            inside[key] = schema.beginning(inner, inner_key)
        node, inside = inner, inside[key]
    inside[path[-1]] = copy.deepcopy(setting.value)
    _forget(document, path)
    document.origins[path] = setting.origin


def _remove(document: Document, path: Path, origin: str) -> None:
    inside: Any = document.value
    for key in path[:-1]:
        inside = child(inside, key)
    key = path[-1]
    if isinstance(inside, list) and isinstance(key, int):
        del inside[key]
        _forget(document, path[:-1])  # the elements after it have moved up
        document.origins[path[:-1]] = origin
    elif isinstance(inside, dict):
        inside.pop(str(key), None)
        _forget(document, path)
        document.origins[path] = origin


def _forget(document: Document, path: tuple[Key, ...]) -> None:
    """What is known of lines at and under a path no longer holds."""
    for old in [old for old in document.origins if old[: len(path)] == path]:
        del document.origins[old]
