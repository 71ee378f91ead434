"""What a value of a scenario is, where it comes from, and what else could stand there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from experiments.errors import InputError
from experiments.scenario.document import Document, leaves
from experiments.scenario.load import Scenario
from experiments.scenario.paths import at_path, format_path, parse_path, spoken
from experiments.scenario.provenance import Provenance, nearest
from experiments.scenario.reference import (
    Reference,
    Titles,
    alternatives,
    default_text,
    fields_of,
    is_model,
    type_text,
)
from experiments.scenario.schema import schema_of
from experiments.scenario.settings import find
from models.system import SystemSpec

SOURCES = ("file", "guide", "measured", "fitted", "default", "assumed")
"""Where a value can come from, the surest first."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that is known of one place in a scenario."""

    path: str
    value: Any
    """As it is written; None where it is not, and the default holds."""
    is_written: bool
    written_at: str
    """`early.yaml:14`, `--set seed=2`; empty where it is not written."""
    source: str
    ref: str
    note: str
    entry: str
    """The path of the entry that says so: this one or one around it; empty where it is not written."""
    description: str
    type: str
    """Unit and range, or what may stand there."""
    default: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def explain(scenario: Scenario, path: str) -> list[Explanation]:
    """The value at a path; where that is a mapping or a list, every value inside it. Raises InputError."""
    try:
        names = parse_path(path)
    except ValueError as error:
        raise InputError(f"{path or 'PATH'}: {error}. Write e.g. services.api.replicas.") from None
    document = Document(dict(scenario.document), dict(scenario.origins))
    place = find(names, document, schema_of(SystemSpec), path, may_add=False)
    value = at_path(document.value, place)
    if not isinstance(value, Mapping | list) or not value:
        return [_one(scenario, place, value)]
    return [_one(scenario, inner, each) for inner, each in leaves(value, place)]


def _one(scenario: Scenario, place: tuple[str | int, ...], value: Any) -> Explanation:
    names = tuple(str(key) for key in spoken(place, scenario.document))
    field, kind = _field_at(place, scenario.document)
    is_written = _is_written(scenario.document, place)
    source, ref, note, entry = _source(scenario, names, field, is_written)
    origin = Document(dict(scenario.document), dict(scenario.origins)).origin(place) if is_written else ""
    return Explanation(
        path=format_path(names),
        value=value,
        is_written=is_written,
        written_at=origin,
        source=source,
        ref=ref,
        note=note,
        entry=entry,
        description=(field.description or "") if field is not None else "",
        type=_words(kind),
        default=default_text(field).replace("`", "").replace("**", "") if field is not None else "",
    )


def _is_written(document: Any, place: tuple[str | int, ...]) -> bool:
    around = at_path(document, place[:-1])
    if isinstance(around, Mapping):
        return place[-1] in around
    return isinstance(around, list)


def _source(
    scenario: Scenario, names: tuple[str, ...], field: FieldInfo | None, is_written: bool
) -> tuple[str, str, str, str]:
    path = format_path(names)
    for text in reversed(scenario.settings):
        try:
            set_names = parse_path(text.partition("=")[0])
        except ValueError:
            continue
        if names[: len(set_names)] == set_names:
            return "set", f"--set {text}", "Set for this run.", ""
    if not is_written:
        text = (field.description or "") if field is not None else ""
        return "default", "the program's default", _said_of_default(text), ""
    found = scenario.provenance_of(path)
    if found is None:
        return "unsaid", "", "The scenario has no entry for it under provenance.", ""
    return found.source, found.ref, found.note, _entry_of(names, scenario.provenance)


def _said_of_default(description: str) -> str:
    match = re.search(r"[^.]*\b[Dd]efaults?\b.*", description)
    return match[0].strip() if match else ""


def _entry_of(names: tuple[str, ...], entries: Mapping[str, Provenance]) -> str:
    known = {parse_path(text): text for text in entries}
    return next((known[names[:n]] for n in range(len(names), 0, -1) if names[:n] in known), "")


def counts_by_source(document: Mapping[str, Any], entries: Mapping[str, Provenance]) -> dict[str, int]:
    """How many of a system's values come from each source; `unsaid` for those without an entry."""
    counts = dict.fromkeys((*SOURCES, "unsaid"), 0)
    for place, _ in leaves(dict(document)):
        if place and place[0] not in ("description", "not_modelled", "provenance", "variants"):
            found = nearest(tuple(str(key) for key in spoken(place, document)), entries)
            counts[found.source if found is not None else "unsaid"] += 1
    return {source: count for source, count in counts.items() if count}


# --- what the specification says of it -------------------------------------------------------------------------------


def _field_at(place: tuple[str | int, ...], document: Any) -> tuple[FieldInfo | None, Any]:
    """The field of the specification that a place belongs to, and the type of what stands there."""
    kind: Any = SystemSpec
    field: FieldInfo | None = None
    value = document
    for key in place:
        model = _model_of(kind, value)
        if model is not None:
            field = fields_of(model).get(str(key))
            kind = field.annotation if field is not None else Any
            kind = Annotated[kind, *field.metadata] if field is not None and field.metadata else kind
        else:
            kind, field = _inner(kind), None
        value = at_path(value, (key,))
    return field, kind


def _model_of(kind: Any, value: Any) -> type[BaseModel] | None:
    """The specification that describes `value`, where one does."""
    if is_model(kind):
        return kind  # type: ignore[no-any-return]
    if get_origin(kind) is Annotated:
        return _model_of(get_args(kind)[0], value)
    members = alternatives(kind)
    if members:
        said = value.get("kind") if isinstance(value, Mapping) else None
        return next((m for m in members if said in get_args(m.model_fields["kind"].annotation)), members[0])
    if get_origin(kind) in (Union, UnionType):
        found = (_model_of(each, value) for each in get_args(kind) if each is not NoneType)
        return next((model for model in found if model is not None), None)
    return None


def _inner(kind: Any) -> Any:
    """The type of what a mapping or a list holds."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _inner(arguments[0])
    if origin in (Union, UnionType):
        return next((_inner(each) for each in arguments if get_origin(each) in (dict, list, tuple, Annotated)), Any)
    if origin is dict:
        return arguments[1]
    return arguments[0] if origin in (list, tuple) and arguments else Any


def _words(kind: Any) -> str:
    """Unit and range in words, without links."""
    try:
        text = type_text(kind, _titles())
    except (KeyError, TypeError, IndexError):
        return ""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).replace("`", "")


@lru_cache(maxsize=1)
def _titles() -> Titles:
    collected = Reference()
    collected.add(SystemSpec, "")
    return collected.titles()
