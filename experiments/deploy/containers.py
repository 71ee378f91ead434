"""The containers of a Compose file as units of a deployment.

Source   Compose specification, as far as traffic goes
Omits    What the settings that are left over say: they are listed.
Checked  tests/unit/test_deploy_compose.py
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from experiments.deploy.fact import Fact
from experiments.deploy.place import Place
from experiments.deploy.redis_conf import Word
from experiments.deploy.setting import Ledger, Setting
from experiments.deploy.source import Text
from experiments.deploy.units import Unit, guess_role
from experiments.deploy.yaml_marks import documents_of
from sim.quantities import format_duration, format_size, parse_duration, parse_size

Write = Callable[[object, str], str]
_VARIABLE = re.compile(r"\$(?:\$|\{([A-Za-z_]\w*)(?:(:?[-?+])([^}]*))?\}|([A-Za-z_]\w*))")


class ComposeFile:
    """One Compose file, its values registered."""

    def __init__(self, text: Text, ledger: Ledger, variables: Mapping[str, str]) -> None:
        self.text, self.ledger, self.variables = text, ledger, variables
        self._index: dict[tuple[str | int, ...], dict[tuple[str | int, ...], Setting]] | None = None
        self._offsets: dict[tuple[str | int, ...], int] = {}
        documents = documents_of(text)
        self.top = documents[0] if documents else None
        self.settings: dict[tuple[str | int, ...], Setting] = {}
        self._missing: dict[str, list[Place]] = {}
        self._walk((), self.top)
        for name, places in self._missing.items():
            more = f" ({len(places)} places)" if len(places) > 1 else ""
            what = f"nothing gives ${{{name}}} a value{more}. Put it into .env, or name a file with --env-file."
            ledger.problem(places[0], what)

    def override(self, other: ComposeFile) -> None:
        """Lay another file over this one: mappings are merged, lists go on, a command is replaced."""
        for word in ("command", "entrypoint"):
            for name in other.names("services"):
                if other.get("services", name, word) is not None or other.names("services", name, word):
                    self._hide("services", name, word)
        for key, setting in other.settings.items():
            place = next((n for n, part in enumerate(key) if isinstance(part, int)), None)
            if place is not None:
                known = self.names(*key[:place])
                base = [int(one) for one in known if one.isdecimal()] if known else []
                offset = self._offsets.setdefault(key[:place], max(base, default=-1) + 1)
                key = (*key[:place], int(key[place]) + offset, *key[place + 1 :])
            before = self.settings.get(key)
            if before is not None:
                self.ledger.harmless(before, f"replaced in {other.text.file}")
            self.settings[key] = setting
        self._index = None

    def _hide(self, *key: str) -> None:
        for full in [full for full in self.settings if full[: len(key)] == key]:
            self.ledger.harmless(self.settings.pop(full), "replaced by a file that is laid over it")
        self._index = None

    def extend(self) -> None:
        """Give services what they say they have from another one of the file."""
        for name in self.names("services"):
            base = self.get("services", name, "extends", "service") or self.get("services", name, "extends")
            file = self.get("services", name, "extends", "file")
            if base is None:
                continue
            other = str(base.value)
            if file is not None or not self.names("services", other) or self.names("services", other, "extends"):
                what = f"{name}: extends {other}, which is not read: only services of this file that extend none are."
                self.ledger.problem(base.place, what)
                continue
            self.ledger.models(base)
            own = set(self.names("services", name))
            for rest, setting in list(self.below("services", other)):
                if _merges(str(rest[0])) or str(rest[0]) not in own:
                    self.settings.setdefault(("services", name, *rest), setting)
            self._index = None

    def _walk(self, key: tuple[str | int, ...], node: Node | None) -> None:
        pending: list[tuple[tuple[str | int, ...], Node | None]] = [(key, node)]
        while pending:
            key, node = pending.pop()
            if isinstance(node, MappingNode):
                pending += [((*key, name), v) for name, v in reversed(_entries(node))]
            elif isinstance(node, SequenceNode):
                pending += [((*key, number), one) for number, one in reversed(list(enumerate(node.value)))]
            elif isinstance(node, ScalarNode):
                begin, end = node.start_mark.index, node.end_mark.index
                if node.style in ("'", '"'):
                    begin, end = begin + 1, end - 1
                place = Place(self.text.file, node.start_mark.line + 1, begin, end)
                setting = Setting(key, self._interpolated(node.value, place), self.text.text[begin:end], place)
                self.ledger.read(setting)
                self.settings[key] = setting

    def _interpolated(self, text: str, place: Place) -> str:
        def value(match: re.Match[str]) -> str:
            name = match[1] or match[4]
            if name is None:
                return "$"
            found = self.variables.get(name)
            sign = match[2] or ""
            if found is None or (sign.startswith(":") and not found):
                if sign.endswith("-"):
                    return match[3]
                if sign.endswith("+"):
                    return ""
                self._missing.setdefault(name, []).append(place)
                return ""
            return match[3] if sign.endswith("+") else found

        return _VARIABLE.sub(value, text) if "$" in text else text

    def get(self, *key: str | int) -> Setting | None:
        return self.settings.get(key)

    def below(self, *key: str | int) -> Iterator[tuple[tuple[str | int, ...], Setting]]:
        size = len(key)
        near = self._near(key)
        return ((full[size:], one) for full, one in near.items() if full[:size] == key and len(full) > size)

    def _near(self, key: tuple[str | int, ...]) -> dict[tuple[str | int, ...], Setting]:
        """The settings that begin with the first two parts of a key: a file may have thousands of services."""
        if len(key) < 2:
            return self.settings
        if self._index is None:
            self._index = {}
            for full, one in self.settings.items():
                self._index.setdefault(full[:2], {})[full] = one
        return self._index.get(key[:2], {})

    def names(self, *key: str | int) -> list[str]:
        return list(dict.fromkeys(str(rest[0]) for rest, _ in self.below(*key)))

    def models(self, setting: Setting) -> None:
        self.ledger.models(setting)


def _merges(key: str) -> bool:
    """Whether what an extended service says of it and what the service itself says go together."""
    return key in ("deploy", "environment", "healthcheck", "labels")


def _entries(node: MappingNode) -> list[tuple[str, Node]]:
    """A mapping's entries; what << brings in stands behind them, and is hidden by them."""
    found: dict[str, Node] = {}
    merged: list[tuple[Node, Node]] = []
    for key, value in node.value:
        if key.tag == "tag:yaml.org,2002:merge":
            sources = value.value if isinstance(value, SequenceNode) else [value]
            merged += [pair for one in sources if isinstance(one, MappingNode) for pair in one.value]
        elif isinstance(key, ScalarNode):
            found[str(key.value)] = value
    for key, value in merged:
        if isinstance(key, ScalarNode):
            found.setdefault(str(key.value), value)
    return list(found.items())


# --- units -----------------------------------------------------------------------------------------------------------

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
_SIZES = {"": 1, "b": 1, "k": 1 << 10, "kb": 1 << 10, "m": 1 << 20, "mb": 1 << 20, "g": 1 << 30, "gb": 1 << 30}
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{0,6})?)\s*([A-Za-z]{0,2})")
_PARTS = re.compile(r"([0-9]+(?:\.[0-9]+)?)(us|ms|s|m|h)")
_SECONDS = {"us": Fraction(1, 10**6), "ms": Fraction(1, 1000), "s": Fraction(1), "m": Fraction(60), "h": Fraction(3600)}
RESTARTS = ("no", "always", "unless-stopped", "on-failure")


def units_of(compose: ComposeFile, profiles: Sequence[str] = ()) -> list[Unit]:
    """The containers of a Compose file that the profiles start."""
    for key, setting in compose.settings.items():
        if key and (key[0] in _TOP_HARMLESS or str(key[0]).startswith("x-")):
            compose.ledger.harmless(setting, _TOP_HARMLESS.get(str(key[0]), "a part that others use"))
        if len(key) > 2 and key[0] == "services" and key[2] in _HARMLESS:
            compose.ledger.harmless(setting, _HARMLESS[str(key[2])])
    units = []
    for name in compose.names("services"):
        wanted = [str(one.value) for _, one in compose.below("services", name, "profiles")]
        if wanted and not set(wanted) & set(profiles) and "*" not in profiles:
            first = next(one for _, one in compose.below("services", name))
            what = f"{name}: started only with the profile {' or '.join(wanted)} (--profile)."
            compose.ledger.problem(first.place, what)
            continue
        units.append(_unit(compose, name))
    return units


def _unit(compose: ComposeFile, name: str) -> Unit:
    at = ("services", name)
    first = next((one for _, one in compose.below(*at)), None)
    place = first.place if first is not None else Place(compose.text.file, 1, 0, 0)
    image = compose.get(*at, "image")
    container = compose.get(*at, "container_name")
    home = posixpath.dirname(compose.text.file)
    unit = Unit(name, str(image.value) if image else name, place)
    unit.aliases = [str(container.value)] if container is not None else []
    unit.environment = _environment(compose, at)
    unit.command = [*_words(compose, (*at, "entrypoint")), *_words(compose, (*at, "command"))]
    unit.mounts = _mounts(compose, at, home)
    unit.depends_on = _depends(compose, at)
    unit.is_published = bool(compose.names(*at, "ports"))
    unit.builds_from = _build(compose, at, home)
    unit.facts = list(_facts(compose, at))
    unit.replicas = next((f.value for f in unit.facts if f.path == ("replicas",) and isinstance(f.value, int)), 1)
    guess_role(unit)
    return unit


def _environment(compose: ComposeFile, at: tuple[str, ...]) -> dict[str, Setting | str]:
    found: dict[str, Setting | str] = {}
    for rest, setting in compose.below(*at, "environment"):
        if isinstance(rest[0], int):
            name, sign, value = str(setting.value).partition("=")
            if sign:
                inner = setting.place
                exact = setting.text == setting.value
                start = inner.start + len(name) + 1 if exact else inner.start
                place = Place(inner.file, inner.line, start, inner.end)
                text = setting.text[len(name) + 1 :] if exact else setting.text
                found[name] = Setting((*at, "environment", name), value, text, place)
        else:
            found[str(rest[0])] = setting
        compose.ledger.harmless(setting, "a variable that the container's own configuration looks at")
    return found


def _words(compose: ComposeFile, key: tuple[str, ...]) -> list[Word]:
    single = compose.get(*key)
    if single is not None:
        compose.ledger.harmless(single, "how it is started: what is said of traffic is read")
        return list(_split(single))
    found = []
    for _, one in compose.below(*key):
        compose.ledger.harmless(one, "how it is started: what is said of traffic is read")
        found.append(Word(str(one.value), one.place))
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
        index = setting.text.find(word, position)
        if index < 0:
            yield Word(word, setting.place)
            continue
        position = index + len(word)
        start = setting.place.start + index
        line = setting.place.line + setting.text.count("\n", 0, index)
        yield Word(word, Place(setting.place.file, line, start, start + len(word)))


def _mounts(compose: ComposeFile, at: tuple[str, ...], home: str) -> dict[str, str]:
    """Files and folders of the deployment by where they stand in the container."""
    found: dict[str, str] = {}
    for number in compose.names(*at, "volumes"):
        key: tuple[str | int, ...] = (*at, "volumes", int(number) if number.isdecimal() else number)
        short = compose.get(*key)
        if short is not None:
            parts = str(short.value).split(":")
            source, target = (parts[0], parts[1]) if len(parts) > 1 else ("", "")
        else:
            long = {str(rest[0]): str(one.value) for rest, one in compose.below(*key)}
            source, target = (
                (long.get("source", ""), long.get("target", "")) if long.get("type") == "bind" else ("", "")
            )
        if source.startswith((".", "/")) or "/" in source:
            inside = posixpath.normpath(posixpath.join(home, source)) if not source.startswith("/") else ""
            if inside and not inside.startswith(".."):
                found[target] = inside
    return found


def _depends(compose: ComposeFile, at: tuple[str, ...]) -> list[str]:
    found = []
    for rest, one in compose.below(*at, "depends_on"):
        found.append(str(one.value) if isinstance(rest[0], int) else str(rest[0]))
    found += [str(one.value).partition(":")[0] for _, one in compose.below(*at, "links")]
    return list(dict.fromkeys(found))


def _build(compose: ComposeFile, at: tuple[str, ...], home: str) -> str:
    context = compose.get(*at, "build") or compose.get(*at, "build", "context")
    if context is None:
        return ""
    inside = posixpath.normpath(posixpath.join(home, str(context.value)))
    return "" if inside.startswith(("..", "/")) or ":" in inside else inside


def _facts(compose: ComposeFile, at: tuple[str, ...]) -> Iterator[Fact]:
    """What Compose says of a container's limits, replicas, restarts and health."""
    rules: tuple[tuple[tuple[str, ...], tuple[str, ...], Callable[[str], object], Write], ...] = (
        (("deploy", "replicas"), ("replicas",), _whole, _write_whole),
        (("scale",), ("replicas",), _whole, _write_whole),
        (("deploy", "resources", "limits", "cpus"), ("limits", "cpus"), _number, _write_number),
        (("cpus",), ("limits", "cpus"), _number, _write_number),
        (("deploy", "resources", "limits", "memory"), ("limits", "memory"), _size, _write_size),
        (("mem_limit",), ("limits", "memory"), _size, _write_size),
        (("cpu_shares",), ("cpu_shares",), _whole, _write_whole),
        (("restart",), ("restart",), _restart, _write_restart),
        (("stop_grace_period",), ("shutdown", "stop_grace_period"), _time, _write_time),
    )
    seen: set[tuple[str, ...]] = set()
    for key, path, parse, write in rules:
        setting = compose.get(*at, *key)
        if setting is None or path in seen:
            continue
        try:
            value = parse(str(setting.value))
        except ValueError as error:
            what = f"{'.'.join(map(str, setting.key))}: {error}, got '{str(setting.value)[:40]}'."
            compose.ledger.problem(setting.place, what)
            continue
        seen.add(path)
        compose.models(setting)
        is_exact = setting.text == setting.value
        note = "" if is_exact else "Variables are put in here: change it where they are set."
        back = _writer(write, str(setting.value)) if is_exact else None
        yield Fact(path, value, "file", setting.place, note, back)
    if ("restart",) not in seen:
        yield Fact(("restart",), "no", "default", None, "Docker: no", None)
    yield from _health(compose, at)


def _writer(write: Write, before: str) -> Callable[[object], str]:
    return lambda value: write(value, before)


def _health(compose: ComposeFile, at: tuple[str, ...]) -> Iterator[Fact]:
    test = [one for _, one in compose.below(*at, "healthcheck", "test")]
    single = compose.get(*at, "healthcheck", "test")
    test = [single] if single is not None else test
    if not test or str(test[0].value).upper() == "NONE":
        return
    for one in test:
        compose.models(one)
    yield Fact(("health", "kind"), "docker", "file", test[0].place, "Docker asks, and tells nobody.", None)
    times = [(key, _time, _write_time) for key in ("interval", "timeout", "start_period")]
    rules: list[tuple[str, Callable[[str], object], Write]] = [*times, ("retries", _whole, _write_whole)]
    for key, parse, write in rules:
        setting = compose.get(*at, "healthcheck", key)
        if setting is None:
            continue
        try:
            value = parse(str(setting.value))
        except ValueError as error:
            what = f"healthcheck.{key}: {error}, got '{str(setting.value)[:40]}'."
            compose.ledger.problem(setting.place, what)
            continue
        compose.models(setting)
        exact = setting.text == setting.value
        back = _writer(write, str(setting.value)) if exact else None
        yield Fact(("health", key), value, "file", setting.place, "", back)


def _whole(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text.strip()):
        raise ValueError("must be a whole number")
    return int(text)


def _write_whole(value: object, _before: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number")
    return str(value)


def _number(text: str) -> float | int:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{0,9})?|\.[0-9]{1,9}", text.strip()):
        raise ValueError("must be a number")
    value = float(text)
    return int(value) if value == int(value) else value


def _write_number(value: object, _before: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    return f"{value:.9f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _size(text: str) -> str:
    match = _SIZE.fullmatch(text.strip())
    if match is None or match[2].lower() not in _SIZES:
        raise ValueError("must be a size such as 512M")
    return format_size(int(Fraction(match[1]) * _SIZES[match[2].lower()]))


def _write_size(value: object, before: str) -> str:
    count = parse_size(value)
    match = _SIZE.fullmatch(before.strip())
    units = [match[2]] if match else []
    for unit in (*units, "G", "M", "K", "B"):
        if count % _SIZES[unit.lower()] == 0 and (unit or not units):
            return f"{count // _SIZES[unit.lower()]}{unit}"
    return str(count)


def _restart(text: str) -> str:
    name, _, most = text.strip().partition(":")
    if name not in RESTARTS or (most and not most.isdecimal()):
        raise ValueError(f"must be one of {', '.join(RESTARTS)}")
    return text.strip()


def _write_restart(value: object, before: str) -> str:
    text = _restart(str(value))
    if text == "no" and before != "no":
        raise ValueError('a bare no is false in YAML. Write restart: "no"')
    return text


def _time(text: str) -> str:
    parts = _PARTS.findall(text.strip())
    if not parts or "".join(count + unit for count, unit in parts) != text.strip():
        raise ValueError("must be a duration such as 1m30s")
    total = Fraction(0)
    for count, unit in parts:
        total += Fraction(count) * _SECONDS[unit]
    return format_duration(float(total))


def _write_time(value: object, before: str) -> str:
    exact = Fraction(repr(parse_duration(value)))
    units = [unit for _, unit in _PARTS.findall(before)]
    for unit in (*(units[-1:] if len(units) == 1 else ()), "s", "ms", "us"):
        count = exact / _SECONDS[unit]
        if count.denominator == 1:
            return f"{count.numerator}{unit}"
    raise ValueError("must be whole microseconds")
