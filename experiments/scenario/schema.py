"""What a scenario may say where: a walk through the JSON schema of its specification.

Used to turn the places in pydantic's errors into the user's paths, and to know the right names near a wrong one.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

from pydantic import BaseModel

from experiments.scenario.paths import Key, Path, child

Node = Mapping[str, Any]
ANYTHING: Node = {}


class Schema:
    """The schema of one specification. Nodes are JSON schema objects with their references followed.

    It is made when somebody looks at it, which takes a tenth of a second: most scenarios have nothing wrong with them.
    """

    def __init__(self, make: Callable[[], Node]) -> None:
        self._make = make

    @cached_property
    def root(self) -> Node:
        return self._make()

    @cached_property
    def _definitions(self) -> Mapping[str, Node]:
        definitions: Mapping[str, Node] = self.root.get("$defs", {})
        return definitions

    def child(self, node: Node, value: Any, key: Key) -> Node | None:
        """What may stand under `key` of a `value` described by `node`; None where nothing may."""
        for meant in self.meant(node, value):
            if isinstance(key, int):
                if meant.get("type") == "array":
                    return self._follow(meant.get("items", ANYTHING))
            elif key in meant.get("properties", ()):
                return self._follow(meant["properties"][key])
            elif _is_free(meant):
                inner = meant.get("additionalProperties", ANYTHING)
                return self._follow(inner) if isinstance(inner, Mapping) else ANYTHING
        return None

    def names(self, node: Node, value: Any) -> list[str]:
        """The names that `node` fixes, none where names are free."""
        return list(dict.fromkeys(name for meant in self.meant(node, value) for name in meant.get("properties", ())))

    def optional(self, node: Node, value: Any, key: Key) -> bool:
        """Whether `key` may be left out and then means `none`."""
        inner = self.chosen(node, value).get("properties", {}).get(key, {})
        return "default" in inner and inner["default"] is None

    def about(self, node: Node, value: Any, key: Key) -> str:
        """The first sentence said of `key`."""
        inner = self.chosen(node, value).get("properties", {}).get(key, {})
        text = str(inner.get("description", ""))
        return re.split(r"\. (?=[A-Z])", text)[0].rstrip(".")

    def beginning(self, node: Node, key: Key) -> dict[str, Any]:
        """What a mapping that was left out begins as when `key` is set in it: its default, else the one kind of a union
        that has such a key."""
        if isinstance(node.get("default"), Mapping):
            return copy.deepcopy(dict(node["default"]))
        kinds = [tag for member in self.members(node) if key in member.get("properties", ()) for tag in _tags(member)]
        return {"kind": kinds[0]} if len(kinds) == 1 and self.discriminates(node) else {}

    def members(self, node: Node) -> list[Node]:
        """What a union chooses from, those of unions within it included and absence left out; else the node itself."""
        node = self._follow(node)
        alternatives = (*node.get("oneOf", ()), *node.get("anyOf", ()))
        if not alternatives:
            return [] if node.get("type") == "null" else [node]
        return [member for alternative in alternatives for member in self.members(alternative)]

    def meant(self, node: Node, value: Any) -> list[Node]:
        """The members of a union that `value` may mean: the one it names, else those of its type, else all."""
        members = self.members(node)
        if isinstance(value, Mapping):
            named = [member for member in members if value.get("kind") in _tags(member)]
            fitting = named or [member for member in members if _is_mapping(member)]
        elif isinstance(value, list):
            fitting = [member for member in members if member.get("type") == "array"]
        else:
            fitting = [member for member in members if not _is_mapping(member)] if value is not None else []
        return fitting or members

    def chosen(self, node: Node, value: Any) -> Node:
        """The first of the members that `value` may mean."""
        return next(iter(self.meant(node, value)), ANYTHING)

    def tags(self, node: Node) -> list[str]:
        """The tags by which the members of a union are told apart."""
        return [tag for member in self.members(node) for tag in _tags(member)]

    def discriminates(self, node: Node) -> bool:
        """Whether the members of a union are told apart by a tag."""
        node = self._present(node)
        return "oneOf" in node and len(self.members(node)) > 1

    def _present(self, node: Node) -> Node:
        """A node without the `or null` around it."""
        node = self._follow(node)
        while "anyOf" in node:
            present = [inner for each in node["anyOf"] if (inner := self._follow(each)).get("type") != "null"]
            if len(present) != 1:
                break
            node = present[0]
        return node

    def _follow(self, node: Node) -> Node:
        while "$ref" in node:
            node = self._definitions[node["$ref"].rpartition("/")[2]]
        return node

    def locate(self, location: Sequence[Key], document: Any) -> tuple[Path, Node, Any]:
        """The user's path for a place in pydantic's errors, with the node and value around its last key.

        pydantic's places also name the members of unions, which are no part of the document.
        """
        node, value = self.root, document
        path: Path = ()
        around: tuple[Node, Any] = (node, value)
        for position, key in enumerate(location):
            node = self._present(node)
            if key == "[key]" and position == len(location) - 1:
                break
            if self.discriminates(node):
                tagged = [member for member in self.members(node) if key in _tags(member)]
                node = tagged[0] if tagged else self.chosen(node, value)
                continue
            if len(self.members(node)) > 1:
                inner = [self._present(each) for each in node.get("anyOf", ())]
                tagged = [each for each in inner if self.discriminates(each)]
                node = tagged[0] if tagged and isinstance(value, Mapping) else self.chosen(node, value)
                continue
            if not _enters(node, value, key):
                continue
            around = (node, value)
            node = self.child(node, value, key) or ANYTHING
            value = child(value, key)
            path = (*path, key)
        return path, *around


def _enters(node: Node, value: Any, key: Key) -> bool:
    """Whether a key leads into the document; if not, it names something inside pydantic."""
    if isinstance(value, dict):
        return isinstance(key, str) and (not node or _is_mapping(node))
    return isinstance(value, list) and isinstance(key, int)


def _is_mapping(node: Node) -> bool:
    return node.get("type") == "object" or "properties" in node


def _is_free(node: Node) -> bool:
    """Whether any name may stand in it."""
    if "properties" in node:
        return node.get("additionalProperties") is True
    return _is_mapping(node) or not node


def _tags(node: Node) -> list[str]:
    kind = node.get("properties", {}).get("kind", {})
    return [kind["const"]] if "const" in kind else list(kind.get("enum", ()))


@lru_cache(maxsize=8)
def schema_of(model: type[BaseModel]) -> Schema:
    """The schema of a specification, made once."""
    return Schema(model.model_json_schema)
