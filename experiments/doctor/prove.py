"""Proof of a finding: a short simulation as it is, and one with the change made, under the same requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from experiments.doctor.finding import Finding
from experiments.doctor.subject import Subject
from experiments.errors import InputError

DURATION = "60s"
"""Long enough for hundreds of requests of a small system; a proof is a direction, not a measurement."""


@dataclass(frozen=True, slots=True)
class Proven:
    """What two runs said."""

    figure: str
    before: float | None
    after: float | None
    settings: tuple[str, ...]

    @property
    def sentence(self) -> str:
        if self.before is None or self.after is None:
            return f"{self.figure} could not be told in {DURATION} of simulation"
        return (
            f"{self.figure} {self.before:,.4g} as it is, {self.after:,.4g} with {', '.join(self.settings)} "
            f"({DURATION} of simulation, the same requests)"
        )

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "settings": list(self.settings)}


def prove(subject: Subject, findings: Sequence[Finding]) -> dict[int, Proven]:
    """Run what can be shown, by the finding's number. Those whose change does not fit the scenario are left out."""
    found = {}
    for number, finding in enumerate(findings):
        if finding.proof is None or subject.scenario is None:
            continue
        try:
            before = _figure(subject, finding.proof.before, finding.proof.figure)
            after = _figure(subject, (*finding.proof.before, *finding.proof.settings), finding.proof.figure)
        except InputError:
            continue
        found[number] = Proven(finding.proof.figure, before, after, finding.proof.settings)
    return found


def _figure(subject: Subject, settings: Sequence[str], pointer: str) -> float | None:
    from experiments.runner import run

    assert subject.scenario is not None
    scenario = subject.scenario.with_settings([f"duration={DURATION}", "warm_up=0s", *settings])
    value: Any = run(scenario, seed=1, replications=1).document
    for name in pointer.strip("/").split("/"):
        value = value.get(name) if isinstance(value, dict) else None
    return float(value) if isinstance(value, int | float) else None
