"""What an import took from files, from releases' defaults and from assume.yaml; and what is left to assume.

Checked  tests/e2e/test_export_files.py
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from experiments.deploy.assemble import Assembled
from experiments.deploy.fresh.places import place_of, why_not
from experiments.deploy.fresh.resilience import KINDS
from experiments.deploy.same import same
from experiments.scenario.document import leaves
from experiments.scenario.paths import at_path, format_path, heard, parse_path, spoken, step_names

ASSUME = "assume.yaml"
NO_VALUES = ("description", "not_modelled")


def without_told(system: Mapping[str, Any], read: Assembled) -> dict[str, Any]:
    """What a scenario says and files, or the defaults of what they start, do not."""
    return _without(system, Told(read), ())


class Told:
    """What an import took from files and from defaults, by path."""

    def __init__(self, read: Assembled) -> None:
        self._read = read
        self._entries = {parse_path(text): entry for text, entry in read.provenance.items()}

    def source(self, path: tuple[str, ...]) -> Mapping[str, str]:
        return next((self._entries[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self._entries), {})

    def says(self, path: tuple[str, ...], value: object) -> bool:
        """Whether files say this value, or what it holds where it is an empty mapping."""
        if value == {}:
            return any(known[: len(path)] == path and facts for known, facts in self._read.facts.items())
        place = heard(path, self._read.document)
        if self.source(path).get("source") not in ("file", "default"):
            return False
        return at_path(self._read.document, place[:-1]) is not None and same(
            at_path(self._read.document, place), value
        )  # fmt: skip


def _without(value: Mapping[str, Any], told: Told, at: tuple[str, ...]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, inner in value.items():
        path = (*at, str(key))
        if key == "steps" and isinstance(inner, list) and at[:1] == ("services",):
            kept[str(key)] = _steps(inner, told, path)
        elif isinstance(inner, Mapping) and inner:
            inside = _without(inner, told, path)
            if inside:
                kept[str(key)] = inside
        elif not told.says(path, inner):
            kept[str(key)] = inner
    return kept


def _steps(steps: list[Any], told: Told, at: tuple[str, ...]) -> list[Any]:
    """The same steps without what stands around calls, as far as files say it."""
    left = copy.deepcopy(steps)
    for name, place in step_names(steps).items():
        step: Any = left
        for key in place:
            step = step[key]
        if step.get("kind") != "call":
            continue
        for guard in (*KINDS, "read_timeout"):
            said, path = step.get(guard), (*at, name, guard)
            if isinstance(said, dict) and (said or told.says(path, said)):
                step[guard] = {key: one for key, one in said.items() if not told.says((*path, key), one)}
                if not step[guard]:
                    del step[guard]
            elif said is not None and told.says(path, said):
                del step[guard]
    return left


def told_by(read: Assembled) -> dict[str, str]:
    """Where each value of an import comes from."""
    told = Told(read)
    found: dict[str, str] = {}
    for path, _ in _values(read.document):
        if path[0] not in NO_VALUES:
            entry = told.source(path)
            kind, ref = entry.get("source"), entry.get("ref")
            found[format_path(path)] = (
                str(ref or "files") if kind == "file" else f"default: {ref}" if kind == "default" else ASSUME
            )
    return found


def _values(document: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value by its path, a list of plain ones as one."""
    seen: set[tuple[str, ...]] = set()
    for place, value in leaves(dict(document)):
        at = place
        while at and isinstance(at[-1], int):
            at = at[:-1]
        path = tuple(str(key) for key in spoken(at, document))
        if path not in seen:
            seen.add(path)
            yield path, value if at == place else at_path(document, at)


def left_out(system: Mapping[str, Any], rest: Mapping[str, Any]) -> dict[str, str]:
    """What is only assumed although files have a place for such a value, with the reason."""
    found: dict[str, str] = {}
    for path, value in _values(rest):
        where = place_of(path)
        if where is not None and value is not None:
            reason = why_not(system, path)
            found[format_path(path)] = reason or f"{where[0]} says {where[1]} otherwise, or not so exactly"
    return found
