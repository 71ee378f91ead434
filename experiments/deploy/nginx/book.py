"""Every directive of a configuration as a setting that is modelled, harmless, or left over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from experiments.deploy.fact import Fact
from experiments.deploy.nginx.harmless import HARMLESS, PLUS
from experiments.deploy.nginx.loading import Loaded, place_of, place_of_word
from experiments.deploy.nginx.tokens import Word
from experiments.deploy.nginx.tree import Directive, walk
from experiments.deploy.place import Place
from experiments.deploy.setting import Ledger, Setting

Path = tuple[str, ...]
Write = Callable[[object], str]


@dataclass(slots=True)
class Book:
    """What has become of each directive."""

    loaded: Loaded
    ledger: Ledger
    at: Path
    """The load balancer in the scenario."""
    facts: list[Fact] = field(default_factory=list)
    _settings: dict[int, Setting] = field(default_factory=dict)
    _done: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        for directive in walk(self.loaded.directives):
            self._settings[id(directive)] = self._register(self._key(directive), directive, directive.args)

    def _key(self, directive: Directive) -> Path:
        return tuple(one.title() for one in reversed(list(directive.within())))

    def _register(self, key: Path, directive: Directive, words: tuple[Word, ...]) -> Setting:
        texts = [one.text for one in words]
        value: object = texts[0] if len(texts) == 1 else texts or None
        place = place_of(directive)
        setting = Setting(key, value, self.text(place), place)
        self.ledger.read(setting)
        return setting

    def text(self, place: Place) -> str:
        return self.loaded.texts[place.file][place.start : place.end]

    def parameter(self, directive: Directive, one: Word, name: str, value: str) -> Setting:
        """One `name=value` of a directive as a setting of its own."""
        begin = one.end - len(value) if value and one.text.endswith(value) else one.start
        place = Place(directive.file, one.line, begin, one.end)
        key = self._key(directive)
        if not directive.is_block:
            key = (*key[:-1], f"{directive.name.text} {directive.args[0].text}")
        setting = Setting((*key, name), value or True, self.text(place), place)
        self.ledger.read(setting)
        return setting

    def models(self, *directives: Directive) -> None:
        for directive in directives:
            if id(directive) not in self._done:
                self._done.add(id(directive))
                self.ledger.models(self._settings[id(directive)])

    def harmless(self, directive: Directive, why: str) -> None:
        if id(directive) not in self._done:
            self._done.add(id(directive))
            self.ledger.harmless(self._settings[id(directive)], why)

    def leave(self, directive: Directive, what: str) -> None:
        """Say by name what is not modelled; the setting stays among those left over."""
        self._done.add(id(directive))
        self.ledger.problem(place_of(directive), what)

    def problem(self, place: Place, what: str) -> None:
        self.ledger.problem(place, what)

    def finish(self) -> None:
        """Sort what nobody asked for."""
        for directive in walk(self.loaded.directives):
            if id(directive) in self._done:
                continue
            name = directive.name.text
            if name in PLUS:
                self.leave(directive, f"{name} is a directive of NGINX Plus, and is not modelled.")
            elif name == "include":
                self.harmless(directive, "stands for the files that it names")
            elif name in HARMLESS:
                self.harmless(directive, HARMLESS[name])
            elif name.startswith("proxy_cache"):
                self.leave(directive, f"{name}: caching by nginx is not modelled, every request goes to its upstream.")

    # facts

    def fact(self, path: Path, value: object, directive: Directive, write: Write | None, note: str = "") -> None:
        """A value that stands in a directive's only argument, or in all of them."""
        self.fact_at(path, value, place_of(directive), write, note)
        self.models(directive)

    def fact_at(self, path: Path, value: object, place: Place, write: Write | None, note: str = "") -> None:
        self.facts.append(Fact((*self.at, *path), value, "file", place, note, write))

    def default(
        self, path: Path, value: object, note: str, place: Place | None = None, write: Write | None = None
    ) -> None:
        """What nginx does where nothing is said; `place`: where it could be said."""
        self.facts.append(Fact((*self.at, *path), value, "default", place, note, write))

    def assume(self, path: Path, value: object, note: str) -> None:
        self.facts.append(Fact((*self.at, *path), value, "assumed", None, note, None))


def named(directives: list[Directive] | None, name: str) -> Iterator[Directive]:
    """Those of a block that have the name, blocks within it not searched."""
    return (directive for directive in directives or [] if directive.name.text == name)


def last(directives: list[Directive] | None, name: str) -> Directive | None:
    """The one that counts."""
    found = None
    for directive in named(directives, name):
        found = directive
    return found


def levels(directive: Directive, top: list[Directive]) -> Iterator[list[Directive]]:
    """The blocks around a directive, its own first, and what stands at the top of the configuration."""
    for one in directive.within():
        if one.block is not None:
            yield one.block
    yield top


def inherited(directive: Directive, name: str, top: list[Directive]) -> list[Directive]:
    """The directives of a name that hold in a block: those of the innermost level that has any."""
    for level in levels(directive, top):
        found = list(named(level, name))
        if found:
            return found
    return []


def behind_word(directive: Directive, one: Word) -> Place:
    return place_of_word(directive.file, Word("", one.line, one.end + one.is_quoted, one.end + one.is_quoted))
