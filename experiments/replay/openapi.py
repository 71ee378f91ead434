"""An OpenAPI file tells which paths are which route of a scenario.

Models   Each operation is a method and a template below the path of each of its servers' URLs (operation's, path's,
         document's; variables by their defaults; Swagger 2: basePath). It is the route whose method and template are
         the same, with or without that base path and whatever the places are called; else the route whose template
         covers it; else the route whose name is its operationId, spelled in any way. What has no route is said.
Source   OpenAPI Specification 3.0, 3.1 (servers, paths, path items) and 2.0 (basePath).
Omits    References to other files: they are not followed, and said. Parameters' schemas: `{id}` is any one part.
Checked  tests/unit/test_replay_openapi.py
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from experiments.errors import InputError, shown
from experiments.logs import path_of
from experiments.replay.routes import Rule, fixed_text, method_of, pattern_of, template_rules
from experiments.scenario.document import read_document
from models.system import SystemSpec

LARGEST_BYTES: Final = 20_000_000
"""Of a JSON file. A YAML file may be as long as a scenario."""

_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_PLACE: Final = re.compile(r"\{[^{}/]*\}")
_MOST_BASES: Final = 20


@dataclass(frozen=True)
class Operations:
    """What an OpenAPI file says of the routes of a scenario."""

    rules: list[Rule]
    operations: int
    without_route: list[str]
    """Operations that no route is for, and what could not be read: `GET /places/{id}`."""


def read_openapi(file: Path, spec: SystemSpec) -> Operations:
    """The rules of an OpenAPI file, JSON or YAML, for the routes of a system. Raises InputError."""
    document = _document(file)
    paths = document.get("paths")
    if not isinstance(paths, dict) or not paths:
        raise InputError(f"{file}: must be an OpenAPI file with paths, got {shown(paths)}. Is it the right file?")
    routes = _Routes(spec)
    ordered: list[tuple[int, int, Rule]] = []
    without: list[str] = []
    count = 0
    for template, method, operation, item in _operations(document, paths, without):
        count += 1
        bases = _bases(document, item, operation)
        route = routes.find(method, template, bases, operation.get("operationId"))
        if route is None:
            without.append(f"{method} {template}")
            continue
        for base in bases:
            rule = Rule("GET" if method == "HEAD" else method, pattern_of(base + template), route)
            ordered.append((-fixed_text(base + template), len(ordered), rule))
    return Operations([rule for _, _, rule in sorted(ordered, key=lambda entry: entry[:2])], count, without)


def _document(file: Path) -> Mapping[str, Any]:
    if file.suffix != ".json":
        return read_document(file).value
    try:
        if file.stat().st_size > LARGEST_BYTES:
            raise InputError(f"{file}: must be at most {LARGEST_BYTES / 1e6:.0f} MB, got more. Is it the right file?")
        value = json.loads(file.read_bytes())
    except OSError as error:
        raise InputError(f"{file}: must be readable, got: {(error.strerror or str(error)).lower()}.") from None
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, json.JSONDecodeError) else "something else"
        raise InputError(f"{file}: must be valid JSON, got: {reason}.") from None
    if not isinstance(value, dict):
        raise InputError(f"{file}: must be a mapping at the top, got {shown(value)}.")
    return value


def _operations(
    document: Mapping[str, Any], paths: Mapping[str, Any], without: list[str]
) -> Iterator[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]]:
    """Template, method, operation and path item of each operation. What cannot be read is added to `without`."""
    for template, item in paths.items():
        if isinstance(item, dict) and isinstance(item.get("$ref"), str):
            item = _referred(document, item["$ref"])
        if not isinstance(item, dict) or not str(template).startswith("/"):
            if not str(template).startswith("x-"):
                without.append(f"{template} (cannot be read)")
            continue
        for method in _METHODS:
            if isinstance(item.get(method), dict):
                yield str(template), method.upper(), item[method], item


def _referred(document: Mapping[str, Any], reference: str) -> Any:
    """What a reference inside the document means; None for others."""
    if not reference.startswith("#/"):
        return None
    value: Any = document
    for part in reference[2:].split("/"):
        value = value.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(value, dict) else None
    return value


def _bases(document: Mapping[str, Any], item: Mapping[str, Any], operation: Mapping[str, Any]) -> list[str]:
    """The paths that an operation's path is put behind; one of them may be empty."""
    for holder in (operation, item, document):
        servers = holder.get("servers")
        if isinstance(servers, list) and servers:
            bases = [_base(server) for server in servers[:_MOST_BASES] if isinstance(server, dict)]
            return list(dict.fromkeys(bases)) or [""]
    base = document.get("basePath")
    return ["/" + base.strip("/") if isinstance(base, str) and base.strip("/") else ""]


def _base(server: Mapping[str, Any]) -> str:
    url = str(server.get("url", ""))
    variables = server.get("variables")
    for name, variable in variables.items() if isinstance(variables, dict) else ():
        default = variable.get("default") if isinstance(variable, dict) else None
        url = url.replace(f"{{{name}}}", "" if default is None else str(default))
    try:
        path = urlsplit(url).path
    except ValueError:
        path = ""
    return "/" + path.strip("/") if path.strip("/") else ""


class _Routes:
    """Finds the route that an operation is."""

    def __init__(self, spec: SystemSpec) -> None:
        self._templates = template_rules(spec)
        self._same: dict[tuple[str, str], int] = {}
        self._names: dict[str, int] = {}
        for number, (name, route) in enumerate(spec.routes.items()):
            self._names.setdefault(_spelled(name), number)
            if route.path:
                self._same.setdefault((method_of(spec, name), _shape(route.path)), number)

    def find(self, method: str, template: str, bases: list[str], operation_id: object) -> int | None:
        asked = "GET" if method == "HEAD" else method
        candidates = list(dict.fromkeys([*(base + template for base in bases), template]))
        for path in candidates:
            if (asked, _shape(path)) in self._same:
                return self._same[asked, _shape(path)]
        for path in candidates:
            for rule in self._templates:
                if rule.fits(asked, path_of(_PLACE.sub("0", path))):
                    return rule.route
        return self._names.get(_spelled(operation_id)) if isinstance(operation_id, str) else None


def _shape(template: str) -> str:
    return _PLACE.sub("{}", path_of(template))


def _spelled(name: str) -> str:
    """getPlace, get_place and get-place are the same name."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
