"""A deployment as its files describe it: containers, and everything that is said of them.

Models   The Compose file says which containers there are; what is mounted into them, or stands beside them under their
         names, is read as what it is: the configuration of Spring, nginx, Redis, PostgreSQL, Prometheus, Alertmanager.
Checked  tests/unit/test_deploy_compose.py, tests/e2e/test_import.py
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from experiments.deploy.fact import Fact
from experiments.deploy.nginx import NginxReading
from experiments.deploy.place import Place
from experiments.deploy.setting import Ledger
from experiments.deploy.source import Folder
from experiments.deploy.spring import Route, SpringReading
from experiments.deploy.units import Unit
from experiments.deploy.ways import Way, fits, locate, through_gateway, through_nginx
from experiments.errors import InputError

_IN_CLUSTER = re.compile(r"([a-z0-9-]+)\.[a-z0-9-]+(?:\.svc(?:\.[a-z0-9.-]+)?)?")
"""service.namespace, with or without .svc.cluster.local: no host of the world, which has more names."""


@dataclass(slots=True)
class Deployment:
    """What was read of a deployment."""

    folder: Folder
    ledger: Ledger
    units: list[Unit] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    """With full paths in the scenario, beside those of the units."""
    springs: dict[str, SpringReading] = field(default_factory=dict)
    """By the unit's name."""
    nginxes: dict[str, NginxReading] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    """What each file that was read is."""
    unread: dict[str, str] = field(default_factory=dict)
    """Files that were not read, with the reason."""
    project: str = ""
    in_cluster: bool = False
    """Whether Kubernetes' manifests say which containers there are."""

    def of_role(self, role: str) -> Iterator[Unit]:
        return (unit for unit in self.units if unit.role == role)

    def unit(self, host: str) -> Unit | None:
        """The unit that a host name means."""
        plain = host.lower().rstrip(".")
        for unit in self.units:
            if plain in (unit.name.lower(), *(alias.lower() for alias in unit.aliases)):
                return unit
        inside = _IN_CLUSTER.fullmatch(plain)  # of a namespace that the manifests leave to kubectl
        return next((unit for unit in self.units if inside and unit.name.lower() == inside[1]), None)

    def known_as(self, host: str) -> str:
        """What a host is called in the scenario: its unit's name, else as it is written."""
        unit = self.unit(host)
        return unit.name if unit is not None else host

    def service(self, host: str) -> str | None:
        unit = self.unit(host)
        return unit.name if unit is not None and unit.role == "service" else None

    def service_of(self, route: Route) -> str | None:
        """The service that a gateway's route leads to in the end."""
        return next((way.service for way in self._ways_of([route])), None)

    def needed(self, unit: Unit) -> list[Unit]:
        """What a unit depends on."""
        found = (self.unit(name) for name in unit.depends_on)
        return [one for one in found if one is not None]

    def called_by(self, unit: Unit) -> list[str]:
        """The services it calls, as far as files tell."""
        spring = self.springs.get(unit.name)
        hosts = [call.host for call in spring.calls] if spring is not None else []
        hosts += list(spring.guards) if spring is not None else []  # named after what they guard, as is the custom
        names = [self.service(host) for host in [*hosts, *unit.depends_on]]
        return list(dict.fromkeys(name for name in names if name is not None))

    def ways(self) -> list[Way]:
        """The ways in, as files tell them; assumed where they tell none."""
        gateway = next(self.of_role("gateway"), None)
        found = (
            list(self._ways_of(self.springs[gateway.name].routes)) if gateway and gateway.name in self.springs else []
        )
        if not found and gateway is None:
            found = [way for name, one in self.nginxes.items() for way in through_nginx(name, one.locations)]
        if found:
            return list({(way.pattern, way.service): way for way in found}.values())
        through = ("gateway",) if gateway is not None else ()
        note = "By its name the gateway leads to all." if gateway is not None else "No file says what is asked for."
        return [Way(f"/{unit.name}/**", unit.name, through, None, note) for unit in self._entries(gateway is not None)]

    def _entries(self, all_of_them: bool) -> list[Unit]:
        """The services that users ask, where nobody says so."""
        services = list(self.of_role("service"))
        published = [unit for unit in services if unit.is_published]
        called = {name for unit in services for name in self.called_by(unit)}
        if all_of_them:
            return services
        return [one for one in published if one.name not in called] or published or services

    def _ways_of(self, routes: Sequence[Route]) -> Iterator[Way]:
        def nginx(host: str) -> list[object] | None:
            unit = self.unit(host)
            return self.nginxes[unit.name].locations if unit is not None and unit.name in self.nginxes else None  # type: ignore[return-value]

        return through_gateway(routes, nginx, self.service)  # type: ignore[arg-type]

    def way(self, path: str) -> Way | None:
        """The way that files tell for a path."""
        return next((way for way in self.ways() if way.place is not None and fits(way.pattern, path)), None)

    def way_to(self, service: str) -> Way | None:
        """The way that is told or assumed to a service."""
        return next((way for way in self.ways() if way.service == service), None)

    def check_has_services(self) -> None:
        """Say what is missing where no scenario can be made. Raises InputError."""
        if next(self.of_role("service"), None) is not None:
            return
        found = [f"{name} ({kind})" for name, kind in sorted(self.files.items())]
        found += [f"{name} ({why})" for name, why in sorted(self.unread.items())]
        kinds = ", ".join(found[:8]) + (f" and {len(found) - 8} more" if len(found) > 8 else "") or "no files"
        roles = ", ".join(f"{unit.name} ({unit.role})" for unit in self.units[:8])
        raise InputError(
            f"{self.folder.root.name or '.'}: must describe at least one service, got {kinds}"
            f"{f'; containers: {roles}' if roles else ''}. Add the Compose file or the Deployment manifests that start "
            "the services; say the rest with --assume."
        )

    def description(self) -> str:
        """What the scenario is, in a sentence."""
        names = [unit.name for unit in self.of_role("service")]
        shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
        name = self.project or self.folder.root.resolve().name
        return f"{name}, read from its deployed files: {shown}."


def settle_roles(deployment: Deployment, said: Sequence[str] = ()) -> None:
    """Make residents of services that nothing leads to. `said`: services that an assumption speaks of."""
    gateway = next(deployment.of_role("gateway"), None)
    if not any(way.place is not None for way in deployment.ways()):
        return
    behind_nginx = [service for reading in deployment.nginxes.values() for service in reading.upstreams.values()]
    pending = list(dict.fromkeys([*(way.service for way in deployment.ways()), *behind_nginx]))
    seen = set(pending)
    while pending:
        unit = deployment.unit(pending.pop())
        new = [name for name in (deployment.called_by(unit) if unit is not None else []) if name not in seen]
        seen.update(new)
        pending += new
    for unit in deployment.units:
        is_known = unit.name in seen or unit.name in said or unit.name in deployment.springs
        if unit.role == "service" and not is_known and unit is not gateway:
            unit.role, unit.why = "background", "nothing in the files leads to it"


def first_place(file: str) -> Place:
    return Place(file, 1, 0, 0)


def folder_of(file: str) -> str:
    return posixpath.dirname(file)


__all__ = ["Deployment", "first_place", "folder_of", "locate", "settle_roles"]
