"""All files of a scenario, and assume.yaml with what they do not say: found by reading them back.

Models   The files are written to a temporary folder and imported; what import does not read there as the scenario has
         it goes into assume.yaml; what is still otherwise after that is told by path.
Checked  tests/e2e/test_export_files.py
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.deploy.assemble import Assembled, assemble
from experiments.deploy.fresh import texts
from experiments.deploy.reading import read_deployment
from experiments.deploy.same import same
from experiments.errors import InputError
from experiments.files import cannot_write
from experiments.scenario.document import Document, read_document
from experiments.scenario.load import Scenario, validate
from experiments.scenario.paths import at_path, format_path
from models.system import SystemSpec

ASSUME = "assume.yaml"
PROJECT = "windtunnel"
_TEXT = ("description", "not_modelled")


@dataclass(frozen=True, slots=True)
class Made:
    """Files by name, and the paths that import does not give back."""

    files: Mapping[str, str]
    lost: list[str]
    remarks: list[str]
    """Where a file cannot say what the scenario does, and assume.yaml holds against it."""


def make_files(scenario: Scenario) -> Made:
    """The files of a scenario. Raises InputError where import cannot read them back."""
    document = scenario.document
    files = {"docker-compose.yml": texts.compose(scenario, PROJECT)}
    for name in document.get("load_balancers") or {}:
        files[texts.nginx_name(document, name)] = texts.nginx(scenario, name, PROJECT)
    for name in document.get("services") or {}:
        files[f"{name}/application.yml"] = texts.service(scenario, name)
    if document.get("gateway"):
        files["gateway/application.yml"] = texts.gateway(scenario)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _put(root, files)
        first = read_back(root, _rest(document, None), is_weak=True)
        files[ASSUME] = "# What files cannot tell: windtunnel import . --assume assume.yaml\n" + texts.dumped(
            _rest(document, first)
        )
        _put(root, {ASSUME: files[ASSUME]})
        again = read_back(root, read_document(root / ASSUME).value)
    return Made(files, differences(scenario.spec, again.document), again.remarks)


def read_back(root: Path, assume: Mapping[str, Any], *, is_weak: bool = False) -> Assembled:
    """What import makes of the files in a folder. `is_weak`: what files say holds against `assume`."""
    said = Document(dict(assume))
    deployment = read_deployment([root], said=list(assume.get("services") or {}))
    return assemble(deployment, said, is_weak=is_weak)


def differences(spec: SystemSpec, document: Mapping[str, Any]) -> list[str]:
    """Paths at which a document is not the specification."""
    other = validate(Document(dict(document)), SystemSpec)
    return sorted(_unlike(spec.model_dump(mode="json"), other.model_dump(mode="json"), ()))


def _unlike(one: Any, other: Any, at: tuple[str, ...]) -> list[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        keys = dict.fromkeys([*one, *other])
        return [path for key in keys for path in _unlike(one.get(key), other.get(key), (*at, str(key)))]
    return [] if same(one, other) or (bool(at) and at[0] in _TEXT) else [format_path(at)]


def _rest(document: Mapping[str, Any], read: Assembled | None) -> dict[str, Any]:
    """What the scenario says and the files do not."""
    system = {key: value for key, value in document.items() if key not in ("provenance", "variants")}
    return dict(_without(system, read, ()))


def _without(value: Mapping[str, Any], read: Assembled | None, at: tuple[str, ...]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, inner in value.items():
        path = (*at, str(key))
        if isinstance(inner, Mapping) and inner:
            inside = _without(inner, read, path)
            if inside:
                kept[str(key)] = inside
        elif not (read is not None and _is_in_files(read, path, inner)):
            kept[str(key)] = inner
    return kept


def _is_in_files(read: Assembled, path: tuple[str, ...], value: object) -> bool:
    facts = read.facts.get(path) or []
    return bool(facts) and facts[0].source == "file" and same(at_path(read.document, path), value)


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
    moved: list[Path] = []
    part: Path | None = None
    is_new = not target.exists()
    try:
        target.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".windtunnel-", suffix=".part", dir=target))
        _put(part, files)
        for name in tops:
            os.rename(part / name, target / name)
            moved.append(target / name)
    except OSError as error:
        for one in moved:
            shutil.rmtree(one) if one.is_dir() else one.unlink()
        raise cannot_write(target, error) from error
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)
        if is_new and len(moved) < len(tops) and target.is_dir() and not any(target.iterdir()):
            target.rmdir()
