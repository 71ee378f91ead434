"""The scenarios that come with the program, found the same way in a checkout and in an installed wheel."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable

from experiments.errors import InputError
from experiments.scenario.paths import did_you_mean

SUFFIXES = (".yaml", ".yml", ".json")


def shipped_names() -> list[str]:
    """Names such as `maltan/early`, sorted."""
    return sorted(name for name, _ in _walk(_root(), ""))


def shipped_file(name: str) -> Traversable | None:
    """The file of a shipped scenario; None where there is none of that name."""
    return dict(_walk(_root(), "")).get(name)


def not_found(name: str) -> InputError:
    """Neither a file nor a shipped name."""
    step = did_you_mean(name, shipped_names(), "shipped scenarios")
    return InputError(f"{name}: must be a scenario file or a shipped scenario, got neither. {step}")


def _root() -> Traversable:
    return resources.files("experiments").joinpath("scenarios")


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    """Scenarios stand directly in the folder of a team; deeper folders hold the files they were made from."""
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        stem, dot, suffix = entry.name.rpartition(".")
        if entry.is_dir() and not prefix:
            yield from _walk(entry, f"{entry.name}/")
        elif prefix and entry.is_file() and f"{dot}{suffix}" in SUFFIXES:
            yield f"{prefix}{stem}", entry
