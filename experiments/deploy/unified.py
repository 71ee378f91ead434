"""A unified diff of texts whose changes are known to the character: only the lines that are touched, nothing guessed.

Models   Replacements of spans; lines end at \\n only (a \\r stays part of its line), so that what `patch` sees is
         what is there. Three lines of context.
Checked  tests/unit/test_deploy_patch.py, with GNU patch
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

CONTEXT = 3
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True, slots=True, order=True)
class Replacement:
    """Another text for the characters from `start` to `end`."""

    start: int
    end: int
    text: str


@dataclass(slots=True)
class _Edit:
    """Lines `first` to `last` (not included, from 0) become `lines`."""

    first: int
    last: int
    lines: list[str]


def overlapping(replacements: Sequence[Replacement]) -> bool:
    """Whether two of them touch the same characters."""
    return any(after.start < before.end for before, after in pairwise(sorted(replacements)))


def applied(text: str, replacements: Sequence[Replacement]) -> str:
    """The text with every replacement made."""
    parts, position = [], 0
    for each in sorted(replacements):
        parts += [text[position : each.start], each.text]
        position = each.end
    return "".join([*parts, text[position:]])


def unified_diff(name: str, text: str, replacements: Sequence[Replacement]) -> str:
    """The diff of one file; empty where nothing changes. Replacements must not overlap."""
    old = _LINE.findall(text)
    edits = list(_edits(old, replacements))
    if not edits:
        return ""
    tab = "\t" if " " in name else ""  # so that a name with a space is one
    parts = [f"--- a/{name}{tab}\n+++ b/{name}{tab}\n"]
    shift = 0
    for group in _groups(edits):
        lines, shift = _hunk(old, group, shift)
        parts += lines
    return "".join(parts)


def _edits(old: list[str], replacements: Sequence[Replacement]) -> Iterator[_Edit]:
    starts = [0]
    for text in old:
        starts.append(starts[-1] + len(text))
    pending: list[Replacement] = []
    first, last, line, end = -1, -1, 0, 0
    chosen: list[Replacement | None] = [*sorted(replacements), None]
    for each in chosen:
        if each is not None:
            while line + 1 < len(old) and starts[line + 1] <= each.start:
                line += 1
            end = line
            while end + 1 < len(old) and starts[end + 1] < each.end:
                end += 1
        if pending and (each is None or line > last):
            yield from _edit(old, starts, first, last, pending)
            pending = []
        if each is not None:
            first, last = (first, max(last, end)) if pending else (line, end)
            pending.append(each)


def _edit(old: list[str], starts: list[int], first: int, last: int, made: list[Replacement]) -> Iterator[_Edit]:
    base = starts[first]
    inside = [Replacement(each.start - base, each.end - base, each.text) for each in made]
    before = old[first : last + 1]
    after = _LINE.findall(applied("".join(before), inside))
    while before and after and before[0] == after[0]:
        before, after, first = before[1:], after[1:], first + 1
    while before and after and before[-1] == after[-1]:
        before, after = before[:-1], after[:-1]
    if before or after:
        yield _Edit(first, first + len(before), after)


def _groups(edits: list[_Edit]) -> Iterator[list[_Edit]]:
    group = [edits[0]]
    for edit in edits[1:]:
        if edit.first - group[-1].last > 2 * CONTEXT:
            yield group
            group = []
        group.append(edit)
    yield group


def _hunk(old: list[str], group: list[_Edit], shift: int) -> tuple[list[str], int]:
    begin, end = max(0, group[0].first - CONTEXT), min(len(old), group[-1].last + CONTEXT)
    body: list[str] = []
    position, added = begin, 0
    for edit in group:
        body += [_said(" ", line) for line in old[position : edit.first]]
        body += [_said("-", line) for line in old[edit.first : edit.last]]
        body += [_said("+", line) for line in edit.lines]
        added += len(edit.lines) - (edit.last - edit.first)
        position = edit.last
    body += [_said(" ", line) for line in old[position:end]]
    count = end - begin
    head = f"@@ -{_span(begin, count)} +{_span(begin + shift, count + added)} @@\n"
    return [head, *body], shift + added


def _span(begin: int, count: int) -> str:
    return f"{begin + 1 if count else begin},{count}"


def _said(sign: str, line: str) -> str:
    return f"{sign}{line}" if line.endswith("\n") else f"{sign}{line}\n\\ No newline at end of file\n"
