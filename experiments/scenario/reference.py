"""The reference of the scenario format, written from the specifications: docs/scenario-format.md.

    python -m experiments.scenario.reference > docs/scenario-format.md

A table for each kind of mapping: its fields with type, default and meaning. What can stand in several places (limits,
distributions, steps) is said once, with all the places.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from experiments.scenario.provenance import Beside, Provenance, Variant
from models.system import SystemSpec
from sim.quantities import format_duration, format_rate, format_size, parse_duration, parse_rate, parse_size

UNIT_NAMES: Final[dict[Any, str]] = {parse_duration: "duration", parse_size: "size", parse_rate: "rate"}
UNIT_FORMATS: Final[dict[Any, Callable[[Any], str]]] = {
    parse_duration: format_duration,
    parse_size: format_size,
    parse_rate: format_rate,
}
PLAIN_NAMES: Final = {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "any value"}

CHOICES: Final = {
    "constant": ("Distributions", "of durations. A bare duration such as `4ms` is a constant."),
    "cpu": ("Steps", "of an endpoint, taken in order."),
    "bucket4j_greedy": ("Rate limiters", "of the gateway."),
    "tomcat": ("Workers", "of a service's replicas."),
    "docker": ("Health checks", "of the replicas of a service."),
    "crash": ("Faults", "and when they happen."),
    "ramp": ("Traffic shapes", "of the rate of open arrivals, or of the number of users at once, over time."),
}
"""Titles of the true alternatives, by the first of their kinds."""

HEAD: Final = """# Scenario format

<!-- Written by `python -m experiments.scenario.reference > docs/scenario-format.md`. Do not edit. -->

A scenario is one YAML (or JSON) document: the machines, what runs on them, the traffic, and what is expected. Keys that
are not listed here are refused. Named things (machines, services, routes) are mappings, and their names are yours; they
stand here as `<name>`.

- **duration**: a number with its unit: `250ms`, `3s`, `10m`, `1h`. **size**: bytes with a binary unit: `512K`, `4G`.
  **rate**: a count per time: `100/60s`, `700/s`. Only 0 may do without its unit.
- **Paths** name a value from outside, as in `--set services.api.replicas=2`: names separated by dots; a name that has a
  dot itself is quoted. Steps go by their names, wherever they are nested:
  `services.api.endpoints.get.steps.load.probability`. `null` unsets a value that may be absent.
- YAML is read strictly: no anchors, aliases, tags or merge keys, no key twice.

[How it works](how-it-works.md) says what the parts do, the [shipped scenarios](scenarios.md) show them in use, and
`windtunnel run SCENARIO` refuses what does not fit with the line to look at."""


Titles = Mapping[type[BaseModel], str]
"""Titles of sections, by the model they describe."""


@dataclass
class Section:
    """One kind of mapping, and the places where it can stand."""

    model: type[BaseModel]
    title: str
    places: list[str]
    level: int = 2


@dataclass
class Reference:
    """Collects the sections in the order in which a reader meets them."""

    sections: list[Section] = field(default_factory=list)
    choices: dict[str, list[Section]] = field(default_factory=dict)
    choice_places: dict[str, list[str]] = field(default_factory=dict)
    _known: dict[type[BaseModel], Section] = field(default_factory=dict)

    def add(self, model: type[BaseModel], place: str) -> None:
        """Take in a model that stands at `place`, and everything inside it."""
        known = self._known.get(model)
        if known is not None:
            known.places.append(place)
            return
        section = Section(model, place or "The whole document", [place])
        self._known[model] = section
        self.sections.append(section)
        self._inside(model, place)

    def titles(self) -> Titles:
        """Titles of sections by what they describe."""
        return {model: section.title for model, section in self._known.items()}

    def _inside(self, model: type[BaseModel], place: str) -> None:
        for name, info in fields_of(model).items():
            self._visit(_annotation(info), f"{place}.{name}" if place else name)

    def _visit(self, kind: Any, place: str) -> None:
        origin, arguments = get_origin(kind), get_args(kind)
        if is_model(kind):
            self.add(kind, place)
        elif origin is Annotated:
            self._visit(arguments[0], place)
        elif members := alternatives(kind):
            self._choose(members, place)
        elif origin in (Union, UnionType):
            for argument in arguments:
                self._visit(argument, place)
        elif origin is dict:
            self._visit(arguments[1], f"{place}.<name>")
        elif origin in (list, tuple):
            self._visit(arguments[0], place)

    def _choose(self, members: Sequence[type[BaseModel]], place: str) -> None:
        title = choice_title(members)
        self.choice_places.setdefault(title, []).append(place)
        if title in self.choices:
            return
        self.choices[title] = []
        for member in members:
            section = Section(member, f"kind: {kind_of(member)}", [], level=3)
            self._known[member] = section
            self.choices[title].append(section)
        for member in members:
            self._inside(member, f"{place}.<step>" if title == "Steps" else f"{kind_of(member)}")


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields with their types; those that were written before their types existed are looked up now."""
    model.model_rebuild()
    return model.model_fields


def is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def alternatives(kind: Any) -> list[type[BaseModel]]:
    """The members of a union that is told apart by `kind`; none where it is not one."""
    if get_origin(kind) not in (Union, UnionType):
        return []
    members = [member for member in get_args(kind) if member is not NoneType]
    return members if len(members) > 1 and all(is_model(m) and "kind" in m.model_fields for m in members) else []


def kind_of(model: type[BaseModel]) -> str:
    return str(get_args(model.model_fields["kind"].annotation)[0])


def choice_title(members: Sequence[type[BaseModel]]) -> str:
    return CHOICES[kind_of(members[0])][0]


def _annotation(info: FieldInfo) -> Any:
    """The annotation as it was written: pydantic keeps what stands around the type apart."""
    return Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation


# --- types -----------------------------------------------------------------------------------------------------------


def type_text(kind: Any, titles: Titles) -> str:
    """What may stand there, in words; mappings that have a section link to it."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        unit = _unit(arguments[1:])
        return (UNIT_NAMES[unit] if unit else type_text(arguments[0], titles)) + _bounds(arguments[1:])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if members := alternatives(kind):
        title = choice_title(members)
        return f"[{title.lower().rstrip('s')}](#{anchor(title)})" + (" or null" if NoneType in arguments else "")
    if origin in (Union, UnionType):
        texts = [type_text(argument, titles) for argument in arguments if argument is not NoneType]
        return " or ".join(texts) + (" or null" if NoneType in arguments else "")
    if origin is dict:
        return f"mapping of name to {type_text(arguments[1], titles)}"
    if origin in (list, tuple):
        return f"list of {type_text(arguments[0], titles)}"
    if is_model(kind):
        return f"[mapping](#{anchor(titles[kind])})"
    return PLAIN_NAMES[kind]


def _unit(metadata: Sequence[Any]) -> Any:
    for each in metadata:
        function = getattr(each, "func", None)
        if function in UNIT_NAMES:
            return function
    return None


def _flat(metadata: Sequence[Any]) -> Iterator[Any]:
    for each in metadata:
        yield from _flat(each.metadata) if isinstance(each, FieldInfo) else (each,)


def _bounds(metadata: Sequence[Any]) -> str:
    unit = _unit(metadata)

    def show(value: Any) -> str:
        return str(UNIT_FORMATS[unit](value)) if unit in (parse_duration, parse_size) and value else f"{value}"

    least, most, size = [], [], ""
    for each in _flat(metadata):
        match each:
            case Gt(gt=bound):
                least.append(f"above {show(bound)}")
            case Ge(ge=bound):
                least.append(f"at least {show(bound)}")
            case Lt(lt=bound):
                most.append(f"below {show(bound)}")
            case Le(le=bound):
                most.append(f"at most {show(bound)}")
            case MinLen():
                size = ", not empty"
    texts = dict.fromkeys([*least, *most])
    return (f", {' and '.join(texts)}" if texts else "") + size


def default_text(info: FieldInfo) -> str:
    if info.is_required():
        return "**required**"
    value = info.get_default(call_default_factory=True)
    if value is PydanticUndefined or value is None:
        return "none"
    return f"`{_written(value, _annotation(info))}`"


def _written(value: Any, kind: Any) -> str:
    if isinstance(value, BaseModel):
        inner = value.model_dump(mode="json", exclude_defaults=True) or value.model_dump(mode="json", exclude_none=True)
        if inner.keys() == {"value"} or inner.get("kind") == "constant":
            return str(inner["value"])
        return "{" + ", ".join(f"{name}: {each}" for name, each in inner.items()) + "}"
    unit = _unit(get_args(kind)[1:]) if get_origin(kind) is Annotated else None
    if unit is None and get_origin(kind) in (Union, UnionType):
        unit = next((_unit(get_args(each)[1:]) for each in get_args(kind) if get_origin(each) is Annotated), None)
    if unit is not None and not isinstance(value, str):
        return str(UNIT_FORMATS[unit](value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    return "''" if value == "" else f"{value:g}" if isinstance(value, float) else str(value)


# --- text ------------------------------------------------------------------------------------------------------------


def anchor(title: str) -> str:
    """The anchor that a heading gets on the usual hosts."""
    kept = "".join(c for c in title.lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def section_lines(section: Section, titles: Titles) -> Iterator[str]:
    """Heading, first paragraph, table."""
    title = section.title if section.title == "The whole document" else f"`{section.title}`"
    yield f"{'#' * section.level} {title}"
    yield ""
    if section.model.__doc__ and section.model is not SystemSpec:
        yield " ".join(section.model.__doc__.split())
        yield ""
    if len(section.places) > 1:
        others = ", ".join(f"`{place}`" for place in section.places[1:])
        yield f"The same at {others}."
        yield ""
    fields = {name: info for name, info in fields_of(section.model).items() if name != "kind"}
    if not fields:
        yield "No fields."
        yield ""
        return
    yield "| field | type | default | meaning |"
    yield "| --- | --- | --- | --- |"
    for name, info in fields.items():
        yield f"| `{name}` | {type_text(_annotation(info), titles)} | {default_text(info)} | {_cell(_meaning(info))} |"
    yield ""


def _meaning(info: FieldInfo) -> str:
    """The description; where there is none, what the thing inside says of itself."""
    if info.description:
        return info.description
    model = _first_model(info.annotation)
    return " ".join((model.__doc__ or "").split()) if model is not None else ""


def _first_model(kind: Any) -> type[BaseModel] | None:
    if is_model(kind):
        return kind  # type: ignore[no-any-return]
    return next((found for each in get_args(kind) if (found := _first_model(each)) is not None), None)


def reference() -> str:
    """The whole reference as markdown."""
    collected = Reference()
    collected.add(SystemSpec, "")
    titles = collected.titles()
    lines = [HEAD, ""]
    for section in collected.sections:
        lines += section_lines(section, titles)
    for title, sections in collected.choices.items():
        about = CHOICES[kind_of(sections[0].model)][1]
        places = collected.choice_places[title]
        where = ", ".join(f"`{place}`" for place in dict.fromkeys(places))
        lines += [f"## {title}", "", f"{title} {about} One of these kinds, at {where}.", ""]
        for section in sections:
            lines += section_lines(section, titles)
    lines += ["## Beside the system", "", "Two more keys at the top say what is not simulated itself.", ""]
    beside: tuple[type[BaseModel], ...] = (Variant, Provenance)
    for name, model in zip(Beside.model_fields, beside, strict=True):
        key = "<path>" if name == "provenance" else "<name>"
        lines += section_lines(Section(model, f"{name}.{key}", [], level=3), titles)
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
