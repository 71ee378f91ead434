"""Where a value stands in a file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """The characters of a value's own text in a decoded file."""

    file: str
    """Relative to the folder, with /."""
    line: int
    """From 1."""
    start: int
    end: int
    """Offsets in the decoded text; quotes that stay are not part of it."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"
