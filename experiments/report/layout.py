"""What the report is laid out with: tables that drop empty columns, names that break at their dots, lists that flow.

Nothing is cut off and no trailing blanks are written, whatever the width.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

Cell = str | Text
LEAST_NAME = 14
"""Columns that a name gets, if it needs them, before numbers make room."""


@dataclass(frozen=True)
class Name:
    """A path or a name. Where it does not fit it goes on below, broken after a dot, a blank, or at worst a hyphen."""

    text: str
    style: str = ""

    def _pieces(self, width: int) -> Iterator[str]:
        for piece in re.findall(r"[^. ]*[. ]*", self.text):
            yield from [piece] if len(piece.rstrip()) <= width else re.findall(r"[^-]*-?", piece)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        line = ""
        for piece in self._pieces(options.max_width):
            if line and len((line + piece).rstrip()) > options.max_width:
                yield Text(line.rstrip(), style=self.style)
                line = " "
            line += piece
        yield Text(line.rstrip(), style=self.style)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        least = max((1 + len(piece.rstrip()) for piece in self._pieces(0)), default=1)
        return Measurement(min(least, len(self.text)), len(self.text)).with_maximum(options.max_width)


@dataclass(frozen=True)
class Flow:
    """Short texts one after the other, separated by commas; a line ends between two of them."""

    items: Sequence[str]
    opening: str = ""
    style: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        line = self.opening
        for number, item in enumerate(self.items):
            piece = item + ("," if number < len(self.items) - 1 else "")
            if line and len(line) + 1 + len(piece) > options.max_width:
                yield Text(line, style=self.style)
                line = piece
            else:
                line = f"{line} {piece}".lstrip()
        yield Text(line, style=self.style)


@dataclass(frozen=True)
class Indented:
    """Something under a heading, or after a mark: further to the right, without blanks at the ends of lines."""

    content: RenderableType
    mark: str = "  "

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        inner = options.update(width=max(1, options.max_width - len(self.mark)))
        for number, line in enumerate(console.render_lines(self.content, inner, pad=False)):
            while line and not line[-1].text.strip():
                line.pop()
            if line:
                last = line[-1]
                line[-1] = Segment(last.text.rstrip(), last.style, last.control)
                yield Segment(self.mark if number == 0 else " " * len(self.mark))
                yield from line
            yield Segment.line()


def bullets(texts: Iterable[str]) -> Group:
    return Group(*(Indented(Text(text), "- ") for text in texts))


def table_of(headings: Sequence[str], rows: Iterable[Sequence[Cell | Name]], left: Sequence[str] = ()) -> Table:
    """A table; the first column and those in `left` hold words, the others numbers. Columns without any are dropped."""
    listed = [[*row, *[""] * (len(headings) - len(row))] for row in rows]
    kept = [column for column in range(len(headings)) if column == 0 or any(_is_said(row[column]) for row in listed)]
    longest = max((len(row[0].text if isinstance(row[0], Name) else str(row[0])) for row in listed), default=0)
    table = Table(box=None, show_header=any(headings), pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in kept:
        is_words = column == 0 or headings[column] in left
        heading = Text(headings[column], justify="left" if is_words else "right")
        table.add_column(
            heading,
            justify="left" if is_words else "right",
            no_wrap=not is_words,
            overflow="fold",
            min_width=LEAST_NAME if column == 0 and longest > LEAST_NAME else None,
        )
    for row in listed:
        first = Name(row[0]) if isinstance(row[0], str) else row[0]
        table.add_row(first, *(row[column] for column in kept[1:]))
    return table


def _is_said(cell: Cell | Name) -> bool:
    return bool(cell.text if isinstance(cell, Name) else str(cell))
