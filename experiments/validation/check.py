"""What it takes to say that a model behaves as the real component does: vectors, and checks that replay them.

Models   A `Component` is a real thing in a stated version. Each of its vectors (what was done, what came out) is
         replayed by a check, or left out with the reason. A check is a plain function that raises `Disagreement`
         when the model does otherwise; it is deterministic and needs nothing but this program.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Replay = Callable[[], None]


class Disagreement(AssertionError):
    """The model did not do as the real component does."""


@dataclass(frozen=True)
class Check:
    """One vector of a real component, replayed."""

    component: str
    version: str
    source: str
    section: str
    """Where the vector is written down, e.g. 1.2; empty for what follows from theory."""
    vector: str
    """What was done, as it is written there; unique in its section."""
    behaviour: str
    agreement: str
    """exact, or within how much."""
    replay: Replay

    @property
    def name(self) -> str:
        return f"{self.component}: {self.vector}"


@dataclass(frozen=True)
class LeftOut:
    """A vector, or a behaviour, that the model does not have."""

    component: str
    version: str
    source: str
    section: str
    vector: str
    reason: str


@dataclass
class Component:
    """A real component, and what has been compared with it."""

    name: str
    version: str
    """The release whose behaviour the vectors show."""
    source: str
    """Project and file, or the publication."""
    section: str = ""
    """Where its vectors are written down."""
    checks: list[Check] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def check(
        self, vector: str, behaviour: str, agreement: str = "exact", section: str | None = None
    ) -> Callable[[Replay], Replay]:
        """Decorate the function that replays `vector`."""

        def register(replay: Replay) -> Replay:
            at = self.section if section is None else section
            self.checks.append(Check(self.name, self.version, self.source, at, vector, behaviour, agreement, replay))
            return replay

        return register

    def leaves_out(self, vector: str, reason: str, section: str | None = None) -> None:
        """Say that nothing replays `vector`, and why."""
        at = self.section if section is None else section
        self.left_out.append(LeftOut(self.name, self.version, self.source, at, vector, reason))


def expect(actual: Any, expected: Any, what: str = "") -> None:
    """Exactly equal, or the model disagrees."""
    if actual != expected:
        raise Disagreement(f"{what + ': ' if what else ''}expected {expected!r}, got {actual!r}")


def expect_near(actual: float, expected: float, within: float, what: str = "") -> None:
    """Equal up to `within` (of the same unit), or the model disagrees."""
    if not abs(actual - expected) <= within:
        raise Disagreement(f"{what + ': ' if what else ''}expected {expected!r} within {within:g}, got {actual!r}")


def expect_failure(kind: type[BaseException], call: Callable[[], Any], what: str = "") -> None:
    """`call()` raises `kind`, or the model disagrees."""
    try:
        call()
    except kind:
        return
    raise Disagreement(f"{what + ': ' if what else ''}expected {kind.__name__}, but nothing was raised")
