"""The servers of an upstream: which replicas their names stand for, and their parameters.

Checked  tests/unit/test_deploy_nginx.py
"""

from __future__ import annotations

from dataclasses import dataclass, field

from experiments.deploy.nginx.book import Book, named
from experiments.deploy.nginx.harmless import PLUS_PARAMETERS
from experiments.deploy.nginx.hosts import Hosts, host_and_port
from experiments.deploy.nginx.loading import place_of_word
from experiments.deploy.nginx.tree import Directive
from experiments.deploy.place import Place

FROM = "nginx 1.22"


@dataclass(slots=True)
class Server:
    """One `server` of an upstream."""

    directive: Directive
    service: str
    first: int
    """Its first replica, from 1."""
    count: int
    """How many replicas the name stands for."""
    port: int
    settings: dict[str, tuple[str, Place]] = field(default_factory=dict)
    """Its parameters with their places; flags have no text."""

    @property
    def replicas(self) -> range:
        return range(self.first, self.first + self.count)


@dataclass(slots=True)
class Upstream:
    """An upstream that leads to one service."""

    name: str
    service: str
    servers: list[Server]
    directive: Directive | None
    """None for a service that a proxy_pass names without an upstream."""


def read_servers(book: Book, block: Directive, hosts: Hosts) -> list[Server]:
    servers: list[Server] = []
    for directive in named(block.block, "server"):
        if not directive.args:
            continue
        address = directive.args[0]
        parameters = {word: word.text.partition("=") for word in directive.args[1:]}
        settings = {
            name: (value, book.parameter(directive, word, name, value), word)
            for word, (name, _, value) in parameters.items()
        }
        for name, (_, _, word) in settings.items():
            if name in PLUS_PARAMETERS:
                book.problem(place_of_word(directive.file, word), f"{name} of a server is not modelled (NGINX Plus).")
        host, port = host_and_port(address.text)
        target = None if address.text.startswith("unix:") else hosts.find(host)
        if target is None and "service" in settings:
            target = hosts.find(settings["service"][0])  # a name in service discovery
        if target is None:
            book.problem(
                place_of_word(directive.file, address),
                f"server {address.text}: {host} is no service of this deployment. It is left out.",
            )
            continue
        if not target.is_resolved:
            book.problem(
                place_of_word(directive.file, address), f"server {address.text}: Docker resolves no container of this "
                f"name. It is read as replica {target.number} of {target.service}; Compose calls that one "
                f"{hosts.project or '<project>'}-{target.service}-{target.number}.",
            )  # fmt: skip
        count = hosts.replicas.get(target.service, 1) if target.number is None else 1
        server = Server(directive, target.service, target.number or 1, count, port)
        book.models(directive)
        for name, (value, setting, _) in settings.items():
            if name in ("weight", "max_fails", "fail_timeout", "max_conns", "backup", "down"):
                server.settings[name] = (value, setting.place)
                book.ledger.models(setting)
        servers.append(server)
    return servers
