"""The nginxes of a deployment: which of its files each of them reads.

Models   A file mounted as /etc/nginx/nginx.conf, else those that the image's own nginx.conf includes: *.conf in
         /etc/nginx/conf.d, in the order of their names; else what stands in the folder its image is built from.
Checked  tests/unit/test_deploy_proxies.py
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence

from experiments.deploy.deployment import Deployment, first_place
from experiments.deploy.nginx import Hosts, globs, read_nginx
from experiments.deploy.units import Unit
from experiments.errors import InputError

ETC = "/etc/nginx"
NGINX_MAIN = f"{ETC}/nginx.conf"
INCLUDED = f"{ETC}/conf.d/*.conf"


def read_proxies(deployment: Deployment, files: Sequence[str]) -> None:
    """Read the configuration of each nginx; one without any, or that passes nothing on, is a resident."""
    replicas = {unit.name: unit.replicas for unit in deployment.units if unit.role in ("service", "gateway")}
    aliases = {alias: unit.name for unit in deployment.units for alias in unit.aliases}
    hosts = Hosts(replicas, deployment.project or None, aliases)
    for unit in list(deployment.of_role("load_balancer")):
        entries, is_main = _entries(deployment, unit)
        if not entries:
            unit.role, unit.why = "background", "an nginx without a configuration here"
            continue
        try:
            reading = read_nginx(
                deployment.folder, entries[0], deployment.ledger, name=unit.name, hosts=hosts, is_main=is_main,
                mounts=unit.mounts, image=unit.image_setting, beside=entries[1:],
            )  # fmt: skip
        except InputError as error:
            deployment.ledger.problem(first_place(entries[0]), error.lines[0])
            unit.role, unit.why = "background", "an nginx whose configuration cannot be read"
            continue
        for name in reading.files:
            deployment.files[name] = "nginx"
        if not reading.locations:
            unit.role, unit.why = "background", "an nginx that passes nothing on to a service"
            deployment.ledger.leave(reading.files)
            continue
        deployment.nginxes[unit.name] = reading
        deployment.facts += reading.facts
    if not deployment.units:
        for file in files:
            if file.endswith(".conf") and _looks_like_nginx(deployment, file):
                _loose(deployment, file, hosts)


def _looks_like_nginx(deployment: Deployment, file: str) -> bool:
    try:
        text = deployment.folder.read(file).text
    except InputError:
        return False
    return "server" in text and "{" in text


def _loose(deployment: Deployment, file: str, hosts: Hosts) -> None:
    """An nginx.conf without anything it leads to: read for what is wrong with it."""
    try:
        reading = read_nginx(deployment.folder, file, deployment.ledger, hosts=hosts)
        for name in reading.files:
            deployment.files[name] = "nginx"
        deployment.ledger.leave(reading.files)
    except InputError as error:
        deployment.ledger.problem(first_place(file), error.lines[0])


def _entries(deployment: Deployment, unit: Unit) -> tuple[list[str], bool]:
    """The files that it begins with, in order, and whether that is nginx.conf itself."""
    mounts = {posixpath.normpath(container): name for container, name in unit.mounts.items()}
    main = mounts.get(NGINX_MAIN, f"{mounts.get(ETC, '')}/nginx.conf")
    if main in deployment.folder:
        return [main], True
    seen = dict(sorted(_seen(deployment, mounts)))
    included = [name for container, name in seen.items() if globs(INCLUDED, container)]
    if included:
        return included, False
    for container, name in seen.items():
        if container.startswith(f"{ETC}/") and (name.endswith(".conf") or container.endswith(".conf")):
            return [name], False
    for folder in (unit.builds_from, unit.name):
        for name in ("nginx.conf", "default.conf"):
            if folder and f"{folder}/{name}" in deployment.folder:
                return [f"{folder}/{name}"], name == "nginx.conf"
    return [], False


def _seen(deployment: Deployment, mounts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Files of the deployment by where the container sees them."""
    for container, name in mounts.items():
        if not container.startswith(ETC):
            continue
        if name in deployment.folder:
            yield container, name
            continue
        for file in deployment.folder.files():
            if file.startswith(f"{name}/"):
                yield f"{container}{file[len(name) :]}", file
