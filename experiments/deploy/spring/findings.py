"""Facts as they are found in properties: read, converted, with the way back into the file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from experiments.deploy.fact import Fact
from experiments.deploy.spring import values
from experiments.deploy.spring.properties import Properties, Source, Value

Path = tuple[str, ...]
Parse = Callable[[str], object]
Write = Callable[[object, str], str]


@dataclass(frozen=True, slots=True)
class Kind:
    """How a text becomes a value of the scenario, and how that is written where the text stood."""

    parse: Parse
    write: Write | None


def write_milliseconds(value: object, before: str) -> str:
    """A time as a plain number of milliseconds."""
    return values.write_duration(value, before if before.strip().isdecimal() else "0")


DURATION = Kind(values.duration, values.write_duration)
MILLISECONDS = Kind(values.milliseconds_only, write_milliseconds)
INTEGER = Kind(values.integer, values.write_integer)
NUMBER = Kind(values.number, values.write_number)
TRUTH = Kind(values.truth, values.write_truth)
ENUM = Kind(values.enum, values.write_enum)


@dataclass(slots=True)
class Findings:
    """What has been found so far; paths begin below `at`."""

    properties: Properties
    at: Path = ()
    facts: list[Fact] = field(default_factory=list)

    def below(self, *names: str) -> Findings:
        """The same list of facts, with paths that begin further down."""
        return Findings(self.properties, (*self.at, *names), self.facts)

    def apart(self) -> Findings:
        """A list of its own, with paths that begin nowhere yet."""
        return Findings(self.properties)

    def take(self, path: Path | str, key: str, kind: Kind, note: str = "") -> object | None:
        """The property `key` as the fact at `path`. None where there is none, or it cannot be read (reported)."""
        value = self.properties.get(key)
        return None if value is None else self.put(path, value, kind, note)

    def put(self, path: Path | str, value: Value, kind: Kind, note: str = "") -> object | None:
        """A value as the fact at `path`; None where it cannot be read, which is reported."""
        read = self.parse(value, kind)
        if read is not None:
            self.add(path, read, value, kind.write, note)
        return read

    def parse(self, value: Value, kind: Kind) -> object | None:
        """What a value means; None where that cannot be told, which is reported."""
        if value.text == "":
            return None
        try:
            read = kind.parse(value.text)
        except ValueError as error:
            self.properties.leave(value.origin)
            hint = ""
            if "${" in value.text:
                hint = " Give the placeholder a value, e.g. in .env, or a default."
            elif value.text.startswith("#{"):
                hint = " An expression is code, which is not evaluated here."
            self.properties.problem(value, f"{value.key}: {error}, got '{value.text[:60]}'.{hint} It is left out.")
            return None
        return read

    def add(self, path: Path | str, read: object, value: Value, write: Write | None, note: str = "") -> None:
        """A fact whose value has been worked out from `value`."""
        self.properties.models(value)
        back: Callable[[object], str] | None = None
        if write is not None and value.place is not None:
            back = partial(_back, write, value.raw)
        elif value.place is None:
            reason = f"from {value.origin.variable}" if value.origin.variable else "put together from placeholders"
            note = f"{note} ({reason}: it has no place of its own)".strip()
        self.facts.append(Fact(self._path(path), read, "file", value.place, note, back))

    def default(self, path: Path | str, value: object, note: str, key: str = "", kind: Kind | None = None) -> None:
        """What the release does where nothing is said. With `key`, it can be said at the end of a document."""
        room = self.properties.room() if key and kind is not None and kind.write is not None else None
        place = room.room if room is not None else None
        add = partial(_said, room, key, kind.write, value) if room is not None and kind is not None else None
        self.facts.append(Fact(self._path(path), value, "default", place, note, add))

    def assume(self, path: Path | str, value: object, note: str) -> None:
        self.facts.append(Fact(self._path(path), value, "assumed", None, note, None))

    def _path(self, path: Path | str) -> Path:
        return (*self.at, *((path,) if isinstance(path, str) else path))


def _said(room: Source, key: str, write: Write | None, default: object, value: object) -> str:
    """A line that says a value; nothing where it still is the default."""
    if write is None or value == default:
        return ""
    line = f"{room.margin}{key}{room.equals}{write(value, '')}"
    return line if room.margin.startswith(room.newline) else line + room.newline


def _back(write: Write, before: str, value: object) -> str:
    return write(value, before)
