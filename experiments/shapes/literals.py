"""Literals of JavaScript, read without running anything.

Models   Objects, arrays, strings, numbers, true, false, null; comments; names of constants whose value is such a
         literal itself. Whatever else stands in a place becomes `Unread`, with its line, and so says nothing.
Source   ECMA-262, 13.2 (primary expressions), as far as k6's options use it.
Omits    Expressions, calls, templates with holes, spreads.
Checked  tests/unit/test_literals.py, tests/properties/test_load_tests.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

MOST_BYTES: Final = 1_000_000
DEEPEST: Final = 40
MOST_NAMES: Final = 100
"""Constants that are looked up, so that none that names itself goes on for ever."""

_SKIPPED: Final = re.compile(r"(?:\s+|//[^\n]*|/\*.*?(?:\*/|\Z))*", re.DOTALL)
_NUMBER: Final = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+|(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)")
_NAME: Final = re.compile(r"[A-Za-z_$][\w$]*")
_STRING: Final = re.compile(r"'((?:[^'\\\n]|\\.)*)'|\"((?:[^\"\\\n]|\\.)*)\"|`((?:[^`\\$]|\\.|\$(?!\{))*)`", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_ENDS: Final = re.compile(r"\s*(?:[,;\]})]|\Z|//|/\*|\n)")
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0"}
_WORDS: Final = {"true": True, "false": False, "null": None, "undefined": None}


@dataclass(frozen=True)
class Unread:
    """What is no literal."""

    text: str
    line: int


class Literals:
    """The literals of one file."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._looked_up = 0
        self._next = 0
        self._counted = (0, 1)

    def assigned(self, name: str) -> Any:
        """The value of `const NAME = ...` (or let, var, exports.NAME); None where there is no such thing."""
        place = re.search(
            rf"(?:\b(?:const|let|var)\s+|\bexports\.){re.escape(name)}\s*(?::[^=;]{{0,200}})?=(?![=>])", self.text
        )
        return None if place is None else self._value(place.end(), 0)[0]

    def whole(self) -> Any:
        """The file as one literal, as JSON is; `Unread` where it is none."""
        value, end = self._value(0, 0)
        return value if self._skip(end) == len(self.text) else Unread(self.text[:40], 1)

    def line(self, at: int) -> int:
        """The number of the line, from 1."""
        while self._counted[0] > at:  # rarely: values are read from the beginning to the end
            self._counted = (0, 1)
        before, line = self._counted
        self._counted = (at, line + self.text.count("\n", before, at))
        return self._counted[1]

    def _skip(self, at: int) -> int:
        match = _SKIPPED.match(self.text, at)
        return at if match is None else match.end()

    def _value(self, at: int, depth: int) -> tuple[Any, int]:
        """The value that begins here, and where it ends."""
        at = self._skip(at)
        sign = self.text[at : at + 1]
        value: Any
        if depth > DEEPEST:
            return self._unread(at)
        if sign in ("{", "["):
            value, end = self._object(at, depth) if sign == "{" else self._array(at, depth)
        else:
            value, end = self._plain(at, depth)
        if end < 0 or not _ENDS.match(self.text, end):
            return self._unread(at)
        return value, end

    def _plain(self, at: int, depth: int) -> tuple[Any, int]:
        """A string, a number or a name; -1 as its end where it is none of them."""
        if string := _STRING.match(self.text, at):
            return _text(string), string.end()
        if number := _NUMBER.match(self.text, at):
            return _number(number[0]), number.end()
        if name := _NAME.match(self.text, at):
            if name[0] in _WORDS:
                return _WORDS[name[0]], name.end()
            self._looked_up += 1
            if self._looked_up <= MOST_NAMES and depth < DEEPEST and _ENDS.match(self.text, name.end()):
                place = re.search(rf"\b(?:const|let|var)\s+{re.escape(name[0])}\s*=(?![=>])", self.text)
                if place is not None and place.end() < at:
                    return self._value(place.end(), depth + 10)[0], name.end()
        return None, -1

    def _object(self, at: int, depth: int) -> tuple[dict[str, Any], int]:
        found: dict[str, Any] = {}
        for place in self._items(at, "}"):
            if place < 0:
                return found, -place
            key, end = self._key(place)
            colon = self._skip(end) if key is not None else -1
            if key is not None and self.text[colon : colon + 1] == ":":
                found[key], self._next = self._value(colon + 1, depth + 1)
            else:
                self._next = self._unread(place)[1]
        return found, -1

    def _key(self, at: int) -> tuple[str | None, int]:
        if string := _STRING.match(self.text, at):
            return _text(string), string.end()
        name = _NAME.match(self.text, at)
        return (None, at) if name is None else (name[0], name.end())

    def _array(self, at: int, depth: int) -> tuple[list[Any], int]:
        found: list[Any] = []
        for place in self._items(at, "]"):
            if place < 0:
                return found, -place
            value, self._next = self._value(place, depth + 1)
            found.append(value)
        return found, -1

    def _items(self, at: int, closing: str) -> Iterator[int]:
        """Where each item begins; at last, negated, where the bracket ends. Nothing more where the text ends first."""
        self._next = at + 1
        while True:
            place = self._skip(self._next)
            while self.text[place : place + 1] == ",":
                place = self._skip(place + 1)
            sign = self.text[place : place + 1]
            if sign == closing:
                yield -(place + 1)
                return
            if not sign or sign in ")]}":
                return
            before = place
            self._next = place
            yield place
            if self._next <= before:
                return

    def _unread(self, at: int) -> tuple[Unread, int]:
        """Pass over something up to the comma or bracket that ends it."""
        end, depth = at, 0
        while end < len(self.text):
            if string := _STRING.match(self.text, end):
                end = string.end()
                continue
            sign = self.text[end]
            if sign == "/" and (skipped := self._skip(end)) > end:
                end = skipped
                continue
            if sign in "([{":
                depth += 1
            elif sign in ")]}":
                if not depth:
                    break
                depth -= 1
            elif sign in ",;" and not depth:
                break
            end += 1
        return Unread(" ".join(self.text[at : min(end, at + 60)].split()), self.line(at)), end


def _text(string: re.Match[str]) -> str:
    """What a string holds."""
    raw = next(part for part in string.groups() if part is not None)
    halves = _ESCAPE.sub(_unescaped, raw)  # a sign may be written as two halves; half a sign is none
    return halves.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    return chr(int(code, 16)) if code else _ESCAPED.get(match[3], match[3])


def _number(text: str) -> float | int:
    plain = text.replace("_", "")
    if "x" in plain.lower():
        return int(plain, 16)
    return int(plain) if re.fullmatch(r"[+-]?\d{1,18}", plain) else float(plain)
