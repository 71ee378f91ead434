"""${...} in Compose files, and the files of variables that fill it in.

Models   $NAME, ${NAME}, and - :- ? :? + :+ with texts that hold variables themselves; $$ is a dollar. Every part of a
         value keeps the place of the text that gives it: what stands there, a default, or the line in .env.
Source   Compose specification; compared with Docker Compose 2.40.3
Checked  tests/unit/test_deploy_compose.py, tests/real/test_compose_config.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from experiments.deploy.place import Place
from experiments.deploy.setting import Ledger, Part
from experiments.deploy.source import Text

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LINE = re.compile(
    r"(?m)^[ \t]*(?:export[ \t]+)?([A-Za-z_][\w.\-]*)[ \t]*=[ \t]*(\"(?:[^\"\\]|\\.)*\"|'[^']*'|[^\r\n]*)"
)
DEEPEST, LONGEST = 20, 65_536


@dataclass(frozen=True, slots=True)
class Given:
    """A variable's value; its place where a file of the deployment says it in so many words."""

    value: str
    place: Place | None = None


Variables = Mapping[str, Given]


def read_variables(text: Text, known: Mapping[str, Given], *, is_inside: bool = True) -> dict[str, Given]:
    """A file such as .env: later lines win, earlier ones can be used in them."""
    found: dict[str, Given] = dict(known)
    mine: dict[str, Given] = {}
    for match in _LINE.finditer(text.text):
        start, end, raw = match.start(2), match.end(2), match[2]
        quote = raw[:1] if raw[:1] in ("'", '"') and len(raw) > 1 and raw[-1:] == raw[:1] else ""
        if quote:
            start, end, raw = start + 1, end - 1, raw[1:-1]
        else:
            raw = re.split(r"(?:^|\s)#", raw, maxsplit=1)[0].rstrip()
            end = start + len(raw)
        value = raw
        if quote == '"':
            value = value.replace("\\n", "\n").replace('\\"', '"')
        if quote != "'" and "$" in value:
            value = Filling(found, Ledger(), Place(text.file, 1, 0, 0)).text_of(value)
        line = text.text.count("\n", 0, start) + 1
        place = Place(text.file, line, start, end) if is_inside and value == raw else None
        found[match[1]] = mine[match[1]] = Given(value[:LONGEST], place)
    return mine


@dataclass(frozen=True, slots=True)
class Missing:
    """A variable that nothing gives a value."""

    name: str
    place: Place
    message: str | None
    """What the file's author says of it; None where it is simply empty."""


@dataclass(slots=True)
class Filling:
    """Fills in the variables of one value."""

    variables: Variables
    ledger: Ledger
    place: Place
    missing: list[Missing] | None = None
    source: Given | None = None
    """The one text that the whole value is, with its place."""
    parts: tuple[Part, ...] = ()
    """What the value is put together from, as far as it stands somewhere."""

    def text_of(self, text: str, depth: int = 0, at: int | None = None) -> str:
        """The text with its variables filled in. `at`: the offset of the text in its file."""
        pieces = self._joined(text, depth, at)
        value = "".join(piece.value for piece in pieces)
        found, position = [], 0
        for piece in pieces:
            end = position + len(piece.value)
            if piece.place is not None and end > position:
                found.append(Part(position, end, piece.place))
            position = end
        self.parts = tuple(found)
        self.source = self._whole(text, pieces)
        return value[:LONGEST]

    def _joined(self, text: str, depth: int, at: int | None) -> list[Given]:
        pieces: list[Given] = []
        size = 0
        for piece in self._pieces(text, depth, at):
            size += len(piece.value)
            if size > LONGEST:
                self.ledger.problem(self.place, f"must be at most {LONGEST} characters with its variables, got more.")
                break
            pieces.append(piece)
        return pieces

    def _whole(self, text: str, pieces: list[Given]) -> Given | None:
        """The one variable that a text is; None where it is more, or less."""
        return (
            pieces[1] if len(pieces) == 3 and not pieces[0].value and not pieces[2].value and text[0] == "$" else None
        )

    def _pieces(self, text: str, depth: int, at: int | None) -> Iterator[Given]:
        """What stands between variables, and what is put in for them, in turn."""
        position = 0
        while True:
            dollar = text.find("$", position)
            if dollar < 0 or dollar + 1 == len(text):
                yield self._plain_text(text, position, len(text), at)
                return
            yield self._plain_text(text, position, dollar, at)
            after = text[dollar + 1]
            name = _NAME.match(text, dollar + 1)
            if after == "$":
                yield Given("$")
                position = dollar + 2
            elif name is not None:
                position = name.end()
                yield self._plain(name[0])
            elif after == "{" and (end := _closing(text, dollar + 1)) > 0 and depth < DEEPEST:
                position = end + 1
                yield self._braced(text[dollar + 2 : end], depth, None if at is None else at + dollar + 2)
            else:
                what = f"{text[dollar : dollar + 30]!r} is no variable: $$ is a dollar. Compose refuses the file."
                self.ledger.problem(self.place, what)
                yield Given(text[dollar:])
                return

    def _plain_text(self, text: str, start: int, end: int, at: int | None) -> Given:
        if at is None:
            return Given(text[start:end])
        line = self.place.line + text.count("\n", 0, start)
        return Given(text[start:end], Place(self.place.file, line, at + start, at + end))

    def _plain(self, name: str) -> Given:
        given = self.variables.get(name)
        if given is None:
            self._miss(name, None)
            return Given("")
        return given

    def _braced(self, inner: str, depth: int, at: int | None) -> Given:
        """What stands between braces. `at`: its offset in the file."""
        name = _NAME.match(inner)
        sign = re.match(r":?[-?+]|$", inner[name.end() :]) if name is not None else None
        if name is None or sign is None:
            self.ledger.problem(self.place, f"'${{{inner[:30]}}}' is no variable. Compose refuses the file.")
            return Given("")
        given = self.variables.get(name[0])
        start = name.end() + sign.end()
        rest = inner[start:]
        is_there = given is not None and (bool(given.value) or not sign[0].startswith(":"))
        inside = at + start if at is not None else None
        if sign[0].endswith("+"):
            return self._inner(rest, depth, inside) if is_there else Given("")
        if is_there or not sign[0]:
            return self._plain(name[0])
        if sign[0].endswith("-"):
            return self._inner(rest, depth, inside)
        message = "".join(piece.value for piece in self._joined(rest, depth + 1, None))
        self._miss(name[0], message or "is required")
        return Given("")

    def _inner(self, text: str, depth: int, at: int | None) -> Given:
        """What is put in where a variable is missing, or is there: it may hold variables itself."""
        if "$" not in text:
            return self._plain_text(text, 0, len(text), at)
        pieces = self._joined(text, depth + 1, at)
        return self._whole(text, pieces) or Given("".join(piece.value for piece in pieces))

    def _miss(self, name: str, message: str | None) -> None:
        if self.missing is not None:
            self.missing.append(Missing(name, self.place, message))


def _closing(text: str, opening: int) -> int:
    """Where the brace that opens there is closed; 0 where it is not."""
    depth = 0
    for position in range(opening, len(text)):
        if text[position] == "{":
            depth += 1
        elif text[position] == "}":
            depth -= 1
            if depth == 0:
                return position
    return 0


def say_missing(missing: list[Missing], ledger: Ledger) -> None:
    """A problem for every variable that nothing gives a value, with the author's words where there are some."""
    by_name: dict[tuple[str, str | None], list[Place]] = {}
    for one in missing:
        by_name.setdefault((one.name, one.message), []).append(one.place)
    for (name, message), places in by_name.items():
        more = f" ({len(places)} places)" if len(places) > 1 else ""
        where = "Put it into .env, or name a file with --env-file."
        if message is None:
            ledger.problem(places[0], f"nothing gives ${{{name}}} a value{more}. {where}")
        else:
            ledger.problem(places[0], f"nothing gives ${{{name}}} a value{more}: {message}. {where}")
