"""From a name or a file to a validated scenario."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from experiments.errors import InputError, shown
from experiments.scenario.document import Document, parse_document, read_document
from experiments.scenario.paths import did_you_mean, parse_path
from experiments.scenario.provenance import BESIDE, Beside, Provenance, Variant, check_provenance, nearest, unsourced
from experiments.scenario.schema import schema_of
from experiments.scenario.settings import apply_settings, parse_setting, written_settings
from experiments.scenario.shipped import SUFFIXES, not_found, shipped_file
from experiments.scenario.translate import lines_of
from models.system import SystemSpec

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class Scenario:
    """A deployment under traffic, as it was written and as it will be run."""

    name: str
    """`maltan/early`, or the file's name without its suffix."""
    spec: SystemSpec
    path: Path | None
    """The file; None for a shipped scenario that is not a file of its own."""
    document: Mapping[str, Any]
    """The system as it is run, in plain values: variant and settings are in it."""
    variants: Mapping[str, Variant]
    provenance: Mapping[str, Provenance]
    variant: str | None
    settings: tuple[str, ...]
    origins: Mapping[tuple[str | int, ...], str]
    """By path in the document, where each value was written: `early.yaml:14`, `--set seed=2`."""
    source: Document
    """The document as it was written."""

    def with_settings(self, settings: Sequence[str]) -> Scenario:
        """The same scenario with more settings, made after those it has. Raises InputError."""
        return _scenario(self.name, self.path, self.source, (*self.settings, *settings), self.variant)

    def with_variant(self, variant: str | None) -> Scenario:
        """The same scenario as another variant of it. Raises InputError."""
        return _scenario(self.name, self.path, self.source, self.settings, variant)

    def provenance_of(self, path: str) -> Provenance | None:
        """Where the value at a path comes from: the nearest entry at it or around it; None where there is none.

        What the variant sets has the source of the variant. What was set for this run, see `settings`.
        """
        names = parse_path(path)
        if self.variant is not None:
            for text in self.variants[self.variant].set:
                set_names = parse_path(text)
                if names[: len(set_names)] == set_names:
                    return nearest(("variants", self.variant, "set", text), self.provenance)
        return nearest(names, self.provenance)

    def file(self, name: str) -> Path:
        """A file that the scenario names, which stands relative to it."""
        return (self.path.parent if self.path is not None else Path()) / name


def load_scenario(name: str | Path, settings: Sequence[str] = (), variant: str | None = None) -> Scenario:
    """The scenario in a file, or the shipped one of that name, e.g. `maltan/early`.

    `settings`: `PATH=VALUE` each, made after those of `variant`. Raises InputError.
    """
    said = str(name)
    shipped = None if isinstance(name, Path) or said.endswith(SUFFIXES) else shipped_file(said)
    if shipped is not None:
        path = shipped if isinstance(shipped, Path) else None
        document = parse_document(shipped.read_bytes(), shipped.name)
        return _scenario(said, path, document, tuple(settings), variant)
    path = Path(said).expanduser()
    if not said or "\0" in said or not _exists(path):
        raise not_found(said if said.isprintable() else repr(said))
    if path.is_dir():
        raise InputError(f"{said}: must be a scenario file, got a folder. Name a file in it.")
    if path.suffix not in SUFFIXES:
        raise InputError(f"{said}: must end in .yaml, .yml or .json, got {shown(path.suffix or path.name)}. Rename it.")
    return _scenario(path.stem, path, read_document(path), tuple(settings), variant)


def scenario_of(document: Mapping[str, Any], name: str) -> Scenario:
    """A scenario that was made, not read from a file. Raises InputError."""
    return _scenario(name, None, parse_document(json.dumps(document).encode(), f"{name}.json"), (), None)


def _exists(path: Path) -> bool:
    try:
        return bool(stat.S_IFMT(path.stat().st_mode))
    except FileNotFoundError:
        return False
    except OSError as error:
        raise InputError(f"{path}: must be readable, got: {(error.strerror or str(error)).lower()}.") from None


def _scenario(
    name: str, path: Path | None, source: Document, settings: tuple[str, ...], variant: str | None
) -> Scenario:  # fmt: skip
    schema = schema_of(SystemSpec)
    said_beside = {key: source.value[key] for key in BESIDE if key in source.value}
    beside = validate(Document(said_beside, source.origins), Beside)
    check_provenance(source, schema)
    document = Document({key: value for key, value in source.value.items() if key not in BESIDE}, source.origins)
    made = []
    if variant is not None:
        if variant not in beside.variants:
            step = did_you_mean(variant, list(beside.variants), "variants")
            raise InputError(f"--variant: must be a variant of {name}, got {shown(variant)}. {step}")
        made += written_settings(beside.variants[variant].set, ("variants", variant, "set"), source)
    made += [parse_setting(text) for text in settings]
    document = apply_settings(document, made, schema)
    spec = validate(document, SystemSpec, known=BESIDE)
    return Scenario(
        name=name,
        spec=spec,
        path=path,
        document=document.value,
        variants=beside.variants,
        provenance=beside.provenance,
        variant=variant,
        settings=settings,
        origins=document.origins,
        source=source,
    )


def validate(document: Document, model: type[_Model], known: Sequence[str] = ()) -> _Model:
    """The document as an instance of `model`. `known`: names allowed at the top besides. Raises InputError."""
    try:
        return model.model_validate(document.value)
    except ValidationError as error:
        raise InputError.of(lines_of(error, document, model, known)) from None


def uncovered(scenario: Scenario) -> list[str]:
    """The paths of values written in a scenario whose source is not said."""
    return unsourced(scenario.source, scenario.provenance)
