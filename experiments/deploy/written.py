"""A scenario's document as the text of a file that people go on writing in.

Checked  tests/e2e/test_import.py
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from experiments.scenario.document import scalar

WIDTH = 118
_PLAIN = re.compile(r"[A-Za-z0-9/.][A-Za-z0-9 ._/%+*()'=;-]*")

_TITLES = {
    "machines": "What everything runs on.",
    "gateway": "What stands before the services.",
    "services": "The services: replicas, limits, workers, pools, and what their endpoints do.",
    "load_balancers": "Nginx.",
    "caches": "Redis.",
    "databases": "PostgreSQL.",
    "routes": "What users can ask for, and the way it takes.",
    "traffic": "Who asks for what.",
    "objectives": "What is expected.",
    "alerts": "Alert rules, evaluated on what happens.",
    "faults": "What goes wrong.",
    "provenance": "Where each value comes from. What is assumed is the first to be replaced by what is measured.",
}


def written(document: Mapping[str, Any], head: Sequence[str] = (), comments: Mapping[str, str] | None = None) -> str:
    """The document as YAML, section by section, `head` as a comment before it."""
    titles = {**_TITLES, **(comments or {})}
    parts = ["".join(f"# {line}".rstrip() + "\n" for line in head)] if head else []
    plain: dict[str, Any] = {}
    for key, value in document.items():
        if key not in titles:
            plain[key] = value
            continue
        if plain:
            parts.append(_yaml(plain))
            plain = {}
        parts.append(f"# {titles[key]}\n{_yaml({key: value})}")
    if plain:
        parts.append(_yaml(plain))
    return "\n".join(part for part in parts if part)


def _yaml(value: Mapping[str, Any]) -> str:
    return "".join(f"{line}\n" for line in _block(value, 0))


def _block(value: Any, indent: int) -> Iterator[str]:
    """A mapping or a list, a line an entry; what fits on one line stands on one."""
    space = " " * indent
    if isinstance(value, Mapping):
        for key, inner in value.items():
            head = f"{space}{_scalar(str(key))}:"
            short = f"{head} {_flow(inner)}"
            if not _is_filled(inner) or (len(short) <= WIDTH and _depth(inner) <= 1):
                yield short
            else:
                yield head
                yield from _block(inner, indent + 2)
        return
    for inner in value:
        short = f"{space}- {_flow(inner)}"
        if not _is_filled(inner) or (len(short) <= WIDTH and _depth(inner) <= 2):
            yield short
            continue
        first, *rest = _block(inner, indent + 2)
        yield f"{space}- {first.lstrip()}"
        yield from rest


def _is_filled(value: Any) -> bool:
    return isinstance(value, Mapping | list) and bool(value)


def _depth(value: Any) -> int:
    if isinstance(value, Mapping):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(str(key))}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    """A value so that it is read back as it is: texts that could be taken for something else are quoted."""
    if isinstance(value, str):
        is_plain = _PLAIN.fullmatch(value) is not None and scalar(value) == value and not value.endswith(":")
        return value if is_plain else json.dumps(value, ensure_ascii=not value.isprintable())
    return json.dumps(value)
