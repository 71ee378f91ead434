"""Which PostgreSQL follows which: told by how a container is started.

Models   `pg_basebackup -h PRIMARY ... -R`, primary_conninfo, and the variables of Bitnami's image.
Checked  tests/unit/test_deploy_stores.py
"""

from __future__ import annotations

import re

from experiments.deploy.deployment import Deployment
from experiments.deploy.place import Place
from experiments.deploy.setting import Setting
from experiments.deploy.units import Unit

_BACKUP = re.compile(r"pg_basebackup\b[^\n;|&]*?(?:-h|--host)[ =]+([A-Za-z0-9_.-]+)")
_CONNINFO = re.compile(r"primary_conninfo\s*=?\s*'?[^'\n]*?\bhost=([A-Za-z0-9_.-]+)")
_HOSTS = ("POSTGRESQL_MASTER_HOST", "REPLICATE_FROM", "PRIMARY_HOST")


def standby_of(unit: Unit, deployment: Deployment) -> tuple[str, Place] | None:
    """The primary of a standby, and where it is said; None for a primary."""
    for word in unit.command:
        for pattern in (_BACKUP, _CONNINFO):
            match = pattern.search(word.text)
            if match is not None and (primary := _database(deployment, match[1], unit)) is not None:
                return primary, word.place
    for name in _HOSTS:
        said = unit.environment.get(name)
        if isinstance(said, Setting) and (primary := _database(deployment, str(said.value), unit)) is not None:
            return primary, said.place
    return None


def _database(deployment: Deployment, host: str, unit: Unit) -> str | None:
    found = deployment.unit(host)
    return found.name if found is not None and found.kind == "postgres" and found is not unit else None
