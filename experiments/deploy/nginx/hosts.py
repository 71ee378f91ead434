"""Which service, and which of its replicas, an address in a configuration means.

Models   Docker's DNS knows a service by its name, and a container by its own: project-service-number (Compose 2) or
         project_service_number (Compose 1). A service's name stands for all its containers.
Checked  tests/unit/test_deploy_nginx.py
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Target:
    """A service, and one of its replicas (from 1) where the address names one."""

    service: str
    number: int | None = None
    is_resolved: bool = True
    """Whether Docker knows the name; if not, what was meant is a guess."""


@dataclass(frozen=True, slots=True)
class Hosts:
    """The names of a deployment's containers."""

    replicas: Mapping[str, int] = field(default_factory=dict)
    """How many there are of each service."""
    project: str | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Further names of services: container_name, network aliases."""

    def find(self, host: str) -> Target | None:
        """What `host` means; None where it is no name of this deployment."""
        if host in self.replicas:
            return Target(host)
        if host in self.aliases:
            return Target(self.aliases[host])
        match = re.fullmatch(r"(.+)[-_]([0-9]{1,4})", host)
        if match is None:
            return None
        name, number = match[1], int(match[2])
        for separator in "-_":
            prefix = f"{self.project}{separator}"
            if self.project and name.startswith(prefix) and name[len(prefix) :] in self.replicas:
                return Target(name[len(prefix) :], number, 1 <= number <= self.replicas[name[len(prefix) :]])
        if name in self.replicas:
            return Target(name, number, False)
        # A project's name that we were not told: the longest service that the name ends in.
        known = [service for service in self.replicas if name.endswith((f"-{service}", f"_{service}"))]
        if known and self.project is None:
            return Target(max(known, key=len), number)
        return None


def host_and_port(address: str, default_port: int = 80) -> tuple[str, int]:
    """The two parts of `host:port`; [::1]:80 for IPv6."""
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^:/\[\]]*)(?::([0-9]{1,5}))?", address)
    if match is None:
        return address, default_port
    return match[1], int(match[2] or default_port)
