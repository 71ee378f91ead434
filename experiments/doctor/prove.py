"""Proof of a finding: a short simulation as it is, and one with the change made, under the same requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
        way = "falls" if self.after < self.before else "rises"
        given = f" with {', '.join(self.proof.before)}" if self.proof.before else ""
        return (
            f"In {DURATION} of simulation{given}, {self.proof.says} {way} from {self.before:,.4g} to "
            f"{self.after:,.4g} when {', '.join(self.proof.settings)}, under the same requests."
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "figure": self.proof.figure, "says": self.proof.says, "settings": list(self.proof.settings),
            "situation": list(self.proof.before), "before": self.before, "after": self.after, "duration": DURATION,
        }  # fmt: skip


def prove(
    subject: Subject, findings: Sequence[Finding], progress: Callable[[str], None] | None = None
) -> dict[int, Proven]:
    """Run what can be shown, by the finding's number; of those that are told together, the first that shows it.

    Left out: what does not move, and changes that do not fit the scenario.
    """
    found: dict[int, Proven] = {}
    told: set[tuple[str, str, str]] = set()
    runs: dict[tuple[str, ...], dict[str, Any] | None] = {}
    for number, finding in enumerate(findings):
        group = (finding.rule, finding.why, finding.change)
        if finding.proof is None or subject.scenario is None or group in told:
            continue
        if progress is not None:
            progress(f"proving {finding.rule} ({finding.where})")
        told.add(group)
        proven = _proven(subject, finding.proof, runs)
        if proven is not None:
            found[number] = proven
    return found


def _proven(subject: Subject, proof: Proof, runs: dict[tuple[str, ...], dict[str, Any] | None]) -> Proven | None:
    figures = []
    for settings in (proof.before, (*proof.before, *proof.settings)):
        if settings not in runs:
            runs[settings] = _run(subject, settings)
        figures.append(_figure(runs[settings], proof.figure))
    before, after = figures
    if before is None or after is None or abs(after - before) <= LEAST_SHARE * max(abs(before), abs(after)):
        return None
    return Proven(proof, before, after)


def _run(subject: Subject, settings: Sequence[str]) -> dict[str, Any] | None:
    from experiments.runner import run

    assert subject.scenario is not None
    try:
        scenario = subject.scenario.with_settings([f"duration={DURATION}", "warm_up=0s", *settings])
        return run(scenario, seed=1, replications=1).document
    except InputError:
        return None


def _figure(document: dict[str, Any] | None, pointer: str) -> float | None:
    value: Any = document
    for name in pointer.strip("/").split("/"):
        value = value.get(name) if isinstance(value, dict) else None
    return float(value) if isinstance(value, int | float) else None
