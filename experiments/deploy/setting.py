"""Settings as they are read, and what has become of each: nothing is silently ignored."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from experiments.deploy.place import Place


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of a file."""

    key: tuple[str | int, ...]
    value: object
    text: str
    place: Place


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
