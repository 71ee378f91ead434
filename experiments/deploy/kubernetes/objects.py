"""The objects of manifests: several documents a file, lists of objects, every value registered with its place.

Source   Kubernetes 1.31; sigs.k8s.io/yaml
Checked  tests/unit/test_deploy_kubernetes.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from experiments.deploy.place import Place
from experiments.deploy.setting import Ledger, Setting
from experiments.deploy.source import Text
from experiments.deploy.yaml_marks import documents_of

Key = tuple[str | int, ...]
_NULL = "tag:yaml.org,2002:null"
_MERGE = "tag:yaml.org,2002:merge"
_HIDDEN = {"Secret": ("data", "stringData")}
"""Values that are not even kept."""
MOST_OBJECTS = 5_000


@dataclass(slots=True)
class Object:
    """One object of a cluster."""

    kind: str
    name: str
    namespace: str
    place: Place
    ledger: Ledger
    settings: dict[Key, Setting] = field(default_factory=dict)
    inner: dict[Key, list[str | int]] = field(default_factory=dict)
    """What stands below a key, in order."""
    literal: set[Key] = field(default_factory=set)
    """Blocks of text (|) among the values."""

    def get(self, *key: str | int) -> Setting | None:
        return self.settings.get(key)

    def text(self, *key: str | int) -> str:
        found = self.settings.get(key)
        return str(found.value) if found is not None and found.value is not None else ""

    def names(self, *key: str | int) -> list[str]:
        """The keys of a mapping."""
        return [str(one) for one in self.inner.get(key, ()) if isinstance(one, str)]

    def items(self, *key: str | int) -> list[Key]:
        """The keys of a list's elements."""
        return [(*key, one) for one in self.inner.get(key, ()) if isinstance(one, int)]

    def has(self, *key: str | int) -> bool:
        return key in self.settings or key in self.inner

    def below(self, *key: str | int) -> Iterator[Setting]:
        """Every value at or inside a key."""
        pending = [key]
        while pending:
            one = pending.pop()
            if one in self.settings:
                yield self.settings[one]
            pending += [(*one, part) for part in reversed(self.inner.get(one, ()))]

    def place_of(self, *key: str | int) -> Place:
        return next((one.place for one in self.below(*key)), self.place)

    def harmless(self, why: str, *key: str | int) -> None:
        for one in self.below(*key):
            self.ledger.harmless(one, why)

    def problem(self, what: str, *key: str | int) -> None:
        self.ledger.problem(self.place_of(*key), what)

    @property
    def spoken(self) -> str:
        return f"{self.kind} {self.name}"


def is_manifest(text: str) -> bool:
    """Whether a YAML file looks like one of Kubernetes' objects."""
    found = re.search(r"(?m)^[ \t-]*[\"']?kind[\"']?[ \t]*:", text) or re.search(r"[{,]\s*\"kind\"\s*:", text)
    return found is not None and "apiVersion" in text


def objects_of(text: Text, ledger: Ledger) -> list[Object]:
    """The objects of a file. Raises InputError."""
    found: list[Object] = []
    pending = [node for node in reversed(documents_of(text)) if node is not None]
    while pending:
        node = pending.pop()
        place = Place(text.file, node.start_mark.line + 1, node.start_mark.index, node.start_mark.index)
        if not isinstance(node, MappingNode):
            if not (isinstance(node, ScalarNode) and node.value == ""):
                ledger.problem(place, "not an object of Kubernetes: must be a mapping. It is left out.")
            continue
        top = dict(entries(node))
        kind = _scalar(top.get("kind"))
        if kind == "List" or (kind.endswith("List") and isinstance(top.get("items"), SequenceNode)):
            inner = top.get("items")
            pending += reversed(inner.value) if isinstance(inner, SequenceNode) else []
            continue
        if not kind:
            ledger.problem(place, "not an object of Kubernetes: it has no kind. It is left out.")
            continue
        if len(found) >= MOST_OBJECTS:
            ledger.problem(place, f"more than {MOST_OBJECTS} objects. The rest is left out.")
            break
        metadata = top.get("metadata")
        known = dict(entries(metadata)) if isinstance(metadata, MappingNode) else {}
        name, namespace = _scalar(known.get("name"))[:253], _scalar(known.get("namespace"))[:253]
        one = Object(kind[:80], name, namespace or "default", place, ledger)
        _walk(one, node, text)
        found.append(one)
    return found


def entries(node: MappingNode) -> Iterator[tuple[str, Node]]:
    """A mapping's entries; what << brings in is hidden by what stands there."""
    found: dict[str, Node] = {}
    for key, value in node.value:
        if key.tag == _MERGE:
            for source in value.value if isinstance(value, SequenceNode) else [value]:
                for inner, one in source.value if isinstance(source, MappingNode) else ():
                    found.setdefault(_scalar(inner), one)
    own = {key.value: value for key, value in node.value if isinstance(key, ScalarNode) and key.tag != _MERGE}
    return iter({**found, **own}.items())


def _walk(one: Object, top: Node, text: Text) -> None:
    hidden = _HIDDEN.get(one.kind, ())
    pending: list[tuple[Key, Node]] = [((), top)]
    while pending:
        key, node = pending.pop()
        if isinstance(node, MappingNode):
            inner: list[tuple[str | int, Node]] = list(entries(node))
        elif isinstance(node, SequenceNode):
            inner = list(enumerate(node.value))
        else:
            begin, end = node.start_mark.index, node.end_mark.index
            if node.style in ("'", '"'):
                begin, end = begin + 1, end - 1
            elif node.style == "|":
                one.literal.add(key)
            value = None if node.tag == _NULL else "" if key and key[0] in hidden else node.value
            place = Place(text.file, node.start_mark.line + 1, begin, end)
            said = "" if key and key[0] in hidden else text.text[begin:end]
            setting = Setting((one.kind, one.name, *key), value, said, place)
            one.ledger.read(setting)
            if value is None:
                one.ledger.harmless(setting, "nothing is said")
            else:
                one.settings[key] = setting
            continue
        one.inner[key] = [part for part, _ in inner]
        pending += [((*key, part), child) for part, child in reversed(inner)]


def _scalar(node: Node | None) -> str:
    return str(node.value) if isinstance(node, ScalarNode) and node.tag != _NULL else ""
