"""Where a value stands in a file."""

from __future__ import annotations

from dataclasses import dataclass

INSIDE = " > "
"""Parts the name of a file that stands inside another one (`config.yaml > shop/nginx.conf`) from the other's."""


def outer(file: str) -> str:
    """The file of the folder that a file stands in, or is."""
    return file.partition(INSIDE)[0]


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

    def __post_init__(self) -> None:
        if INSIDE in self.file:  # it has the other's lines and offsets
            object.__setattr__(self, "file", outer(self.file))

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"
