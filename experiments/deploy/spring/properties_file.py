"""Java's .properties files: keys and values with the characters they stand at.

Models   Comments (#, !), separators (=, :, white space), escapes, lines that go on after a backslash, several documents
         apart by #--- or !---.
Source   java.util.Properties (OpenJDK 17); Spring Boot, OriginTrackedPropertiesLoader (documents)
Checked  tests/unit/test_spring_text.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_BLANK = " \t\f"
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_DOCUMENT = re.compile(r"[#!]---[ \t\f]*")


@dataclass(frozen=True, slots=True)
class Entry:
    """One key and its value; `start` to `end` is the value as it stands in the text."""

    document: int
    key: str
    value: str
    line: int
    start: int
    end: int


class BadProperties(Exception):
    """The text is no properties file, at `line`."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(what)
        self.what = what
        self.line = line


def entries_of(text: str) -> Iterator[Entry]:
    """All entries in their order. Raises BadProperties."""
    document, at, line, begun = 0, 0, 1, False
    while at < len(text):
        match = _LINE.match(text, at)
        assert match is not None  # it matches anything
        content = match[0].rstrip("\r\n")
        first = len(content) - len(content.lstrip(_BLANK))
        start_line = line
        if first == len(content) or content[first] in "#!":
            document += begun and _DOCUMENT.fullmatch(content) is not None
            begun = begun and _DOCUMENT.fullmatch(content) is None
            at, line = match.end(), line + 1
            continue
        characters, at, line = _logical_line(text, at, line)
        begun = True
        yield _entry(characters, document, start_line, at)


def _logical_line(text: str, at: int, line: int) -> tuple[list[tuple[str, int]], int, int]:
    """The characters of a line and of those it goes on in, each with its place; where and on which line it ends."""
    characters: list[tuple[str, int]] = []
    while True:
        match = _LINE.match(text, at)
        assert match is not None
        content = match[0].rstrip("\r\n")
        begin = at + len(content) - len(content.lstrip(_BLANK))
        backslashes = len(content) - len(content.rstrip("\\"))
        goes_on = backslashes % 2 == 1
        end = at + len(content) - goes_on
        characters += [(text[place], place) for place in range(begin, end)]
        at, line = match.end(), line + 1
        if not goes_on or at >= len(text):
            return characters, at, line


def _entry(characters: list[tuple[str, int]], document: int, line: int, after: int) -> Entry:
    at = 0
    while at < len(characters) and characters[at][0] not in "=:" + _BLANK:
        at += 2 if characters[at][0] == "\\" else 1
    key = _unescaped(characters[:at], line)
    while at < len(characters) and characters[at][0] in _BLANK:
        at += 1
    if at < len(characters) and characters[at][0] in "=:":
        at += 1
        while at < len(characters) and characters[at][0] in _BLANK:
            at += 1
    value = characters[at:]
    if value:
        return Entry(document, key, _unescaped(value, line), line, value[0][1], value[-1][1] + 1)
    end = characters[-1][1] + 1 if characters else after
    return Entry(document, key, "", line, end, end)


def _unescaped(characters: list[tuple[str, int]], line: int) -> str:
    parts: list[str] = []
    at = 0
    while at < len(characters):
        character = characters[at][0]
        at += 1
        if character != "\\" or at >= len(characters):
            parts.append(character if character != "\\" else "")
            continue
        escape = characters[at][0]
        at += 1
        if escape != "u":
            parts.append(_ESCAPES.get(escape, escape))
            continue
        digits = "".join(digit for digit, _ in characters[at : at + 4])
        if not re.fullmatch("[0-9a-fA-F]{4}", digits):
            raise BadProperties(f"must have four hexadecimal digits after \\u, got '{digits[:8]}'. Write them", line)
        parts.append(chr(int(digits, 16)))
        at += 4
    return "".join(parts)
