"""Names in logs as numbers: targets, users and addresses. Memory is bounded, whatever a log holds.

Models   The first MOST_NAMES distinct users and addresses are numbered as they come; later ones get a number made of
         their hash, so that equal names still have equal numbers (of a million more, less than one pair is mixed up).
         The first MOST_TARGETS distinct pairs of method and path are kept; of later ones the parts of a path that hold
         a digit become {id}, and where that is not enough everything else is one target, `/{more}`.
Checked  tests/unit/test_log_parts.py, tests/properties/test_logs.py
"""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import blake2b
from typing import Final

MOST_NAMES: Final = 1 << 18
MOST_TARGETS: Final = 1 << 18
MOST_TEMPLATES: Final = 1 << 12
_CACHED: Final = 1 << 16
_HASHES: Final = 1 << 40

_METHOD: Final = re.compile(rb"[A-Z]{3,16}")
TARGET: Final = re.compile(rb'[^\s"\\]+(?:\\.[^\s"\\]*)*')
REQUEST: Final = re.compile(rb"([A-Z]{3,16}) (" + TARGET.pattern + rb")(?: HTTP/[0-9.]{1,3})?")


class _Numbers(dict[bytes, int]):
    """Numbers by name; what is asked for and not there is told by `missing`."""

    def __init__(self, missing: Callable[[bytes], int]) -> None:
        super().__init__()
        self._missing = missing

    def __missing__(self, raw: bytes) -> int:
        return self._missing(raw)


class Table:
    """A table of names that only grows, and only to its bound."""

    def __init__(self, most: int = MOST_NAMES) -> None:
        self.most = most
        self.texts: list[str] = []
        """The names that are kept, by number."""
        self.hashed = 0
        """How often a name was asked for that is known by its hash only."""
        self._numbers = _Numbers(self._new)
        self._numbers[b"-"] = self._numbers[b""] = -1
        self.index: Callable[[bytes], int] = self._numbers.__getitem__
        """The number of a name; -1 for none (`-` or empty)."""

    def __len__(self) -> int:
        return len(self.texts)

    def text(self, number: int) -> str:
        """The name of a number, as far as it is known."""
        return self.texts[number] if number < len(self.texts) else f"#{number - self.most:010x}"

    def _new(self, raw: bytes) -> int:
        if len(self.texts) < self.most:
            self._numbers[raw] = len(self.texts)
            self.texts.append(raw.decode("utf-8", "backslashreplace"))
            return len(self.texts) - 1
        self.hashed += 1
        return self.most + int.from_bytes(blake2b(raw, digest_size=8).digest(), "little") % _HASHES


class Names:
    """All names of a reading."""

    def __init__(self, most_targets: int = MOST_TARGETS, most_names: int = MOST_NAMES) -> None:
        self.targets: list[tuple[str, str]] = []
        """Distinct (method, path), paths without scheme, host and query. The method is empty where none is told."""
        self.users = Table(most_names)
        self.ips = Table(most_names)
        self.merged = 0
        """How often a target was asked for that is not kept as it was written."""
        self._most_targets = most_targets
        self._numbers: dict[tuple[str, str], int] = {}
        self._requests = _Numbers(self._new_request)
        self._known: dict[tuple[bytes, bytes], int] = {}
        self.request: Callable[[bytes], int] = self._requests.__getitem__
        """Index of the target of a request line such as `GET /a HTTP/1.1`; -1 where it is none."""

    def target(self, method: bytes, target: bytes) -> int:
        """Index of a method (empty: not told) and the target it is for; -1 where they are none."""
        known = self._known.get((method, target))
        if known is None:
            known = self._new_target(method, target)
            if len(self._known) >= _CACHED:
                self._known.clear()
            self._known[method, target] = known
        return known

    def named(self, name: str) -> int:
        """Index of something that has a name instead of a path: it is kept as it is, without a method."""
        return self._number("", name)

    def _new_request(self, raw: bytes) -> int:
        match = REQUEST.fullmatch(raw)
        number = -1 if match is None else self._path(match[1].decode(), match[2])
        if len(self._requests) >= _CACHED:
            self._requests.clear()
        self._requests[raw] = number
        return number

    def _new_target(self, method: bytes, target: bytes) -> int:
        if (method and not _METHOD.fullmatch(method)) or not TARGET.fullmatch(target):
            return -1
        return self._path(method.decode(), target)

    def _path(self, method: str, target: bytes) -> int:
        return self._number(method, path_of(target.decode("utf-8", "backslashreplace")))

    def _number(self, method: str, path: str) -> int:
        known = self._numbers.get((method, path))
        if known is None and len(self.targets) < self._most_targets:
            known = self._numbers[method, path] = len(self.targets)
            self.targets.append((method, path))
        return self._merged(method, path) if known is None else known

    def _merged(self, method: str, path: str) -> int:
        self.merged += 1
        for name in (coarse(path), "/{more}"):
            known = self._numbers.get((method, name))
            if known is None and (len(self.targets) < self._most_targets + MOST_TEMPLATES or name == "/{more}"):
                method = method if len(self.targets) < self._most_targets + MOST_TEMPLATES else ""
                known = self._numbers.setdefault((method, name), len(self.targets))
                if known == len(self.targets):
                    self.targets.append((method, name))
            if known is not None:
                return known
        raise AssertionError("unreachable: /{more} is always there")


def path_of(target: str) -> str:
    """The path of a request's target: no scheme, no host, no query, no slash at the end."""
    scheme, mark, rest = target.partition("://")
    if mark and scheme.isalpha():
        target = "/" + rest.partition("/")[2]
    path = target.partition("?")[0].partition("#")[0]
    return path.rstrip("/") or "/"


def coarse(path: str) -> str:
    """A path whose parts with a digit are {id}: `/api/places/7` is `/api/places/{id}`."""
    return "/".join("{id}" if any(sign.isdigit() for sign in part) else part for part in path.split("/"))
