"""Compose files as one model: variables filled in, files laid over, others included, services extended.

Models   A service may extend one of its own file or of another one, which may extend again; files are included with
         their own variables. Only what is inside the folder is read.
Source   Compose specification; compared with Docker Compose 2.40.3
Checked  tests/unit/test_deploy_compose.py, tests/real/test_compose_config.py
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence

from experiments.deploy.containers.scalars import Scalars
from experiments.deploy.containers.tree import Key, Tree, cleaned, flat, merged, tree_of, uniform
from experiments.deploy.containers.variables import Given, Variables, read_variables, say_missing
from experiments.deploy.place import Place
from experiments.deploy.setting import Ledger, Setting
from experiments.deploy.source import Folder, Text
from experiments.deploy.yaml_marks import documents_of
from experiments.errors import InputError

MOST_FILES, DEEPEST = 200, 40


class ComposeFile:
    """What one or several Compose files say together."""

    def __init__(self, folder: Folder, text: Text, ledger: Ledger) -> None:
        self.folder, self.text, self.ledger = folder, text, ledger
        self.variables: Variables = {}
        self.tree: dict[str, Tree] = {}
        self.files: list[str] = []
        """Every file that was read for it, the first one first."""

    def get(self, *key: str | int) -> Setting | None:
        found = self.at(*key)
        return found if isinstance(found, Setting) and found.value is not None else None

    def at(self, *key: str | int) -> Tree:
        found: Tree = self.tree
        for part in key:
            if isinstance(found, dict):
                found = found.get(str(part))
            elif isinstance(found, list) and isinstance(part, int) and part < len(found):
                found = found[part]
            else:
                return None
        return found

    def below(self, *key: str | int) -> Iterator[tuple[Key, Setting]]:
        return ((rest, one) for rest, one in flat(self.at(*key)) if rest)

    def names(self, *key: str | int) -> list[str]:
        found = self.at(*key)
        if isinstance(found, dict):
            return list(found)
        return [str(number) for number in range(len(found))] if isinstance(found, list) else []

    def models(self, setting: Setting) -> None:
        self.ledger.models(setting)


def read_compose(
    folder: Folder, names: Sequence[str], ledger: Ledger, variables: Mapping[str, Given | str]
) -> ComposeFile:
    """The first file with the others laid over it. Raises InputError where one of these cannot be read."""
    given = {name: one if isinstance(one, Given) else Given(one) for name, one in variables.items()}
    compose = ComposeFile(folder, folder.read(names[0]), ledger)
    reading = _Reading(folder, ledger)
    compose.variables = given
    compose.tree = reading.laid_over(names, given, ())
    compose.files = list(dict.fromkeys(reading.files))
    kept = {(one.place, one.key) for _, one in flat(compose.tree)}
    for setting in reading.settings:
        if (setting.place, setting.key) not in kept:
            ledger.harmless(setting, "nothing that runs has it: it is replaced, or of a service that is only extended")
    return compose


class _Reading:
    """One reading of files that name one another."""

    def __init__(self, folder: Folder, ledger: Ledger) -> None:
        self.folder, self.ledger = folder, ledger
        self.files: list[str] = []
        self.settings: list[Setting] = []

    def laid_over(self, names: Sequence[str], variables: Variables, stack: tuple[str, ...]) -> dict[str, Tree]:
        found: dict[str, Tree] = {}
        for name in names:
            tree = self._file(name, variables)
            own = tree.get("services")
            services = own if isinstance(own, dict) else {}
            extended = _Extending(self, name, services, found.get("services"), variables)
            tree["services"] = {one: extended.service(one, ()) for one in services}
            including = tree.pop("include", None)
            found = _with_file(found, tree)
            for one in including if isinstance(including, list) else []:
                self._include(found, one, name, variables, (*stack, name))
        return found

    def _file(self, name: str, variables: Variables) -> dict[str, Tree]:
        """A file as a tree, variables filled in, its settings registered. Raises InputError."""
        if len(self.files) >= MOST_FILES:
            raise InputError(f"{name}: at most {MOST_FILES} Compose files are read together, got more.")
        text = self.folder.read(name)
        self.files.append(name)
        documents = documents_of(text)
        scalars = Scalars(text, self.ledger, variables)
        tree = tree_of(documents[0] if documents else None, scalars.setting)
        say_missing(scalars.missing, self.ledger)
        if not isinstance(tree, dict):
            return {}
        services = tree.get("services")
        if isinstance(services, dict):
            tree["services"] = {one: uniform(value) for one, value in services.items()}
        if isinstance(tree.get("include"), Setting):
            tree["include"] = [tree["include"]]
        for _, setting in flat(cleaned(tree)):
            if setting.value is not None:
                self.ledger.read(setting)
                self.settings.append(setting)
        return tree

    def _include(
        self, found: dict[str, Tree], one: Tree, file: str, variables: Variables, stack: tuple[str, ...]
    ) -> None:
        """Add what another file says; it must not say anew what is said already."""
        if isinstance(one, dict):
            path, at, lines = one.get("path"), one.get("project_directory"), one.get("env_file")
        else:
            path, at, lines = one, None, None
        paths = [s for s in (path if isinstance(path, list) else [path]) if isinstance(s, Setting)]
        for setting in (s for _, s in flat(one)):
            self.ledger.models(setting)
        if not paths:
            return
        home = posixpath.dirname(file)
        names = [beside(home, s) for s in paths]
        if set(names) & set(stack) or len(stack) > DEEPEST:
            self.ledger.problem(paths[0].place, f"include: {paths[0].value} includes itself. Take one of the two away.")
            return
        try:
            inside = posixpath.dirname(names[0]) if not isinstance(at, Setting) else beside(home, at)
            given = {**self._variables(inside, home, lines), **variables}
            tree = self.laid_over(names, given, stack)
        except InputError as error:
            self.ledger.problem(paths[0].place, f"include: {error.lines[0]}")
            return
        for section, value in tree.items():
            known = found.get(section)
            if isinstance(known, dict) and isinstance(value, dict):
                for name in [name for name in value if name in known and section == "services"]:
                    what = f"include: {name} stands in {paths[0].value}, too. Compose refuses two of one name."
                    self.ledger.problem(paths[0].place, what)
                found[section] = {**value, **known}
            elif known is None:
                found[section] = value

    def _variables(self, inside: str, home: str, lines: Tree) -> dict[str, Given]:
        """The variables of an included file: those it names, else .env beside it."""
        named = [s for s in (lines if isinstance(lines, list) else [lines]) if isinstance(s, Setting)]
        usual = posixpath.join(inside, ".env")
        names = [beside(home, s) for s in named] or ([usual] if usual in self.folder else [])
        found: dict[str, Given] = {}
        for name in names:
            found.update(read_variables(self.folder.read(name), found))
        return found

    def services_of(self, name: str, variables: Variables) -> dict[str, Tree]:
        services = self._file(name, variables).get("services")
        return services if isinstance(services, dict) else {}


class _Extending:
    """The services of one file, with what they have from others."""

    def __init__(
        self, reading: _Reading, file: str, services: dict[str, Tree], before: Tree, variables: Variables
    ) -> None:
        self.reading, self.file, self.services, self.variables = reading, file, services, variables
        self.before = before if isinstance(before, dict) else {}
        """Services of the files that this one is laid over."""
        self._others: dict[str, _Extending] = {}
        self._done: dict[str, Tree] = {}

    def service(self, name: str, stack: tuple[str, ...]) -> Tree:
        if name not in self._done:
            self._done[name] = self._extended(name, self.services.get(name), stack)
        return self._done[name]

    def _extended(self, name: str, own: Tree, stack: tuple[str, ...]) -> Tree:
        said = own.get("extends") if isinstance(own, dict) else None
        if not isinstance(own, dict) or not isinstance(said, dict):
            return own
        own = {key: value for key, value in own.items() if key != "extends"}
        what, where = said.get("service"), said.get("file")
        if not isinstance(what, Setting):
            return own
        stack = (*stack, f"{self.file}#{name}")
        base = self._base(name, what, where if isinstance(where, Setting) else None, stack)
        return own if base is None else merged(base, own, ())

    def _base(self, name: str, what: Setting, where: Setting | None, stack: tuple[str, ...]) -> Tree:
        ledger, other = self.reading.ledger, str(what.value)
        source: _Extending = self
        try:
            if where is not None:
                file = beside(posixpath.dirname(self.file), where)
                if file != self.file:
                    if file not in self._others:
                        services = self.reading.services_of(file, self.variables)
                        self._others[file] = _Extending(self.reading, file, services, None, self.variables)
                    source = self._others[file]
        except InputError as error:
            ledger.problem(what.place, f"{name}: extends {other}: {error.lines[0]}")
            return None
        if len(stack) > DEEPEST:
            ledger.problem(what.place, f"{name}: extends {other}: at most {DEEPEST} steps are followed. Extend fewer.")
            return None
        if f"{source.file}#{other}" in stack:
            ledger.problem(what.place, f"{name}: extends {other}, which extends it again. Take one of the two away.")
            return None
        if other not in source.services and other not in source.before:
            ledger.problem(what.place, f"{name}: extends {other}, which is not in {source.file}. It is missing.")
            return None
        for setting in (what, where):
            if setting is not None:
                ledger.models(setting)
        found = source.service(other, stack) if other in source.services else source.before[other]
        return cleaned(found)


def _with_file(base: dict[str, Tree], over: dict[str, Tree]) -> dict[str, Tree]:
    """A file laid over what there is, service by service."""
    found = dict(base)
    for section, value in over.items():
        known = found.get(section)
        if section == "services" and isinstance(value, dict):
            services = dict(known) if isinstance(known, dict) else {}
            for name, service in value.items():
                services[name] = merged(services.get(name), service, ())
            found[section] = services
        else:
            found[section] = merged(known, value, (section, ""))
    return found


def beside(home: str, setting: Setting) -> str:
    """A file's name as the file at `home` means it."""
    text = str(setting.value)
    return text if posixpath.isabs(text) else posixpath.normpath(posixpath.join(home, text))


def place_of(tree: Tree, file: str) -> Place:
    """Where something begins."""
    return next((one.place for _, one in flat(tree)), Place(file, 1, 0, 0))
