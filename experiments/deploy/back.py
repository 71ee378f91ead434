"""From a scenario back to the files it was read from.

Models   The folder is the one that the scenario's provenance names, unless another is given. The files are read anew,
         so that places are those of today; what they cannot tell is the scenario's own.
Checked  tests/unit/test_deploy_patch.py, tests/e2e/test_import.py
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.deploy.assemble import Assembled, assemble
from experiments.deploy.deployment import Deployment
from experiments.deploy.patch import Patch, make_patch
from experiments.deploy.reading import COMPOSE_NAMES, read_deployment
from experiments.errors import InputError
from experiments.scenario import Scenario
from experiments.scenario.document import Document

_REF = re.compile(r"([^:;,]+\.[A-Za-z]+)(?::[0-9]+)?(?::? .*)?")


@dataclass(frozen=True, slots=True)
class Back:
    """A patch and what it was made from."""

    deployment: Deployment
    assembled: Assembled
    patch: Patch


def patch_for(
    scenario: Scenario, against: Sequence[str | Path] = (), *, base: Scenario | None = None,
    profiles: Sequence[str] = (), env_files: Sequence[str] = (),
) -> Back:  # fmt: skip
    """The patch that makes the deployed files say what the scenario says, its settings and variant included.

    `base`: only what differs from this scenario is written. Raises InputError.
    """
    names = list(against) or [deployed_folder(scenario)]
    plain = scenario.source.value
    system = {key: value for key, value in plain.items() if key not in ("variants", "provenance")}
    services = system.get("services")
    said = [str(name) for name in services] if isinstance(services, dict) else []
    deployment = read_deployment(names, profiles=profiles, env_files=env_files, said=said)
    assembled = assemble(deployment, Document(system, dict(scenario.source.origins)), is_weak=True)
    patch = make_patch(
        deployment.folder, assembled, scenario.document, base.document if base is not None else None,
        in_cluster=deployment.in_cluster,
    )  # fmt: skip
    return Back(deployment, assembled, patch)


def deployed_folder(scenario: Scenario) -> Path:
    """The folder of the files that a scenario's provenance names. Raises InputError."""
    if scenario.path is None:
        raise InputError(f"{scenario.name}: must be a file to be traced back to its files. Name them with --against.")
    home = scenario.path.parent
    files: list[Path] = []
    for entry in scenario.provenance.values():
        match = _REF.fullmatch(entry.ref) if entry.source == "file" else None
        if match is not None and "\0" not in match[1]:
            path = home / match[1]
            if path.is_file() and path not in files:
                files.append(path)
    if not files:
        raise InputError(
            f"{scenario.name}: must name files it was read from under provenance, got none that are there. "
            "Name them with --against."
        )
    compose = [path for path in files if path.name in COMPOSE_NAMES]
    if compose:
        return compose[0].parent
    return Path(os.path.commonpath([path.parent for path in files]))
