"""Pydantic's errors in the user's terms: `path: requirement, got value. Next step. (file.yaml:LINE)`.

This and `requirements` are the only places where pydantic's wording is translated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from experiments.errors import shown
from experiments.scenario.document import Document
from experiments.scenario.paths import Path, at_path, did_you_mean, format_path, heard, spoken
from experiments.scenario.requirements import BOUNDS, nearest_of, requirement_of
from experiments.scenario.schema import ANYTHING, Node, Schema, schema_of


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong. `requirement` begins with `must`; `got` and `step` may be empty."""

    path: Path
    requirement: str
    got: str = ""
    step: str = ""
    misfit: bool = False
    """The value is of another type altogether: what another alternative of a union says of its inside is better."""

    def line(self, document: Document) -> str:
        path = format_path(spoken(self.path, document.value))
        got = f", got {self.got}" if self.got else ""
        step = f" {self.step}" if self.step else ""
        origin = document.origins_of(self.path)
        return f"{f'{path}: ' if path else ''}{self.requirement}{got}.{step}{f' ({origin})' if origin else ''}"


def lines_of(
    error: ValidationError, document: Document, model: type[BaseModel], known: Sequence[str] = ()
) -> list[str]:
    """What is wrong, one line each, in the order of the document. `known`: names at the top besides the model's."""
    schema = schema_of(model)
    problems: list[Problem] = []
    for item in error.errors(include_url=False):
        problems += _problems(item, document, schema, known)
    lines = [problem.line(document) for problem in _without_repetition(problems)]
    return list(dict.fromkeys(lines))


def _problems(item: Any, document: Document, schema: Schema, known: Sequence[str]) -> list[Problem]:
    kind, context = item["type"], item.get("ctx", {})
    path, around, value = schema.locate(item["loc"], document.value)
    key = item["loc"][-1] if item["loc"] else ""
    if kind in ("value_error", "assertion_error"):
        part = (schema.child(around, value, path[-1]) if path else around) or ANYTHING
        fields = schema.names(part, at_path(document.value, path))
        return [_stated(line, path, document, fields) for line in str(context["error"]).splitlines() or [""]]
    if kind == "extra_forbidden":
        names = [*schema.names(around, value), *([] if path[1:] else known)]
        return [Problem(path, "must be a known key", shown(key), did_you_mean(str(key), names, "keys here"))]
    if kind == "missing":
        about = schema.about(around, value, key)
        return [Problem(path, "must be given", step=f"Add it: {about}." if about else "Add it.")]
    node = (schema.child(around, value, path[-1]) if path else around) or ANYTHING
    given = _given(item, document, path)
    if kind.startswith("union_tag_") or (schema.discriminates(node) and not isinstance(given, dict)):
        return [_tag(kind, path, given, context, schema, node)]
    requirement, step = requirement_of(kind, context, given, schema.chosen(node, given).get("type") == "integer")
    if path and kind in BOUNDS and schema.optional(around, value, path[-1]):
        step = f"{step.removesuffix('.')}, or leave {path[-1]} out."
    return [Problem(path, requirement, shown(given), step, misfit=kind.endswith("_type"))]


def _given(item: Any, document: Document, path: Path) -> Any:
    """The value as it was written: pydantic may have been shown what became of it."""
    written = at_path(document.value, path)
    return item.get("input") if written is None or item["loc"][-1:] == ("[key]",) else written


def _tag(kind: str, path: Path, given: Any, context: Mapping[str, Any], schema: Schema, union: Node) -> Problem:
    """A union's choice that is missing or unknown."""
    tags = schema.tags(union)
    if not isinstance(given, dict):
        return Problem(path, "must be a mapping with a kind", shown(given), misfit=True)
    requirement = f"must be one of {', '.join(tags)}" if tags else "must be given"
    if kind == "union_tag_not_found":
        return Problem((*path, "kind"), requirement, step="Add it.")
    tag = str(context.get("tag", ""))
    return Problem((*path, "kind"), requirement, shown(tag), nearest_of(tag, tags))


_PLACED = re.compile(r"([^\s:]+): (.+)")


def _stated(message: str, path: Path, document: Document, fields: Sequence[str]) -> Problem:
    """What a rule of the specification says by itself: a whole sentence, with its own path if it is of one of the
    `fields` of what stands at `path`, or below it."""
    placed = _PLACED.fullmatch(message)
    if placed:
        part = at_path(document.value, path)
        names = _names(placed[1], part)
        if names and names[0] in fields:
            path, message = (*path, *heard(names, part)), placed[2]
    message = message.rstrip()
    requirement, comma, rest = message.partition(", got ")
    if not comma:
        return Problem(path, message.removesuffix(".") or "must be valid")
    got, stop, step = rest.rpartition(". ")
    return Problem(path, requirement, *((got, step) if stop else (rest.removesuffix("."), "")))


def _names(text: str, document: Any) -> tuple[str, ...]:
    """The names in a path that code wrote without quotes: a name with dots is known by standing in the document."""
    parts = text.split(".")
    names: list[str] = []
    value = document
    while parts:
        for length in range(len(parts), 0, -1):
            name = ".".join(parts[:length])
            if length == 1 or (isinstance(value, dict) and name in value):
                break
        names.append(name)
        parts = parts[length:]
        value = value.get(name) if isinstance(value, dict) else None
    return tuple(names)


def _without_repetition(problems: Sequence[Problem]) -> list[Problem]:
    """Alternatives of a union each complain: keep what fits the value, and join what is said of one place."""
    kept = [
        problem
        for problem in problems
        if not (problem.misfit and any(_is_under(other.path, problem.path) for other in problems))
    ]
    joined: dict[Path, Problem] = {}
    order: list[Problem | Path] = []
    for problem in kept:
        other = joined.get(problem.path)
        if other is None or not _says_the_same(problem, other):
            order.append(problem.path if other is None else problem)
            joined.setdefault(problem.path, problem)
        elif problem.requirement != other.requirement:
            requirement = f"{other.requirement} or {problem.requirement.removeprefix('must be ')}"
            joined[problem.path] = Problem(problem.path, requirement, other.got, problem.step or other.step)
    return [joined[entry] if isinstance(entry, tuple) else entry for entry in order]


def _says_the_same(problem: Problem, other: Problem) -> bool:
    """Whether two alternatives complain of the same value, so that one sentence can name both."""
    is_plain = problem.requirement.startswith("must be ") and other.requirement.startswith("must be ")
    return is_plain and problem.got.strip("'") == other.got.strip("'")


def _is_under(path: Path, above: Path) -> bool:
    return len(path) > len(above) and path[: len(above)] == above
