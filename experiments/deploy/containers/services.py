"""The containers of a Compose file as units of a deployment.

Source   Compose specification, as far as traffic goes
Omits    What the settings that are left over say: they are listed.
Checked  tests/unit/test_deploy_compose.py
"""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterator, Sequence

from experiments.deploy.containers.facts import facts_of
from experiments.deploy.containers.model import ComposeFile, beside, place_of
from experiments.deploy.containers.tree import Tree, flat
from experiments.deploy.containers.variables import Given, read_variables
from experiments.deploy.place import Place
from experiments.deploy.redis_conf import Word, word_of
from experiments.deploy.setting import Setting
from experiments.deploy.units import Unit, guess_role
from experiments.errors import InputError

_NAMES = "names, and where images come from"
_REACH = "who may reach it, and with which rights it runs"
_LOGS = "where logs go"
_HARMLESS = {
    **dict.fromkeys(("image", "container_name", "hostname", "labels", "build", "pull_policy", "platform"), _NAMES),
    **dict.fromkeys(
        ("networks", "expose", "ports", "user", "cap_add", "cap_drop", "security_opt", "privileged"), _REACH
    ),
    **dict.fromkeys(("extra_hosts", "dns", "links", "pid", "read_only", "tmpfs", "working_dir", "init", "tty"), _REACH),
    **dict.fromkeys(("logging", "stdin_open", "stop_signal"), _LOGS),
    "volumes": "files it sees: those of the deployment are read",
    "depends_on": "the order of starts; also whom it may call",
    "profiles": "whether it is started at all",
    "env_file": "its variables, which are read",
}
_TOP_HARMLESS = {
    "name": "the project's name", "version": "not looked at by Compose 2", "networks": _REACH,
    "volumes": "where data lies",
    "secrets": _REACH, "configs": "files that containers see",
}  # fmt: skip


def units_of(compose: ComposeFile, profiles: Sequence[str] = ()) -> list[Unit]:
    """The containers of a Compose file that the profiles start."""
    for key, setting in flat(compose.tree):
        if key and (key[0] in _TOP_HARMLESS or str(key[0]).startswith("x-")):
            compose.ledger.harmless(setting, _TOP_HARMLESS.get(str(key[0]), "a part that others use"))
        if len(key) > 2 and key[0] == "services" and key[2] in _HARMLESS:
            compose.ledger.harmless(setting, _HARMLESS[str(key[2])])
    units = []
    for name in compose.names("services"):
        wanted = [str(one.value) for _, one in compose.below("services", name, "profiles")]
        if wanted and not set(wanted) & set(profiles) and "*" not in profiles:
            first = next(one for _, one in compose.below("services", name, "profiles"))
            what = f"{name}: started only with the profile {' or '.join(wanted)} (--profile)."
            compose.ledger.problem(first.place, what)
            continue
        unit = _unit(compose, name)
        if unit.replicas == 0:
            compose.ledger.problem(unit.place, f"{name}: 0 replicas: it is not started.")
            _leave_out(compose, name)
            continue
        units.append(unit)
    return units


def _leave_out(compose: ComposeFile, name: str) -> None:
    """What is said of a container that nothing starts is not modelled."""
    for _, setting in compose.below("services", name):
        compose.ledger.forget(setting)


def _unit(compose: ComposeFile, name: str) -> Unit:
    at = ("services", name)
    place = place_of(compose.at(*at), compose.text.file)
    image = compose.get(*at, "image")
    container = compose.get(*at, "container_name")
    unit = Unit(name, str(image.value) if image else name, place)
    unit.image_setting = image
    unit.aliases = [str(container.value)] if container is not None else []
    unit.environment = _environment(compose, at)
    unit.command = [*_words(compose, (*at, "entrypoint")), *_words(compose, (*at, "command"))]
    unit.mounts = _mounts(compose, at)
    unit.depends_on = _depends(compose, at)
    unit.is_published = bool(compose.names(*at, "ports"))
    unit.builds_from = _build(compose, at)
    unit.facts = list(facts_of(compose, at))
    unit.replicas = next((f.value for f in unit.facts if f.path == ("replicas",) and isinstance(f.value, int)), 1)
    guess_role(unit)
    return unit


def _environment(compose: ComposeFile, at: tuple[str, ...]) -> dict[str, Setting | str]:
    """Its variables: those of its files, then its own. One without a value is handed through from .env."""
    found: dict[str, Setting | str] = dict(_from_files(compose, at))
    for rest, setting in compose.below(*at, "environment"):
        name = str(rest[0])
        compose.ledger.harmless(setting, "a variable that the container's own configuration looks at")
        if setting.value is not None:
            found[name] = setting
        elif name in compose.variables:
            found[name] = _given((*at, "environment", name), compose.variables[name], setting.place)
        else:
            found.pop(name, None)
    return found


def _given(key: tuple[str, ...], given: Given, place: Place) -> Setting:
    """A variable's value as a setting; where no file of the deployment gives it, it cannot be changed in place."""
    return Setting(key, given.value, given.value if given.place is not None else "", given.place or place)


def _from_files(compose: ComposeFile, at: tuple[str, ...]) -> Iterator[tuple[str, Setting]]:
    files = compose.at(*at, "env_file")
    for one in files if isinstance(files, list) else []:
        path = one.get("path") if isinstance(one, dict) else one
        required = one.get("required") if isinstance(one, dict) else None
        if not isinstance(path, Setting):
            continue
        name = beside(_home(compose, path), path)
        if name not in compose.folder and isinstance(required, Setting) and required.value in ("false", "False"):
            continue
        try:
            found = read_variables(compose.folder.read(name), compose.variables)
        except InputError as error:
            compose.ledger.problem(path.place, f"env_file: {error.lines[0]}")
            continue
        compose.files.append(name)
        for variable, given in found.items():
            yield variable, _given((*at, "environment", variable), given, path.place)


def _home(compose: ComposeFile, setting: Setting) -> str:
    """The folder that a relative path is relative to: of an extended or included file its own."""
    file = setting.place.file
    return posixpath.dirname(file if file in compose.files else compose.text.file)


def _words(compose: ComposeFile, key: tuple[str, ...]) -> list[Word]:
    single = compose.get(*key)
    if single is not None:
        compose.ledger.harmless(single, "how it is started: what is said of traffic is read")
        return list(_split(single))
    found = []
    for _, one in compose.below(*key):
        compose.ledger.harmless(one, "how it is started: what is said of traffic is read")
        found.append(word_of(one))
    return found


def _split(setting: Setting) -> Iterator[Word]:
    """The words of a command line, each with its place where its text stands there as it is."""
    text = str(setting.value)
    try:
        words = shlex.split(text)
    except ValueError:
        words = text.split()
    position = 0
    for word in words:
        index = text.find(word, position)
        if index < 0:
            yield Word(word, setting.place)
            continue
        position = index + len(word)
        place = setting.place_of(index, position)
        yield Word(word, place or setting.place, () if place else setting.between(index, position))


def _mounts(compose: ComposeFile, at: tuple[str, ...]) -> dict[str, str]:
    """Files and folders of the deployment by where they stand in the container."""
    found: dict[str, str] = {}
    volumes = compose.at(*at, "volumes")
    for one in volumes if isinstance(volumes, list) else []:
        source, target = _mount(one)
        if source is None or not (str(source[0]).startswith(".") or "/" in source[0]) or source[0].startswith("/"):
            continue
        inside = posixpath.normpath(posixpath.join(_home(compose, source[1]), source[0]))
        if not inside.startswith(".."):
            found[target] = inside
    return found


def _mount(volume: Tree) -> tuple[tuple[str, Setting] | None, str]:
    """What is mounted, with the setting that says it, and where; nothing for volumes that are no files of ours."""
    if isinstance(volume, Setting):
        parts = str(volume.value).split(":")
        return ((parts[0], volume), parts[1]) if len(parts) > 1 else (None, "")
    long = {str(rest[0]): one for rest, one in flat(volume)}
    source, target, kind = long.get("source"), long.get("target"), long.get("type")
    if source is None or target is None or kind is None or kind.value != "bind":
        return None, ""
    return (str(source.value), source), str(target.value)


def _depends(compose: ComposeFile, at: tuple[str, ...]) -> list[str]:
    found = compose.names(*at, "depends_on")
    found += [str(one.value).partition(":")[0] for _, one in compose.below(*at, "links")]
    return list(dict.fromkeys(found))


def _build(compose: ComposeFile, at: tuple[str, ...]) -> str:
    context = compose.get(*at, "build", "context")
    if context is None:
        return ""
    inside = beside(_home(compose, context), context)
    return "" if inside.startswith(("..", "/")) or ":" in inside else inside
