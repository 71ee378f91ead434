"""The words of an nginx configuration, each with the line and the characters it stands at.

Models   nginx's own lexer: words apart by white space, `;`, `{` and `}`; comments; quotes of both kinds, within which
         nothing is special; a backslash that takes the next character with it; `${name}` as part of a word; the code
         of Lua blocks as one word.
Source   nginx 1.22, src/core/ngx_conf_file.c (ngx_conf_read_token); OpenResty for Lua blocks. Crossplane reads the same
         words but keeps only their lines.
Omits    What nginx refuses between words, e.g. a word right after a closing quote: crossplane lets it pass, too.
Checked  tests/properties/test_nginx_words.py, against crossplane's lexer
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

SYMBOLS = ";{}"
LUA_BLOCK = "_by_lua_block"
_RUN = re.compile(r"[^\s;{}\\]+")
"""Characters that mean nothing but themselves within a word."""


class BadSyntax(Exception):
    """The text is no nginx configuration, from `line` on."""

    def __init__(self, what: str, line: int, start: int) -> None:
        super().__init__(what)
        self.what = what
        self.line = line
        self.start = start


@dataclass(frozen=True, slots=True)
class Word:
    """One word, or one of `;`, `{`, `}`; `start` to `end` is its text without quotes around it."""

    text: str
    line: int
    start: int
    end: int
    is_quoted: bool = False

    @property
    def is_symbol(self) -> bool:
        return not self.is_quoted and len(self.text) == 1 and self.text in SYMBOLS


def words_of(text: str) -> Iterator[Word]:
    """All words in their order, comments left out. Raises BadSyntax."""
    return iter(_Lexer(text))


class _Lexer:
    """A place in the text, and the line it is on."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1

    def __iter__(self) -> Iterator[Word]:
        names_directive = True
        while self._skip():
            if self.text[self.at] in SYMBOLS:
                yield self._symbol()
                names_directive = True
                continue
            word = self._quoted() if self.text[self.at] in "\"'" else self._bare()
            if word is None:
                return
            yield word
            if names_directive and word.text.endswith(LUA_BLOCK):
                yield from self._lua(word)
                continue
            names_directive = False

    def _unit(self) -> str:
        """The next character, with the one it escapes; empty at the end."""
        if self.text[self.at] == "\\":
            return self.text[self.at : self.at + 2]
        return self.text[self.at]

    def _pass(self, unit: str) -> None:
        self.at += len(unit)
        self.line += unit.endswith("\n")

    def _skip(self) -> bool:
        """Pass white space and comments; whether anything is left."""
        text, end = self.text, len(self.text)
        while self.at < end:
            if text[self.at].isspace():
                self._pass(text[self.at])
            elif text[self.at] == "#":
                self._comment()
            else:
                return True
        return False

    def _comment(self) -> None:
        while self.at < len(self.text):
            unit = self._unit()
            self._pass(unit)
            if unit.endswith("\n"):
                return

    def _symbol(self) -> Word:
        at, self.at = self.at, self.at + 1
        return Word(self.text[at], self.line, at, at + 1)

    def _quoted(self) -> Word:
        opened, line, quote = self.at, self.line, self.text[self.at]
        self.at += 1
        parts: list[str] = []
        while self.at < len(self.text):
            unit = self._unit()
            if unit == quote:
                end, self.at = self.at, self.at + 1
                return Word("".join(parts), line, opened + 1, end, True)
            parts.append(quote if unit == "\\" + quote else unit)
            self._pass(unit)
        raise BadSyntax(f"must have a closing {quote}, got the end of the file. Close it", line, opened)

    def _bare(self) -> Word | None:
        start, line = self.at, self.line
        while self.at < len(self.text):
            run = _RUN.match(self.text, self.at)
            if run is not None:
                self.at = run.end()
                continue
            unit = self._unit()
            if unit == "\\":
                break  # an escape of nothing, at the very end
            if unit == "{" and self.at > start and self.text[self.at - 1] == "$":
                self._variable(line, start)
                continue
            if unit.isspace() or unit in SYMBOLS:
                break
            self._pass(unit)
        word = self.text[start : self.at]
        if self.at < len(self.text) and self.text[self.at] == "\\" and self.at + 1 == len(self.text):
            self.at = len(self.text)
        return Word(word, line, start, start + len(word)) if word else None

    def _variable(self, line: int, start: int) -> None:
        """From the brace of `${` to its end, or to the white space before which there is none."""
        while self.at < len(self.text):
            unit = self._unit()
            if unit.isspace():
                return
            self._pass(unit)
            if unit == "}":
                return
        raise BadSyntax("must close ${, got the end of the file. Add the brace", line, start)

    def _lua(self, directive: Word) -> Iterator[Word]:
        """The code of a Lua block as one word, and the end that stands for its brace."""
        if directive.text == "set" + LUA_BLOCK and self._skip() and self.text[self.at] not in SYMBOLS:
            variable = self._bare()
            if variable is not None:
                yield variable
        while self.at < len(self.text) and self.text[self.at].isspace():
            self._pass(self.text[self.at])
        if self.at >= len(self.text) or self.text[self.at] != "{":
            raise BadSyntax(f"{directive.text} must be followed by {{. Add it", directive.line, directive.start)
        self.at += 1
        start, line, depth = self.at, self.line, 1
        while self.at < len(self.text):
            character = self.text[self.at]
            if self.text.startswith("--", self.at):
                while self.at < len(self.text) and self.text[self.at] != "\n":
                    self.at += 1
                continue
            if character in "\"'":
                self._lua_string(character, line, start)
                continue
            depth += {"{": 1, "}": -1}.get(character, 0)
            if depth == 0:
                code = Word(self.text[start : self.at], line, start, self.at, True)
                self.at += 1
                yield code
                yield Word(";", self.line, self.at - 1, self.at)
                return
            self._pass(character)
        raise BadSyntax(f"{directive.text} must be closed by }}. Add it", directive.line, directive.start)

    def _lua_string(self, quote: str, line: int, start: int) -> None:
        self.at += 1
        while self.at < len(self.text):
            unit = self._unit()
            self._pass(unit)
            if unit == quote:
                return
        raise BadSyntax(f"must have a closing {quote} in its Lua code. Close it", line, start)
