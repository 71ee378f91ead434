"""Settings as they are read, and what has become of each: nothing is silently ignored."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from experiments.deploy.place import Place


@dataclass(frozen=True, slots=True)
class Part:
    """Characters of a value that stand somewhere as they are."""

    start: int
    end: int
    place: Place

    def within(self, value: str, start: int, end: int) -> Place:
        """Where characters stand that are inside of it."""
        place, begin = self.place, self.place.start + start - self.start
        line = place.line + value.count("\n", self.start, start)
        return Place(place.file, line, begin, begin + end - start)


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of a file."""

    key: tuple[str | int, ...]
    value: object
    text: str
    place: Place
    parts: tuple[Part, ...] = ()
    """Of a value that is put together (from variables): where each part of it stands."""

    def between(self, start: int, end: int) -> tuple[Part, ...]:
        """The parts that some characters of the value stand in, counted from the first of these."""
        value = str(self.value)
        found = []
        for part in self.parts or self._known(value):
            first, last = max(part.start, start), min(part.end, end)
            if first < last or part.start <= first == last <= part.end:
                found.append(Part(first - start, last - start, part.within(value, first, last)))
        return tuple(found)

    def _known(self, value: str) -> Iterator[Part]:
        """The whole, or the words of a text that is folded over several lines."""
        if self.text == value:
            yield Part(0, len(value), self.place)
            return
        position = 0
        for match in re.finditer(r"\S+", value):
            index = self.text.find(match[0], position)
            if index >= 0 and self.text.count("${", 0, index) == self.text.count("}", 0, index):
                position = index + len(match[0])
                line, begin = self.place.line + self.text.count("\n", 0, index), self.place.start + index
                yield Part(*match.span(), Place(self.place.file, line, begin, begin + len(match[0])))

    def place_of(self, start: int, end: int) -> Place | None:
        """Where some characters of the value stand as they are; None where that cannot be told."""
        return next((one.place for one in self.between(start, end) if one.end - one.start == end - start), None)


@dataclass(slots=True)
class Ledger:
    """What was read, and what is modelled, harmless, or left over."""

    settings: dict[tuple[Place, tuple[str | int, ...]], Setting] = field(default_factory=dict)
    modelled: dict[tuple[Place, tuple[str | int, ...]], Setting] = field(default_factory=dict)
    without_effect: dict[tuple[Place, tuple[str | int, ...]], str] = field(default_factory=dict)
    problems: list[tuple[Place, str]] = field(default_factory=list)
    _by_line: dict[tuple[str, int], list[tuple[Place, tuple[str | int, ...]]]] = field(default_factory=dict)
    """What is modelled, by file and line, so that what a place says is found without looking at everything."""
    _withdrawn: dict[tuple[Place, tuple[str | int, ...]], Setting] = field(default_factory=dict)

    def read(self, setting: Setting) -> None:
        self.settings.setdefault((setting.place, setting.key), setting)

    def models(self, setting: Setting) -> None:
        key = (setting.place, setting.key)
        self.settings.setdefault(key, setting)
        self.without_effect.pop(key, None)
        if key not in self.modelled:
            self._by_line.setdefault((setting.place.file, setting.place.line), []).append(key)
        self.modelled[key] = setting

    def withdraw(self, place: Place, names: Collection[str] = (), why: str = "") -> None:
        """What stands at a place has been read, but the scenario has no room for it: it is not modelled after all.

        `names`: of whom it is said, where one text (an anchor, a line of .env) says it of several. `why`: the reason
        where it has no effect on traffic either.
        """
        found = [
            key for key in self._by_line.get((place.file, place.line), ())
            if key in self.modelled and _overlap(key[0], place)
        ]  # fmt: skip
        own = [key for key in found if len(key[1]) > 1 and key[1][1] in names]
        for key in own or found:
            self._withdrawn[key] = self.modelled.pop(key)
            if why:
                self.without_effect[key] = why

    def leave(self, files: Collection[str]) -> None:
        """What stands in these files has become part of nothing."""
        for key in [key for key in self.modelled if key[0].file in files]:
            del self.modelled[key]

    def forget(self, setting: Setting) -> None:
        """It belongs to something that nothing starts."""
        self.modelled.pop((setting.place, setting.key), None)

    def restore(self) -> None:
        """Another scenario is made of the same files: what has no room in it is found out anew."""
        for key, setting in self._withdrawn.items():
            self.modelled[key] = setting
            self.without_effect.pop(key, None)
        self._withdrawn.clear()

    def harmless(self, setting: Setting, why: str) -> None:
        key = (setting.place, setting.key)
        self.settings.setdefault(key, setting)
        if key not in self.modelled:
            self.without_effect[key] = why

    def unmodelled(self) -> list[Setting]:
        return [
            setting
            for key, setting in self.settings.items()
            if key not in self.modelled and key not in self.without_effect
        ]

    def problem(self, place: Place, text: str) -> None:
        if (place, text) not in self.problems:
            self.problems.append((place, text))


def _overlap(one: Place, other: Place) -> bool:
    """Whether one of the two is a part of the other."""
    return (one.start <= other.start and other.end <= one.end) or (other.start <= one.start and one.end <= other.end)
