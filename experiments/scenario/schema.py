"""What a scenario may say where: a walk through the JSON schema of its specification.

Used to turn the places in pydantic's errors into the user's paths, and to know the right names near a wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from experiments.scenario.paths import Key, Path, child

Node = Mapping[str, Any]
ANYTHING: Node = {}


class Schema:
    """The schema of one specification. Nodes are JSON schema objects with their references followed."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self._definitions: Mapping[str, Node] = root.get("$defs", {})

    def child(self, node: Node, value: Any, key: Key) -> Node | None:
        """What may stand under `key` of a `value` described by `node`; None where nothing may."""
        node = self.chosen(node, value)
        if isinstance(key, int):
            return self._follow(node.get("items", ANYTHING)) if self.is_list(node) else None
        if key in node.get("properties", ()):
            return self._follow(node["properties"][key])
        if "properties" in node and node.get("additionalProperties") is not True:
            return None
        if self.is_mapping(node):
            inner = node.get("additionalProperties", ANYTHING)
            return self._follow(inner) if isinstance(inner, Mapping) else ANYTHING
        return ANYTHING if not node else None

    def names(self, node: Node, value: Any) -> list[str]:
        """The names that `node` fixes, none where names are free."""
        return list(self.chosen(node, value).get("properties", ()))

    def optional(self, node: Node, value: Any, key: Key) -> bool:
        """Whether `key` may be left out and then means `none`."""
        inner = self.chosen(node, value).get("properties", {}).get(key, {})
        return "default" in inner and inner["default"] is None

    def about(self, node: Node, value: Any, key: Key) -> str:
        """The first sentence said of `key`."""
        inner = self.chosen(node, value).get("properties", {}).get(key, {})
        text = str(inner.get("description", ""))
        return re.split(r"\. (?=[A-Z])", text)[0].rstrip(".")

    def chosen(self, node: Node, value: Any) -> Node:
        """The alternative of a union that `value` means; `node` itself where there is no choice."""
        node = self._follow(node)
        for _ in range(8):  # unions within unions
            alternatives = self.alternatives(node)
            if not alternatives:
                return node
            node = self._fitting(alternatives, value)
        return node

    def tagged(self, node: Node, tag: str) -> Node | None:
        """The alternative of a union with a discriminator that `tag` names."""
        node = self._present(node)
        mapping = node.get("discriminator", {}).get("mapping", {})
        if tag in mapping:
            return self._follow({"$ref": mapping[tag]})
        for alternative in self.alternatives(node):
            if tag in _tags(alternative):
                return alternative
        return None

    def alternatives(self, node: Node) -> list[Node]:
        """What a union chooses from, absence left out."""
        node = self._follow(node)
        members = [self._follow(member) for member in (*node.get("oneOf", ()), *node.get("anyOf", ()))]
        return [member for member in members if member.get("type") != "null"]

    def discriminates(self, node: Node) -> bool:
        """Whether the alternatives are told apart by a tag."""
        node = self._present(node)
        return "oneOf" in node and len(self.alternatives(node)) > 1

    def is_mapping(self, node: Node) -> bool:
        return node.get("type") == "object" or "properties" in node

    def is_list(self, node: Node) -> bool:
        return node.get("type") == "array"

    def _present(self, node: Node) -> Node:
        """A node without the `or null` around it."""
        node = self._follow(node)
        while len(members := self.alternatives(node)) == 1:
            node = members[0]
        return node

    def _fitting(self, alternatives: Sequence[Node], value: Any) -> Node:
        if isinstance(value, Mapping):
            tag = value.get("kind")
            for alternative in alternatives:
                if isinstance(tag, str) and (tag in _tags(alternative) or self.tagged(alternative, tag)):
                    return alternative if tag in _tags(alternative) else self.tagged(alternative, tag) or alternative
            for alternative in alternatives:
                if self.is_mapping(alternative) or "oneOf" in alternative:
                    return alternative
        if isinstance(value, list):
            for alternative in alternatives:
                if self.is_list(alternative):
                    return alternative
        if value is not None and not isinstance(value, Mapping):
            for alternative in alternatives:
                if not self.is_mapping(alternative) and "oneOf" not in alternative:
                    return alternative
        return alternatives[0]

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
                node = self.tagged(node, str(key)) or self.chosen(node, value)
                continue
            if self.alternatives(node):
                node = self._fitting(self.alternatives(node), value)
                continue
            if not self._enters(node, value, key):
                continue
            around = (node, value)
            node = self.child(node, value, key) or ANYTHING
            value = child(value, key)
            path = (*path, key)
        return path, *around

    def _enters(self, node: Node, value: Any, key: Key) -> bool:
        """Whether a key leads into the document; if not, it names something inside pydantic."""
        if isinstance(value, dict):
            return isinstance(key, str) and (not node or self.is_mapping(node))
        return isinstance(value, list) and isinstance(key, int)


def _tags(node: Node) -> list[str]:
    kind = node.get("properties", {}).get("kind", {})
    return [kind["const"]] if "const" in kind else list(kind.get("enum", ()))


@lru_cache(maxsize=8)
def schema_of(model: type[BaseModel]) -> Schema:
    """The schema of a specification, made once."""
    return Schema(model.model_json_schema())
