"""One configuration file as Spring sees it: documents of flat properties.

Models   YAML's maps and lists flattened to names (`a.b[0].c`), as Spring does it; several documents; .properties.
Source   Spring Boot 2.7, OriginTrackedYamlLoader, OriginTrackedPropertiesLoader; Spring's YamlProcessor
Checked  tests/unit/test_spring_documents.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from experiments.deploy.place import Place
from experiments.deploy.setting import Ledger, Setting
from experiments.deploy.source import Folder, Text
from experiments.deploy.spring.names import Name, elements, name_of
from experiments.deploy.spring.properties import Property
from experiments.deploy.spring.properties_file import BadProperties, entries_of
from experiments.deploy.spring.values import listed
from experiments.deploy.yaml_marks import documents_of
from experiments.errors import InputError

_CONDITIONS: tuple[Name, ...] = (
    name_of("spring.config.activate.on-profile"), name_of("spring.profiles"),
)  # fmt: skip
MOST_VALUES = 20_000
_PLATFORM: Name = name_of("spring.config.activate.on-cloud-platform")


@dataclass(slots=True)
class Document:
    """One document of a file."""

    file: str
    number: int
    properties: list[Property] = field(default_factory=list)
    expressions: list[str] = field(default_factory=list)
    """Profiles of which one must be active; none: it always counts."""
    place: Place | None = None
    """Where they stand."""
    room: Place | None = None
    """Where a further key could be written, on a line of its own."""
    margin: str = ""
    """What stands before such a line: an end of line where one is missing, and the document's indent."""
    newline: str = "\n"


def read_documents(folder: Folder, file: str, ledger: Ledger) -> list[Document]:
    """The documents of a file, the weakest first; every setting is registered. Raises InputError."""
    text = folder.read(file)
    documents = _properties(text) if file.endswith(".properties") else list(_yaml(text, ledger))
    for document in documents:
        for one in document.properties:
            if one.setting is not None:
                ledger.read(one.setting)
        _conditions(document, ledger)
    return documents


def _conditions(document: Document, ledger: Ledger) -> None:
    """Take out what says when the document counts."""
    kept: list[Property] = []
    for one in document.properties:
        plain = tuple(part for part in one.name if not part.startswith("["))
        if plain in _CONDITIONS and one.setting is not None:
            document.expressions += listed(one.text)
            document.place = one.setting.place
            ledger.harmless(one.setting, "decides which documents count, and has been followed")
            continue
        if plain == _PLATFORM and one.setting is not None:
            document.expressions.append(f"on-cloud-platform-{one.text.strip()}")
            document.place = one.setting.place
            ledger.problem(one.setting.place, "on-cloud-platform: the document is taken as switched off.")
            continue
        kept.append(one)
    document.properties = kept


def _properties(text: Text) -> list[Document]:
    documents: dict[int, Document] = {}
    try:
        for entry in entries_of(text.text):
            place = Place(text.file, entry.line, entry.start, entry.end)
            parts = elements(entry.key)
            if not parts:
                continue
            setting = Setting(parts, entry.value, text.text[entry.start : entry.end], place)
            document = documents.setdefault(entry.document, Document(text.file, entry.document))
            document.properties.append(Property(parts, entry.value, setting))
            _make_room(document, text, _line_end(text.text, entry.end), "")
    except BadProperties as error:
        raise InputError(f"{text.file}: {error.what}. ({text.file}:{error.line})") from None
    return list(documents.values())


def _line_end(text: str, at: int) -> int:
    """Behind the end of the line that holds `at`."""
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def _make_room(document: Document, text: Text, at: int, indent: str) -> None:
    """A further line can stand at `at`, the end of the document."""
    before = text.text[:at]
    begins_line = not before or before.endswith(("\n", "\r"))
    document.room = Place(text.file, before.count("\n") + 1, at, at)
    document.newline = text.newline
    document.margin = ("" if begins_line else text.newline) + indent


def _yaml(text: Text, ledger: Ledger) -> Iterator[Document]:
    for number, node in enumerate(documents_of(text)):
        document = Document(text.file, number)
        if isinstance(node, MappingNode):
            if not node.flow_style:
                _make_room(document, text, node.end_mark.index, " " * node.start_mark.column)
            document.properties = list(_flat(text, node, ledger))
        elif node is not None and not (isinstance(node, ScalarNode) and node.value == ""):
            line = node.start_mark.line + 1
            raise InputError(f"{text.file}: must hold keys and values, got something else. ({text.file}:{line})")
        yield document


def _flat(text: Text, top: MappingNode, ledger: Ledger) -> Iterator[Property]:
    """The values under a map, in the order of the file."""
    pending: list[tuple[tuple[str, ...], Node]] = [((), top)]
    count = 0
    while pending:
        parts, node = pending.pop()
        count += 1
        if count > MOST_VALUES:
            raise InputError(f"{text.file}: must have at most {MOST_VALUES} values, aliases included. Split the file.")
        if isinstance(node, MappingNode):
            inner = _entries(text, parts, node, ledger)
            if not inner and parts:
                yield _property(text, parts, node, "")
            pending += reversed(inner)
        elif isinstance(node, SequenceNode):
            if not node.value and parts:
                yield _property(text, parts, node, "")
            pending += reversed([((*parts, f"[{number}]"), one) for number, one in enumerate(node.value)])
        else:
            is_null = node.tag == "tag:yaml.org,2002:null"
            yield _property(text, parts, node, "" if is_null else node.value)


def _entries(
    text: Text, parts: tuple[str, ...], node: MappingNode, ledger: Ledger
) -> list[tuple[tuple[str, ...], Node]]:
    """A map's entries by their full names; what << brings in stands behind them, and is hidden by them."""
    found: dict[tuple[str, ...], Node] = {}
    merged: list[tuple[Node, Node]] = []
    for key, value in node.value:
        if key.tag == "tag:yaml.org,2002:merge":
            sources = value.value if isinstance(value, SequenceNode) else [value]
            merged += [pair for one in sources if isinstance(one, MappingNode) for pair in one.value]
            continue
        name = (*parts, *elements(key.value)) if isinstance(key, ScalarNode) else (*parts, "[?]")
        if name in found:
            mark = key.start_mark
            place = Place(text.file, mark.line + 1, mark.index, key.end_mark.index)
            what = f"the key {'.'.join(name)} stands here a second time"
            ledger.problem(place, f"{what}, spelt otherwise. The last counts.")
        found[name] = value
    for key, value in merged:
        if isinstance(key, ScalarNode):
            found.setdefault((*parts, *elements(key.value)), value)
    return list(found.items())


def _property(text: Text, parts: tuple[str, ...], node: Node, value: str) -> Property:
    begin, end = node.start_mark.index, node.end_mark.index
    if isinstance(node, ScalarNode) and node.style in ("'", '"'):
        begin, end = begin + 1, end - 1
    place = Place(text.file, node.start_mark.line + 1, begin, end)
    setting = Setting(parts, value, text.text[begin:end], place)
    is_plain = isinstance(node, ScalarNode) and not node.style
    return Property(parts, _number(value) if is_plain else value, setting)


_WHOLE = re.compile(r"([-+]?)(?:0b([01_]+)|0x([0-9a-fA-F_]+)|0([0-7_]+)|([1-9][0-9_]*))")


def _number(text: str) -> str:
    """A plain whole number as the text that Spring sees: YAML 1.1 has 30_000, 0x10 and 010 for 8."""
    match = _WHOLE.fullmatch(text[:64])
    if match is None or len(text) > 64:
        return text
    for digits, base in zip(match.groups()[1:], (2, 16, 8, 10), strict=True):
        if digits is not None and digits.strip("_"):
            return f"{'-' if match[1] == '-' else ''}{int(digits.replace('_', ''), base)}"
    return text
