"""Predicates and filters of a gateway's routes, in the short notation (`Path=/a/**`) or the long one (name, args).

Source   Spring Cloud Gateway 3.1, FilterDefinition, PredicateDefinition, NameUtils
Checked  tests/unit/test_spring_gateway.py
"""

from __future__ import annotations

from dataclasses import dataclass

from experiments.deploy.place import Place
from experiments.deploy.spring.names import name_of, uniform
from experiments.deploy.spring.properties import Properties, Property, Value

SHORT: dict[str, tuple[str, ...]] = {
    "CircuitBreaker": ("name",),
    "Retry": (
        "retries", "statuses", "methods", "backoff.first-backoff", "backoff.max-backoff", "backoff.factor",
        "backoff.based-on-previous-value", "jitter.random-factor", "timeout",
    ),
}  # fmt: skip
"""Which arguments the short notation gives, by place."""


@dataclass(slots=True)
class Definition:
    """One predicate or filter."""

    name: str
    args: dict[tuple[str, ...], Value]
    """By name, elements in uniform form; short ones by what stands for their place."""
    short: list[Value]
    """The arguments of the short notation, in order."""
    properties: list[Property]
    """Everything it consists of."""
    place: Place

    def arg(self, name: str) -> Value | None:
        """An argument by its name, or by its place in the short notation."""
        found = self.args.get(name_of(name))
        if found is not None:
            return found
        names = SHORT.get(self.name, ())
        if name in names and names.index(name) < len(self.short):
            return self.short[names.index(name)]
        return None

    def listed(self, name: str) -> list[Value]:
        """An argument that is a list: indexed, or `a,b` in one text."""
        plain = self.arg(name)
        if plain is not None:
            return _parts(plain)
        head = name_of(name)
        return [value for key, value in self.args.items() if key[: len(head)] == head and len(key) == len(head) + 1]

    def below(self, name: str) -> bool:
        """Whether it has any argument under a name."""
        head = uniform(name)
        return any(key[0] == head for key in self.args if key)


def _parts(value: Value) -> list[Value]:
    pieces = [piece.strip() for piece in value.text.split(",")]
    return [Value(value.key, piece, value.origin, value.place, value.raw) for piece in pieces if piece]


def read_definitions(properties: Properties, prefix: str) -> list[Definition]:
    """The list of predicates or filters under a prefix."""
    found: list[Definition] = []
    for number in range(properties.length(prefix)):
        one = _definition(properties, f"{prefix}[{number}]")
        if one is not None:
            found.append(one)
    return found


def _definition(properties: Properties, key: str) -> Definition | None:
    text = properties.get(key)
    if text is not None:
        name, equals, rest = text.text.partition("=")
        short = _short(text, rest, len(name) + 1) if equals else []
        return Definition(name.strip(), {}, short, [text.origin], text.where)
    name_value = properties.get(f"{key}.name")
    if name_value is None:
        return None
    source = next(s for s in properties.sources if any(one is name_value.origin for one in s.properties.values()))
    size = len(name_of(f"{key}.args"))
    mine = [one for one in source.properties.values() if one.name[: size - 1] == name_of(key)]
    args = {
        one.name[size:]: properties.read(one.key, one) for one in mine if one.name[: size] == name_of(f"{key}.args")
    }  # fmt: skip
    # Names of arguments may hold dots of their own: `redis-rate-limiter.replenishRate`.
    args = {tuple(part for element in key for part in _dots(element)): value for key, value in args.items()}
    return Definition(name_value.text.strip(), args, [], mine, name_value.where)


def _dots(element: str) -> tuple[str, ...]:
    return (element,) if element.startswith("[") else name_of(element)


def _short(value: Value, rest: str, at: int) -> list[Value]:
    """The arguments behind the = of a short notation, with their places where nothing was put in."""
    found: list[Value] = []
    is_exact = value.place is not None and value.raw == value.text
    for piece in rest.split(","):
        begin = at + len(piece) - len(piece.lstrip())
        text, place = piece.strip(), None
        if is_exact and value.place is not None and value.place.end - value.place.start == len(value.raw):
            start = value.place.start + begin
            place = Place(value.place.file, value.place.line, start, start + len(text))
        if text:
            found.append(Value(value.key, text, value.origin, place, text))
        at += len(piece) + 1
    return found
