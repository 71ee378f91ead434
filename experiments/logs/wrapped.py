"""Lines inside of lines: what container engines and collectors put around what a server wrote.

Models   Docker's json-file ({"log": "..."}), Kubernetes' CRI (`time stdout F ...`) and `docker compose logs`
         (`name | ...`). The line inside is in any of the formats with one request a line.
Omits    Lines that Docker or CRI cut into parts, above 16 KiB: their parts are bad.
Checked  tests/unit/test_log_formats.py
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from experiments.logs.batch import Batch
from experiments.logs.json_lines import object_of
from experiments.logs.lines import LineFormat
from experiments.logs.notes import Notes
from experiments.logs.source import Block
from experiments.logs.stamps import NO_INSTANT

_CRI: Final = re.compile(
    rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(?:Z|[+-][0-9:]+) (?:stdout|stderr) [FP] (.*)", re.DOTALL
)
_COMPOSE: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9_.-]* +\| (.*)", re.DOTALL)

Unwrap = Callable[[bytes], bytes | None]
"""The line inside a line; None where there is none."""


def _from_docker(line: bytes) -> bytes | None:
    value = object_of(line)
    text = None if value is None else value.get("log")
    return text.rstrip("\r\n").encode("utf-8", "backslashreplace") if isinstance(text, str) else None


def _from_cri(line: bytes) -> bytes | None:
    match = _CRI.fullmatch(line)
    return None if match is None else match[1]


def _from_compose(line: bytes) -> bytes | None:
    match = _COMPOSE.fullmatch(line)
    return None if match is None else match[1]


KINDS: Final[dict[str, Unwrap]] = {
    "Docker's JSON": _from_docker, "CRI lines": _from_cri, "docker compose's lines": _from_compose,
}  # fmt: skip


def unwrapped(lines: Sequence[bytes]) -> tuple[str, list[bytes]] | None:
    """In what most of these lines are wrapped, and what is inside."""
    for title, unwrap in KINDS.items():
        inner = [text for line in lines if (text := unwrap(line)) is not None]
        if inner and 2 * len(inner) >= len(lines):
            return title, inner
    return None


class Wrapped(LineFormat):
    """Takes lines out of their wrapping and reads them in another format."""

    def __init__(self, title: str, inner: LineFormat) -> None:
        self.name = inner.name
        self.leaves_open = inner.leaves_open
        self._title = title
        self._unwrap = KINDS[title]
        self._inner = inner

    def describe(self) -> str:
        return f"{self._title} around {self._inner.describe()}"

    def instant(self, line: bytes) -> int:
        inner = self._unwrap(line)
        return NO_INSTANT if inner is None else self._inner.instant(inner)

    def look(self, lines: Sequence[bytes]) -> None:
        self._inner.look([inner for line in lines if (inner := self._unwrap(line)) is not None])
        self.resolution_ns = self._inner.resolution_ns

    def parse(self, block: Block, notes: Notes) -> Iterator[Batch]:
        """What is no wrapping is taken as it stands, so that it is shown as it stands."""
        lines = []
        for line in block.lines():
            inner = self._unwrap(line)
            lines.append(line if inner is None or b"\n" in inner else inner)
        data = b"\n".join(lines) + b"\n"
        ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
        yield from self._inner.parse(Block(data, ends, block.first, block.too_long), notes)
