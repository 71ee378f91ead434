"""Databases that are read as standbys and are none: presumed to be, so that the rest can be looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from experiments.deploy.deployment import Deployment


@dataclass(frozen=True, slots=True)
class Presumed:
    """Reads are routed to `database`, as if it followed `primary`; no file makes it do so."""

    database: str
    primary: str
    where: str
    """Where the database is started."""
    by: str
    """Who reads it."""


def presume(deployment: Deployment) -> list[Presumed]:
    """Make standbys of databases that reads are routed to, and say of which that had to be presumed."""
    from experiments.deploy.fact import Fact

    values = {fact.path: fact.value for unit in deployment.units for fact in unit.facts}
    values |= {fact.path: fact.value for fact in deployment.facts}
    found: dict[str, Presumed] = {}
    for service, primary, replica in _routes(values):
        unit = deployment.unit(replica)
        if primary == replica or replica in found or ("databases", replica, "standby_of") in values or unit is None:
            continue
        found[replica] = Presumed(replica, primary, str(unit.place), service)
        note = "Reads are routed to it: presumed, since nothing makes it a standby."
        deployment.facts.append(Fact(("databases", replica, "standby_of"), primary, "assumed", None, note, None))
    return list(found.values())


def _routes(values: dict[tuple[str, ...], object]) -> Iterator[tuple[str, str, str]]:
    """(service, the primary's database, the replica's database) of each data source with two pools."""
    for path, replica in values.items():
        if len(path) != 5 or (path[0], path[2], path[4]) != ("services", "data_sources", "replica"):
            continue
        primary = values.get((*path[:4], "primary"))
        ends = [values.get(("services", path[1], "pools", str(pool), "database")) for pool in (primary, replica)]
        if ends[0] is not None and ends[1] is not None:
            yield path[1], str(ends[0]), str(ends[1])
