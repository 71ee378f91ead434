"""A deployment read from a folder or from named files.

Models   The Compose file, else Kubernetes' manifests, say which containers there are; each container's own
         configuration is looked for in what is mounted into it, in a folder of its name, in the folder
         its image is built from, and in a configuration repository (application.yml beside <service>.yml). nginx is
         read before the gateway whose routes lead to it.
Checked  tests/unit/test_deploy_compose.py, tests/properties/test_import_fuzz.py
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from experiments.deploy import postgresql_conf, redis_conf
from experiments.deploy.containers import Given, read_compose, read_variables, units_of
from experiments.deploy.deployment import Deployment, settle_roles
from experiments.deploy.fact import Fact
from experiments.deploy.jvm_options import properties_of, read_jvm
from experiments.deploy.kubernetes import is_manifest, read_manifests
from experiments.deploy.mysql import read_mysql
from experiments.deploy.postgres_standby import standby_of
from experiments.deploy.prometheus import kind_of_file, read_monitoring
from experiments.deploy.proxies import read_proxies
from experiments.deploy.setting import Ledger
from experiments.deploy.source import Folder
from experiments.deploy.spring import read_spring
from experiments.deploy.units import Unit
from experiments.errors import InputError

COMPOSE_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
YAML = (".yml", ".yaml")
SPRING_NAMES = ("application.yml", "application.yaml", "application.properties", "bootstrap.yml")
_NOT_SETTINGS = (".md", ".sh", ".sql", ".java", ".xml", ".gradle", ".py", ".js", ".ts", ".html", ".css", ".png", ".jpg",
                 ".svg", ".txt", ".lock", ".json", ".jar", ".class", ".gitignore", ".dockerignore", ".patch",
                 ".log")  # fmt: skip


def read_deployment(
    names: Sequence[str | Path], *, profiles: Sequence[str] = (), env_files: Sequence[str] = (),
    said: Sequence[str] = (),
) -> Deployment:  # fmt: skip
    """What a folder, or some files, say. `profiles`: Compose's; `said`: services that an assumption speaks of.

    Raises InputError where nothing can be read at all; everything else becomes a problem of the ledger.
    """
    folder, wanted = _folder(names)
    ledger = Ledger()
    deployment = Deployment(folder, ledger)
    variables = _variables(folder, env_files, deployment)
    files = list(wanted or folder.files())
    for file in _compose_files(deployment, files):
        overrides = _overrides(file, files)
        compose = read_compose(folder, [file, *overrides], ledger, variables)
        deployment.units += units_of(compose, profiles)
        for other in dict.fromkeys(compose.files):
            deployment.files[other] = f"named by {file}"
        deployment.files.update(dict.fromkeys(overrides, f"Compose, laid over {file}"))
        deployment.files[file] = "Compose"
        project = compose.get("name")
        deployment.project = str(project.value) if project is not None else deployment.project
    manifests = [] if deployment.units else list(_manifests(deployment, files))
    inner = read_manifests(deployment, manifests)
    read_proxies(deployment, files)
    _read_springs(deployment, [file for file in files if file not in set(manifests)])
    _read_jvms(deployment)
    settle_roles(deployment, said)
    _read_stores(deployment)
    _read_monitoring(deployment, [*files, *inner.settings])
    inner.settle(deployment.files, ledger)
    _rest(deployment, files)
    return deployment


def _folder(names: Sequence[str | Path]) -> tuple[Folder, list[str]]:
    """The folder to stay in, and the files named, relative to it; none where the whole folder is meant."""
    paths = [Path(name).expanduser() for name in names]
    for path in paths:
        if "\0" in str(path) or not path.exists():
            raise InputError(f"{str(path)!r}: must be a folder or files of a deployment, got nothing of that name.")
    if len(paths) == 1 and paths[0].is_dir():
        return Folder(paths[0]), []
    if any(path.is_dir() for path in paths):
        raise InputError("import: must be given one folder, or files, got both. Name the folder alone.")
    parents = [path.resolve().parent for path in paths]
    root = parents[0]
    while not all(root == parent or root in parent.parents for parent in parents):
        root = root.parent
    shown = paths[0].parent if len(set(parents)) == 1 else root
    return Folder(shown), [path.resolve().relative_to(root).as_posix() for path in paths]


def _variables(folder: Folder, env_files: Sequence[str], deployment: Deployment) -> dict[str, Given]:
    """Variables for ${...}: `.env` in the folder, else the files named. Never this machine's environment."""
    found: dict[str, Given] = {}
    for name in env_files:
        path = Path(name)
        try:
            text = Folder(path.parent).read(path.name)
        except InputError as error:
            raise InputError(f"--env-file: {error.lines[0]}") from None
        inner = folder.name_of(path)
        text = replace(text, file=inner) if inner is not None else text
        found.update(read_variables(text, found, is_inside=inner is not None))
    if not env_files and ".env" in folder:
        found.update(read_variables(folder.read(".env"), found))
        deployment.files[".env"] = "variables"
    return found


def _compose_files(deployment: Deployment, files: Sequence[str]) -> Iterator[str]:
    """Compose files by name at the top of the folder, else by what is in them."""
    tops = [name for name in COMPOSE_NAMES if name in files]
    if tops:
        yield tops[0]
        for other in tops[1:]:
            deployment.unread[other] = f"Compose reads {tops[0]} when both are there"
        return
    for file in files:
        if file.endswith(YAML) and _looks_like_compose(deployment, file):
            yield file
            return


def _manifests(deployment: Deployment, files: Sequence[str]) -> Iterator[str]:
    """Kubernetes' objects; rules for Prometheus are read with its own."""
    for file in files:
        if file.endswith(YAML) and is_manifest(_text(deployment, file)) and (
            kind_of_file(deployment.folder.read(file)) != "rules"
        ):  # fmt: skip
            yield file


def _overrides(file: str, files: Sequence[str]) -> list[str]:
    """What Compose lays over a file without being asked."""
    stem, end = posixpath.splitext(file)
    return [name for name in (f"{stem}.override{one}" for one in dict.fromkeys((end, *YAML))) if name in files][:1]


def _looks_like_compose(deployment: Deployment, file: str) -> bool:
    try:
        text = deployment.folder.read(file).text
    except InputError:
        return False
    has_services = re.search(r"(?m)^services:\s*(?:#.*)?$", text) is not None
    return has_services and re.search(r"(?m)^\s+(?:image|build):", text) is not None


def _text(deployment: Deployment, file: str) -> str:
    try:
        return deployment.folder.read(file).text
    except InputError:
        return ""


def _read_springs(deployment: Deployment, files: Sequence[str]) -> None:
    hosts = [unit.name for unit in deployment.units]
    names = {unit.name for unit in deployment.units}
    repository = _repositories(files, names)
    for unit in deployment.units:
        if unit.role not in ("service", "gateway", "background") or unit.kind:
            continue
        locations = _spring_locations(deployment, unit)
        mine = [one for one in repository if any(f"{one}/{unit.name}{end}".removeprefix("./") in files for end in YAML)]
        try:
            reading = read_spring(
                deployment.folder, deployment.ledger, name=unit.name, locations=locations, environment=unit.environment,
                arguments=[*properties_of(unit.environment), *(word.text for word in unit.command)], mounts=unit.mounts,
                config_repository=mine, hosts=hosts, known_as=deployment.known_as,
                service_of=deployment.service_of,
            )  # fmt: skip
        except InputError as error:
            deployment.ledger.problem(unit.place, f"{unit.name}: {error.lines[0]}")
            continue
        if reading is None:
            continue
        deployment.springs[unit.name] = reading
        for name in reading.files:
            deployment.files[name] = "Spring"
        if reading.is_gateway:
            unit.role, unit.why = "gateway", "its routes"
        elif unit.role == "gateway":
            unit.role, unit.why = "service", "a Spring application without routes"
        if unit.role == "background":
            continue  # a configuration server and its like: read, and nothing of it is traffic
        deployment.facts += reading.facts


def _read_jvms(deployment: Deployment) -> None:
    for unit in deployment.units:
        if not unit.kind and unit.role in ("service", "gateway"):
            unit.facts += read_jvm(unit.name, deployment.ledger, unit.environment, unit.command, unit.place)


def _repositories(files: Sequence[str], names: set[str]) -> list[str]:
    """Folders with a file for each of several services, as a configuration server has them."""
    found: dict[str, int] = {}
    for file in files:
        stem, end = posixpath.splitext(posixpath.basename(file))
        if end in YAML and stem in names:
            folder = posixpath.dirname(file) or "."
            found[folder] = found.get(folder, 0) + 1
    return sorted(found)


def _spring_locations(deployment: Deployment, unit: Unit) -> list[str]:
    """The folder of the deployment that this unit's application.yml is packed into the jar from.

    Where one is mounted, only a folder of sources is: any other is the one that is mounted, or another copy of it.
    """
    packed = (f"{unit.builds_from}/src/main/resources", f"{unit.name}/src/main/resources")
    beside = (unit.builds_from, f"{unit.name}/config", unit.name)
    is_mounted = any(
        posixpath.basename(container).startswith(("application", "bootstrap")) for container in unit.mounts
    )
    for folder in packed if is_mounted else (packed[0], beside[0], packed[1], *beside[1:]):
        is_inside = folder and not folder.startswith("/")
        if is_inside and any(f"{folder}/{name}" in deployment.folder for name in SPRING_NAMES):
            return [folder]
    return []


def _read_stores(deployment: Deployment) -> None:
    standbys: dict[str, list[str]] = {}
    for unit in deployment.of_role("database"):
        found = standby_of(unit, deployment) if unit.kind == "postgres" else None
        if found is not None:
            primary, place = found
            standbys.setdefault(primary, []).append(unit.name)
            note = "A base backup of it, as a standby."
            deployment.facts.append(Fact(("databases", unit.name, "standby_of"), primary, "file", place, note, None))
    for unit in deployment.units:
        try:
            if unit.kind == "redis":
                _read_redis(deployment, unit)
            elif unit.kind == "postgres":
                _read_postgres(deployment, unit, standbys.get(unit.name, ()))
            elif unit.kind == "mysql":
                deployment.facts += read_mysql(unit.name, deployment.ledger, unit.command, unit.place)
        except InputError as error:
            deployment.ledger.problem(unit.place, f"{unit.name}: {error.lines[0]}")
        if unit.kind == "redis":
            _redis_defaults(deployment, unit)
        elif unit.kind == "postgres":
            _postgres_defaults(deployment, unit)


def _read_redis(deployment: Deployment, unit: Unit) -> None:
    words = redis_conf.options_of(unit.command)
    file = _mounted(deployment, unit, redis_conf.config_file_of(words), "redis.conf")
    folder, ledger = deployment.folder, deployment.ledger
    deployment.facts += redis_conf.read_redis(unit.name, ledger, folder=folder, file=file, command=words)
    if file is not None:
        deployment.files[file] = "redis.conf"


def _read_postgres(deployment: Deployment, unit: Unit, standbys: Sequence[str]) -> None:
    words = list(postgresql_conf.words_of(unit.command))
    file = _mounted(deployment, unit, postgresql_conf.config_file_of(words), "postgresql.conf")
    folder, ledger = deployment.folder, deployment.ledger
    deployment.facts += postgresql_conf.read_postgres(
        unit.name, ledger, folder=folder, file=file, command=words, standbys=standbys
    )
    if file is not None:
        deployment.files[file] = "postgresql.conf"


def _redis_defaults(deployment: Deployment, unit: Unit) -> None:
    for name, value in (("maxmemory", "0B"), ("maxmemory_policy", "noeviction")):
        deployment.facts.append(Fact(("caches", unit.name, name), value, "default", None, redis_conf.FROM, None))


def _postgres_defaults(deployment: Deployment, unit: Unit) -> None:
    for name, value in (("max_connections", 100), ("reserved_connections", 3)):
        note = f"{postgresql_conf.FROM}: {'max_connections' if value == 100 else 'superuser_reserved_connections'}"
        deployment.facts.append(Fact(("databases", unit.name, name), value, "default", None, note, None))


def _mounted(deployment: Deployment, unit: Unit, named: str | None, usual: str) -> str | None:
    """The file of the deployment that a container sees under a name."""
    for container, name in unit.mounts.items():
        if name in deployment.folder and (container == named or posixpath.basename(container) == usual):
            return name
        if named and named.startswith(f"{container.rstrip('/')}/"):
            inside = posixpath.normpath(f"{name}/{named[len(container.rstrip('/')) + 1 :]}")
            if inside in deployment.folder:
                return inside
    if named is not None:
        what = f"{unit.name}: its configuration {named} is not in the folder: it is missing here."
        deployment.ledger.problem(unit.place, what)
    return None


def _read_monitoring(deployment: Deployment, files: Sequence[str]) -> None:
    found = []
    for file in files:
        if file.endswith(YAML) and file not in deployment.files:
            try:
                kind = kind_of_file(deployment.folder.read(file))
            except InputError:
                continue
            if kind:
                found.append((file, kind))
                titles = {"rules": "Prometheus rules", "prometheus": "Prometheus"}
                deployment.files[file] = titles.get(kind, "Alertmanager")
    deployment.facts += read_monitoring(deployment.folder, found, deployment.ledger)


def _rest(deployment: Deployment, files: Sequence[str]) -> None:
    """Files that nobody has read, by name."""
    for file in files:
        if file in deployment.files or file in deployment.unread:
            continue
        if file.lower().endswith(_NOT_SETTINGS):
            deployment.unread[file] = "no file of settings"
            continue
        try:
            text = deployment.folder.read(file).text
            kind = re.search(r"(?m)^kind:\s*(\w+)", text) if file.endswith(YAML) else None
            deployment.unread[file] = (
                f"a Kubernetes {kind[1]}: not read here" if kind else "nothing here is known to read it"
            )  # fmt: skip
        except InputError as error:
            deployment.unread[file] = error.lines[0]
