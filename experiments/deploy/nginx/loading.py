"""A configuration with everything it includes, inside one folder, and what crossplane has against it.

Models   An include stands for the directives of the files it names, in the order of their names; relative names start
         at the folder of the main file, absolute ones are looked up where the deployment mounts its files. A directive
         that crossplane refuses (where it stands, how many arguments it has) is reported and left out.
Source   nginx 1.22; nginx-crossplane 0.5.14's table of directives
Checked  tests/unit/test_deploy_nginx.py, tests/properties/test_nginx_fuzz.py
"""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from crossplane.analyzer import analyze, enter_block_ctx
from crossplane.errors import NgxParserDirectiveError

from experiments.deploy.nginx.tokens import BadSyntax, Word
from experiments.deploy.nginx.tree import DEEPEST, Directive, directives_of
from experiments.deploy.place import Place, outer
from experiments.deploy.setting import Ledger
from experiments.deploy.source import Folder
from experiments.errors import InputError

Context = tuple[str, ...]
NGINX = "/etc/nginx/"
OF_THE_PACKAGE = ("mime.types", "fastcgi_params", "uwsgi_params", "scgi_params", "fastcgi.conf", "proxy_params")
"""Files that come with nginx and say nothing of traffic."""
MOST_INCLUDES = 500


@dataclass(slots=True)
class Loaded:
    """What was read."""

    directives: list[Directive]
    """At the top, those in blocks within them; includes are replaced by what they name."""
    context: Context
    """() for a main file, ("http",) for one that is included in the http block."""
    files: list[str] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Loader:
    folder: Folder
    ledger: Ledger
    mounts: Mapping[str, str]
    home: str
    files: list[str] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    includes: int = 0
    known: frozenset[str] = frozenset()
    """All files of the folder: nothing else is read."""

    def __post_init__(self) -> None:
        self.known = frozenset(self.folder.files())


def load(
    folder: Folder, entry: str, ledger: Ledger, is_main: bool | None = None, mounts: Mapping[str, str] | None = None,
    beside: Sequence[str] = (),
) -> Loaded:  # fmt: skip
    """Read `entry` and what it includes. `is_main`: whether it is nginx.conf itself, or None where nobody knows.

    `mounts`: where in the container a file of the folder stands. `beside`: files that the same http block includes
    after it. Raises InputError where `entry` cannot be read.
    """
    loader = _Loader(folder, ledger, mounts or {}, posixpath.dirname(entry))
    text = folder.read(entry).text
    try:
        top = directives_of(text, entry)
    except BadSyntax as error:
        raise InputError(f"{entry}: {error.what}. ({entry}:{error.line})") from None
    loader.files.append(entry)
    loader.texts[entry] = text
    loader.texts[outer(entry)] = folder.read(outer(entry)).text
    context = _context(top, entry, ledger, is_main)
    directives = _accepted(loader, top, context, (entry,))
    for name in beside if context else ():
        directives += _beside(loader, name, context)
    return Loaded(directives, context, loader.files, loader.texts)


def _context(top: list[Directive], entry: str, ledger: Ledger, is_main: bool | None) -> Context:
    """Where the file stands. One without an http block that holds what belongs into one is a fragment."""
    names = {directive.name.text for directive in top}
    if "http" in names or "events" in names or "stream" in names or not names:
        if is_main is not False and "events" not in names and names:
            ledger.problem(
                Place(entry, 1, 0, 0), 'nginx would not start with it as its main file: it has no "events" block. Add '
                "events { } at the top.",
            )  # fmt: skip
        return ()
    if is_main:
        stray = next((directive for directive in top if directive.is_block), top[0])
        ledger.problem(
            place_of(stray),
            f'nginx would not start with it as its main file: "{stray.name.text}" must stand in an http block, and an '
            "events block is missing. Put events { } before it and http { ... } around it. It is read as if they were "
            "there.",
        )
    return ("http",)


def place_of(directive: Directive) -> Place:
    """A directive's arguments, or its name where it has none."""
    return between(directive.file, directive.args[0], directive.args[-1]) if directive.args else word(directive)


def word(directive: Directive) -> Place:
    return place_of_word(directive.file, directive.name)


def place_of_word(file: str, one: Word) -> Place:
    return Place(file, one.line, one.start, one.end)


def between(file: str, first: Word, last: Word) -> Place:
    """From a word to another, quotes around the outer ones included where there are several."""
    if first is last:
        return place_of_word(file, first)
    return Place(file, first.line, first.start - first.is_quoted, last.end + last.is_quoted)


def _accepted(
    loader: _Loader, directives: list[Directive], context: Context, chain: tuple[str, ...]
) -> list[Directive]:
    """The directives that crossplane has nothing against, includes replaced."""
    found: list[Directive] = []
    for directive in directives:
        statement = {"directive": directive.name.text, "line": directive.line, "args": directive.texts}
        try:
            analyze(directive.file, statement, "{" if directive.is_block else ";", context)
        except NgxParserDirectiveError as error:
            loader.ledger.problem(place_of(directive), f"nginx would not start: {error.strerror}. It is left out.")
            continue
        if directive.name.text == "include" and not directive.is_block and directive.args:
            found += _included(loader, directive, context, chain)
            continue
        if directive.block is not None:
            inner = tuple(enter_block_ctx(statement, context))
            directive.block = _accepted(loader, directive.block, inner, chain)
        found.append(directive)
    return found


def _included(loader: _Loader, directive: Directive, context: Context, chain: tuple[str, ...]) -> list[Directive]:
    """What an include names. Its own setting is the caller's to register: it stays for that in `Loaded`."""
    place, pattern = place_of(directive), directive.args[0].text
    loader.includes += 1
    if len(chain) > DEEPEST or loader.includes > MOST_INCLUDES:
        loader.ledger.problem(place, f"includes go more than {DEEPEST} deep, or are more than {MOST_INCLUDES}.")
        return []
    names = list(_names(loader, pattern))
    found: list[Directive] = [directive]
    if not names:
        if posixpath.basename(pattern) not in OF_THE_PACKAGE and "modules-enabled" not in pattern:
            loader.ledger.problem(place, f"the included {pattern} is not in the folder.")
        return found
    for name in names:
        if name in chain:
            loader.ledger.problem(place, f"includes {name}, which is being read already: a cycle.")
            continue
        found += _one(loader, directive, name, context, chain)
    return found


def _one(loader: _Loader, at: Directive, name: str, context: Context, chain: tuple[str, ...]) -> list[Directive]:
    directives = _parsed(loader, name, place_of(at))
    for directive in directives:
        directive.outer = at.outer
    return _accepted(loader, directives, context, (*chain, name))


def _beside(loader: _Loader, name: str, context: Context) -> list[Directive]:
    """A further file of the http block, included by the image's own nginx.conf."""
    if name in loader.files:
        return []
    return _accepted(loader, _parsed(loader, name, Place(name, 1, 0, 0)), context, (name,))


def _parsed(loader: _Loader, name: str, place: Place) -> list[Directive]:
    """What stands in a file; nothing where it cannot be read, which is reported."""
    try:
        text = loader.folder.read(name).text
        directives = directives_of(text, name)
    except BadSyntax as error:
        loader.ledger.problem(Place(name, error.line, error.start, error.start), f"{error.what}. It is left out.")
        return []
    except InputError as error:
        loader.ledger.problem(place, f"cannot include {name}: {error.lines[0]}")
        return []
    if name not in loader.files:
        loader.files.append(name)
    loader.texts[name] = text
    loader.texts[outer(name)] = loader.folder.read(outer(name)).text
    return directives


def _names(loader: _Loader, pattern: str) -> Iterator[str]:
    """Files of the folder that an include names, in nginx's order. Never one outside."""
    inside = _inside(loader, pattern)
    if any(letter in inside for letter in "*?["):
        whole = pattern if pattern.startswith("/") else NGINX + pattern
        matching = {posixpath.basename(name): name for name in sorted(loader.known) if globs(inside, name)}
        for container, name in loader.mounts.items():
            if globs(whole, posixpath.normpath(container)):
                matching[posixpath.basename(container)] = name
        yield from (name for _, name in sorted(matching.items()) if name in loader.known)
        return
    if inside in loader.known:
        yield inside


def globs(pattern: str, name: str) -> bool:
    """Whether a name fits a pattern as glob(3) has it: * neither passes a / nor takes in hidden files."""
    wanted, parts = pattern.split("/"), name.split("/")
    return len(wanted) == len(parts) and all(
        fnmatch.fnmatchcase(part, one) and (one.startswith(".") or not part.startswith("."))
        for one, part in zip(wanted, parts, strict=True)
    )


def _inside(loader: _Loader, pattern: str) -> str:
    """The name inside the folder that a name in the configuration stands for."""
    whole = pattern if pattern.startswith("/") else NGINX + pattern
    if whole in loader.mounts:
        return loader.mounts[whole]
    for container, name in sorted(loader.mounts.items(), key=lambda one: len(one[0]), reverse=True):
        prefix = container.rstrip("/") + "/"
        if whole.startswith(prefix):
            return posixpath.normpath(posixpath.join(name, whole[len(prefix) :]))
    if not pattern.startswith("/"):
        return posixpath.normpath(posixpath.join(loader.home, pattern))
    if pattern.startswith(NGINX):
        return posixpath.normpath(posixpath.join(loader.home, pattern[len(NGINX) :]))
    return posixpath.normpath(pattern.lstrip("/"))
