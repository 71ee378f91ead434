"""Findings as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console, Group
from rich.padding import Padding
from rich.text import Text

from experiments.doctor.finding import Finding, Severity
from experiments.doctor.prove import Proven

_MARKS = {Severity.ERROR: ("✗", "bold red"), Severity.WARNING: ("!", "bold yellow"), Severity.NOTE: ("·", "bold")}


def print_findings(console: Console, name: str, findings: Sequence[Finding], proven: dict[int, Proven]) -> None:
    """The report: each finding with what stands there, why it matters, and what mends it."""
    console.print(Text(name, style="bold"))
    for number, finding in enumerate(findings):
        console.print()
        console.print(Group(*_lines(finding, proven.get(number))))
    console.print()
    console.print(summary(findings))


def _lines(finding: Finding, proven: Proven | None) -> Iterator[Any]:
    mark, style = _MARKS[finding.severity]
    yield Text.assemble((f"{mark} ", style), (finding.where, "bold"), f"  {finding.rule}", style="")
    yield Padding(Text(finding.what), (0, 0, 0, 2))
    yield Padding(Text(f"why     {finding.why}"), (0, 0, 0, 2))
    yield Padding(Text(f"change  {finding.change}"), (0, 0, 0, 2))
    if proven is not None:
        yield Padding(Text(f"proof   {proven.sentence}"), (0, 0, 0, 2))


def summary(findings: Sequence[Finding]) -> str:
    if not findings:
        return "Nothing found."
    counts = [(sum(finding.severity is severity for finding in findings), severity.name.lower()) for severity in
              (Severity.ERROR, Severity.WARNING, Severity.NOTE)]  # fmt: skip
    said = ", ".join(f"{number} {name}{'s' * (number > 1)}" for number, name in counts if number)
    return f"{said}. Leave a rule out with --without NAME."


def as_json(name: str, findings: Sequence[Finding], proven: dict[int, Proven]) -> dict[str, Any]:
    return {
        "name": name,
        "findings": [
            {
                "rule": finding.rule, "severity": finding.severity.name.lower(), "where": finding.where,
                "path": finding.path, "what": finding.what, "why": finding.why, "change": finding.change,
                "proof": None if number not in proven else proven[number].as_dict(),
            }
            for number, finding in enumerate(findings)
        ],
        "counts": {
            severity.name.lower(): sum(finding.severity is severity for finding in findings) for severity in Severity
        },
    }  # fmt: skip
