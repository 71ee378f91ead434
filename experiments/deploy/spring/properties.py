"""The properties of one application: all its sources in Spring's order, and what has been made of each.

Models   Command line over system properties over the environment over files; among documents the later one wins. A map
         is merged over its sources, a list comes whole from the first source that has it.
Source   Spring Boot 2.7, "Externalized Configuration"
Checked  tests/unit/test_spring_documents.py
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from experiments.deploy.place import Place
from experiments.deploy.setting import Ledger, Setting
from experiments.deploy.spring.names import Name, elements, from_environment, in_environment, name_of, original
from experiments.deploy.spring.placeholders import BadPlaceholder, Resolved, default_of, only_name, resolve

_INDIRECT = 16
_INDEX = re.compile(r"\[[0-9]+\]")


@dataclass(slots=True, eq=False)
class Property:
    """One property of one source."""

    elements: tuple[str, ...]
    """As they are written; an index is `[0]`."""
    text: str
    """Before its placeholders are resolved."""
    setting: Setting | None
    """None where it is not from a file."""
    variable: str = ""
    """The environment variable it comes from."""
    name: Name = ()

    def __post_init__(self) -> None:
        self.name = name_of(self.elements)

    @property
    def key(self) -> str:
        return "".join(part if part.startswith("[") else f".{part}" for part in self.elements).removeprefix(".")


@dataclass(slots=True)
class Source:
    """Properties that stand together: a document of a file, or the environment."""

    label: str
    properties: dict[Name, Property] = field(default_factory=dict)
    is_environment: bool = False
    room: Place | None = None
    """Where a further key could be written."""
    margin: str = ""
    """What stands before it there: an end of line, where the last line has none, and its indent."""
    newline: str = "\n"
    equals: str = ": "
    """What stands between key and value."""

    def add(self, one: Property) -> Property | None:
        """Take a property in; the one of the same name that it hides, if any."""
        hidden = self.properties.pop(one.name, None)
        self.properties[one.name] = one
        return hidden


def from_variables(label: str, variables: Mapping[str, Setting | str], is_environment: bool) -> Source:
    """The environment, or arguments of the form name=value, as a source."""
    source = Source(label, is_environment=is_environment)
    for variable, given in variables.items():
        setting = given if isinstance(given, Setting) else None
        text = given if isinstance(given, str) else str("" if given.value is None else given.value)
        parts = from_environment(variable) if is_environment else elements(variable)
        if parts:
            source.add(Property(parts, text, setting, variable))
    return source


@dataclass(slots=True)
class Value:
    """A property as somebody reads it."""

    key: str
    text: str
    """With its placeholders resolved."""
    origin: Property
    place: Place | None
    """Where its text could be changed."""
    raw: str
    """The text at that place."""

    @property
    def where(self) -> Place:
        """For messages: where it is, or at least a file."""
        if self.place is not None:
            return self.place
        if self.origin.setting is not None:
            return self.origin.setting.place
        return Place(f"environment: {self.origin.variable or self.key}", 1, 0, 0)


@dataclass(slots=True)
class Properties:
    """All sources, the strongest first."""

    sources: list[Source]
    ledger: Ledger
    known_as: Callable[[str], str] = str
    """What the host of an address is called in the scenario."""
    _variables: dict[str, Property] = field(default_factory=dict)
    _done: set[int] = field(default_factory=set)
    _found: dict[str, tuple[str, Property] | None] = field(default_factory=dict)
    _resolved: dict[int, Resolved[Property] | BadPlaceholder] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for source in reversed(self.sources):
            if source.is_environment:
                self._variables |= {one.variable: one for one in source.properties.values()}

    # looking up

    def find(self, key: str) -> Property | None:
        """The property that counts, under any of its spellings."""
        name = name_of(key)
        names = in_environment(key)
        for source in self.sources:
            found = source.properties.get(name)
            if found is None and source.is_environment:
                found = next((self._variables[one] for one in names if one in self._variables), None)
            if found is not None:
                return found
        return None

    def has_below(self, prefix: str) -> bool:
        return next(self.below(prefix), None) is not None

    def below(self, prefix: str) -> Iterator[Property]:
        """Every property under a prefix, the strongest source first; one name may come more than once."""
        name = name_of(prefix)
        size = len(name)
        for source in self.sources:
            for one in source.properties.values():
                if one.name[:size] == name and len(one.name) > size:
                    yield one

    def children(self, prefix: str) -> dict[str, str]:
        """The entries of a map in the order of the files: their names as they are written, and their full keys."""
        size = len(name_of(prefix))
        found: dict[str, tuple[str, str]] = {}
        # Files before the environment: there, names have lost their dashes.
        for one in sorted(self.below(prefix), key=lambda one: bool(one.variable)):
            written = one.elements[size]
            if not _INDEX.fullmatch(written):
                key = f"{prefix}{written}" if written.startswith("[") else f"{prefix}.{written}"
                found.setdefault(one.name[size], (original(written) or written, key))
        return dict(found.values())

    def length(self, prefix: str) -> int:
        """Entries of a list: those of the strongest source that has any."""
        name = name_of(prefix)
        for source in self.sources:
            indices = {one[len(name)] for one in source.properties if one[: len(name)] == name and len(one) > len(name)}
            count = 0
            while f"[{count}]" in indices:
                count += 1
            if count:
                return count
        return 0

    def list_source(self, prefix: str) -> Source | None:
        """The source that a list comes from."""
        name = (*name_of(prefix), "[0]")
        for source in self.sources:
            if any(one[: len(name)] == name for one in source.properties):
                return source
        return None

    def items(self, prefix: str) -> list[Value]:
        """A list of plain values, written as a list or as `a,b`."""
        source = self.list_source(prefix)
        plain = self.find(prefix)
        if source is not None and (plain is None or self._rank(plain) >= self.sources.index(source)):
            values = [self.get(f"{prefix}[{number}]") for number in range(self.length(prefix))]
            return [value for value in values if value is not None]
        value = self.get(prefix)
        return [] if value is None else _split(value)

    def _rank(self, one: Property) -> int:
        return next(rank for rank, source in enumerate(self.sources) if source.properties.get(one.name) is one)

    def room(self) -> Source | None:
        """The document where a further key would count: the strongest that holds for every profile."""
        return next((source for source in self.sources if source.room is not None), None)

    # reading

    def get(self, key: str) -> Value | None:
        """The value of a property with its placeholders resolved; None where there is none. Does not mark it."""
        found = self.find(key)
        return None if found is None else self.read(key, found)

    def read(self, key: str, one: Property) -> Value:
        """What a property says."""
        resolved = self._resolve(one)
        text = one.text if isinstance(resolved, BadPlaceholder) else resolved.text
        place, raw = self._origin(one, 0)
        return Value(key, text, one, place, raw)

    def take(self, key: str) -> Value | None:
        """As `get`, for what goes into the model."""
        value = self.get(key)
        if value is not None:
            self.models(value)
        return value

    def models(self, value: Value) -> None:
        """A value went into the model, and so did all that its placeholders name."""
        self._mark(value.origin)
        resolved = self._resolve(value.origin)
        if not isinstance(resolved, BadPlaceholder):  # which is reported when everything has been read
            for used in resolved.used:
                self._mark(used)

    def _mark(self, one: Property) -> None:
        if id(one) not in self._done:
            self._done.add(id(one))
            if one.setting is not None:
                self.ledger.models(one.setting)

    def harmless(self, one: Property, why: str) -> None:
        if id(one) not in self._done:
            self._done.add(id(one))
            if one.setting is not None and not one.variable:
                self.ledger.harmless(one.setting, why)

    def leave(self, one: Property) -> None:
        """It stays among what is not modelled."""
        self._done.add(id(one))

    def is_done(self, one: Property) -> bool:
        return id(one) in self._done

    def missing(self, one: Property) -> list[str]:
        """Placeholders in a property that nobody can resolve. Raises BadPlaceholder."""
        resolved = self._resolve(one)
        if isinstance(resolved, BadPlaceholder):
            raise resolved
        return resolved.missing

    def _resolve(self, one: Property) -> Resolved[Property] | BadPlaceholder:
        """A property's text with its placeholders put in, worked out once."""
        known = self._resolved.get(id(one))
        if known is None:
            try:
                known = resolve(one.text, self._raw)
            except BadPlaceholder as error:
                known = error
            self._resolved[id(one)] = known
        return known

    def problem(self, value: Value, what: str) -> None:
        self.ledger.problem(value.where, what)

    def _raw(self, name: str) -> tuple[str, Property] | None:
        if name not in self._found:
            found = self._variables.get(name) or self.find(name)
            self._found[name] = None if found is None else (found.text, found)
        return self._found[name]

    def _origin(self, one: Property, depth: int) -> tuple[Place | None, str]:
        """Where the text of a value could be changed, and that text."""
        place = one.setting.place if one.setting is not None else None
        if "${" not in one.text or depth > _INDIRECT:
            return place, one.text
        name = only_name(one.text)
        if name is None:
            return None, one.text
        found = self._raw(name)
        if found is not None:
            return self._origin(found[1], depth + 1)
        default = default_of(one.text)
        if default is None or place is None or place.end - place.start != len(one.text):
            return None, one.text
        begin, end = default
        return Place(place.file, place.line, place.start + begin, place.start + end), one.text[begin:end]


def _split(value: Value) -> list[Value]:
    """The parts of `a,b`, each with its place where that can be told."""
    parts: list[Value] = []
    at = 0
    is_exact = value.place is not None and value.raw == value.text
    for piece in value.text.split(","):
        begin = at + len(piece) - len(piece.lstrip())
        text = piece.strip()
        place = None
        if is_exact and value.place is not None and value.place.end - value.place.start == len(value.raw):
            start = value.place.start + begin
            place = Place(value.place.file, value.place.line, start, start + len(text))
        if text:
            parts.append(Value(value.key, text, value.origin, place or value.place, text if place else value.raw))
        at += len(piece) + 1
    return parts
