"""Where a scenario's values come from, and which ways it can be varied: what stands beside the system itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from experiments.errors import InputError
from experiments.scenario.document import Document, leaves
from experiments.scenario.paths import child, format_path, parse_path, spoken, step_at
from experiments.scenario.schema import ANYTHING, Schema
from experiments.scenario.settings import find
from models.spec import Spec

BESIDE = ("variants", "provenance")
"""Keys at the top of a scenario that do not describe the system."""

_FOR_PEOPLE = ("description", "not_modelled")
"""Text, which needs no source."""

_FREE = Schema(lambda: ANYTHING)


class Provenance(Spec):
    """Where a value, or all values under a path, come from."""

    source: Literal["guide", "file", "measured", "fitted", "default", "assumed"] = Field(
        description="What kind of source; fitted: by calibration, from response times."
    )
    ref: str = Field(default="", description="Where exactly: a section, file:line, a release.")
    note: str = Field(default="", description="What else a reader should know.")


class Variant(Spec):
    """A named set of settings."""

    description: str = Field(default="", description="What is different, in a sentence.")
    set: dict[str, Any] = Field(min_length=1, description="Values by path, as with --set; null unsets.")


class Beside(Spec):
    """What a scenario holds beside its system."""

    variants: dict[str, Variant] = Field(default_factory=dict)
    provenance: dict[str, Provenance] = Field(default_factory=dict)


def nearest(names: tuple[str, ...], entries: Mapping[str, Provenance]) -> Provenance | None:
    """The entry at a path, or else the nearest one around it."""
    by_path = {parse_path(text): entry for text, entry in entries.items()}
    for length in range(len(names), 0, -1):
        if names[:length] in by_path:
            return by_path[names[:length]]
    return None


def check_provenance(document: Document, schema: Schema) -> None:
    """Refuse entries for paths that this scenario does not have: they would speak of nothing. Raises InputError."""
    problems: list[str] = []
    system = {key: value for key, value in document.value.items() if key not in BESIDE}
    for text in document.value.get("provenance") or {}:
        origin = document.origin(("provenance", text))
        try:
            names = parse_path(text)
            if names[0] == "variants":
                find(names[1:], Document(document.value.get("variants") or {}), _FREE, origin, may_add=False)
            elif not _stands(names, system):
                find(names, Document(system), schema, origin, may_add=False)
        except ValueError as error:
            problems.append(f"provenance: {error}. Write e.g. services.api.replicas. ({origin})")
        except InputError as error:
            problems += [f"provenance.{line}" for line in error.lines]
    if problems:
        raise InputError.of(problems)


def _stands(names: tuple[str, ...], value: Any) -> bool:
    """Whether names lead to something that is written. If the specification does not know it, validation says so."""
    for name in names:
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and (at := step_at(value, name)) is not None:
            for key in at:
                value = child(value, key)
        else:
            return False
    return True


def valued_paths(document: Document) -> Iterator[tuple[str, ...]]:
    """The paths of all values that need a source, as they are written."""
    for path, _ in leaves(document.value):
        if path and path[0] not in ("provenance", *_FOR_PEOPLE) and path[-1] != "description":
            yield tuple(str(key) for key in spoken(path, document.value))


def unsourced(document: Document, entries: Mapping[str, Provenance]) -> list[str]:
    """The paths of values that no entry covers."""
    return [format_path(names) for names in valued_paths(document) if nearest(names, entries) is None]
