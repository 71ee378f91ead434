"""The documents of Spring's configuration files, in the order in which they override one another.

Models   application.* and bootstrap.* in the folders given, their application-<profile>.* variants, several documents
         in a file with spring.config.activate.on-profile (spring.profiles before 2.4), spring.config.import, a
         configuration repository (Spring Cloud Config, native), SPRING_CONFIG_LOCATION and its like, profile groups.
         .properties wins over YAML beside it; of two profiles the last one; what is imported, with its variants for
         profiles, over who imports it; what is mounted over what is packed into the jar.
Source   Spring Boot 2.7, ConfigDataEnvironment and StandardConfigDataLocationResolver
Omits    A bootstrap context's remote properties over the environment: the environment wins here, as with imports.
Checked  tests/unit/test_spring_documents.py
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from experiments.deploy.place import Place
from experiments.deploy.setting import Ledger
from experiments.deploy.source import Folder
from experiments.deploy.spring.files import Document, read_documents
from experiments.deploy.spring.names import name_of
from experiments.deploy.spring.placeholders import BadPlaceholder, resolve
from experiments.deploy.spring.profiles import BadExpression, accepts, expand
from experiments.deploy.spring.properties import Source
from experiments.deploy.spring.values import listed
from experiments.errors import InputError

EXTENSIONS = (".yaml", ".yml", ".properties")
"""The later ones win."""
MOST_IMPORTS = 100


@dataclass(slots=True)
class Loaded:
    """The documents of an application."""

    active: list[Source] = field(default_factory=list)
    """Those that count, the weakest first."""
    profiles: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Loader:
    """Reads files once, keeps what is switched on."""

    folder: Folder
    ledger: Ledger
    variables: list[Source]
    """Command line, system properties, environment: the strongest first."""
    mounts: Mapping[str, str]
    loaded: Loaded = field(default_factory=Loaded)
    documents: dict[str, list[Document]] = field(default_factory=dict)
    imports: int = 0
    known: frozenset[str] = frozenset()
    """All files of the folder: nothing else is read."""

    def __post_init__(self) -> None:
        self.known = frozenset(self.folder.files())

    def load(
        self, groups: Sequence[Sequence[str]], names: Sequence[str], repository: Sequence[str], name: str
    ) -> Loaded:
        """`groups`: folders (or files) that are searched together, the later groups win."""
        first = [group_file for group in groups for group_file in self._plain(group, ("bootstrap", *names))]
        self.loaded.profiles = self._profiles([*first, *self._plain(repository, ("application", name))])
        for group in groups:
            self._read_group(group, ("bootstrap",))
        for group in groups:
            self._read_group(group, names)
        if repository:
            self._read_group(repository, ("application", self._application_name(name)))
        for location in listed(self._variable("spring.config.import") or ""):
            self._import_one(location, Place("environment: SPRING_CONFIG_IMPORT", 1, 0, 0), ("",))
        return self.loaded

    # which profiles

    def _variable(self, key: str) -> str | None:
        for source in self.variables:
            found = source.properties.get(name_of(key))
            if found is not None:
                return found.text
        return None

    def _profiles(self, files: Sequence[str]) -> list[str]:
        """The active profiles, members of groups included: from outside, else from documents without a profile."""
        plain = [document for file in files for document in self._file(file) if not document.expressions]
        told = self._variable("spring.profiles.active")
        active = listed(told) if told is not None else self._listed(plain, "spring.profiles.active")
        outside = self._variable("spring.profiles.include")
        included = listed(outside) if outside is not None else self._listed(plain, "spring.profiles.include")
        if not active and not included:
            default = self._variable("spring.profiles.default")
            active = listed(default) if default else ["default"]
        groups: dict[str, list[str]] = {}
        prefix = name_of("spring.profiles.group")
        for document in plain:
            for one in document.properties:
                if one.name[: len(prefix)] == prefix and len(one.name) > len(prefix):
                    groups.setdefault(one.elements[len(prefix)], []).extend(listed(self._text(plain, one.text)))
        return expand([*included, *active], groups)

    def _listed(self, documents: Sequence[Document], key: str) -> list[str]:
        """A list in the strongest of some documents that has it."""
        name = name_of(key)
        for document in reversed(documents):
            found = [one for one in document.properties if one.name[: len(name)] == name]
            if found:
                return [profile for one in found for profile in listed(self._text(documents, one.text))]
        return []

    def _text(self, documents: Sequence[Document], text: str) -> str:
        """A text with placeholders resolved from the environment and some documents."""

        def lookup(name: str) -> tuple[str, None] | None:
            for source in self.variables:
                for one in source.properties.values():
                    if one.variable == name or one.name == name_of(name):
                        return one.text, None
            for document in reversed(documents):
                for one in document.properties:
                    if one.name == name_of(name):
                        return one.text, None
            return None

        try:
            return resolve(text, lookup).text
        except BadPlaceholder:
            return text

    def _application_name(self, name: str) -> str:
        for source in reversed(self.loaded.active):
            found = source.properties.get(name_of("spring.application.name"))
            if found is not None and "${" not in found.text:
                return found.text
        return name

    # which files

    def _plain(self, group: Sequence[str], names: Sequence[str]) -> list[str]:
        return [file for name in names for place in group for file in self._variants(place, name, "")]

    def _variants(self, place: str, name: str, profile: str) -> Iterator[str]:
        """The files that a folder (or a file's own name) has for a profile, the weakest first."""
        ending = f"-{profile}" if profile else ""
        stem, extension = posixpath.splitext(place)
        if extension in EXTENSIONS:  # a file: it has variants, too
            candidates = [f"{stem}{ending}{extension}"] if name != "bootstrap" else []
        else:
            candidates = [posixpath.normpath(posixpath.join(place, f"{name}{ending}{one}")) for one in EXTENSIONS]
        yield from (candidate for candidate in candidates if candidate in self.known)

    def _read_group(self, group: Sequence[str], names: Sequence[str]) -> None:
        for profile in ("", *self.loaded.profiles):
            for name in names:
                for place in group:
                    for file in self._variants(place, name, profile):
                        self._switch_on(file, (), bool(profile))

    def _file(self, file: str) -> list[Document]:
        """The documents of a file; none where it cannot be read, which is reported."""
        if file not in self.documents:
            try:
                self.documents[file] = read_documents(self.folder, file, self.ledger)
            except InputError as error:
                self.documents[file] = []
                self.ledger.problem(Place(file, 1, 0, 0), f"cannot be read: {error.lines[0]}")
            if file not in self.loaded.files:
                self.loaded.files.append(file)
        return self.documents[file]

    # which documents

    def _switch_on(self, file: str, chain: tuple[str, ...], is_of_profile: bool) -> None:
        for document in self._file(file):
            if not self._is_active(document):
                for one in document.properties:
                    if one.setting is not None:
                        self.ledger.harmless(one.setting, f"its document is for {' or '.join(document.expressions)}")
                document.properties = []
                continue
            source = Source(f"{file} (document {document.number})" if document.number else file)
            if not document.expressions and not is_of_profile:
                source.room, source.margin = document.room, document.margin
                source.newline = document.newline
                source.equals = "=" if file.endswith(".properties") else ": "
            for one in document.properties:
                hidden = source.add(one)
                if hidden is not None and hidden.setting is not None:
                    self.ledger.harmless(hidden.setting, "the same key stands below it in the same document")
            self.loaded.active.append(source)
            self._import(document, source, file, chain)

    def _is_active(self, document: Document) -> bool:
        if not document.expressions:
            return True
        try:
            return accepts(document.expressions, self.loaded.profiles)
        except BadExpression as error:
            place = document.place or Place(document.file, 1, 0, 0)
            self.ledger.problem(place, f"on-profile: the expression {error}. The document is left out.")
            return False

    def _import(self, document: Document, source: Source, file: str, chain: tuple[str, ...]) -> None:
        name = name_of("spring.config.import")
        for one in list(source.properties.values()):
            if one.name[: len(name)] != name:
                continue
            if one.setting is not None:
                self.ledger.harmless(one.setting, "decides which files count, and has been followed")
            place = one.setting.place if one.setting is not None else Place(file, 1, 0, 0)
            for location in listed(self._text(self.documents[file], one.text)):
                self._import_one(location, place, (*chain, file))
        source.properties = {key: one for key, one in source.properties.items() if key[: len(name)] != name}

    def _import_one(self, location: str, place: Place, chain: tuple[str, ...]) -> None:
        is_optional = location.startswith("optional:")
        target = location.removeprefix("optional:")
        self.imports += 1
        if self.imports > MOST_IMPORTS:
            self.ledger.problem(place, f"more than {MOST_IMPORTS} imports. The rest is left out.")
            return
        if target.startswith("configserver:"):
            return  # the repository, where there is one, is read by the caller's word
        if target.partition(":")[0] not in ("file", "classpath", target):
            self.ledger.problem(place, f"imports {target}, which only the running system can read.")
            return
        file = self.inside(target, posixpath.dirname(chain[-1]))
        files = [file] if file in self.known and not target.endswith("/") else []
        if target.endswith("/"):
            files = list(self._plain([file], ("application",)))
        if not files and not is_optional:
            self.ledger.problem(place, f"imports {target}, which is not in the folder.")
        home, stem = (file, "application") if target.endswith("/") else (file, "")
        variants = [found for profile in self.loaded.profiles for found in self._variants(home, stem, profile)]
        for found in files:
            if found in chain:
                self.ledger.problem(place, f"imports {found}, which is being read already: a cycle.")
            else:
                self._switch_on(found, chain, False)
        for found in variants if files else ():
            if found not in chain:
                self._switch_on(found, chain, True)

    def inside(self, location: str, home: str) -> str:
        """The name in the folder that a location stands for: by where it is mounted, else from `home`."""
        path = location.removeprefix("file:").removeprefix("classpath:").partition("[")[0]
        if not path.startswith("/"):
            return posixpath.normpath(posixpath.join(home, path or "."))
        clean = posixpath.normpath(path)
        for container in sorted(self.mounts, key=len, reverse=True):
            prefix = container.rstrip("/")
            if clean == prefix:
                return self.mounts[container]
            if clean.startswith(prefix + "/"):
                return posixpath.normpath(posixpath.join(self.mounts[container], clean[len(prefix) + 1 :]))
        return posixpath.normpath(clean.lstrip("/"))
