"""The values of a Compose file as a tree, every leaf with its place, and one tree laid over another.

Models   What Compose does when it merges: mappings are merged, lists go on, command, entrypoint and a health check's
         test are replaced, variables go by name, ports and volumes by what they open and where they are mounted;
         nothing said changes nothing; !reset takes away, !override replaces.
Source   Compose specification, Merge; compared with Docker Compose 2.40.3
Checked  tests/unit/test_deploy_compose.py, tests/real/test_compose_config.py
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from experiments.deploy.place import Place
from experiments.deploy.setting import Setting

Key: TypeAlias = tuple[str | int, ...]
Tree: TypeAlias = "dict[str, Tree] | list[Tree] | Setting | Marked | None"
_MERGE = "tag:yaml.org,2002:merge"
_REPLACED = {("command",), ("entrypoint",), ("healthcheck", "test")}
_BY_NAME = {("environment",), ("labels",), ("annotations",), ("sysctls",), ("build", "args"), ("deploy", "labels")}


@dataclass(frozen=True, slots=True)
class Marked:
    """A value with !reset or !override."""

    inner: Tree
    is_reset: bool


def tree_of(node: Node | None, leaf: Callable[[Key, ScalarNode], Setting | None], key: Key = ()) -> Tree:
    """The tree of a node; `leaf` makes a setting of a scalar, None where it says nothing."""
    value: Tree
    if isinstance(node, MappingNode):
        value = {name: tree_of(inner, leaf, (*key, name)) for name, inner in entries(node)}
    elif isinstance(node, SequenceNode):
        value = [tree_of(inner, leaf, (*key, number)) for number, inner in enumerate(node.value)]
    elif isinstance(node, ScalarNode):
        value = leaf(key, node)
    else:
        value = None
    if node is not None and node.tag in ("!reset", "!override"):
        return Marked(value, node.tag == "!reset")
    return value


def entries(node: MappingNode) -> list[tuple[str, Node]]:
    """A mapping's entries; what << brings in is hidden by them, the first of several sources holds."""
    found: dict[str, Node] = {}
    merged: list[MappingNode] = []
    for key, value in node.value:
        if key.tag == _MERGE:
            sources = value.value if isinstance(value, SequenceNode) else [value]
            merged += [one for one in sources if isinstance(one, MappingNode)]
        elif isinstance(key, ScalarNode):
            found[str(key.value)] = value
    for one in merged:
        for name, value in entries(one):
            found.setdefault(name, value)
    return list(found.items())


def uniform(service: Tree) -> Tree:
    """A service with the short ways of writing as the long ones: two of them can be merged then."""
    if isinstance(service, Marked):
        return Marked(uniform(service.inner), service.is_reset)
    if not isinstance(service, dict):
        return service
    found = dict(service)
    for path in _BY_NAME:
        _change(found, path, _by_name)
    _change(found, ("depends_on",), lambda value: _named(value, "service"))
    _change(found, ("networks",), lambda value: _named(value, "name"))
    _change(found, ("build",), lambda value: {"context": value} if isinstance(value, Setting) else value)
    _change(found, ("extends",), lambda value: {"service": value} if isinstance(value, Setting) else value)
    for name in ("env_file", "tmpfs", "dns", "profiles"):
        _change(found, (name,), lambda value: [value] if isinstance(value, Setting) else value)
    return found


def _change(around: dict[str, Tree], path: tuple[str, ...], how: Callable[[Tree], Tree]) -> None:
    """Change what stands at a path, under its mark where it has one."""
    name, *rest = path
    if name not in around:
        return
    value = around[name]
    inner = value.inner if isinstance(value, Marked) else value
    if rest:
        if isinstance(inner, dict):
            inner = dict(inner)
            _change(inner, tuple(rest), how)
    else:
        inner = how(inner)
    around[name] = Marked(inner, value.is_reset) if isinstance(value, Marked) else inner


def _by_name(value: Tree) -> Tree:
    """`- NAME=value` as `NAME: value`, with the place of the value alone where its text stands there as it is."""
    if not isinstance(value, list):
        return value
    found: dict[str, Tree] = {}
    for one in value:
        if not isinstance(one, Setting):
            continue
        name, sign, rest = str(one.value).partition("=")
        place, text = one.place, one.text
        if one.text == one.value:
            place = Place(place.file, place.line, place.start + len(name) + len(sign), place.end)
            text = rest
        parts = one.between(len(name) + len(sign), len(str(one.value))) if one.parts else ()
        found[name] = Setting((*one.key[:-1], name), rest if sign else None, text, place, parts)
    return found


def _named(value: Tree, what: str) -> Tree:
    if not isinstance(value, list):
        return value
    return {str(one.value): {what: one} for one in value if isinstance(one, Setting)}


def merged(base: Tree, over: Tree, path: tuple[str, ...]) -> Tree:
    """One tree laid over another; `path` below the service."""
    if isinstance(over, Marked):
        return None if over.is_reset else cleaned(over.inner)
    if over is None:
        return base
    if isinstance(base, dict) and isinstance(over, dict):
        found = dict(base)
        for name, value in over.items():
            inner = merged(found.get(name), value, (*path, name))
            if isinstance(value, Marked) and value.is_reset:
                found.pop(name, None)
            else:
                found[name] = inner
        return found
    if isinstance(base, list) and isinstance(over, list) and path not in _REPLACED:
        return _listed([*base, *(cleaned(one) for one in over)], path)
    return cleaned(over)


def cleaned(tree: Tree) -> Tree:
    """A tree without marks: what is reset is not there."""
    if isinstance(tree, Marked):
        return None if tree.is_reset else cleaned(tree.inner)
    if isinstance(tree, dict):
        return {k: cleaned(v) for k, v in tree.items() if not (isinstance(v, Marked) and v.is_reset)}
    if isinstance(tree, list):
        return [cleaned(one) for one in tree if not (isinstance(one, Marked) and one.is_reset)]
    return tree


def _listed(values: list[Tree], path: tuple[str, ...]) -> list[Tree]:
    """A list without what stands in it twice: the later one holds, where the first one stood."""
    if path not in (("volumes",), ("ports",)):
        return values
    how: Callable[[Tree], object] = port if path == ("ports",) else _target
    found: dict[object, Tree] = {}
    for number, one in enumerate(values):
        found[how(one) or number] = one
    return list(found.values())


def _target(value: Tree) -> object:
    """Where a volume is mounted."""
    if isinstance(value, Setting):
        parts = str(value.value).split(":")
        return parts[1] if len(parts) > 1 else parts[0]
    return _text(value, "target")


def port(value: Tree) -> tuple[str, str, str, str] | None:
    """What a port opens: address, published, target, protocol."""
    if isinstance(value, Setting):
        text, _, protocol = str(value.value).partition("/")
        match = re.fullmatch(r"(?:(.*):)?([0-9-]*):([0-9-]+)|([0-9-]+)", text)
        if match is None:
            return None
        return (match[1] or "", match[2] or "", match[3] or match[4], protocol or "tcp")
    if isinstance(value, dict):
        address, published = _text(value, "host_ip") or "", _text(value, "published") or ""
        return (address, published, _text(value, "target") or "", _text(value, "protocol") or "tcp")
    return None


def _text(value: Tree, name: str) -> str | None:
    inner = value.get(name) if isinstance(value, dict) else None
    return str(inner.value) if isinstance(inner, Setting) else None


def flat(tree: Tree, key: Key = ()) -> Iterator[tuple[Key, Setting]]:
    """All settings of a tree by key."""
    if isinstance(tree, Setting):
        yield key, tree
    elif isinstance(tree, dict):
        for name, inner in tree.items():
            yield from flat(inner, (*key, name))
    elif isinstance(tree, list):
        for number, inner in enumerate(tree):
            yield from flat(inner, (*key, number))
