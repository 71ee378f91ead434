"""Formats that people write down as a pattern: text with places for variables.

Models   A pattern becomes one expression. What a variable may hold is told by itself, or else by the text behind it:
         everything up to that. A line fits as a whole or is bad. No two neighbouring parts of the expression can take
         the same text, so that a line is refused in a time that grows with its length only.
Checked  tests/unit/test_log_formats.py, tests/properties/test_logs.py
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from experiments.errors import InputError, shown
from experiments.logs.batch import NS, Batch, Integers
from experiments.logs.fields import ROLES, UNITS, Fields, Use, instant_of
from experiments.logs.lines import LineFormat, batch_of_rows
from experiments.logs.notes import Notes, listed
from experiments.logs.pattern_spans import PatternSplitter, Place
from experiments.logs.source import Block
from experiments.logs.spans import ROOM, Spans, merged
from experiments.logs.stamps import NO_INSTANT

QUOTED: Final = rb'[^"\\]*(?:\\.[^"\\]*)*'
_BARE_REQUEST: Final = rb'[^\s"]+(?: [^\s"]+){0,2}'
"""A request line without quotes around it: method, target and version, or fewer words of what is none."""
_SHOWN: Final = 40


@dataclass(frozen=True, slots=True)
class Variable:
    """A place in a pattern."""

    name: str
    holds: bytes | None = None
    """An expression; None: everything up to the text behind it."""
    use: Use | None = None
    rank: int = 0
    """Of several variables with one role, the one with the lowest rank is used."""


class PatternFormat(LineFormat):
    """Reads lines that fit a pattern."""

    def __init__(
        self, name: str, title: str, parts: Sequence[str | Variable], at_end: bool,
        unescaped: Callable[[bytes], bytes] | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.resolution_ns = NS
        self.leaves_open = frozenset({"fields"})
        self._title = title
        self._unescaped = unescaped
        used = _used(parts)
        self._parts = list(parts)
        held = [_held(parts, number) for number in range(len(parts))]
        is_used = [any(part is each for each in used) for part in parts]
        self._expressions = [_expression(*each) for each in zip(parts, held, is_used, strict=True)]
        self.expression = re.compile(b"".join(self._expressions), re.DOTALL)
        """What a line fits as a whole."""
        self._splitter = _splitter_of(parts, held, is_used)
        self._variables = [part for part in parts if isinstance(part, Variable) and any(part is each for each in used)]
        self._fields = Fields([variable.use for variable in self._variables], at_end)
        self._edge = "end" if at_end else "begin"
        if "time" not in self._fields.roles:
            raise InputError(f"--format: must have the time of a request, got a {title} without. Log it, or say which.")
        self._time, self._unit = next(
            (number, each.use.unit)
            for number, each in enumerate(self._variables, 1)
            if each.use and each.use.role == "time"
        )

    def describe(self) -> str:
        uses = ", ".join(f"{each.use.role} from {each.name}" for each in self._variables if each.use is not None)
        edge = f"; stamps are of the {self._edge} of a request"
        return f"{self._title}: {uses}" + edge * ("response" in self._fields.roles)

    def instant(self, line: bytes) -> int:
        match = self.expression.fullmatch(line)
        return NO_INSTANT if match is None else instant_of(match[self._time], self._unit)

    def why_not(self, line: bytes) -> str:
        """Where a line stops to fit, in words; empty where it fits."""
        if self.expression.fullmatch(line):
            return ""
        for count in range(len(self._expressions), -1, -1):
            match = re.compile(b"".join(self._expressions[:count]), re.DOTALL).match(line)
            if match is not None:
                break
        assert match is not None  # nothing at all is the begin of everything
        rest = line[match.end() :][:_SHOWN].decode("utf-8", "backslashreplace")
        names = ["its begin", *(shown(part if isinstance(part, str) else part.name) for part in self._parts), "its end"]
        return f"must have {names[count + 1]} after {names[count]}, got {shown(rest) if rest else 'no more'}"

    def parse(self, block: Block, notes: Notes) -> Iterator[Batch]:
        data = block.data + bytes(ROOM)
        none: tuple[Integers, list[Spans]] = (np.empty(0, np.int64), [])
        taken, columns = none if self._splitter is None else self._splitter.split(data, block.ends)
        if len(taken) == len(block):
            yield batch_of_rows(block, notes, self._fields, taken, columns, [])
            return
        is_left = np.ones(len(block), bool)
        is_left[taken] = False
        numbers, texts, bad = self._strictly(block, np.flatnonzero(is_left).tolist())
        columns = merged(data, columns, texts, np.argsort(np.concatenate((taken, numbers)), kind="stable"))
        yield batch_of_rows(block, notes, self._fields, np.sort(np.concatenate((taken, numbers))), columns, bad)

    def _strictly(self, block: Block, numbers: Sequence[int]) -> tuple[Integers, list[list[bytes]], list[int]]:
        """Lines one by one: which of them fit, the variables of these, and which lines are bad."""
        lines = block.lines() if 2 * len(numbers) > len(block) else None
        good, rows, bad = [], [], []
        for number in numbers:
            match = self.expression.fullmatch(block.line(number) if lines is None else lines[number])
            if match is None:
                bad.append(number)
            else:
                good.append(number)
                rows.append(match.groups())
        columns = [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in self._variables]
        if self._unescaped is not None and b"\\" in block.data:
            columns = [list(map(self._unescaped, column)) for column in columns]
        return np.array(good, np.int64), columns, bad


def _used(parts: Sequence[str | Variable]) -> list[Variable]:
    """One variable for each role; a request line tells what method and path tell."""
    best: dict[str, Variable] = {}
    for part in parts:
        if isinstance(part, Variable) and part.use is not None:
            role = part.use.role
            if role not in best or part.rank < best[role].rank:
                best[role] = part
    if "request" in best:
        best.pop("method", None)
        best.pop("path", None)
    return list(best.values())


def _held(parts: Sequence[str | Variable], number: int) -> bytes:
    """The expression of what a variable may hold; empty for a text."""
    part = parts[number]
    if isinstance(part, str):
        return b""
    after = parts[number + 1] if number + 1 < len(parts) else ""
    if part.use is not None and part.use.role == "request" and part.holds is None and str(after)[:1].isspace():
        return _BARE_REQUEST
    return part.holds or (_up_to(after) if isinstance(after, str) else rb'[^\s"?]*')


def _expression(part: str | Variable, holds: bytes, is_used: bool) -> bytes:
    if isinstance(part, str):
        return re.escape(part.encode())
    return b"(" + holds + b")" if is_used else b"(?:" + holds + b")"


def _splitter_of(
    parts: Sequence[str | Variable], held: Sequence[bytes], is_used: Sequence[bool]
) -> PatternSplitter | None:  # fmt: skip
    """What takes lines of a pattern apart by the block; None where its texts do not say where its variables end."""
    kinds = [isinstance(part, str) for part in parts]
    if any(one == other for one, other in pairwise(kinds)) or _BARE_REQUEST in held:
        return None
    texts = [part.encode() if isinstance(part, str) else b"" for part in parts]
    places = [
        Place(held[number], is_used[number], texts[number + 1] if number + 1 < len(parts) else b"")
        for number, is_text in enumerate(kinds)
        if not is_text
    ]
    return PatternSplitter(texts[0], places)


def _up_to(text: str) -> bytes:
    """Anything that does not hold the mark at which the text behind it is known."""
    if not text:
        return rb".*"
    if text.startswith('"'):
        return QUOTED
    mark = text.strip()[:1]
    if not mark or not text[0].isspace():
        return b"[^" + re.escape(text[:1].encode()) + b"]*"
    if mark == "-":  # which stands for what is not there, and in names
        return b"(?:(?!" + re.escape(text.encode()) + b").)*"
    return b"[^" + re.escape(mark.encode()) + b"]*?"


def with_fields(parts: Sequence[str | Variable], fields: Mapping[str, str]) -> list[str | Variable]:
    """The parts with the roles that somebody gave to variables by name (`user=http_x_user`). Raises InputError."""
    changed = list(parts)
    for role, wanted in fields.items():
        use, name = use_of(role, wanted)
        names = [_plain(part.name) if isinstance(part, Variable) else "" for part in parts]
        plain = _plain(name)
        if plain not in names:  # headers are written as people like
            plain = next((other for other in names if other and other.lower() == plain.lower()), plain)
        if plain not in names:
            there = listed(part.name for part in parts if isinstance(part, Variable))
            raise InputError(f"--field {role}: must be one of {there}, got {shown(name)}. Write e.g. {role}=NAME.")
        for number, part in enumerate(parts):
            if isinstance(part, Variable) and names[number] == plain:
                changed[number] = Variable(part.name, part.holds, use, -1)
    return changed


def _plain(name: str) -> str:
    """A variable's name as people say it: `$http_x_user` is http_x_user, `%{X-User}i` is X-User."""
    match = re.fullmatch(r"%[<>]?\{(.*)\}[A-Za-z]", name)
    return match[1] if match else name.lstrip("$%")


def use_of(role: str, wanted: str) -> tuple[Use, str]:
    """What `--field ROLE=NAME[:UNIT]` says. Raises InputError."""
    if role not in ROLES:
        raise InputError(f"--field: must be one of {', '.join(ROLES)}, got {shown(role)}. Write ROLE=NAME.")
    name, colon, unit = wanted.rpartition(":")
    if not colon or unit not in UNITS:
        name, unit = wanted, ""
    if not name:
        raise InputError(f"--field {role}: must be the name of a field, got nothing. Write {role}=NAME.")
    return Use(role, unit), name
