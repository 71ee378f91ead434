"""What a file says, in the words of a scenario."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from experiments.deploy.place import Place


@dataclass(frozen=True, slots=True)
class Fact:
    """A value of a scenario and where it comes from."""

    path: tuple[str, ...]
    value: object
    source: Literal["file", "default", "assumed"]
    place: Place | None
    note: str
    write: Callable[[object], str] | None
    """The file's text at the place for another value; None where it cannot be patched there."""
