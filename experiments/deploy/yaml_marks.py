"""YAML as nodes with the places of their texts, safely: no objects, bounded depth and aliases, no key twice.

Source   PyYAML's composer over libyaml
"""

from __future__ import annotations

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from experiments.deploy.source import Text
from experiments.errors import InputError

DEEPEST = 60
MOST_NODES = 200_000


def documents_of(text: Text) -> list[Node | None]:
    """The documents of a file. Raises InputError."""
    depth = 0
    try:
        for number, event in enumerate(yaml.parse(text.text, Loader=yaml.CSafeLoader)):
            name = type(event).__name__
            depth += name.endswith("StartEvent") - name.endswith("EndEvent")
            if depth > DEEPEST or number > MOST_NODES:
                what = f"be nested at most {DEEPEST} deep" if depth > DEEPEST else f"have at most {MOST_NODES} parts"
                line = event.start_mark.line + 1
                raise InputError(f"{text.file}: must {what}, got more. ({text.file}:{line})")
        documents = list(yaml.compose_all(text.text, Loader=yaml.CSafeLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" ({text.file}:{mark.line + 1})" if mark is not None else ""
        problem = getattr(error, "problem", None) or "something else"
        raise InputError(f"{text.file}: must be valid YAML, got: {problem}.{where}") from None
    except RecursionError:
        raise InputError(f"{text.file}: must be nested at most {DEEPEST} deep, got more.") from None
    for document in documents:
        _check_size(document, text)
    return documents


def _check_size(top: Node | None, text: Text) -> None:
    """Aliases counted as often as they are used, and none that holds itself; no key twice in a mapping."""
    sizes: dict[int, int] = {}
    depths: dict[int, int] = {}
    open_nodes: set[int] = set()
    pending: list[tuple[Node, bool]] = [(top, False)] if top is not None else []
    while pending:
        node, is_done = pending.pop()
        inner = [one for pair in node.value for one in pair] if isinstance(node, MappingNode) else (
            list(node.value) if isinstance(node, SequenceNode) else [])  # fmt: skip
        if is_done:
            open_nodes.discard(id(node))
            sizes[id(node)] = 1 + sum(sizes[id(one)] for one in inner)
            depths[id(node)] = 1 + max((depths[id(one)] for one in inner), default=0)
            if depths[id(node)] > DEEPEST:
                raise InputError(f"{text.file}: must be nested at most {DEEPEST} deep, aliases included, got more.")
            if sizes[id(node)] > MOST_NODES:
                raise InputError(f"{text.file}: must have at most {MOST_NODES} parts, aliases included, got more.")
        elif id(node) in open_nodes:
            line = node.start_mark.line + 1
            raise InputError(f"{text.file}: must not hold itself, got an alias that does. ({text.file}:{line})")
        elif id(node) not in sizes:
            if isinstance(node, MappingNode):
                _check_keys(node, text)
            open_nodes.add(id(node))
            pending.append((node, True))
            pending += [(one, False) for one in inner]


def _check_keys(node: MappingNode, text: Text) -> None:
    lines: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        if not isinstance(key, ScalarNode):
            continue
        name, line = (key.tag, key.value), key.start_mark.line + 1
        if name in lines:
            raise InputError(
                f"{text.file}: must have each key once, got {key.value[:40]!r} again (first in line {lines[name]}). "
                f"Take one of the two away. ({text.file}:{line})"
            )
        lines[name] = line
