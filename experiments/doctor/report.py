"""Findings as text and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from experiments.doctor.finding import Finding, Severity
from experiments.doctor.prove import Proofs, Proven

_MARKS = {Severity.ERROR: ("✗", "bold red"), Severity.WARNING: ("!", "bold yellow"), Severity.NOTE: ("·", "bold")}
NARROWEST, WIDEST = 40, 120
INDENT = "  "
WORDS = 8
"""Columns of the words why, change and proof."""


def print_findings(
    console: Console, name: str, findings: Sequence[Finding], proofs: Proofs | None = None, left_out: int = 0
) -> None:
    """The report: each finding with what stands there, why it matters, and what mends it. Those with the same reason
    and the same remedy are told together. `left_out`: rules that need a scenario, where there is none."""
    width = max(NARROWEST, min(console.width, WIDEST))
    _say(console, Text(name, style="bold"))
    for numbers in grouped(findings):
        _say(console, Text())
        for line in _block([findings[number] for number in numbers], _first(numbers, proofs), width):
            _say(console, line)
    _say(console, Text())
    if left_out:
        said = (
            f"These files describe no service: {left_out} rules that need one were left out. The Compose file that "
            "starts the services, or a scenario, lets them look."
        )
        for rest in textwrap.wrap(said, width):
            _say(console, Text(rest))
    if proofs is not None:
        for told in textwrap.wrap(proofs_told(findings, proofs), width):
            _say(console, Text(told))
    for last in textwrap.wrap(summary(findings), width):
        _say(console, Text(last))


def _say(console: Console, line: Text) -> None:
    line.no_wrap, line.overflow = True, "ignore"
    console.print(line, soft_wrap=True, highlight=False)


def _first(numbers: Sequence[int], proofs: Proofs | None) -> Proven | None:
    shown = proofs.shown if proofs is not None else {}
    return next((shown[number] for number in numbers if number in shown), None)


def proofs_told(findings: Sequence[Finding], proofs: Proofs) -> str:
    """How many claims were tried, and which did not show: the situation may need other traffic than this."""
    tried = len(proofs.shown) + len(proofs.not_shown)
    if not tried:
        return "None of these can be shown by a short simulation."
    said = f"{len(proofs.shown)} of {tried} claims that a short simulation can show did show"
    missing = [f"{findings[number].rule} ({findings[number].where})" for number in proofs.not_shown]
    return f"{said}; not under this traffic: {', '.join(missing)}." if missing else f"{said}."


def grouped(findings: Sequence[Finding]) -> list[list[int]]:
    """Numbers of findings that are told together, in the order of their first."""
    groups: dict[tuple[str, Severity, str, str], list[int]] = {}
    for number, finding in enumerate(findings):
        groups.setdefault((finding.rule, finding.severity, finding.why, finding.change), []).append(number)
    return list(groups.values())


def _block(findings: Sequence[Finding], proven: Proven | None, width: int) -> Iterator[Text]:
    first = findings[0]
    mark, style = _MARKS[first.severity]
    if len(findings) == 1:
        yield Text.assemble((f"{mark} ", style), (first.where, "bold"), f"  {first.rule}")
        yield from _hanging(first.what, INDENT, INDENT, width)
    else:
        yield Text.assemble((f"{mark} ", style), (f"{len(findings)} places", "bold"), f"  {first.rule}")
        for where, what in _places(findings):
            lines = list(_hanging(f"{where}  {what}", INDENT, 2 * INDENT, width))
            lines[0].stylize("bold", len(INDENT), len(INDENT) + len(where))
            yield from lines
    told = {"why": first.why, "change": first.change} | ({"proof": proven.sentence} if proven is not None else {})
    for word, text in told.items():
        yield from _hanging(text, f"{INDENT}{word:{WORDS}}", INDENT + " " * WORDS, width)


def _places(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    """Where and what; several files that say the same thing stand before it once."""
    wheres: dict[str, list[str]] = {}
    for finding in findings:
        wheres.setdefault(finding.what, []).append(finding.where)
    return [(", ".join(dict.fromkeys(places)), what) for what, places in wheres.items()]


def _hanging(text: str, first: str, others: str, width: int) -> Iterator[Text]:
    """Lines of at most `width` where words allow it, all but the first set in; no blanks at their ends."""
    lines = textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )
    for line in lines:
        yield Text(line)


def summary(findings: Sequence[Finding]) -> str:
    if not findings:
        return "Nothing found."
    counts = [(sum(finding.severity is severity for finding in findings), severity.name.lower()) for severity in
              (Severity.ERROR, Severity.WARNING, Severity.NOTE)]  # fmt: skip
    said = ", ".join(f"{number} {name}{'s' * (number > 1)}" for number, name in counts if number)
    return f"{said}. Leave a rule out with --without NAME."


def as_json(name: str, findings: Sequence[Finding], proofs: Proofs | None = None) -> dict[str, Any]:
    """`proof` is null where nothing was shown; `not_shown` has what was tried in vain."""
    shown = proofs.shown if proofs is not None else {}
    return {
        "name": name,
        "findings": [
            {
                "rule": finding.rule, "severity": finding.severity.name.lower(), "where": finding.where,
                "path": finding.path, "what": finding.what, "why": finding.why, "change": finding.change,
                "proof": None if number not in shown else shown[number].as_dict(),
            }
            for number, finding in enumerate(findings)
        ],
        "not_shown": [
            {"rule": findings[number].rule, "where": findings[number].where, "path": findings[number].path}
            for number in (proofs.not_shown if proofs is not None else ())
        ],
        "counts": {
            severity.name.lower(): sum(finding.severity is severity for finding in findings) for severity in Severity
        },
    }  # fmt: skip
