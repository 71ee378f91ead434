"""Proof of a finding: a short simulation as it is, and one with the change made, under the same requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.doctor.finding import Finding, Proof
from experiments.doctor.subject import Subject
from experiments.errors import InputError

DURATION = "60s"
"""Long enough for hundreds of requests of a small system; a proof is a direction, not a measurement."""
LEAST_SHARE = 0.03
"""A figure that moves by less is not said to move."""


@dataclass(frozen=True, slots=True)
class Proven:
    """What two runs said of a finding: only where the figure moved."""

    proof: Proof
    before: float
    after: float

    @property
    def sentence(self) -> str:
        given = f"; {self.proof.situation}" if self.proof.situation else ""
        return (
            f"{DURATION.removesuffix('s')} s simulated{given}. {self.proof.says[0].upper()}{self.proof.says[1:]}: "
            f"{shown(self.before)} as it is, {shown(self.after)} with {', '.join(self.proof.settings)}."
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "figure": self.proof.figure, "says": self.proof.says, "settings": list(self.proof.settings),
            "situation": list(self.proof.before), "before": self.before, "after": self.after, "duration": DURATION,
            "sentence": self.sentence,
        }  # fmt: skip


def shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 or value == int(value) else f"{value:.3g}"


@dataclass(frozen=True, slots=True)
class Proofs:
    """What simulation showed, by the finding's number, and the findings of which it showed nothing."""

    shown: Mapping[int, Proven]
    not_shown: Sequence[int]


def prove(subject: Subject, findings: Sequence[Finding], progress: Callable[[str], None] | None = None) -> Proofs:
    """Run what can be shown; of findings that are told together, one.

    Not shown: what does not move the way that the finding says, and changes that do not fit the scenario.
    """
    wanted: dict[tuple[str, str, str], int] = {}
    for number, finding in enumerate(findings):
        if finding.proof is not None and subject.scenario is not None:
            wanted.setdefault((finding.rule, finding.why, finding.change), number)
    found: dict[int, Proven] = {}
    runs: dict[tuple[str, ...], dict[str, Any] | None] = {}
    for count, number in enumerate(wanted.values(), start=1):
        finding = findings[number]
        if progress is not None:
            progress(f"proof {count} of {len(wanted)}: {finding.rule} ({finding.where})")
        assert finding.proof is not None
        proven = _proven(subject, finding.proof, runs)
        if proven is not None:
            found[number] = proven
    return Proofs(found, [number for number in wanted.values() if number not in found])


def _proven(subject: Subject, proof: Proof, runs: dict[tuple[str, ...], dict[str, Any] | None]) -> Proven | None:
    figures = []
    for settings in (proof.before, (*proof.before, *proof.settings)):
        if settings not in runs:
            runs[settings] = _run(subject, settings)
        figures.append(_figure(runs[settings], proof.figure))
    before, after = figures
    if before is None or after is None or abs(after - before) <= LEAST_SHARE * max(abs(before), abs(after)):
        return None
    return Proven(proof, before, after) if (after > before) == (proof.goes == "up") else None


def _run(subject: Subject, settings: Sequence[str]) -> dict[str, Any] | None:
    from experiments.runner import run

    assert subject.scenario is not None
    try:
        scenario = subject.scenario.with_settings([f"duration={DURATION}", "warm_up=0s", *settings])
        document = run(scenario, seed=1, replications=1).document
    except InputError:
        return None
    requests = document["requests"]
    ended = requests["completed"] + requests["abandoned"]
    return {**document, "requests": {**requests, "unsuccessful": ended - requests["succeeded"]}}


def _figure(document: dict[str, Any] | None, pointer: str) -> float | None:
    value: Any = document
    *around, last = pointer.strip("/").split("/")
    for name in around:
        value = value.get(name) if isinstance(value, dict) else None
    if not isinstance(value, dict):
        return None
    found = value.get(last, 0 if around[-1:] in (["refused"], ["failed"]) else None)  # reasons that nobody met
    return float(found) if isinstance(found, int | float) else None
