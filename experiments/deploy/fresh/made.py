"""All files of a scenario, and assume.yaml with what they do not say: found by reading them back.

Models   The files are written to a temporary folder and imported; what import does not read there as the scenario has
         it goes into assume.yaml, defaults included that are others in a deployment than in a scenario; what is still
         otherwise after that is told by path.
Checked  tests/e2e/test_export_files.py
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.deploy.assemble import Assembled, assemble
from experiments.deploy.fresh.alerts import rule_files
from experiments.deploy.fresh.compose import compose
from experiments.deploy.fresh.gateway import gateway_yaml
from experiments.deploy.fresh.nginx import nginx_conf, nginx_name
from experiments.deploy.fresh.service import service_yaml
from experiments.deploy.fresh.stores import (
    REPLICATION,
    postgres_name,
    postgresql_conf,
    redis_conf,
    redis_name,
    replication_script,
)
from experiments.deploy.fresh.told import ASSUME, NO_VALUES, left_out, told_by, without_told
from experiments.deploy.fresh.words import Plan, dumped
from experiments.deploy.reading import read_deployment
from experiments.deploy.same import same
from experiments.errors import InputError
from experiments.files import cannot_write
from experiments.scenario.document import Document
from experiments.scenario.load import Scenario, validate
from experiments.scenario.paths import at_path, format_path, parse_path
from models.system import SystemSpec

PROJECT = "windtunnel"
_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_.-]{0,100}")


@dataclass(frozen=True, slots=True)
class Made:
    """Files by name, and what import makes of them."""

    files: Mapping[str, str]
    lost: list[str]
    """Paths that import does not give back."""
    remarks: list[str]
    """Where a file cannot say what the scenario does, and assume.yaml holds against it."""
    told: Mapping[str, str]
    """Where import takes each value from: `file:line`, a release's default, or assume.yaml."""
    left: Mapping[str, str]
    """What a file has a place for and only assume.yaml says, with the reason."""


def make_files(scenario: Scenario) -> Made:
    """The files of a scenario. Raises InputError where import cannot read them back."""
    plan = Plan(scenario, PROJECT)
    _check_names(plan)
    files = _texts(plan)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _put(root, files)
        system = {key: value for key, value in scenario.document.items() if key not in ("provenance", "variants")}
        first = read_back(root, system, is_weak=True)
        rest = without_told(system, first)
        again = read_back(root, rest)
        unlike = differences(scenario.spec, again.document)
        if unlike:
            _add_defaults(rest, scenario.spec.model_dump(mode="json"), unlike)
            again = read_back(root, rest)
            unlike = differences(scenario.spec, again.document)
    files[ASSUME] = f"{_HEAD}{dumped(rest)}"
    return Made(files, unlike, again.remarks, told_by(again), left_out(system, rest))


_HEAD = """\
# What no file can tell: demands, the mix, what users do. Beside what this deployment's files say it makes the scenario:
#   windtunnel import . --assume assume.yaml
"""


def _texts(plan: Plan) -> dict[str, str]:
    files = {"docker-compose.yml": compose(plan)}
    for name in plan.section("load_balancers"):
        files[nginx_name(plan, name)] = nginx_conf(plan, name)
    for name in plan.section("services"):
        files[f"{name}/application.yml"] = service_yaml(plan, name)
    if plan.section("gateway"):
        files[f"{plan.gateway}/application.yml"] = gateway_yaml(plan)
    for name in plan.section("caches"):
        text = redis_conf(plan, name)
        if text is not None:
            files[redis_name(name)] = text
    for name, said in plan.section("databases").items():
        files[postgres_name(name)] = postgresql_conf(plan, name)
        if said.get("standby_of"):
            files[REPLICATION] = replication_script()
    return {**files, **rule_files(plan)}


def _check_names(plan: Plan) -> None:
    """Names become containers, folders and hosts. Raises InputError."""
    seen: dict[str, str] = {}
    for section in ("services", "load_balancers", "caches", "databases"):
        for name in plan.section(section):
            if not _NAME.fullmatch(str(name)):
                raise InputError(
                    f"{format_path((section, name))}: must be a name that Docker would give a container (letters, "
                    "digits, - _ .) to be written as files. Rename it."
                )
            if name in seen:
                raise InputError(f"{format_path((section, name))}: {seen[name]} has the same name. Rename one of them.")
            seen[str(name)] = format_path((section, name))


def read_back(root: Path, assume: Mapping[str, Any], *, is_weak: bool = False) -> Assembled:
    """What import makes of the files in a folder. `is_weak`: what files say holds against `assume`."""
    said = Document(dict(assume))
    deployment = read_deployment([root], said=list(assume.get("services") or {}))
    return assemble(deployment, said, is_weak=is_weak)


def differences(spec: SystemSpec, document: Mapping[str, Any]) -> list[str]:
    """Paths at which a document is not the specification."""
    other = validate(Document(dict(document)), SystemSpec)
    found = _unlike(spec.model_dump(mode="json"), other.model_dump(mode="json"), ())
    return sorted(format_path(path) for path in found)


def _unlike(one: Any, other: Any, at: tuple[str, ...]) -> list[tuple[str, ...]]:
    if isinstance(one, dict) and isinstance(other, dict):
        keys = dict.fromkeys([*one, *other])
        return [path for key in keys for path in _unlike(one.get(key), other.get(key), (*at, str(key)))]
    return [] if same(one, other) or (bool(at) and at[0] in NO_VALUES) else [at]


def _add_defaults(rest: dict[str, Any], spec: Mapping[str, Any], unlike: list[str]) -> None:
    """Where import would take something else, what holds in the scenario without being said."""
    for text in unlike:
        path: tuple[str, ...] = parse_path(text)
        while len(path) > 1 and not _has(spec, path):
            path = path[:-1]  # what files bring along and the scenario has none of
        value = at_path(spec, path)
        node = rest
        for key in path[:-1]:
            inner = node.get(key)
            if not isinstance(inner, dict):
                inner = node[key] = {}
            node = inner
        if not isinstance(value, dict) or not value:
            node[path[-1]] = value


def _has(spec: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    around = at_path(spec, path[:-1])
    return isinstance(around, Mapping) and path[-1] in around


def _put(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8", newline="\n")


def write_files(target: Path, files: Mapping[str, str]) -> None:
    """All of them or none. Raises InputError where something of their names is there."""
    tops = list(dict.fromkeys(name.split("/")[0] for name in files))
    there = [name for name in tops if os.path.lexists(target / name)]
    if there:
        raise InputError(f"{target}: must not hold {', '.join(there)} yet. Name another folder, or move them away.")
    is_new = not target.exists()
    part = target / f".windtunnel-{secrets.token_hex(4)}.part"
    try:
        part.mkdir(parents=True)
        _put(part, files)
        for name in tops:
            os.rename(part / name, target / name)
        part.rmdir()
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        if part.exists():  # an error or an interrupt, wherever it came
            _take_back(target, part, tops)
        if is_new and target.is_dir() and not any(target.iterdir()):
            target.rmdir()


def _take_back(target: Path, part: Path, tops: Sequence[str]) -> None:
    """Remove what has been moved to `target` so far, and what has not."""
    for name in tops:
        place = target / name
        if not os.path.lexists(part / name) and os.path.lexists(place):
            shutil.rmtree(place) if place.is_dir() else place.unlink()
    shutil.rmtree(part, ignore_errors=True)
