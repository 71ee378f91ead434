"""A scenario as it grows: values by path with their sources; a surer source takes the place of a weaker one.

Checked  tests/e2e/test_import.py
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from experiments.deploy.fact import Fact
from experiments.deploy.place import Place
from experiments.scenario.document import leaves
from experiments.scenario.paths import at_path, format_path, heard, spoken

Path = tuple[str, ...]
SURENESS = {"assumed": 0, "default": 1, "file": 2, "told": 3}


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value comes from."""

    kind: str
    """file, default, assumed, or what an assumption's own provenance says (guide, measured)."""
    ref: str = ""
    note: str = ""
    rank: int = 0

    def entry(self) -> dict[str, str]:
        """As it stands under provenance."""
        return {
            "source": self.kind,
            **({"ref": self.ref} if self.ref else {}),
            **({"note": self.note} if self.note else {}),
        }


def assumed(note: str) -> Source:
    return Source("assumed", "", note, SURENESS["assumed"])


@dataclass(slots=True)
class Draft:
    """The document and its sources."""

    ref_of: Callable[[Place], str]
    document: dict[str, Any] = field(default_factory=dict)
    sources: dict[Path, Source] = field(default_factory=dict)
    """By path, elements of lists by their names."""
    facts: dict[Path, list[Fact]] = field(default_factory=dict)
    """Those that are in force, by path."""
    contradictions: list[str] = field(default_factory=list)
    _below: dict[Path, set[Path]] = field(default_factory=dict)
    """What is known inside each path, so that forgetting it does not look at everything."""

    def put(self, path: Path, value: Any, source: Source) -> bool:
        """Set a value, unless a surer source has. Whether it was set."""
        known = self.source(path)
        if known is not None and known.rank > source.rank and self.has(path):
            return False
        self._set(path, copy.deepcopy(value))
        self.forget(path)
        self.say(path, source)
        return True

    def take(self, fact: Fact, at: Path = ()) -> bool:
        """A fact at its path below `at`. Of two that differ, the surer holds, and of equals the first."""
        path = (*at, *fact.path)
        held = self.facts.get(path, [])
        if held and held[0].value != fact.value:
            if held[0].source == "file" and fact.source == "file" and fact.place and held[0].place:
                self.contradictions.append(
                    f"{format_path(path)}: {held[0].value} ({self.ref_of(held[0].place)}) and {fact.value} "
                    f"({self.ref_of(fact.place)}): the scenario has one for both, the first."
                )
            if SURENESS[held[0].source] >= SURENESS[fact.source]:
                return False
            held = []
        ref = self.ref_of(fact.place) if fact.place is not None and fact.source == "file" else ""
        note = fact.note
        if fact.source == "default":
            ref, note = fact.note, ""
        source = Source(fact.source, ref, note, SURENESS[fact.source])
        if held:
            if fact.source == "file" and held[0].source == "file":
                self.facts[path] = [*held, fact]
            elif SURENESS[fact.source] > SURENESS[held[0].source]:
                self.facts[path] = [fact, *held]
                self.sources[path] = source
            else:
                self.facts[path] = [*held, fact]
            return True
        if not self.put(path, fact.value, source):
            return False
        self.facts[path] = [fact]
        return True

    def has(self, path: Path) -> bool:
        place = heard(path, self.document)
        around = at_path(self.document, place[:-1])
        return isinstance(around, Mapping) and place[-1] in around

    def value(self, *path: str) -> Any:
        return at_path(self.document, heard(path, self.document))

    def source(self, path: Path) -> Source | None:
        """The source of a path, or of what is around it."""
        return next((self.sources[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.sources), None)

    def forget(self, path: Path) -> None:
        """What was known of what is inside a path no longer holds."""
        for known in self._below.pop(path, ()):
            self.sources.pop(known, None)
            self.facts.pop(known, None)

    def say(self, path: Path, source: Source) -> None:
        """Where the value at a path comes from."""
        self.sources[path] = source
        for length in range(1, len(path)):
            self._below.setdefault(path[:length], set()).add(path)

    def drop(self, path: Path) -> None:
        """Take out a value and all that is known of it."""
        place = heard(path, self.document)
        around = at_path(self.document, place[:-1])
        if isinstance(around, dict):
            around.pop(place[-1], None)
        self.forget(path)
        self.sources.pop(path, None)
        self.facts.pop(path, None)

    def _set(self, path: Path, value: Any) -> None:
        place = heard(path, self.document)
        around: Any = self.document
        for key in place[:-1]:
            if isinstance(around, list) and isinstance(key, int):
                around = around[key]
            else:
                inner = around.get(key)
                if not isinstance(inner, dict | list):
                    inner = around[key] = {}
                around = inner
        around[place[-1]] = value

    def by_leaf(self) -> Iterator[tuple[Path, Source]]:
        """Every value with its source."""
        for place, _ in leaves(self.document):
            path = tuple(str(key) for key in spoken(place, self.document))
            source = self.source(path)
            if source is not None:
                yield path, source

    def provenance(self) -> dict[str, dict[str, str]]:
        """Entries for every value: one for all inside a path where they agree."""
        tree: dict[str, Any] = {}
        for path, source in self.by_leaf():
            if path[0] in ("description", "not_modelled"):
                continue
            node = tree
            for key in path[:-1]:
                inner = node.setdefault(key, {})
                if not isinstance(inner, dict):
                    break  # a value and something inside it: said by the outer
                node = inner
            else:
                node[path[-1]] = source
        return dict(_entries((), tree))


def _entries(path: Path, node: Any) -> Iterator[tuple[str, dict[str, str]]]:
    if isinstance(node, Source):
        yield format_path(path), node.entry()
        return
    agreed = _agreed(node)
    if agreed is not None and path:
        yield format_path(path), agreed.entry()
        return
    for key, inner in node.items():
        yield from _entries((*path, key), inner)


def _agreed(node: Any) -> Source | None:
    """The one source of everything inside."""
    if isinstance(node, Source):
        return node
    found: Source | None = None
    for inner in node.values():
        one = _agreed(inner)
        if one is None or (found is not None and one.entry() != found.entry()):
            return None
        found = one
    return found
