"""Directives with their arguments and blocks, as they nest in one file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from experiments.deploy.nginx.tokens import BadSyntax, Word, words_of

DEEPEST = 40
"""Blocks within blocks. Real files have five or six; crossplane calls itself for each."""
MOST_WORDS = 200_000


@dataclass(slots=True)
class Directive:
    """One directive of one file."""

    name: Word
    args: tuple[Word, ...]
    file: str
    end: int
    """Where its `;` or its opening brace stands."""
    block: list[Directive] | None = None
    outer: Directive | None = field(default=None, repr=False)
    """The directive whose block it stands in."""

    @property
    def is_block(self) -> bool:
        return self.block is not None

    @property
    def line(self) -> int:
        return self.name.line

    @property
    def texts(self) -> list[str]:
        return [arg.text for arg in self.args]

    def within(self) -> Iterator[Directive]:
        """Itself and everything around it, from the inside out."""
        around: Directive | None = self
        while around is not None:
            yield around
            around = around.outer

    def title(self) -> str:
        """The directive with what tells it from its like: `location /api`."""
        return " ".join([self.name.text, *self.texts]) if self.is_block else self.name.text


def directives_of(text: str, file: str) -> list[Directive]:
    """The directives at the top of a file, those in their blocks within them. Raises BadSyntax."""
    top: list[Directive] = []
    open_blocks: list[Directive] = []
    pending: list[Word] = []
    for number, word in enumerate(words_of(text)):
        if number > MOST_WORDS:
            raise BadSyntax(f"must have at most {MOST_WORDS} words. Split the file", word.line, word.start)
        if not word.is_symbol:
            pending.append(word)
            continue
        if word.text == "}":
            if pending:
                raise BadSyntax(f'"{pending[0].text}" must end with ";". Add it', pending[0].line, pending[0].start)
            if not open_blocks:
                raise BadSyntax('must have no "}" here: no block is open. Remove it', word.line, word.start)
            open_blocks.pop()
            continue
        if not pending:
            raise BadSyntax(f'must name a directive before "{word.text}". Remove it', word.line, word.start)
        outer = open_blocks[-1] if open_blocks else None
        directive = Directive(pending[0], tuple(pending[1:]), file, word.start, None, outer)
        (top if outer is None or outer.block is None else outer.block).append(directive)
        pending = []
        if word.text == "{":
            directive.block = []
            open_blocks.append(directive)
            if len(open_blocks) > DEEPEST:
                raise BadSyntax(f"must nest at most {DEEPEST} blocks deep. Take some out", word.line, word.start)
    if pending:
        raise BadSyntax(f'"{pending[0].text}" must end with ";". Add it', pending[0].line, pending[0].start)
    if open_blocks:
        name = open_blocks[-1].name
        raise BadSyntax(f'"{name.text}" must be closed by "}}". Add it', name.line, name.start)
    return top


def walk(directives: list[Directive]) -> Iterator[Directive]:
    """All of them, those in blocks included, in the order of the file."""
    for directive in directives:
        yield directive
        yield from walk(directive.block or [])
