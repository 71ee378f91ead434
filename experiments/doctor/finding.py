"""What a rule finds, and what a rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from experiments.doctor.subject import Subject


class Severity(IntEnum):
    """How bad it is. note: worth knowing; warning: hurts in some situations; error: does not do what it says."""

    NOTE = 0
    WARNING = 1
    ERROR = 2


UNSUCCESSFUL, SO_MANY = "/requests/unsuccessful", "requests without success"
"""A figure of many proofs: refused, failed or given up."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Two runs that show what a finding claims: the scenario as it is, and with settings changed."""

    settings: tuple[str, ...]
    """`PATH=VALUE` each: the change that mends it."""
    figure: str
    """JSON pointer into the result that should move."""
    says: str
    """The figure in words, with its unit: `good answers a second`."""
    goes: Literal["up", "down"]
    """Where the change must move it: another way, or hardly, shows nothing."""
    before: tuple[str, ...] = ()
    """Settings for both runs that bring the situation about, such as a fault or other users."""
    situation: str = ""
    """The same in words: `redis hangs for 40 s of it`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. Findings of one rule with the same `why` and `change` are told together."""

    rule: str
    severity: Severity
    where: str
    """`file:line`, or the path in the scenario where no file is known."""
    path: str
    """The path in the scenario; empty where files alone are concerned."""
    what: str
    """What stands there, in a sentence with its figures."""
    why: str
    """Why it matters here, with figures from this configuration."""
    change: str
    """What mends it, as one would write it."""
    proof: Proof | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """Something to look for."""

    name: str
    """Short and stable: users switch rules off by it."""
    title: str
    check: Callable[[Subject], Iterator[Finding]]
    needs_scenario: bool = True
    """False: it looks at files alone, and can do so where they describe no service."""
