"""A scenario's text, read strictly: plain values, the line each stands on, and nothing that hides what is meant.

Source   YAML 1.2 with its core schema (`no` and 12:30 are text), which JSON is a subset of. Anchors, aliases, tags and
         merge keys are refused: a scenario says each value where it is used. Duplicate keys are errors. Keys are text.
Speed    libyaml reads what it and ruamel.yaml understand alike, ten times as fast; whatever either objects to, and the
         characters on which YAML 1.1 and 1.2 differ, is left to ruamel.yaml, whose word is final.
Checked  tests/unit/test_document_readers.py
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Any

from experiments.errors import InputError, shown
from experiments.scenario.paths import Path, format_path

LARGEST_BYTES = 1_000_000
"""Some twenty thousand lines: whoever has more has picked the wrong file. Parsing this much takes seconds."""

_DEEPEST = 40
_BYTE_ORDER_MARK = "\ufeff"
_READ_DIFFERENTLY = re.compile("[^\n -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]")
"""Tabs, other ends of lines, control characters, what is beyond the basic plane."""
_NULL = {"", "~", "null", "Null", "NULL"}
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]{1,400}")
_OTHER_BASE = re.compile(r"0o([0-7]{1,400})|0x([0-9a-fA-F]{1,400})")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NAMED_FLOAT = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


@dataclass(frozen=True)
class Document:
    """Plain values as they were written, and where."""

    value: dict[str, Any]
    origins: dict[Path, str] = field(default_factory=dict)
    """By path: what to look at, e.g. `early.yaml:14`. For a key, the line of the key."""

    def origin(self, path: Path) -> str:
        """Where the value at `path` was written, or the nearest thing around it."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]]
        return ""

    def origins_of(self, path: Path) -> str:
        """The origin of a value and of the settings made inside it, any of which may be what is wrong with it."""
        inside = [
            origin
            for other, origin in self.origins.items()
            if len(other) > len(path) and other[: len(path)] == path and origin.startswith("--set ")
        ]
        return ", ".join(dict.fromkeys([origin for origin in (self.origin(path), *inside[-2:]) if origin]))


def read_document(file: File) -> Document:
    """The document in a file. Raises InputError."""
    name = file.name
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{file}: must be a YAML or JSON file, got something else. Name the file itself.")
        if status.st_size > LARGEST_BYTES:
            raise InputError(
                f"{file}: must be at most {LARGEST_BYTES / 1e6:.0f} MB, got {status.st_size / 1e6:.1f} MB. "
                "Is it the right file?"
            )
        data = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: must be readable, got: {(error.strerror or str(error)).lower()}.") from None
    return parse_document(data, name)


def parse_document(data: bytes, name: str) -> Document:
    """The document in `data`; `name` is what errors call it. Raises InputError."""
    value, origins = parse_value(_text(data, name), name)
    if value is None and not origins:
        raise InputError(f"{name}: must describe a system, got an empty file.")
    if not isinstance(value, dict):
        raise InputError(f"{name}: must be a mapping (lines of key: value) at the top, got {shown(value)}.")
    return Document(value, origins)


def _text(data: bytes, name: str) -> str:
    if b"\0" in data:
        raise InputError(f"{name}: must be text, got a binary file. Is it the right file?")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        where = f"{name}:{line}"
        raise InputError(f"{name}: must be UTF-8 text, got another encoding. Save it as UTF-8. ({where})") from None
    return text.removeprefix(_BYTE_ORDER_MARK)


def parse_value(text: str, name: str) -> tuple[Any, dict[Path, str]]:
    """The one value in a YAML text and the origins of its parts. Raises InputError."""
    if name.endswith(".json"):
        text = text.replace("\t", " ")  # JSON allows tabs between values, and nowhere else
    builder = None if _READ_DIFFERENTLY.search(text) else _read_fast(text, name)
    builder = builder or _read(text, name)
    return builder.value, builder.origins


def _read_fast(text: str, name: str) -> _Builder | None:
    """None where somebody else must look at it: libyaml is not there, or something may be wrong."""
    import yaml

    if not hasattr(yaml, "CSafeLoader"):
        return None
    builder = _Builder(name)
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.ScalarEvent) and not event.value and not event.style:
                return None  # where nothing stands, the two do not agree on the line
            builder.take(event)
    except (yaml.YAMLError, InputError):
        return None
    return builder


def _read(text: str, name: str) -> _Builder:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    builder = _Builder(name)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" ({name}:{mark.line + 1})" if mark else ""
        problem = (error.problem or error.context or "a syntax error").replace("\\t", "tab")
        raise InputError(f"{name}: must be valid YAML, got: {problem}.{where}") from None
    except (YAMLError, ValueError) as error:
        # ruamel.yaml says a control character's position, not its line
        position = getattr(error, "position", None)
        where = f" ({name}:{text.count(chr(10), 0, position) + 1})" if isinstance(position, int) else ""
        problem = f"the character {error.character!r}" if hasattr(error, "character") else "something else"
        raise InputError(f"{name}: must be valid YAML, got {problem}.{where}") from None
    return builder


class _Builder:
    """Builds values from parse events, without recursion, so that depth costs nothing but an error.

    Both readers call their events the same.
    """

    def __init__(self, name: str) -> None:
        self.value: Any = None
        self.origins: dict[Path, str] = {}
        self._name = name
        self._stack: list[_Open] = []
        self._documents = 0

    def take(self, event: Any) -> None:
        where = f"({self._name}:{event.start_mark.line + 1})"
        kind = type(event).__name__
        if kind == "DocumentStartEvent":
            self._documents += 1
            if self._documents > 1:
                raise InputError(f"{self._name}: must be one document, got a second one. Remove what follows. {where}")
            return
        if kind == "AliasEvent" or getattr(event, "anchor", None):
            sign = "*" if kind == "AliasEvent" else "&"
            raise InputError(
                f"{self._name}: must not use anchors and aliases, got {sign}{event.anchor}. "
                f"Write the value out. {where}"
            )
        if kind in ("ScalarEvent", "MappingStartEvent", "SequenceStartEvent"):
            if getattr(event, "tag", None):
                raise InputError(f"{self._name}: must not use tags, got {event.tag}. Remove it. {where}")
            self._begin(event)
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            self._stack.pop()

    def _begin(self, event: Any) -> None:
        line = event.start_mark.line + 1
        inside = self._stack[-1] if self._stack else None
        if inside is not None and isinstance(inside.value, dict) and inside.key is None:
            self._take_key(inside, event, line)
            return
        value = self._new(event)
        if inside is None:
            self.value = value
            path: Path = ()
        else:
            path = inside.put(value)
        self.origins.setdefault(path, f"{self._name}:{line}")
        if isinstance(value, dict | list):
            if len(self._stack) >= _DEEPEST:
                where = f"{self._name}:{line}"
                raise InputError(f"{self._name}: must be nested at most {_DEEPEST} deep, got more. ({where})")
            self._stack.append(_Open(value, path))

    def _new(self, event: Any) -> Any:
        kind = type(event).__name__
        if kind == "MappingStartEvent":
            return {}
        if kind == "SequenceStartEvent":
            return []
        if event.style:  # quoted or a block: always text
            return _whole_characters(event.value)
        return scalar(event.value)

    def _take_key(self, inside: _Open, event: Any, line: int) -> None:
        where = f"{self._name}:{line}"
        if type(event).__name__ != "ScalarEvent":
            raise InputError(f"{self._name}: must have text as keys, got a list or mapping as one. ({where})")
        key = _whole_characters(event.value)
        if key == "<<" and not event.style:
            raise InputError(f"{self._name}: must not merge mappings with <<. Write the values out. ({where})")
        path = (*inside.path, key)
        if key in inside.value:
            first = self.origins[path].rpartition(":")[2]
            raise InputError(
                f"{format_path(path)}: must be given once, got it in lines {first} and {line}. Remove one. ({where})"
            )
        self.origins[path] = where
        inside.key = key


class _Open:
    """A mapping or list that is not complete yet."""

    def __init__(self, value: dict[str, Any] | list[Any], path: Path) -> None:
        self.value = value
        self.path = path
        self.key: str | None = None

    def put(self, value: Any) -> Path:
        if isinstance(self.value, list):
            self.value.append(value)
            return (*self.path, len(self.value) - 1)
        assert self.key is not None
        key, self.key = self.key, None
        self.value[key] = value
        return (*self.path, key)


def _whole_characters(text: str) -> str:
    """JSON writes characters beyond the basic plane as two halves."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def scalar(text: str) -> Any:
    """The value of an unquoted scalar under YAML 1.2's core schema."""
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if match := _OTHER_BASE.fullmatch(text):
        return int(match[1], 8) if match[1] else int(match[2], 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _NAMED_FLOAT.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value that is not itself a filled mapping or list, with its path."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    else:
        yield path, value
