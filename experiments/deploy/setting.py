"""Settings as they are read, and what has become of each: nothing is silently ignored."""

from __future__ import annotations

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

    def read(self, setting: Setting) -> None:
        self.settings.setdefault((setting.place, setting.key), setting)

    def models(self, setting: Setting) -> None:
        key = (setting.place, setting.key)
        self.settings.setdefault(key, setting)
        self.without_effect.pop(key, None)
        self.modelled[key] = setting

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
